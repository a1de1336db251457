//! What is said of a daemon that can be reached and is still not right.

use futures_util::{StreamExt, stream::BoxStream};
use raptor_core::{
    Raptor,
    authz::{Actor, actions::CreateDaemon},
    clock::Clock,
    daemons::{DaemonDraft, simulated::SimulatedHost},
    id::{ContainerId, DaemonId},
    live::{Connection, LinkState},
    node::{
        ConsoleLine, ContainerSpec, ContainerStatus, LiveFrame, LiveParts, Node, NodeError, NodeEvent,
        PROTOCOL, PowerAction, Since, SystemInfo,
    },
};
use std::{sync::Arc, time::Duration};

/// A host whose snapshot says another protocol.
struct Older(SimulatedHost);

#[async_trait::async_trait]
impl Node for Older {
    async fn system(&self) -> Result<SystemInfo, NodeError> {
        self.0.system().await
    }
    async fn containers(&self) -> Result<Vec<ContainerStatus>, NodeError> {
        self.0.containers().await
    }
    async fn declare(&self, spec: ContainerSpec) -> Result<ContainerStatus, NodeError> {
        self.0.declare(spec).await
    }
    async fn remove(&self, id: ContainerId) -> Result<(), NodeError> {
        self.0.remove(id).await
    }
    async fn power(&self, id: ContainerId, action: PowerAction) -> Result<(), NodeError> {
        self.0.power(id, action).await
    }
    async fn command(&self, id: ContainerId, line: &str, by: &str) -> Result<(), NodeError> {
        self.0.command(id, line, by).await
    }
    async fn console(
        &self,
        id: ContainerId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>, NodeError> {
        self.0.console(id, after, limit).await
    }
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        self.0.live(id, since, parts).await
    }
    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        let events = self.0.events().await?;
        let older = |mut event| {
            if let NodeEvent::Snapshot { system, .. } = &mut event {
                system.protocol = PROTOCOL - 1;
            }
            event
        };
        Ok(events.map(older).boxed())
    }
    async fn tell(&self, _: raptor_core::node::Word) -> Result<(), NodeError> {
        Ok(())
    }
}

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
        tls: false,
        memory_limit_mib: None,
        disk_limit_mib: None,
        sftp_read_only: false,
        sftp_offline_hours: 24,
    };
    let id: DaemonId = raptor.daemons().create(permit, draft).await.unwrap().0.id;
    let met = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Some(connection) = raptor.connection(id).filter(|connection| connection.state == wanted) {
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
async fn a_daemon_of_another_protocol_is_refused_and_the_versions_are_said() {
    let older = Arc::new(Older(SimulatedHost::default()));
    let connection = connection_to(older, Clock::System, LinkState::ProtocolMismatch).await;
    let message = connection.message.unwrap();
    assert!(message.contains(&format!("protocol {}", PROTOCOL - 1)), "{message}");
    assert!(message.contains(&format!("speaks {PROTOCOL}")), "{message}");
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
