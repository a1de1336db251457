//! The messages for daemons that can be reached but don't work.

use crate::{
    traced::Log,
    world::{daemon_draft, link_to, on_both, until},
};
use raptor_core::{
    Raptor,
    authz::{
        Actor,
        actions::{CreateDaemon, UpdateDaemon},
    },
    clock::Clock,
    daemons::{DaemonDraft, Transport, remote::RemoteNode, simulated::SimulatedHost},
    id::{ContainerId, DaemonId},
    live::{Connection, LinkState},
    node::{Node, OLDEST_PROTOCOL, PROTOCOL},
    outbound::{Outbound, OutboundError, Resolver},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

async fn connection_to(node: Arc<dyn Node>, clock: Clock, wanted: LinkState) -> Connection {
    let raptor = Raptor::builder("app key")
        .clock(clock)
        .bcrypt_cost(4)
        .connector(Arc::new(move |_, _| Ok(node.clone())))
        .build()
        .await
        .unwrap();
    let permit = raptor.authz().allow::<CreateDaemon>(&Actor::System).unwrap();
    let draft = DaemonDraft { host: "host.example".into(), ..daemon_draft("host") };
    let id: DaemonId = raptor.daemons().create(permit, draft).await.unwrap().linked.daemon.id;
    let met = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Some(connection) =
                link_to(&raptor, id).await.filter(|connection| connection.state == wanted)
            {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let connection = met.await.unwrap();
    raptor.shutdown().await;
    connection
}

#[tokio::test]
async fn a_daemon_with_which_no_protocol_is_shared_is_refused_and_the_versions_are_said() {
    for (theirs, older) in [(OLDEST_PROTOCOL - 1, "raptor-daemon on that host"), (PROTOCOL + 1, "raptor-api")]
    {
        let host = Arc::new(SimulatedHost::builder().protocol(theirs).build());
        let connection = connection_to(host, Clock::System, LinkState::ProtocolMismatch).await;
        let message = connection.message.unwrap();
        assert!(message.contains(&format!("protocol {theirs}")), "{message}");
        assert!(message.contains(&format!("speaks {OLDEST_PROTOCOL} to {PROTOCOL}")), "{message}");
        assert!(message.contains(&format!("Upgrade {older}")), "{message}");
    }
}

#[tokio::test]
async fn a_daemon_one_protocol_back_is_used_and_said_to_be() {
    for (theirs, outdated) in [(PROTOCOL - 1, true), (PROTOCOL, false)] {
        let host = Arc::new(SimulatedHost::builder().protocol(theirs).build());
        let connection = connection_to(host, Clock::System, LinkState::Online).await;
        assert_eq!((connection.outdated, connection.message), (outdated, None), "protocol {theirs}");
    }
}

#[tokio::test]
async fn clocks_apart_are_said_with_the_direction_and_the_daemon_is_used() {
    let clock = Clock::manual(Clock::System.now() + chrono::TimeDelta::seconds(600));
    let host = Arc::new(SimulatedHost::default());
    let connection = connection_to(host, clock, LinkState::Online).await;
    let message = connection.message.unwrap();
    assert!(message.contains("behind"), "{message}");
    assert!(connection.clock_skew_seconds.unwrap() < -590);
}

#[tokio::test]
async fn every_host_is_told_where_all_of_them_are_and_hears_of_changes() {
    on_both(|world| async move {
        let first = world.daemon("one", "30000").await;
        let told = |name: &str| world.hosts.of(name).hosts();
        until("it is told of itself", || async { told("one") == ["192.0.2.1"] }).await;
        let permit = world.raptor.authz().permit::<UpdateDaemon>(&Actor::System, first.id).await.unwrap();
        let draft =
            DaemonDraft { host: "node1.example.com".into(), sftp_offline_hours: None, ..daemon_draft("one") };
        world.raptor.daemons().update(permit, draft).await.unwrap();
        world.daemon("two", "30000").await;
        for name in ["one", "two"] {
            until("both know both", || async { told(name) == ["192.0.2.1", "node1.example.com"] }).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_people_type_is_fetched_from_the_panels_own_address_no_more_than_from_a_daemons() {
    on_both(|world| async move {
        world.daemon("one", "30000").await;
        world.raptor.shutdown().await;
        let (url, clock, hosts) = (world.url.clone(), world.clock.clone(), world.hosts.clone());
        drop(world.raptor);
        let connect = hosts.clone();
        let outbound = Outbound::default().resolver(Arc::new(Everywhere));
        let raptor = Raptor::builder("app key")
            .database_url(&url)
            .bcrypt_cost(4)
            .clock(clock)
            .connector(Arc::new(move |daemon, _| connect.connect(daemon)))
            .outbound(outbound.clone())
            .panel_host("panel.example.com")
            .build()
            .await
            .unwrap();
        for address in ["https://panel.example.com/x", "https://alias.example.com/", "http://93.184.216.34/"]
        {
            let refused = outbound.get(address).await.unwrap_err();
            assert!(matches!(refused, OutboundError::Private), "{address}: {refused}");
        }
        until("hosts are told of it, too", || async {
            hosts.of("one").hosts() == ["192.0.2.1", "panel.example.com"]
        })
        .await;
        raptor.shutdown().await;
    })
    .await;
}

/// Resolves all names to one public address.
struct Everywhere;

#[async_trait::async_trait]
impl Resolver for Everywhere {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::new(93, 184, 216, 34).into()])
    }
}

/// Answers every request with this JSON, as a daemon does.
async fn answering(listener: TcpListener, body: String) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4_096]).await;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        let _ = socket.shutdown().await;
    }
}

#[tokio::test]
async fn what_only_a_newer_daemon_knows_is_left_out_and_logged_once() {
    let (log, _guard) = Log::keep(tracing::Level::WARN);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let id = ContainerId::generate();
    let status = |phase: &str, hold: serde_json::Value| {
        serde_json::json!({ "id": id, "revision": 1, "phase": phase, "since": "2026-11-30T07:26:13Z", "started_at": null,
            "last_exit": null, "problem": null, "progress": null, "hold": hold, "installed": 0, "crashes": null, "pending": null })
    };
    let items = serde_json::json!([
        status("running", "audited".into()),
        status("hibernating", serde_json::Value::Null),
        { "token": "hunter22" },
    ]);
    let daemon = tokio::spawn(answering(listener, serde_json::json!({ "items": items }).to_string()));
    let node = RemoteNode::new("127.0.0.1", port, Transport::Plain, "key".into()).unwrap();
    for _ in 0..3 {
        let containers = node.containers().await.unwrap();
        assert_eq!(containers.len(), 1, "the one that is understood but for its hold");
    }
    daemon.abort();
    let text = log.text();
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("does not understand") && line.contains(&port.to_string()))
        .filter_map(|line| line.split_once("left_out=").map(|(_, left_out)| left_out))
        .collect();
    lines.sort_unstable();
    let hibernating = format!("ContainerStatus {id}: unknown variant `hibernating`");
    assert_eq!(
        lines,
        [&hibernating, "ContainerStatus: missing field `id`", "Hold: unknown variant `audited`"],
        "{text}"
    );
    assert!(!text.contains("hunter22"), "{text}");
}
