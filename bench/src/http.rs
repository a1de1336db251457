//! Responses per second, compared with bare Axum and sqlx on the same database.

use crate::{
    Setting,
    bare::Bare,
    programs::{Api, PASSWORD, fresh_postgres, online, text},
    report::{Report, Row, Target},
    seed,
    wrk::pair,
};
use raptor_core::daemons::simulated::SimulatedHost;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

const OWN_CONTAINERS: u32 = 1_000;
const ALL_CONTAINERS: u32 = 100_000;
const CREATORS: usize = 16;

/// Runs the suite on both databases.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let api = Api::start(setting, Some(&fresh_postgres(setting).await?), 4).await?;
    settings(setting, report, &api)?;
    accounts(setting, report, &api).await?;
    let large = Api::start(setting, Some(&fresh_postgres(setting).await?), 4).await?;
    containers(setting, report, "PostgreSQL", &api, &large).await?;
    drop((api, large));
    let (api, large) = (Api::start(setting, None, 4).await?, Api::start(setting, None, 4).await?);
    containers(setting, report, "SQLite", &api, &large).await
}

fn settings(setting: &Setting, report: &mut Report, api: &Api) -> anyhow::Result<()> {
    let bare = Bare::start(None)?;
    let url = format!("{}/api/v1/settings", api.base);
    let (ours, reference) = pair(setting, (&url, &[]), (&bare.url("/json"), &[]))?;
    report.add(Row {
        what: "public settings".into(),
        unit: "requests/s",
        ours,
        reference: Some((reference, "Axum, JSON")),
        target: Target::AtLeast(0.8),
    });
    Ok(())
}

async fn accounts(setting: &Setting, report: &mut Report, api: &Api) -> anyhow::Result<()> {
    let bare = Bare::start(Some(api.database()))?;
    let url = format!("{}/api/v1/account", api.base);
    let mut tokens = vec![api.token.clone()];
    for sessions in [1, 100, 10_000] {
        sign_in(api, sessions, &mut tokens).await?;
        let (ours, reference) = pair(setting, (&url, &tokens), (&bare.url("/row"), &[]))?;
        report.add(Row {
            what: format!("signed-in account, {sessions} sessions"),
            unit: "requests/s",
            ours,
            reference: Some((reference, "Axum + sqlx, one row")),
            target: Target::AtLeast(1.5),
        });
    }
    Ok(())
}

/// Signs in until there are this many sessions.
async fn sign_in(api: &Api, sessions: usize, tokens: &mut Vec<String>) -> anyhow::Result<()> {
    while tokens.len() < sessions {
        let missing = (sessions - tokens.len()).min(CREATORS);
        let signing = (0..missing).map(|_| api.sign_in("admin"));
        tokens.extend(futures_util::future::try_join_all(signing).await?);
    }
    Ok(())
}

/// The same list in a system of 1,000 containers and in one of 100,000, in alternating rounds, so that other activity affects
/// both.
async fn containers(
    setting: &Setting,
    report: &mut Report,
    engine: &str,
    api: &Api,
    large: &Api,
) -> anyhow::Result<()> {
    let _hosts = (populate(api).await?, populate(large).await?);
    seed::analyse(api.database()).await?;
    seed::containers(large.database(), ALL_CONTAINERS).await?;
    let bare = Bare::start(Some(api.database()))?;
    let list = |api: &Api| format!("{}/api/v1/containers?limit=50", api.base);
    let (token, its_token) = ([api.sign_in("owner").await?], [large.sign_in("owner").await?]);
    let mut add = |what: &str, ours: f64, reference: (f64, &'static str), target| {
        let what = format!("50 of {OWN_CONTAINERS} containers on {engine}{what}");
        report.add(Row { what, unit: "requests/s", ours, reference: Some(reference), target });
    };
    const ROWS: &str = "Axum + sqlx, 50 rows";
    const FEW: &str = "with 1,000";
    let (few, rows) = pair(setting, (&list(api), &token), (&bare.url("/rows"), &[]))?;
    add("", few, (rows, ROWS), Target::AtLeast(0.6));
    let (many, few) = pair(setting, (&list(large), &its_token), (&list(api), &token))?;
    add(", with 100,000 in the system", many, (few, FEW), Target::AtLeast(0.95));
    let changing = (Changing::start(api).await?, Changing::start(large).await?);
    let (restless, rows) = pair(setting, (&list(api), &token), (&bare.url("/rows"), &[]))?;
    add(", one of them changing 50 times a second", restless, (rows, ROWS), Target::Known);
    let (many, few) = pair(setting, (&list(large), &its_token), (&list(api), &token))?;
    add(", with 100,000 in the system and one changing", many, (few, FEW), Target::AtLeast(0.95));
    changing.0.end().await;
    changing.1.end().await;
    Ok(())
}

