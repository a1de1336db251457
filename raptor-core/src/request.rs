//! The request for which something is done. Its id stands in the log of each program that had to do with it.

#[cfg(feature = "remote")]
pub use raptor_client::{ForRequest, REQUEST_ID, for_request, request_id};

use tracing::Instrument;

/// `doing` for the same request, wherever it is spawned.
#[cfg(feature = "remote")]
pub(crate) fn carried<F: Future>(doing: F) -> impl Future<Output = F::Output> + use<F> {
    use futures_util::future::Either;
    let doing = doing.in_current_span();
    match request_id() {
        Some(id) => Either::Left(for_request(id, doing)),
        None => Either::Right(doing),
    }
}

/// `doing` for the same request, wherever it is spawned.
#[cfg(not(feature = "remote"))]
pub(crate) fn carried<F: Future>(doing: F) -> impl Future<Output = F::Output> + use<F> {
    doing.in_current_span()
}
