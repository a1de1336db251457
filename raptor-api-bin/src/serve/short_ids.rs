//! Short container ids in paths, which people see and use as part of SFTP user names.

use crate::{App, extract::Caller};
use axum::{
    extract::{FromRequestParts, Request},
    http::{
        HeaderMap, Uri,
        header::{AUTHORIZATION, COOKIE},
        uri::PathAndQuery,
    },
};
use futures_util::future::{BoxFuture, Either};
use std::task::{Context, Poll};
use tower::{Layer, Service};

const CONTAINERS: &str = "/api/v1/containers/";
const SHORT: usize = 8;

/// Replaces a container's short id in the path by its id before routing. Other requests are unchanged.
#[derive(Clone)]
pub(super) struct ShortIds(pub App);

impl<S> Layer<S> for ShortIds {
    type Service = ShortIdService<S>;
    fn layer(&self, inner: S) -> ShortIdService<S> {
        ShortIdService { inner, app: self.0.clone() }
    }
}

/// The service of [`ShortIds`].
#[derive(Clone)]
pub(super) struct ShortIdService<S> {
    inner: S,
    app: App,
}

impl<S> Service<Request> for ShortIdService<S>
where
    S: Service<Request, Future: Send> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<BoxFuture<'static, Result<S::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let short = short_id(request.uri().path()).filter(|_| shows_credentials(request.headers()));
        let Some(short) = short.map(str::to_owned) else {
            return Either::Right(self.inner.call(request));
        };
        // The instance that was polled for readiness has to be the one that is called.
        let next = self.inner.clone();
        let (mut inner, app) = (std::mem::replace(&mut self.inner, next), self.app.clone());
        Either::Left(Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            // Where there is none that the caller may see, the caller is unknown or the database is away, the route says so.
            if let Ok(Caller(actor)) = Caller::from_request_parts(&mut parts, &app).await
                && let Ok(Some(id)) = app.raptor.containers().id_of(&actor, &short).await
                && let Some(uri) = with_id(&parts.uri, &short, &id.to_string())
            {
                parts.uri = uri;
            }
            inner.call(Request::from_parts(parts, body)).await
        }))
    }
}

/// Without credentials the request is rejected anyway, so the database is not asked.
fn shows_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE)
}

fn short_id(path: &str) -> Option<&str> {
    let short = path.strip_prefix(CONTAINERS)?.split('/').next()?;
    (short.len() == SHORT && short.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(short)
}

fn with_id(uri: &Uri, short: &str, id: &str) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(CONTAINERS)?.strip_prefix(short)?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{CONTAINERS}{id}{rest}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_id_in_the_place_of_an_id_is_replaced() {
        for (path, short) in [
            ("/api/v1/containers/1A2b3c4d", Some("1A2b3c4d")),
            ("/api/v1/containers/1a2b3c4d/files/info", Some("1a2b3c4d")),
            ("/api/v1/containers/01a22903-7810-74c2-ac73-50b805601e03/live", None),
            ("/api/v1/containers/1a2b3c4", None),
            ("/api/v1/containers/notashex/power", None),
            ("/api/v1/users/1a2b3c4d", None),
            ("/containers/1a2b3c4d", None),
        ] {
            assert_eq!(short_id(path), short, "{path}");
        }
        let uri = Uri::from_static("/api/v1/containers/1a2b3c4d/files?path=/1a2b3c4d");
        let replaced = with_id(&uri, "1a2b3c4d", "ID").unwrap();
        assert_eq!(replaced, "/api/v1/containers/ID/files?path=/1a2b3c4d");
    }
}
