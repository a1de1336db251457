//! A container's history: console, commands and statistics.

use super::{Command, Container, service::ContainerService};
use crate::{
    Error, Result,
    activity::deferred::{self, CompletedAction},
    authz::{
        Actor, ContainerPermission, ContainerSet, HeldRights, Permit,
        actions::{ReadCommands, ReadConsole, ReadOwnCommands, ReadStats, SendCommand},
    },
    console::SearchPattern,
    files::while_held,
    id::{CommandId, ContainerId, UserId},
    node::{
        ConsoleExport, ConsoleFound, ConsoleSearch, Download, MAX_HITS, StatsHistory, StatsRange,
        requests::ContainerStatsQuery,
    },
    nul,
    paging::{Page, PageRequest},
    store,
};

impl ContainerService<'_> {
    /// Sends a line to the container's standard input.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `command`, [`Error::Refused`] when it is offline.
    pub async fn command(&self, permit: Permit<SendCommand>, line: &str) -> Result<()> {
        nul::check("command", line)?;
        let (actor, target) = permit.consume();
        let container = target.container;
        let node = self.node(&container)?;
        let (raptor, line) = (self.0.clone(), line.to_owned());
        deferred::run_to_completion(self.0, async move {
            node.command(container.id, &line, actor.name()).await?;
            raptor.containers().sent_now(&actor, &container, line).await
        })
        .await
    }

    /// Records a command that was sent.
    async fn sent_now(&self, actor: &Actor, container: &Container, line: String) -> Result<()> {
        let detail = serde_json::json!({ "command": line });
        let command = Command {
            id: CommandId::generate(),
            container_id: container.id,
            user_id: actor.user_id(),
            sent_by: actor.name().to_owned(),
            command: line,
            at: self.0.inner.clock.now(),
        };
        let activity = self.new_activity(actor, "container.command", container, detail);
        deferred::record(self.0, CompletedAction { activity, command: Some(command) }).await
    }

    /// The commands sent to the container, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn commands(&self, permit: Permit<ReadCommands>, page: &PageRequest) -> Result<Page<Command>> {
        let (_, target) = permit.consume();
        self.sent(target.container.id, None, page).await
    }

    /// The commands that the actor sent to the container, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn own_commands(
        &self,
        permit: Permit<ReadOwnCommands>,
        page: &PageRequest,
    ) -> Result<Page<Command>> {
        let (actor, target) = permit.consume();
        match actor.user_id() {
            Some(user) => self.sent(target.container.id, Some(user), page).await,
            None => Ok(Page { items: Vec::new(), next: None, total: None }),
        }
    }

    async fn sent(&self, id: ContainerId, by: Option<UserId>, page: &PageRequest) -> Result<Page<Command>> {
        store::commands::list(&mut self.0.inner.store.read().await?.conn(), id, by, page).await
    }

    /// Searches the console, also while the container is offline.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `text` or `limit`, [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn search_console(
        &self,
        permit: Permit<ReadConsole>,
        search: ConsoleSearch,
    ) -> Result<ConsoleFound> {
        let (_, target) = permit.consume();
        if !(1..=MAX_HITS).contains(&search.limit) {
            return Err(Error::invalid("limit", format!("Use 1 to {MAX_HITS}."))
                .because("range")
                .with("min", 1)
                .with("max", MAX_HITS));
        }
        SearchPattern::new(&search).map_err(|why| Error::invalid("text", why))?;
        Ok(self.node(&target.container)?.handle(target.container.id, search).await?)
    }

    /// The console as text. The stream fails as soon as the actor may no longer read it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn export_console(
        &self,
        permit: Permit<ReadConsole>,
        export: ConsoleExport,
    ) -> Result<Download> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let download = self.node(&target.container)?.export_console(id, export).await?;
        let held = HeldRights {
            raptor: self.0.clone(),
            actor,
            container: id,
            needed: ContainerSet::NONE.with(ContainerPermission::ConsoleRead),
            denied_files: None,
            files: false,
        };
        Ok(while_held(held, download))
    }

    /// Resource usage over time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn stats_history(&self, permit: Permit<ReadStats>, range: StatsRange) -> Result<StatsHistory> {
        let (_, target) = permit.consume();
        Ok(self.node(&target.container)?.handle(target.container.id, ContainerStatsQuery { range }).await?)
    }
}
