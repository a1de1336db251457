//! What is answered while the database is away, and who answers at a daemon's address.

use crate::{
    support::{Answered, bodies},
    world::{World, postgres},
};
use raptor_client::api::{
    Error,
    query::{ListActivity, ListUsers},
    types::LinkState,
};
use raptor_core::roles::Builtin;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A line to a server, which can be cut or fall silent.
pub struct Line {
    port: u16,
    pub state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum State {
    Open,
    Silent,
    Cut,
}

impl Line {
    async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = watch::Sender::new(State::Open);
        let line = Self { port, state: state.clone() };
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut state, upstream) = (state.subscribe(), upstream.clone());
                tokio::spawn(async move {
                    if *state.borrow_and_update() == State::Open {
                        let mut far = TcpStream::connect(upstream).await.unwrap();
                        tokio::select! {
                            _ = copy_bidirectional(&mut near, &mut far) => {}
                            _ = state.wait_for(|state| *state != State::Open) => {}
                        }
                    }
                    // Silent: the connection stays, and nothing goes through it.
                    let _ = state.wait_for(|state| *state != State::Silent).await;
                });
            }
        });
        line
    }
}

/// The URL of a new database by a line that can be cut; none where there is no PostgreSQL, which is said.
pub async fn by_a_line() -> Option<(Line, String)> {
    let mut url: url::Url = postgres().await?.parse().unwrap();
    let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let line = Line::to(upstream).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(line.port)).unwrap();
    Some((line, url.into()))
}

/// Asks again and again until `met`, for 20 seconds at most.
async fn until(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !met().await {
        assert!(Instant::now() < deadline, "20 seconds have passed and not: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_every_request_is_told_so_and_when_to_try_again() {
    let Some((line, url)) = by_a_line().await else { return };
    let world = World::with(|builder| builder.database_url(url)).await;
    let admin = world.person(Builtin::Admin).await;
    for state in [State::Silent, State::Cut] {
        line.state.send_replace(state);
        // The first ones find it out, and wait for that.
        let asked = (0..8).map(|number| {
            let admin = &admin;
            async move {
                match number % 4 {
                    0 => admin.list_users(ListUsers::default()).await.map(drop).unwrap_err(),
                    1 => admin.list_roles().await.map(drop).unwrap_err(),
                    2 => admin.list_activity(ListActivity::default()).await.map(drop).unwrap_err(),
                    _ => admin.create_role(&bodies::a_role("New", &[])).await.map(drop).unwrap_err(),
                }
            }
        });
        // Half of what a single wait for a connection took.
        let answers =
            tokio::time::timeout(Duration::from_secs(5), futures_util::future::join_all(asked)).await;
        for answer in answers.unwrap() {
            let Error::ErrorResponse(problem) = answer else { panic!("{answer:?}") };
            assert_eq!(problem.status(), 503);
            assert_eq!(problem.headers()["retry-after"], "2");
            assert_eq!(problem.code.to_string(), "database_unavailable");
            assert_eq!(problem.retry_after_seconds, Some(2));
        }
        line.state.send_replace(State::Open);
        until("the database is back", async || admin.list_users(ListUsers::default()).await.is_ok()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_is_away_is_alive_but_not_ready_until_it_is_back() {
    let Some((line, url)) = by_a_line().await else { return };
    let world = World::with(|builder| builder.database_url(url)).await;
    let ask = async |path: &str| {
        let answer = world.http.get(format!("{}{path}", world.base)).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!((ask("/healthz").await, ask("/readyz").await), (200, 200));
    for state in [State::Silent, State::Cut] {
        line.state.send_replace(state);
        assert_eq!(ask("/readyz").await, 503);
        assert_eq!(ask("/healthz").await, 200, "to start it again would mend nothing");
        line.state.send_replace(State::Open);
        until("it is ready again", async || ask("/readyz").await == 200).await;
    }
}

#[tokio::test]
async fn a_server_whose_tables_are_those_of_another_version_is_not_ready() {
    let Some((_line, url)) = by_a_line().await else { return };
    let pool = sqlx::PgPool::connect_lazy(&url).unwrap();
    let world = World::with(|builder| builder.database_url(url)).await;
    let set = async |statement: &'static str| sqlx::query(statement).execute(&pool).await.unwrap();
    let ask = async || world.http.get(format!("{}/readyz", world.base)).send().await.unwrap();
    set("UPDATE _sqlx_migrations SET version = version + 1000 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
    let answer = ask().await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "database_outdated");
    set("UPDATE _sqlx_migrations SET version = version - 1000 WHERE version > 1000").await;
    assert_eq!(ask().await.status(), 200);
}

#[tokio::test]
async fn an_api_behind_the_port_of_a_daemon_is_said_to_be_one() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let port: u16 = world.base.rsplit_once(':').unwrap().1.parse().unwrap();
    let made = admin.create_daemon(&bodies::a_daemon_here("Wrong", port)).await.done();
    let connection = async || admin.get_daemon(&made.daemon.id).await.done().connection;
    until("it was tried", async || connection().await.state == LinkState::Unreachable).await;
    let message = connection().await.message.unwrap();
    assert!(message.contains(&format!("A raptor-api answers at 127.0.0.1:{port}")), "{message}");
    assert!(message.contains("8080") && message.contains("DAEMON_ADDR"), "{message}");
}
