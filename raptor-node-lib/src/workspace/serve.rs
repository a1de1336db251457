//! Files behind the seam that the control side knows.

use super::Workspace;
use crate::host::Host;
use async_trait::async_trait;
use raptor_core::{
    id::ContainerId,
    node::{
        NodeError,
        files::{Body, FileAnswer, FileContent, FileRead, FileRequest, FileWrite, NodeFiles, Scoped},
    },
};

impl Host {
    async fn with_workspace<T: Send + 'static>(
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

#[async_trait]
impl NodeFiles for Host {
    async fn ask(&self, id: ContainerId, asked: Scoped<FileRequest>) -> Result<FileAnswer, NodeError> {
        let Scoped { request, denied } = asked;
        use FileRequest as Ask;
        // These hold what they read of a folder, or of a file, in memory.
        let turn = match &request {
            Ask::ReadText { .. }
            | Ask::List { .. }
            | Ask::Search { .. }
            | Ask::Sizes { .. }
            | Ask::ListTrash => Some(self.0.ground.operations.reading(id).await?),
            _ => None,
        };
        self.with_workspace(id, denied, move |workspace| {
            let answer = workspace.ask(request);
            // Held until it is done, also where nobody waits for the answer any more.
            drop(turn);
            Ok(answer?)
        })
        .await
    }

    async fn read(&self, id: ContainerId, asked: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        let Scoped { request, denied } = asked;
        self.with_workspace(id, denied, move |workspace| Ok(workspace.read(request)?)).await
    }

    async fn write(
        &self,
        id: ContainerId,
        asked: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        let Scoped { request, denied } = asked;
        let turn = match &request {
            FileWrite::Text { .. } => Some(self.0.ground.operations.saving(id).await?),
            _ => None,
        };
        self.with_workspace(id, denied, move |workspace| {
            let answer = workspace.write(request, body);
            drop(turn);
            Ok(answer?)
        })
        .await
    }
}
