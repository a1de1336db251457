//! Observes the answers that a client gets.

use reqwest::StatusCode;
use std::{fmt, sync::Arc};

/// Called with the operation id and the status of each answer that a client of the API gets, for example to count them. It runs on
/// the caller's task, before the call returns.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<dyn Fn(&'static str, StatusCode) + Send + Sync>>);

impl Observer {
    /// One that calls `told` with the operation id (`list_containers`) and the status.
    pub fn new(told: impl Fn(&'static str, StatusCode) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

#[cfg(feature = "api")]
impl progenitor_client::ClientHooks<Observer> for crate::api::Client {
    async fn post<E>(
        &self,
        result: &reqwest::Result<reqwest::Response>,
        info: &progenitor_client::OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        use progenitor_client::ClientInfo;
        if let (Ok(answer), Some(told)) = (result, &self.inner().0) {
            told(info.operation_id, answer.status());
        }
        Ok(())
    }
}
