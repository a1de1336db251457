//! Authentication with the daemon's key.

use crate::Problem;
use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use axum_extra::headers::{Authorization, HeaderMapExt, authorization::Basic};
use raptor_server::{authorization::token, openapi::PAGE_HEADERS};
use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The minimum time between two log lines about refused keys.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The key, and what is logged about refused ones.
pub(crate) struct Guard {
    key: String,
    refusals: Mutex<RefusalLog>,
}

/// Marks the answers to requests with the key.
#[derive(Clone, Copy)]
pub(crate) struct Authenticated;

/// The state of the log about refused keys.
#[derive(Default)]
struct RefusalLog {
    at: Option<Instant>,
    left_out: u64,
}

impl Guard {
    pub(crate) fn new(key: String) -> Self {
        Self { key, refusals: Mutex::default() }
    }

    /// Forwards requests with the key.
    pub(crate) async fn bearer(&self, request: Request, next: Next) -> Response {
        if self.shown(request.headers()) {
            let mut answer = next.run(request).await;
            answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(NO_STORE);
            answer.extensions_mut().insert(Authenticated);
            return answer;
        }
        self.log_refused(&request);
        let detail = "This is not the key of this daemon. It is DAEMON_API_KEY in the daemon's environment.";
        Problem::new(StatusCode::UNAUTHORIZED, "wrong_key", detail).into_response()
    }

    /// Forwards requests with the key as a token, or as the password of HTTP Basic, which browsers prompt for.
    pub(crate) async fn basic(&self, request: Request, next: Next) -> Response {
        let basic = request.headers().typed_get::<Authorization<Basic>>();
        let known = basic.is_some_and(|basic| same(basic.password().as_bytes(), self.key.as_bytes()));
        if known || self.shown(request.headers()) {
            let mut answer = next.run(request).await;
            for (name, value) in PAGE_HEADERS {
                answer.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            return answer;
        }
        // A browser first sends a request without a key to find out that one is needed.
        if request.headers().contains_key(header::AUTHORIZATION) {
            self.log_refused(&request);
        }
        let detail = "The password is the daemon's key, DAEMON_API_KEY; any user name will do.";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "wrong_key", detail);
        ([(header::WWW_AUTHENTICATE, r#"Basic realm="raptor-daemon", charset="UTF-8""#)], problem)
            .into_response()
    }

    fn shown(&self, headers: &HeaderMap) -> bool {
        token(headers, "bearer").is_some_and(|shown| same(shown.as_bytes(), self.key.as_bytes()))
    }

    /// Logs that a key was refused, once a minute, with the number of refusals not logged.
    fn log_refused(&self, request: &Request) {
        let Some(left_out) = self.due(Instant::now()) else { return };
        let from =
            request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip().to_canonical());
        let from = from.map(tracing::field::display);
        let key =
            if request.headers().contains_key(header::AUTHORIZATION) { "a wrong key" } else { "no key" };
        tracing::warn!(from, left_out, "refused a request with {key}; the right one is DAEMON_API_KEY");
    }

    fn due(&self, now: Instant) -> Option<u64> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.at.is_some_and(|at| now.duration_since(at) < LOG_INTERVAL) {
            refusals.left_out += 1;
            return None;
        }
        refusals.at = Some(now);
        Some(std::mem::take(&mut refusals.left_out))
    }
}

/// Compares in constant time.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_keys_are_told_once_a_minute_with_how_many_there_were() {
        let (guard, now) = (Guard::new("key".into()), Instant::now());
        assert_eq!(guard.due(now), Some(0));
        assert_eq!((0..9).filter_map(|_| guard.due(now + LOG_INTERVAL / 2)).count(), 0);
        assert_eq!(guard.due(now + LOG_INTERVAL), Some(9));
    }

    async fn asked(path: &str, authorization: Option<&str>) -> Response {
        let host = std::sync::Arc::new(raptor_core::daemons::simulated::SimulatedHost::default());
        let mut request = Request::get(path);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(crate::router(host, "key".into()), request).await.unwrap()
    }

    #[tokio::test]
    async fn the_documents_ask_for_the_key_as_browsers_do() {
        let basic = |login: &str| Authorization::<Basic>::basic("any", login);
        let shown = |login: &str| {
            let mut headers = HeaderMap::new();
            headers.typed_insert(basic(login));
            headers[header::AUTHORIZATION].to_str().unwrap().to_owned()
        };
        for path in ["/openapi.json", "/swagger-ui/index.html"] {
            let refused = asked(path, None).await;
            assert_eq!(refused.status(), 401, "{path}");
            assert!(refused.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic "));
            assert_eq!(asked(path, Some(&shown("another"))).await.status(), 401);
            let answer = asked(path, Some(&shown("key"))).await;
            assert_eq!(answer.status(), 200, "{path}");
            let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(asked(path, Some("bearer key")).await.status(), 200, "{path}");
        }
        // HTTP Basic, which browsers send automatically, is not accepted elsewhere.
        assert_eq!(asked("/api/v1/system", Some(&shown("key"))).await.status(), 401);
        let answer = asked("/api/v1/system", Some("Bearer key")).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()[header::CACHE_CONTROL].to_str().unwrap()),
            (200, "no-store")
        );
    }

    #[tokio::test]
    async fn metrics_are_shown_to_holders_of_the_key_only() {
        assert_eq!(asked("/metrics", None).await.status(), 401);
        let answer = asked("/metrics?containers=true", Some("Bearer key")).await;
        assert_eq!(answer.status(), 200);
        let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        for line in
            ["raptor_daemon_docker_up 1.0", "raptor_daemon_containers{phase=\"running\"} 0.0", "# EOF"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[tokio::test]
    async fn whether_the_daemon_is_well_is_told_without_a_key() {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(asked(path, None).await.status(), 200, "{path}");
        }
    }

    #[tokio::test]
    async fn a_method_that_an_address_does_not_take_is_a_problem_to_holders_of_the_key_only() {
        let ask = async |key: &str| {
            let host = std::sync::Arc::new(raptor_core::daemons::simulated::SimulatedHost::default());
            let request = Request::put("/api/v1/system").header(header::AUTHORIZATION, key);
            let request = request.body(axum::body::Body::empty()).unwrap();
            tower::ServiceExt::oneshot(crate::router(host, "key".into()), request).await.unwrap()
        };
        assert_eq!(ask("Bearer another").await.status(), 401);
        let answer = ask("Bearer key").await;
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(answer.headers()[header::ALLOW].to_str().unwrap().contains("GET"));
    }
}
