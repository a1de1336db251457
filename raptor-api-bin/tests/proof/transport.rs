//! The connection between the API and a daemon: HTTPS with a certificate derived from the shared key, also for daemons that
//! used HTTP before.

use crate::{
    programs::{Api, Daemon},
    text, until,
};
use serde_json::json;

/// Makes the daemon look to the API as if it was added before there was HTTPS.
fn forget_tls(api: &mut Api) {
    api.stop();
    let database = format!("sqlite://{}/raptor.db", api.data_dir());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&database).await.unwrap();
        sqlx::query("UPDATE daemons SET transport = 'upgrading'").execute(&pool).await.unwrap();
        pool.close().await;
    });
    api.start_again();
}

#[test]
fn a_daemon_that_spoke_http_is_reached_by_https_once_both_are_upgraded_and_never_by_http_again() {
    let mut api = Api::serve_embedded();
    api.sign_in();
    let mut daemon = Daemon::with(vec![("CONTAINER_FIREWALL", "off".to_owned())]);
    let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port });
    let created = api.post("/daemons", draft, 201);
    assert_eq!(created["daemon"]["transport"], "pinned");
    let (path, key) = (format!("/daemons/{}", text(&created["daemon"]["id"])), text(&created["api_key"]));
    forget_tls(&mut api);
    let is = |api: &Api, state: &str| {
        until(state, || (api.get(&path)["connection"]["state"] == state).then_some(()));
    };
    // Like an older daemon.
    daemon.set("DAEMON_TLS", "off");
    daemon.start(key);
    is(&api, "online");
    assert_eq!(api.get(&path)["transport"], "upgrading");
    daemon.stop();
    // Like its successor.
    daemon.set("DAEMON_TLS", "derived");
    daemon.start(key);
    until("it is kept", || (api.get(&path)["transport"] == "pinned").then_some(()));
    is(&api, "online");
    let activity = api.get("/activity");
    assert!(activity["items"].as_array().unwrap().iter().any(|item| item["action"] == "daemon.encrypted"));
    let http = reqwest::blocking::Client::new();
    let address = format!("http://127.0.0.1:{}/api/v1/system", daemon.port);
    let plain = || http.get(&address).bearer_auth(key).send().unwrap().status();
    assert_eq!(plain(), reqwest::StatusCode::BAD_REQUEST);
    // Neither side falls back to HTTP.
    daemon.stop();
    daemon.set("DAEMON_TLS", "off");
    daemon.start(key);
    let refused = |api: &Api| {
        let connection = api.get(&path)["connection"].clone();
        let message = connection["message"].as_str().unwrap_or_default();
        message.contains("raptor-daemon at") && message.contains("does not speak HTTPS")
    };
    until("HTTP is refused", || refused(&api).then_some(()));
    api.restart();
    until("after a restart, too", || refused(&api).then_some(()));
    // Unless somebody chooses that.
    let mut draft = json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port, "transport": "plain" });
    assert_eq!(api.put(&path, draft.clone())["transport"], "plain");
    is(&api, "online");
    draft["transport"] = json!("upgrading");
    assert_eq!(api.put(&path, draft)["transport"], "pinned", "nobody can ask for less in passing");
}
