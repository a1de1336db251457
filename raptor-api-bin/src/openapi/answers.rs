//! Responses that many operations share.

use raptor_server::openapi::{Operation, Shared, add_answers, operations};
use serde_json::{Value, json};

fn changes(operation: &Operation<'_>) -> bool {
    operation.method != "get"
}

fn streams(operation: &Operation<'_>) -> bool {
    operation.path.ends_with("/live") || operation.path == "/api/v1/events"
}

fn takes(operation: &Operation<'_>, content: &str) -> bool {
    let types = operation.body.and_then(|body| body.pointer("/content"));
    types.is_some_and(|types| types.get(content).is_some())
}

/// Whether it reads from or writes to a host.
fn reaches_a_host(operation: &Operation<'_>) -> bool {
    operation.path.starts_with("/api/v1/containers/{id}")
        || operation.path.starts_with("/api/v1/daemons/{id}")
}

const SHARED: [Shared; 12] = [
    Shared {
        status: "401",
        name: "Unauthenticated",
        description: "Nobody is signed in, the session has ended, or what was sent to prove who calls is wrong (`unauthenticated`).",
        applies: |operation| !operation.public || changes(operation) || operation.id == "download",
    },
    Shared {
        status: "403",
        name: "Forbidden",
        description: "The caller may not do this (`forbidden`, with the missing permission in the sentence), has to choose a new password first (`password_change_required`), or a page of another site sent the request (`csrf`).",
        applies: |operation| !operation.public || changes(operation) || operation.id == "download",
    },
    Shared {
        status: "404",
        name: "NotFound",
        description: "There is no such thing, or the caller may not know of it.",
        applies: |operation| operation.path.contains('{') || changes(operation) || operation.id == "download",
    },
    Shared {
        status: "409",
        name: "Conflict",
        description: "The state of things does not allow it now; `code` says why.",
        applies: |operation| changes(operation) || reaches_a_host(operation) || operation.id == "download",
    },
    Shared {
        status: "413",
        name: "TooLarge",
        description: "The body is larger than this operation takes.",
        applies: |operation| operation.body.is_some(),
    },
    Shared {
        status: "415",
        name: "UnsupportedMediaType",
        description: "The body is not sent as JSON (`unsupported_media_type`).",
        applies: |operation| takes(operation, "application/json"),
    },
    Shared {
        status: "416",
        name: "RangeNotSatisfiable",
        description: "The file has no such range (`range`).",
        applies: |operation| operation.id == "download" || operation.id == "read_file",
    },
    Shared {
        status: "422",
        name: "Invalid",
        description: "Something in the path, the query or the body is wrong (`invalid`); `field` names it where it can be named.",
        applies: |operation| operation.body.is_some() || operation.has_parameters,
    },
    Shared {
        status: "426",
        name: "UpgradeRequired",
        description: "This is a WebSocket (`upgrade_required`).",
        applies: |operation| operation.path.ends_with("/live"),
    },
    Shared {
        status: "429",
        name: "TooMany",
        description: "Too many requests or streams at the same time; `Retry-After` says when to try again.",
        applies: |operation| changes(operation) || streams(operation) || reaches_a_host(operation),
    },
    Shared {
        status: "500",
        name: "Failed",
        description: "Something went wrong in Raptor itself (`internal`); the log has the cause, under the answer's `X-Request-Id`.",
        applies: |_| true,
    },
    Shared {
        status: "503",
        name: "Unavailable",
        description: "The database, the daemon or its Docker does not answer now; the same request may work in a moment.",
        applies: |_| true,
    },
];

/// Adds to each operation the problems that it may respond with, and the `Location` header to those that create something.
pub(super) fn add(document: &mut Value) {
    add_answers(document, &SHARED);
    for (.., operation) in operations(document) {
        if let Some(made) = operation.pointer_mut("/responses/201") {
            made["headers"] = json!({ "Location": {
                "description": "The address of what was made, as a path on this server.",
                "schema": { "type": "string" },
            } });
        }
    }
}
