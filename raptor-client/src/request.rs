//! The request for which something is asked of a daemon: its id goes along, so that it is found again in the daemon's log.

use reqwest::header::{HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;

/// The header with a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static ID: HeaderValue;
}

/// Something that is done for a request.
pub type ForRequest<F> = TaskLocalFuture<HeaderValue, F>;

/// Does something for the request with this id. What it spawns has to be given the id anew.
pub fn for_request<F: Future>(id: HeaderValue, doing: F) -> ForRequest<F> {
    ID.scope(id, doing)
}

/// The id of the request that this is done for; none for what is done for nobody.
pub fn request_id() -> Option<HeaderValue> {
    ID.try_with(Clone::clone).ok()
}

#[cfg(feature = "daemon")]
impl progenitor_client::ClientHooks<()> for crate::daemon::Client {
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _: &progenitor_client::OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        if let Some(id) = request_id() {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "daemon"))]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// What one request to a daemon says, made for `id`.
    async fn asked(id: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            while !text.ends_with(b"\r\n\r\n") {
                text.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(text).unwrap().to_ascii_lowercase()
        });
        let client = crate::daemon_client(&base, "key", crate::Trust::Authorities).unwrap();
        match id {
            Some(id) => {
                assert!(for_request(HeaderValue::from_static(id), client.get_system()).await.is_err())
            }
            None => assert!(client.get_system().await.is_err()),
        }
        heard.await.unwrap()
    }

    #[tokio::test]
    async fn a_daemon_is_told_the_id_of_the_request_for_which_it_is_asked() {
        assert!(asked(Some("0198c1f2")).await.contains("x-request-id: 0198c1f2\r\n"));
        assert!(!asked(None).await.contains("x-request-id"));
    }
}
