//! The OpenAPI document.

use crate::{Problem, routes};
use raptor_model::node::{HostMessage, LiveFrame, NodeEvent};
use raptor_server::openapi::{Shared, add_answers, operations, refine, split_summary};
use serde_json::{Value, json};
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
    components(schemas(Problem, LiveFrame, NodeEvent, HostMessage)),
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

const SHARED: [Shared; 9] = [
    Shared {
        status: "401",
        name: "WrongKey",
        description: "The key is not this daemon's (`wrong_key`).",
        applies: |_| true,
    },
    Shared {
        status: "403",
        name: "Denied",
        description: "The file is hidden from the person on whose behalf the API asks (`file_denied`).",
        applies: |operation| operation.path.contains("/files"),
    },
    Shared {
        status: "404",
        name: "NotFound",
        description: "The host does not have this container (`not_found`), or the container no such file (`file_not_found`).",
        applies: |operation| operation.path.contains("{id}"),
    },
    Shared {
        status: "409",
        name: "Conflict",
        description: "The container's state does not allow it now; `code` says why.",
        applies: |operation| operation.path.contains("{id}"),
    },
    Shared {
        status: "422",
        name: "Invalid",
        description: "Something in the path, the query or the body is wrong.",
        applies: |operation| operation.body.is_some() || operation.has_parameters,
    },
    Shared {
        status: "426",
        name: "UpgradeRequired",
        description: "This is a WebSocket (`upgrade_required`).",
        applies: |operation| operation.is_socket,
    },
    Shared {
        status: "500",
        name: "Failed",
        description: "Something went wrong in the daemon itself; its log has the cause.",
        applies: |_| true,
    },
    Shared {
        status: "503",
        name: "Unavailable",
        description: "Docker does not answer (`docker_unavailable`), or too much is being done with the container's files (`files_busy`).",
        applies: |_| true,
    },
    Shared {
        status: "507",
        name: "NoSpace",
        description: "The container's disk limit is reached (`disk_limit`), or the host's disk is full (`disk_full`).",
        applies: |operation| operation.path.contains("/files"),
    },
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
    }
    add_answers(&mut document, &SHARED);
    refine(&mut document);
    document
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
