//! The request on whose behalf something is done. Its id is in the log of each program involved.

#[cfg(feature = "remote")]
pub use raptor_client::{ForRequest, REQUEST_ID, for_request, request_id};

use tracing::Instrument;

/// `doing` on behalf of the same request, wherever it is spawned.
#[cfg(feature = "remote")]
pub(crate) fn carried<F: Future>(doing: F) -> impl Future<Output = F::Output> + use<F> {
    use futures_util::future::Either;
    let doing = doing.in_current_span();
    match request_id() {
        Some(id) => Either::Left(for_request(id, doing)),
        None => Either::Right(doing),
    }
}

/// `doing` on behalf of the same request, wherever it is spawned.
#[cfg(not(feature = "remote"))]
pub(crate) fn carried<F: Future>(doing: F) -> impl Future<Output = F::Output> + use<F> {
    doing.in_current_span()
}
