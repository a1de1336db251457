//! Rules for pages of other origins, for requests that such pages make.

use axum::http::{Request, header};
use futures_util::future::Either;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Lets a layer see only what a page of a named origin asks; programs and the panel's own reading go past it.
#[derive(Clone)]
pub(super) struct WithOrigin<L>(pub L);

impl<L: Layer<S>, S: Clone> Layer<S> for WithOrigin<L> {
    type Service = Choice<L::Service, S>;
    fn layer(&self, inner: S) -> Self::Service {
        Choice { ruled: self.0.layer(inner.clone()), plain: inner }
    }
}

/// Both ways that a request may go.
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
