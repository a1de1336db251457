//! What applies to every request and response. A single service, since separate layers from a library took a third of the time
//! of a short response.

use crate::App;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use raptor_core::request::{ForRequest, REQUEST_ID, for_request};
use raptor_server::request::{WithRequestId, with_request_id};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};
use tower::{Layer, Service};
use tracing::{Instrument, instrument::Instrumented};
use uuid::Uuid;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// The longest accepted request id, in bytes.
const MAX_ID: usize = 128;

/// Gives each request an id for logs, for its response and for the daemons that it involves; a proxy in front may provide it.
/// Counts responses, and adds the headers that every response has.
#[derive(Clone)]
pub(super) struct RequestIdLayer(pub App);

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;
    fn layer(&self, inner: S) -> RequestIdService<S> {
        RequestIdService { inner, app: self.0.clone() }
    }
}

/// See [`RequestIdLayer`].
#[derive(Clone)]
pub(super) struct RequestIdService<S> {
    inner: S,
    app: App,
}

impl<S, A, B> Service<Request<A>> for RequestIdService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RequestIdFuture<ForRequest<WithRequestId<S::Future>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let id = id(request.headers());
        // Without the query, which may contain secrets.
        let path = request.uri().path();
        let span = tracing::info_span!("request", method = %request.method(), path, ?id);
        let api = path.starts_with("/api/");
        let (method, began) = (request.method().clone(), Instant::now());
        let answer =
            for_request(id.clone(), with_request_id(id.clone(), self.inner.call(request))).instrument(span);
        RequestIdFuture { answer, id: Some(id), api, method, began, app: self.app.clone() }
    }
}

pin_project! {
    /// A response future.
    pub(super) struct RequestIdFuture<F> {
        #[pin]
        answer: Instrumented<F>,
        id: Option<HeaderValue>,
        api: bool,
        method: Method,
        began: Instant,
        app: App,
    }
}

impl<F: Future<Output = Result<Response<B>, E>>, B, E> Future for RequestIdFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.answer.poll(context));
        if let (Ok(response), Some(id)) = (&mut answer, this.id.take()) {
            let status = response.status();
            this.app.metrics.count(this.method, status, this.began.elapsed());
            if status == StatusCode::INTERNAL_SERVER_ERROR {
                tracing::error!(?id, "a request failed");
            } else {
                tracing::debug!(%status, ?id, "answered");
            }
            let headers = response.headers_mut();
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
            // Many responses contain tokens, keys, links or secrets, and all are only valid at the moment.
            if *this.api {
                headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
            }
            headers.insert(REQUEST_ID, id);
        }
        Poll::Ready(answer)
    }
}

/// Whether it is safe in any log and header.
fn is_id(id: &HeaderValue) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[expect(clippy::disallowed_methods, reason = "it names nothing that is kept")]
fn id(headers: &HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get(REQUEST_ID).filter(|id| is_id(id)) {
        return id.clone();
    }
    let id = Uuid::new_v4();
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.simple().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static("-"))
}
