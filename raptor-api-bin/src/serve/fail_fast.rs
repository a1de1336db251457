//! No request waits longer for a database that has fallen silent.

use crate::Problem;
use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::future::{BoxFuture, Either};
use raptor_core::Raptor;
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// Answers 503 in place of what waits for a database that does not answer.
#[derive(Clone)]
pub(super) struct PresentLayer(pub Raptor);

impl<S> Layer<S> for PresentLayer {
    type Service = Present<S>;
    fn layer(&self, inner: S) -> Present<S> {
        Present { raptor: self.0.clone(), inner }
    }
}

/// The service that [`PresentLayer`] wraps around another one.
#[derive(Clone)]
pub(super) struct Present<S> {
    raptor: Raptor,
    inner: S,
}

impl<S> Service<Request> for Present<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = self.inner.call(request);
        if !self.raptor.shares_database() {
            return Either::Left(answer);
        }
        let raptor = self.raptor.clone();
        Either::Right(Box::pin(async move {
            let answer = raptor.unless_database_silent(answer).await;
            answer.unwrap_or_else(|error| Ok(Problem::from(error).into_response()))
        }))
    }
}
