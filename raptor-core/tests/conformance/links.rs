//! The messages for daemons that can be reached but don't work.

use crate::world::{link_to, on_both, until};
use raptor_core::{
    Raptor,
    authz::{
        Actor,
        actions::{CreateDaemon, UpdateDaemon},
    },
    clock::Clock,
    daemons::{DaemonDraft, simulated::SimulatedHost},
    id::DaemonId,
    live::{Connection, LinkState},
    node::{Node, OLDEST_PROTOCOL, PROTOCOL},
    outbound::{Outbound, OutboundError, Resolver},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
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
    let draft = DaemonDraft {
        name: "host".into(),
        host: "host.example".into(),
        port: 8080,
        transport: None,
        memory_limit_mib: None,
        disk_limit_mib: None,
        sftp_read_only: false,
        sftp_offline_hours: Some(24),
        self_service_ports: None,
    };
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
        let draft = DaemonDraft {
            name: "one".into(),
            host: "node1.example.com".into(),
            port: 8080,
            transport: None,
            memory_limit_mib: None,
            disk_limit_mib: None,
            sftp_read_only: false,
            sftp_offline_hours: None,
            self_service_ports: None,
        };
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
