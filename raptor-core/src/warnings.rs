//! Warnings about the state of the database, limited to one a minute.

pub(crate) use raptor_store::Warnings;

/// Logs a warning about `error`, with fields and text as in `tracing::warn!`; about the database's state once a minute.
macro_rules! warn_of {
    ($inner:expr, $error:expr, $($told:tt)+) => {
        if let Some(left_out) = $inner.inner.warnings.due(&$error, &$inner.inner.clock) {
            tracing::warn!(error = %$error.with_cause(), left_out, $($told)+);
        }
    };
}
pub(crate) use warn_of;
