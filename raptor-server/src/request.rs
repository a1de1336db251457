//! The id of the request that is answered: problems name it.

use axum::http::HeaderValue;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static ID: HeaderValue;
}

/// An answer to a request with an id.
pub type Answering<F> = TaskLocalFuture<HeaderValue, F>;

/// Answers the request with this id.
pub fn answering<F: Future>(id: HeaderValue, answer: F) -> Answering<F> {
    ID.scope(id, answer)
}

/// The id of the request that is answered here.
pub(crate) fn id() -> Option<String> {
    ID.try_with(|id| id.to_str().ok().map(str::to_owned)).ok().flatten()
}
