//! The OpenAPI document.

use crate::{problem::Problem, routes};
use raptor_config::openapi::{operations, problem, refer, refine, split_summary};
use raptor_model::node::{LiveFrame, NodeEvent, Word};
use serde_json::{Map, Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Raptor daemon",
        description = "What the API asks of a host. Every request carries the daemon's key, `DAEMON_API_KEY`, as `Authorization: Bearer …`. Errors are RFC 9457 problem documents. This is not an interface for programs of your own: it changes with Raptor's version, and what is changed here is not in the API's database.",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(Problem, LiveFrame, NodeEvent, Word)),
    modifiers(&Bearer)
)]
pub(crate) struct Base;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    }
}

/// Groups of operations: the name, what they are about, and the beginnings of their paths. The first that fits holds.
const TAGS: [(&str, &str, &[&str]); 4] = [
    (
        "files",
        "A container's files. Paths begin at the container's own folder.",
        &["/api/v1/containers/{id}/files"],
    ),
    (
        "containers",
        "What containers should be, what they are, their power, console and measurements.",
        &["/api/v1/containers"],
    ),
    ("link", "The stream of what happens on the host, and its acknowledgement.", &["/api/v1/link"]),
    ("host", "The host itself, its images and its logins for registries.", &["/api/v1/"]),
];

/// An answer that many operations share: its status, its name among the document's components, its description, and which
/// operations may give it, by path and operation.
type Shared = (&'static str, &'static str, &'static str, fn(&str, &Value) -> bool);

const SHARED: [Shared; 9] = [
    ("401", "WrongKey", "The key is not this daemon's (`wrong_key`).", |_, _| true),
    (
        "403",
        "Denied",
        "The file is hidden from the person on whose behalf the API asks (`file_denied`).",
        |path, _| path.contains("/files"),
    ),
    (
        "404",
        "NotFound",
        "The host does not have this container (`not_found`), or the container no such file (`file_not_found`).",
        |path, _| path.contains("{id}"),
    ),
    ("409", "Conflict", "The container's state does not allow it now; `code` says why.", |path, _| {
        path.contains("{id}")
    }),
    ("422", "Invalid", "Something in the path, the query or the body is wrong.", |_, operation| {
        operation.get("requestBody").is_some() || operation.get("parameters").is_some()
    }),
    ("426", "UpgradeRequired", "This is a WebSocket (`upgrade_required`).", |_, operation| {
        operation.pointer("/responses/101").is_some()
    }),
    ("500", "Failed", "Something went wrong in the daemon itself; its log has the cause.", |_, _| true),
    (
        "503",
        "Unavailable",
        "Docker does not answer (`docker_unavailable`), or too much is being done with the container's files (`files_busy`).",
        |_, _| true,
    ),
    (
        "507",
        "NoSpace",
        "The container's disk limit is reached (`disk_limit`), or the host's disk is full (`disk_full`).",
        |path, _| path.contains("/files"),
    ),
];

/// The document, as published.
#[must_use]
pub fn openapi() -> Value {
    let (_, document) = routes::api().split_for_parts();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["servers"] = json!([{ "url": "/", "description": "The daemon that this document comes from" }]);
    document["tags"] =
        TAGS.iter().map(|(name, about, _)| json!({ "name": name, "description": about })).collect();
    for (path, _, operation) in operations(&mut document) {
        let fits = |(_, _, begins): &&(&str, &str, &[&str])| begins.iter().any(|one| path.starts_with(one));
        if let Some((tag, ..)) = TAGS.iter().find(fits) {
            operation["tags"] = json!([tag]);
        }
        split_summary(operation);
        let wanted: Vec<&Shared> = SHARED.iter().filter(|(.., fits)| fits(path, operation)).collect();
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            for (status, name, ..) in wanted {
                refer(responses, status, name);
            }
            describe(responses);
        }
    }
    let shared = SHARED.iter().map(|(_, name, description, _)| ((*name).to_owned(), problem(description)));
    document["components"]["responses"] = shared.collect::<Map<String, Value>>().into();
    refine(&mut document);
    document
}

/// OpenAPI wants words for every answer.
fn describe(responses: &mut Map<String, Value>) {
    for (status, response) in responses {
        let described = response["description"].as_str().is_some_and(|words| !words.is_empty());
        if response.get("$ref").is_none() && !described {
            response["description"] = match status.as_str() {
                "202" => "Accepted; it is carried out in the background",
                "204" => "Done",
                _ => "The answer",
            }
            .into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_binary_and_every_status_and_group_is_described() {
        let document = openapi();
        let text = document.to_string();
        assert!(!text.contains("u-int") && !text.contains("4XX"));
        assert_eq!(document["servers"][0]["url"], "/");
        let groups: Vec<&str> = TAGS.iter().map(|(name, ..)| *name).collect();
        let mut bytes = 0;
        let mut looked_at = document.clone();
        for (path, method, operation) in operations(&mut looked_at) {
            assert!(groups.contains(&operation["tags"][0].as_str().unwrap()), "{method} {path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("401") && answers.contains_key("503"), "{method} {path}");
            for content in answers.values().chain(operation.get("requestBody")) {
                if let Some(octets) = content["content"].get("application/octet-stream") {
                    assert_eq!(octets["schema"], json!({ "type": "string", "format": "binary" }), "{path}");
                    bytes += 1;
                }
            }
        }
        assert_eq!(bytes, 3);
    }
}
