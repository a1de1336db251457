//! Two callers who change the same thing at once, each of whom saw it as it was before.

use crate::{
    switching::{import, stored_variables, vanilla},
    world::{count, daemon_draft, link_to, on_both, run, see, until},
};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use raptor_core::{
    authz::{
        Actor,
        actions::{MoveTemplate, UpdateContainer, UpdateDaemon, UpdateStartup, UpdateTemplate},
    },
    containers::service::{NewContainer, StartupChange},
    daemons::{DaemonDraft, simulated::SimulatedHost},
    id::ContainerId,
    live::LinkState,
    node::{
        ConsoleExport, Download, HostMessage, LiveFrame, LiveParts, Node, NodeError, NodeEvent, Since,
        files::{Body, FileAnswer, FileContent, FileRead, FileWrite, Scoped},
        requests::{Handler, Request},
    },
    roles::Builtin,
};
use std::{collections::BTreeMap, sync::Arc};

/// How often both change the container at once.
const ROUNDS: i64 = 8;

#[tokio::test]
async fn a_save_of_settings_and_an_upgrade_of_the_template_at_once_lose_nothing_of_each_other() {
    on_both(|world| async move {
        world.daemon("one", "30000-30009").await;
        let template = import(&world, &vanilla()).await;
        let owner_id = Some(world.user("steve", Builtin::User).await.id);
        let new = NewContainer { owner_id, skip_install: true, ..NewContainer::new("Lobby", template) };
        let id = world.container(new).await.unwrap();
        let other = world.beside().await;
        let (here, there) = (world.raptor.authz(), other.raptor.authz());
        for round in 1..=ROUNDS {
            let mut file = vanilla();
            file["startup"] = format!("java -jar {{{{JAR}}}} {round}").into();
            let permit = here.permit::<UpdateTemplate>(&Actor::System, template).await.unwrap();
            world.raptor.templates().revise(permit, file.to_string().as_bytes(), None, None).await.unwrap();

            // All of them have seen the container as it is before the others change it.
            let startup = here.permit::<UpdateStartup>(&Actor::System, id).await.unwrap();
            let rename = here.permit::<UpdateContainer>(&Actor::System, id).await.unwrap();
            let upgrade = there.permit::<MoveTemplate>(&Actor::System, id).await.unwrap();
            let (name, jar) = (format!("Lobby {round}"), format!("{round}.jar"));
            let value = |env: &str, value: String| BTreeMap::from([(env.to_owned(), value)]);
            let slots = value("SLOTS", round.to_string());
            let change = StartupChange { image: None, startup: None, variables: slots };
            let containers = world.raptor.containers();
            let save = async {
                containers.set_startup(startup, change).await?;
                containers.update(rename, &name, None).await
            };
            let elsewhere = other.raptor.containers();
            let upgrade = elsewhere.move_template(upgrade, round + 1, value("JAR", jar.clone()));
            // Each of them begins first in every second round.
            let (saved, upgraded) = match round % 2 {
                0 => tokio::join!(save, upgrade),
                _ => {
                    let (upgraded, saved) = tokio::join!(upgrade, save);
                    (saved, upgraded)
                }
            };
            saved.unwrap();
            upgraded.unwrap();
            assert_eq!(count(&world, "SELECT template_revision FROM containers").await, round + 1);
            let stored = stored_variables(&world).await;
            assert_eq!((&stored["SLOTS"], &stored["JAR"]), (&round.to_string(), &jar), "round {round}");
            let seen = see(&other.raptor, &Actor::System, id).await.unwrap();
            assert_eq!(seen.summary.name, name);
        }
    })
    .await;
}

/// A host behind HTTPS that was reached over HTTP before.
struct Encrypted(SimulatedHost);

#[async_trait]
impl<R: Request> Handler<R> for Encrypted
where
    SimulatedHost: Handler<R>,
{
    async fn handle(&self, target: R::Target, request: R) -> Result<R::Answer, NodeError> {
        self.0.handle(target, request).await
    }
}

#[async_trait]
impl Node for Encrypted {
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        self.0.live(id, since, parts).await
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        self.0.events().await
    }

    async fn tell(&self, message: HostMessage) -> Result<(), NodeError> {
        self.0.tell(message).await
    }

    async fn export_console(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        self.0.export_console(id, export).await
    }

    async fn read_file(&self, id: ContainerId, request: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        self.0.read_file(id, request).await
    }

    async fn write_file(
        &self,
        id: ContainerId,
        request: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        self.0.write_file(id, request, body).await
    }

    fn upgraded(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_save_of_a_daemons_settings_does_not_undo_its_upgrade_to_https() {
    on_both(|world| async move {
        let daemon = world.daemon("one", "30000-30009").await;
        run(&world, "UPDATE daemons SET transport = 'upgrading'").await;
        // Somebody opens its settings while it is still reached over HTTP.
        let permit = world.raptor.authz().permit::<UpdateDaemon>(&Actor::System, daemon.id).await.unwrap();
        let upgraded = "SELECT COUNT(*) FROM daemons WHERE transport = 'pinned'";
        assert_eq!(count(&world, upgraded).await, 0);
        let host = SimulatedHost::default();
        let world = world
            .rebuilt(|builder| {
                builder
                    .connector(Arc::new(move |_, _| Ok(Arc::new(Encrypted(host.clone())) as Arc<dyn Node>)))
            })
            .await;
        until("it is reached over HTTPS", async || count(&world, upgraded).await == 1).await;

        let draft = DaemonDraft {
            host: daemon.host,
            port: daemon.port,
            memory_limit_mib: Some(1_024),
            sftp_offline_hours: None,
            ..daemon_draft("renamed")
        };
        world.raptor.daemons().update(permit, draft).await.unwrap();
        let saved = "SELECT COUNT(*) FROM daemons WHERE name = 'renamed' AND transport = 'pinned'";
        assert_eq!(count(&world, saved).await, 1);
        let online = async || link_to(&world.raptor, daemon.id).await.unwrap().state == LinkState::Online;
        until("it is reached as before", online).await;
    })
    .await;
}
