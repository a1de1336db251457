//! The id of the current request, which problems include.

use axum::http::HeaderValue;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static ID: HeaderValue;
}

/// A future with a request id in its task-local context.
pub type WithRequestId<F> = TaskLocalFuture<HeaderValue, F>;

/// Runs `answer` with this request id.
pub fn with_request_id<F: Future>(id: HeaderValue, answer: F) -> WithRequestId<F> {
    ID.scope(id, answer)
}

/// The id of the current request.
pub(crate) fn id() -> Option<String> {
    ID.try_with(|id| id.to_str().ok().map(str::to_owned)).ok().flatten()
}
