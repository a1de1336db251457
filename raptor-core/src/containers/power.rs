//! Power actions, and the live stream of a container.

use super::{
    Container,
    possible::with_actions,
    redact_status,
    service::{ContainerService, template},
    spec,
    view::Visible,
};
use crate::{
    Error, Result,
    activity::deferred,
    authz::{
        Act, Actor, ContainerPermission, HeldRights, Permit, Revoked, SystemPermission,
        actions::{
            KillContainer, ReadConsole, RestartContainer, SeeContainer, StartContainer, StopContainer,
        },
    },
    id::DaemonId,
    live::SharedFrame,
    node::{ConsoleLine, LiveFrame, LiveParts, Node, PowerAction, Since},
    store,
};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use std::sync::Arc;

/// A container's console, state and measurements as they happen.
#[non_exhaustive]
pub struct LiveStream {
    /// The frames. Ends when the connection to the daemon is lost.
    pub frames: BoxStream<'static, SharedFrame>,
    /// Completes when the actor has lost the session or a permission that the stream was opened with: show nothing after that.
    pub revoked: BoxFuture<'static, Revoked>,
}

impl ContainerService<'_> {
    /// Starts the container.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason, [`Error::Conflict`] `image_not_allowed`, [`Error::Unavailable`] if the daemon can't
    /// be reached.
    pub async fn start(&self, permit: Permit<StartContainer>) -> Result<()> {
        self.power(permit, PowerAction::Start).await
    }

    /// Asks the container to stop, and kills it if it hasn't after its stop timeout.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn stop(&self, permit: Permit<StopContainer>) -> Result<()> {
        self.power(permit, PowerAction::Stop).await
    }

    /// Stops the container if it is running, then starts it.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn restart(&self, permit: Permit<RestartContainer>) -> Result<()> {
        self.power(permit, PowerAction::Restart).await
    }

    /// Kills the container's process at once.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn kill(&self, permit: Permit<KillContainer>) -> Result<()> {
        self.power(permit, PowerAction::Kill).await
    }

    async fn power<A: Act<On = Visible>>(&self, permit: Permit<A>, action: PowerAction) -> Result<()> {
        let (actor, target) = permit.consume();
        let container = target.container;
        self.check_maintenance(&actor, container.daemon_id).await?;
        let node = self.node(&container)?;
        if matches!(action, PowerAction::Start | PowerAction::Restart) {
            self.check_image(&container).await?;
            self.sync(container.id).await?;
        }
        let name = match action {
            PowerAction::Start => "container.power.start",
            PowerAction::Stop => "container.power.stop",
            PowerAction::Restart => "container.power.restart",
            PowerAction::Kill => "container.power.kill",
        };
        let raptor = self.0.clone();
        deferred::run_to_completion(self.0, async move {
            node.power(container.id, action, actor.name()).await?;
            raptor.containers().note(&actor, name, &container, serde_json::json!({})).await
        })
        .await
    }

    /// Refuses to start an image that is no longer allowed, before a restart stops anything. Automatic starts (after a crash,
    /// after an installation, or with the host) are refused by the host with the same sentence.
    async fn check_image(&self, container: &Container) -> Result<()> {
        let mut reader = self.0.inner.store.read().await?;
        let template = template(&mut reader.conn(), container).await?;
        let images = store::images::policy(&mut reader.conn()).await?;
        match spec::image_refused(container, &template, &images) {
            None => Ok(()),
            Some(why) => {
                Err(Error::conflict("image_not_allowed", why).with("image", container.image.as_str()))
            }
        }
    }

    /// During maintenance, refuses everybody who does not manage daemons.
    async fn check_maintenance(&self, actor: &Actor, id: DaemonId) -> Result<()> {
        if actor.grants().contains(SystemPermission::DaemonsUpdate) {
            return Ok(());
        }
        let daemon = store::daemons::find(&mut self.0.inner.store.read().await?.conn(), id).await?;
        match daemon.and_then(|daemon| daemon.maintenance) {
            None => Ok(()),
            Some(reason) => {
                let message = format!("The host is in maintenance: {reason}. Try again later.");
                Err(Error::conflict("maintenance", message).with("reason", reason))
            }
        }
    }

    /// At most `limit` console lines after `after`, or the newest ones.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn console(
        &self,
        permit: Permit<ReadConsole>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>> {
        let (_, target) = permit.consume();
        Ok(self.node(&target.container)?.console(target.container.id, after, limit).await?)
    }

    /// The container's live stream, without those parts that the actor may not see.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn live(&self, permit: Permit<SeeContainer>, since: Since) -> Result<LiveStream> {
        let (actor, visible) = permit.consume();
        let (id, permissions) = (visible.container.id, visible.permissions);
        let parts = LiveParts {
            console: permissions.contains(ContainerPermission::ConsoleRead),
            stats: permissions.contains(ContainerPermission::StatsRead),
        };
        let node = self.node(&visible.container)?;
        let viewer = self.0.inner.fleet.streams.view(node, id, since, parts).await?;
        let frames = stream::unfold(viewer, |mut viewer| async move { Some((viewer.next().await?, viewer)) });
        let redacted = move |frame: SharedFrame| match &*frame {
            LiveFrame::Status { status } => {
                let mut seen = status.clone();
                redact_status(permissions, &mut seen);
                if seen == *status { frame } else { SharedFrame::new(LiveFrame::Status { status: seen }) }
            }
            _ => frame,
        };
        // The permissions whose absence removes something from the stream.
        let shown = [
            ContainerPermission::ConsoleRead,
            ContainerPermission::StatsRead,
            ContainerPermission::NetworkRead,
        ];
        let held = HeldRights {
            raptor: self.0.clone(),
            actor: actor.clone(),
            container: id,
            needed: shown.into_iter().filter(|part| permissions.contains(*part)).collect(),
            denied_files: None,
            files: false,
        };
        let frames = with_actions(self.0.clone(), actor, id, frames.map(redacted).boxed());
        Ok(LiveStream { frames, revoked: held.lost().boxed() })
    }

    /// The container's host.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it can't be reached.
    pub(crate) fn node(&self, container: &Container) -> Result<Arc<dyn Node>> {
        self.0.inner.fleet.connected(container.daemon_id)
    }
}
