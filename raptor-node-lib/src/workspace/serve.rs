//! The implementation of the file operations of [`raptor_model::node::Node`].

use super::{
    Workspace,
    operations::{RequestKind, RequestSlot},
};
use crate::{host::Host, lifecycle::SupervisorRequest};
use async_trait::async_trait;
use raptor_model::{
    id::ContainerId,
    node::{
        Handler, NodeError,
        files::{Body, FileAnswer, FileRequest, FileWrite, Scoped},
    },
};

impl Host {
    /// What `act` does with the container's files, for somebody from whom `denied` is kept.
    pub(crate) async fn with_workspace<T: Send + 'static>(
        &self,
        id: ContainerId,
        denied: Vec<String>,
        act: impl FnOnce(Workspace) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let host = self.clone();
        let done = tokio::task::spawn_blocking(move || act(host.workspace(id, &denied)?));
        done.await.map_err(|error| NodeError::Internal(error.to_string()))?
    }
}

impl Host {
    /// Makes the container's supervisor check again what it reported about the trash.
    pub(crate) async fn tell_trash_emptied(&self, id: ContainerId) {
        if let Ok(handle) = self.handle_of(id) {
            let _ = handle.requests.send(SupervisorRequest::TrashEmptied.into()).await;
        }
    }

    async fn turn(
        &self,
        id: ContainerId,
        kind: Option<RequestKind>,
    ) -> Result<Option<RequestSlot>, NodeError> {
        match kind {
            Some(kind) => Ok(Some(self.0.context.operations.turn(id, kind).await?)),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Handler<Scoped<FileRequest>> for Host {
    async fn handle(&self, id: ContainerId, asked: Scoped<FileRequest>) -> Result<FileAnswer, NodeError> {
        let Scoped { request, denied } = asked;
        use FileRequest as Asked;
        // These hold a folder's listing or a file's content in memory.
        let kind = match &request {
            Asked::ReadText { .. } | Asked::List { .. } | Asked::ListTrash => Some(RequestKind::Read),
            Asked::Search { .. } | Asked::Sizes { .. } => Some(RequestKind::Survey),
            _ => None,
        };
        let turn = self.turn(id, kind).await?;
        let emptied = matches!(request, Asked::EmptyTrash { .. });
        let answer = self
            .with_workspace(id, denied, move |workspace| {
                let answer = workspace.ask(request);
                // Held until the work is done, even if the caller no longer waits.
                drop(turn);
                Ok(answer?)
            })
            .await;
        if emptied {
            // Also after an error: some files may already have been deleted.
            self.tell_trash_emptied(id).await;
        }
        answer
    }
}

impl Host {
    /// Writes a file or a piece of one.
    pub(crate) async fn write(
        &self,
        id: ContainerId,
        asked: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        let Scoped { request, denied } = asked;
        let turn =
            self.turn(id, matches!(request, FileWrite::Text { .. }).then_some(RequestKind::Save)).await?;
        self.with_workspace(id, denied, move |workspace| {
            let answer = workspace.write(request, body);
            drop(turn);
            Ok(answer?)
        })
        .await
    }
}
