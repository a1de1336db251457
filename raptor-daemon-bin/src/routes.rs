//! The routes: one for each request to a host.

use crate::{content, guard::Guard, openapi::openapi, sockets};
use axum::{
    Extension, Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use chrono::{DateTime, Utc};
use raptor_model::{
    clock::Clock,
    node::{
        Node, NodeError, TOO_LATE,
        requests::{Handler, Input, Method, Reply, Request as HostRequest, Route, Target, Visitor, visit},
    },
};
use raptor_server::{
    extract::{Path, Query, TolerantJson as Json},
    problem::{Answer, Problem, wrong_method},
    slots::ResponseSlots,
};
use std::sync::Arc;
use tracing::Instrument;
use utoipa_swagger_ui::SwaggerUi;

pub(crate) type Shared = Arc<dyn Node>;

fn api() -> Router<Shared> {
    let mut routes = Routes(Router::new());
    visit(&mut routes);
    let v1 = routes.0.layer(Extension(ResponseSlots::default()));
    Router::new().nest("/api/v1", v1.merge(sockets::routes()).merge(content::routes()))
}

/// Creates a route for each request that is answered with a single value. The others are in [`sockets`] and [`content`].
struct Routes(Router<Shared>);

impl Visitor for Routes {
    fn request<R: HostRequest>(&mut self)
    where
        dyn Node: Handler<R>,
    {
        let method = match R::OPERATION.method {
            Method::Get => MethodFilter::GET,
            Method::Put => MethodFilter::PUT,
            Method::Post => MethodFilter::POST,
            Method::Delete => MethodFilter::DELETE,
        };
        let mut route = on(method, answer::<R>);
        if R::LARGE {
            route = route.layer(DefaultBodyLimit::disable());
        }
        self.0 = std::mem::take(&mut self.0).route(R::OPERATION.path, route);
    }

    fn stream<R: Route>(&mut self) {}
}

/// Passes a request to the host and returns its answer.
async fn answer<R: HostRequest>(
    State(node): State<Shared>,
    Extension(slots): Extension<ResponseSlots>,
    Path(target): Path<R::Target>,
    Fields(mut request): Fields<R>,
) -> Answer<Response>
where
    dyn Node: Handler<R>,
{
    request.check(target)?;
    in_time(request.not_after().and_then(|limit| *limit))?;
    let slot = match target.container() {
        Some(id) if request.has_large_answer() => Some(slots.take(id).await.map_err(NodeError::from)?),
        _ => None,
    };
    let answer = Handler::<R>::handle(&*node, target, request).await?;
    let status = StatusCode::from_u16(R::OPERATION.reply.status()).unwrap_or(StatusCode::OK);
    if R::OPERATION.reply != Reply::Json {
        return Ok(status.into_response());
    }
    let Some(slot) = slot else { return Ok((status, Json(answer)).into_response()) };
    let json = serde_json::to_vec(&answer).map_err(|error| NodeError::Internal(error.to_string()))?;
    drop(answer);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_LENGTH, HeaderValue::from(json.len())),
    ];
    Ok((status, headers, Body::from_stream(slot.send(json.into()))).into_response())
}

/// Refuses an action whose time limit has passed.
fn in_time(limit: Option<DateTime<Utc>>) -> Answer<()> {
    if limit.is_some_and(|limit| limit < Clock::System.now()) {
        let detail = "The order came too late. Nothing was done.";
        return Err(Problem::new(StatusCode::CONFLICT, TOO_LATE, detail));
    }
    Ok(())
}

/// The fields of a request, taken from the query or the body, depending on its operation.
struct Fields<R>(R);

impl<R: HostRequest, S: Send + Sync> FromRequest<S> for Fields<R> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match R::OPERATION.input {
            // Requests with content are not answered here: see `content`.
            Input::Json | Input::Content => {
                let Json(fields) = Json::from_request(request, state).await?;
                Ok(Self(fields))
            }
            Input::Query => {
                let (mut parts, _) = request.into_parts();
                let Query(fields) = Query::from_request_parts(&mut parts, state).await?;
                Ok(Self(fields))
            }
            Input::None => {
                let fields = serde_json::from_value(serde_json::Value::Null);
                Ok(Self(fields.map_err(|error| NodeError::Internal(error.to_string()))?))
            }
        }
    }
}

/// All routes for `node`, protected by `key`. For the documents it is the password of HTTP Basic, so that a browser can show
/// them.
pub fn router(node: Arc<dyn Node>, key: String) -> Router {
    let key = Arc::new(Guard::new(key));
    let documents = key.clone();
    let guard = middleware::from_fn(move |request: Request, next: Next| {
        let guard = key.clone();
        async move { guard.bearer(request, next).await }
    });
    let documents = middleware::from_fn(move |request: Request, next: Next| {
        let guard = documents.clone();
        async move { guard.basic(request, next).await }
    });
    let swagger = Router::new()
        .merge(SwaggerUi::new("/swagger-ui").external_url_unchecked("/openapi.json", openapi()))
        .layer(documents);
    let api = api().method_not_allowed_fallback(wrong_method);
    let named = middleware::from_fn(named);
    let router =
        api.merge(crate::metrics::routes()).layer(guard).merge(swagger).merge(crate::health::routes());
    router.layer(named).with_state(node)
}

/// Adds the API's request id to the log lines of a request.
async fn named(request: Request, next: Next) -> Response {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let id = id.filter(|id| id.len() <= 128).map(ToOwned::to_owned);
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id);
    let answer = next.run(request).instrument(span.clone()).await;
    let status = answer.status();
    span.in_scope(|| match status.is_server_error() {
        true => tracing::warn!(%status, "a request failed"),
        false => tracing::debug!(%status, "answered"),
    });
    answer
}

#[cfg(test)]
mod tests {
    /// Security case 30: with a daemon's key, others' configuration could be replaced from afar, and so files of the host.
    #[test]
    fn cve_2024_34066_no_request_reaches_the_daemons_own_settings() {
        let document = super::openapi();
        let mut changing = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (_, operation) in methods.as_object().unwrap().iter().filter(|(method, _)| *method != "get") {
                changing.push(operation["operationId"].as_str().unwrap().to_owned());
                assert!(!path.contains("config") && !path.contains("settings") && !path.contains("update"));
            }
        }
        changing.sort();
        let known = [
            "acknowledge",
            "ask_files",
            "cancel_install",
            "clean_images",
            "declare_container",
            "export_console",
            "power_container",
            "read_files",
            "remove_container",
            "search_console",
            "send_command",
            "set_registries",
            "write_files",
        ];
        assert_eq!(changing, known, "whatever is new here must not change what only this host decides");
        // The specification of a container contains none of the host's own settings.
        let spec = document["components"]["schemas"]["ContainerSpec"]["properties"].as_object().unwrap();
        for own in ["base_path", "docker_socket", "uid", "gid", "allowed_mounts", "api_key", "privileged"] {
            assert!(!spec.contains_key(own), "{own}");
        }
    }
}
