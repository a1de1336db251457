//! Query parameters. Unknown ones are rejected, since they were meant to do something.

use crate::{Problem, openapi::openapi};
use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::{Method, request::Parts},
};
use raptor_core::{Error, nul};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

/// Query parameters. Rejects unknown parameters, and the character U+0000 in any value.
pub struct Query<T>(pub T);

/// The common prefix of all paths in the OpenAPI document.
const BEGIN: &str = "/api/v1/";

/// The parameters of each operation in the OpenAPI document, by method and path.
static PARAMETERS: LazyLock<HashMap<(String, String), BTreeSet<String>>> = LazyLock::new(|| {
    let document = openapi();
    let mut known = HashMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names = parameters.filter(|parameter| parameter["in"] == "query");
            let names = names.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned));
            known.insert((method.to_ascii_uppercase(), path.clone()), names.collect());
        }
    }
    known
});

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let known =
            parts.extensions.get::<MatchedPath>().and_then(|path| known(&parts.method, path.as_str()));
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        for (name, value) in pairs {
            nul::check(&name.replace('\0', ""), &name)?;
            nul::check(&name, &value)?;
            if let Some(known) = known
                && !known.contains(name.as_ref())
            {
                return Err(unknown(&name, known).into());
            }
        }
        Ok(Self(raptor_server::extract::Query::from_request_parts(parts, state).await?.0))
    }
}

/// `path` may have a prefix if another program has nested these routes.
fn known(method: &Method, path: &str) -> Option<&'static BTreeSet<String>> {
    let path = &path[path.find(BEGIN)?..];
    // HEAD requests are answered by the GET route.
    let method = if method == Method::HEAD { Method::GET } else { method.clone() };
    PARAMETERS.get(&(method.to_string(), path.to_owned()))
}

fn unknown(name: &str, known: &BTreeSet<String>) -> Error {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    Error::invalid(
        name,
        format!("Unknown query parameter `{name}`. This address takes: {}.", names.join(", ")),
    )
}
