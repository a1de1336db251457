//! Hosts as debug builds, and so all tests, see them: each call checks that the task that makes it holds no connection to the
//! database. A host may take its time, and everybody else would wait for the connection, or on SQLite for the transaction.

use crate::{
    id::ContainerId,
    node::{
        ConsoleExport, Download, HostMessage, LiveFrame, LiveParts, Node, NodeError, NodeEvent, Since,
        files::{Body, FileAnswer, FileContent, FileRead, FileWrite, Scoped},
        requests::{Handler, Request},
    },
    store::assert_none_held,
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use std::{any::type_name, sync::Arc};

/// A host that is called without a connection to the database in hand.
pub(super) struct CheckedNode(pub(super) Arc<dyn Node>);

/// Checks it whenever the next item is waited for, too.
fn checked<T: 'static>(mut items: BoxStream<'static, T>) -> BoxStream<'static, T> {
    let items = stream::poll_fn(move |context| {
        assert_none_held("wait for a host's stream");
        items.poll_next_unpin(context)
    });
    items.boxed()
}

#[async_trait]
impl<R: Request> Handler<R> for CheckedNode
where
    dyn Node: Handler<R>,
{
    async fn handle(&self, target: R::Target, request: R) -> Result<R::Answer, NodeError> {
        assert_none_held(type_name::<R>());
        self.0.handle(target, request).await
    }
}

#[async_trait]
impl Node for CheckedNode {
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        assert_none_held("open a live stream");
        self.0.live(id, since, parts).await.map(checked)
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        assert_none_held("open a link");
        self.0.events().await.map(checked)
    }

    async fn tell(&self, word: HostMessage) -> Result<(), NodeError> {
        assert_none_held("tell a host something");
        self.0.tell(word).await
    }

    async fn export_console(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        assert_none_held("download a console");
        self.0.export_console(id, export).await.map(checked)
    }

    async fn read_file(&self, id: ContainerId, request: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        assert_none_held("read a file");
        self.0.read_file(id, request).await
    }

    async fn write_file(
        &self,
        id: ContainerId,
        request: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        assert_none_held("write a file");
        self.0.write_file(id, request, body).await
    }

    fn upgraded(&self) -> bool {
        self.0.upgraded()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Raptor,
        authz::{Actor, actions::ListDaemons},
        daemons::simulated::SimulatedHost,
        node::Node,
    };
    use futures_util::FutureExt;
    use std::{panic::AssertUnwindSafe, sync::Arc};

    #[tokio::test]
    async fn a_call_to_a_host_with_a_transaction_open_fails_every_test_that_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let raptor = Raptor::builder("app key")
            .database_url(format!("sqlite://{}", folder.path().join("raptor.db").display()))
            .bcrypt_cost(4)
            .local_node(Arc::new(SimulatedHost::default()), "30000")
            .build()
            .await
            .unwrap();
        let permit = raptor.authz().allow::<ListDaemons>(&Actor::System).unwrap();
        let id = raptor.daemons().list(permit).await.unwrap()[0].daemon.id;
        let node: Arc<dyn Node> = raptor.inner.fleet.node(id).unwrap();
        node.containers().await.unwrap();

        let tx = raptor.inner.store.begin().await.unwrap();
        assert!(AssertUnwindSafe(node.containers()).catch_unwind().await.is_err(), "in a transaction");
        assert!(AssertUnwindSafe(node.events()).catch_unwind().await.is_err(), "in a transaction");
        drop(tx);
        let reader = raptor.inner.store.read().await.unwrap();
        assert!(AssertUnwindSafe(node.system()).catch_unwind().await.is_err(), "while reading");
        drop(reader);
        node.system().await.unwrap();
        raptor.shutdown().await;
    }
}
