//! The connection between the API and a daemon: HTTPS with a certificate derived from the shared key, also for daemons that
//! used HTTP before.

use crate::{
    programs::{Api, Daemon},
    support::bodies,
    until,
};
use raptor_client::api::{
    query::ListActivity,
    types::{DaemonDraft, Transport},
};

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
    let created = api.add_daemon(daemon.port);
    assert_eq!(created.daemon.transport, Transport::Pinned);
    let (id, key) = (&created.daemon.id, created.api_key.as_str());
    forget_tls(&mut api);
    let transport = |api: &Api| api.done(api.get_daemon(id)).transport;
    // Like an older daemon.
    daemon.set("DAEMON_TLS", "off");
    daemon.start(key);
    api.online(id);
    assert_eq!(transport(&api), Transport::Upgrading);
    daemon.stop();
    // Like its successor.
    daemon.set("DAEMON_TLS", "derived");
    daemon.start(key);
    until("it is kept", || (transport(&api) == Transport::Pinned).then_some(()));
    api.online(id);
    let activity = api.done(api.list_activity(ListActivity::default()));
    assert!(activity.items.iter().any(|item| item.action == "daemon.encrypted"));
    let http = reqwest::blocking::Client::new();
    let address = format!("http://127.0.0.1:{}/api/v1/system", daemon.port);
    let plain = || http.get(&address).bearer_auth(key).send().unwrap().status();
    assert_eq!(plain(), reqwest::StatusCode::BAD_REQUEST);
    // Neither side falls back to HTTP.
    daemon.stop();
    daemon.set("DAEMON_TLS", "off");
    daemon.start(key);
    let refused = |api: &Api| {
        let connection = api.done(api.get_daemon(id)).connection;
        let message = connection.message.unwrap_or_default();
        message.contains("raptor-daemon at") && message.contains("does not speak HTTPS")
    };
    until("HTTP is refused", || refused(&api).then_some(()));
    api.restart();
    until("after a restart, too", || refused(&api).then_some(()));
    // Until somebody wants it so.
    let set = |transport| {
        let draft = DaemonDraft { transport: Some(transport), ..bodies::a_daemon_here("Host", daemon.port) };
        api.done(api.update_daemon(id, &draft)).transport
    };
    assert_eq!(set(Transport::Plain), Transport::Plain);
    api.online(id);
    assert_eq!(set(Transport::Upgrading), Transport::Pinned, "nobody can ask for less in passing");
}
