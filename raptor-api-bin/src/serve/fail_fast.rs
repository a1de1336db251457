//! Failing requests early while the database is silent.

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

/// Responds with 503 instead of waiting for a database that does not answer.
#[derive(Clone)]
pub(super) struct FailFastLayer(pub Raptor);

impl<S> Layer<S> for FailFastLayer {
    type Service = FailFast<S>;
    fn layer(&self, inner: S) -> FailFast<S> {
        FailFast { raptor: self.0.clone(), inner }
    }
}

/// The service of [`FailFastLayer`].
#[derive(Clone)]
pub(super) struct FailFast<S> {
    raptor: Raptor,
    inner: S,
}

impl<S> Service<Request> for FailFast<S>
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