/// Creates a user with running containers on a simulated host that reports their state every second.
async fn populate(api: &Api) -> anyhow::Result<JoinSet<()>> {
    let host = SimulatedHost::builder().stats_every(Duration::from_secs(1)).build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": port, "transport": "plain" });
    let created = api.post("/daemons", draft).await?;
    let daemon = text(&created["daemon"]["id"]);
    let router = raptor_daemon::router(Arc::new(host), text(&created["api_key"]));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    online(api, &daemon).await?;
    let ports = format!("20000-{}", 20_000 + OWN_CONTAINERS - 1);
    api.post(&format!("/daemons/{daemon}/allocations"), json!({ "ip": "192.0.2.1", "ports": ports })).await?;
    let roles = api.get("/roles").await?;
    let roles = roles["items"].as_array().cloned().unwrap_or_default();
    let role = roles.iter().find(|role| role["name"] == "user").map(|role| text(&role["id"]));
    let owner =
        json!({ "username": "owner", "email": "owner@example.com", "password": PASSWORD, "role_id": role });
    let owner = text(&api.post("/users", owner).await?["id"]);
    let egg = include_bytes!("../../raptor-core/tests/fixtures/eggs/openttd.json");
    let template = text(&api.upload("/templates/import", egg.to_vec()).await?["template"]["id"]);
    let numbers: Vec<u32> = (1..=OWN_CONTAINERS).collect();
    for numbers in numbers.chunks(CREATORS) {
        let creating = numbers.iter().map(|number| {
            let new = json!({
                "name": format!("Container {number}"), "template_id": template, "daemon_id": daemon, "owner_id": owner,
                "limits": { "memory_mib": 16, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 16, "pids": 16, "io_weight": 500 },
                "start": true,
            });
            api.post("/containers", new)
        });
        futures_util::future::try_join_all(creating).await?;
    }
    crate::programs::until("all containers run", || async {
        let running = api.get("/containers?phase=running&limit=1&with_total=true").await?;
        Ok((running["total"] == OWN_CONTAINERS).then_some(()))
    })
    .await?;
    // Let the measurements arrive.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(serving)
}

/// A client that renames a container 50 times a second.
struct Changing {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Changing {
    async fn start(api: &Api) -> anyhow::Result<Self> {
        let found = api.get("/containers?search=Container%20500&sort=name&phase=running&limit=1").await?;
        anyhow::ensure!(found["items"][0]["name"] == "Container 500", "Container 500 is not there");
        let url = format!("{}/api/v1/containers/{}", api.base, text(&found["items"][0]["id"]));
        let (token, http) = (api.token.clone(), crate::programs::raptor_client_http()?);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !stopped.load(Ordering::Relaxed) {
                ticks.tick().await;
                let body = json!({ "name": "Container 500", "description": null });
                let _ = http.put(&url).bearer_auth(&token).json(&body).send().await;
            }
        });
        Ok(Self { stop, task })
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.task.await;
    }
}
