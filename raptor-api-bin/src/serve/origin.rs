//! Applying rules for cross-origin requests only where they are needed.

use axum::http::{Request, header};
use futures_util::future::Either;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Passes only requests with an `Origin` header through a layer; programs and same-origin reads bypass it.
#[derive(Clone)]
pub(super) struct WithOrigin<L>(pub L);

impl<L: Layer<S>, S: Clone> Layer<S> for WithOrigin<L> {
    type Service = Choice<L::Service, S>;
    fn layer(&self, inner: S) -> Self::Service {
        Choice { ruled: self.0.layer(inner.clone()), plain: inner }
    }
}

/// The two ways that a request may take.
#[derive(Clone)]
pub(super) struct Choice<R, S> {
    ruled: R,
    plain: S,
}

impl<R, S, B> Service<Request<B>> for Choice<R, S>
where
    R: Service<Request<B>, Response = S::Response, Error = S::Error>,
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<R::Future, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        match self.plain.poll_ready(context) {
            Poll::Ready(Ok(())) => self.ruled.poll_ready(context),
            other => other,
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.headers().contains_key(header::ORIGIN) {
            Either::Left(self.ruled.call(request))
        } else {
            Either::Right(self.plain.call(request))
        }
    }
}
