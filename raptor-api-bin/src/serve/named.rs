//! What every request and every answer gets. One service for all of it: layers from a library, one for each thing, took a third of
//! the time of a short answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::{Layer, Service};
use tracing::{Instrument, instrument::Instrumented};
use uuid::Uuid;

/// A name by which a request is found again in logs; a proxy in front may give it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// The longest id that is taken over, in bytes.
const MAX_ID: usize = 128;

/// Names each request in logs and in its answer, and says of each answer that it is what its type says.
#[derive(Clone, Copy)]
pub(super) struct NamedLayer;

impl<S> Layer<S> for NamedLayer {
    type Service = Named<S>;
    fn layer(&self, inner: S) -> Named<S> {
        Named(inner)
    }
}

/// See [`NamedLayer`].
#[derive(Clone)]
pub(super) struct Named<S>(S);

impl<S, A, B> Service<Request<A>> for Named<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Naming<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let id = id(request.headers());
        // The path alone: a query may hold what no log should.
        let path = request.uri().path();
        let span = tracing::debug_span!("request", method = %request.method(), path, ?id);
        let api = path.starts_with("/api/");
        Naming { answer: self.0.call(request).instrument(span), id: Some(id), api }
    }
}

pin_project! {
    /// An answer on its way.
    pub(super) struct Naming<F> {
        #[pin]
        answer: Instrumented<F>,
        id: Option<HeaderValue>,
        api: bool,
    }
}

impl<F: Future<Output = Result<Response<B>, E>>, B, E> Future for Naming<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.answer.poll(context));
        if let (Ok(response), Some(id)) = (&mut answer, this.id.take()) {
            let status = response.status();
            if status == StatusCode::INTERNAL_SERVER_ERROR {
                tracing::error!(?id, "a request failed");
            } else {
                tracing::debug!(%status, ?id, "answered");
            }
            let headers = response.headers_mut();
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
            // Tokens, keys, links and secrets are in many answers, and every one is about the moment.
            if *this.api {
                headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
            }
            headers.insert(REQUEST_ID, id);
        }
        Poll::Ready(answer)
    }
}

#[expect(clippy::disallowed_methods, reason = "it names nothing that is kept")]
fn id(headers: &HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get(REQUEST_ID).filter(|id| id.len() <= MAX_ID) {
        return id.clone();
    }
    let id = Uuid::new_v4();
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.simple().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static("-"))
}
