//! What every operation may answer, beside what its route says.

use raptor_config::openapi::{operations, problem, refer};
use serde_json::{Map, Value, json};

/// An answer that many operations share: its status, its name among the document's components, and its description.
struct Shared {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    applies: fn(&Operation<'_>) -> bool,
}

/// An operation, as far as its answers depend on it.
pub(super) struct Operation<'a> {
    pub path: &'a str,
    pub method: &'a str,
    pub id: &'a str,
    /// Whether it can be called without signing in.
    pub public: bool,
    pub body: Option<&'a Value>,
    pub has_parameters: bool,
}

impl Operation<'_> {
    fn changes(&self) -> bool {
        self.method != "get"
    }

    fn streams(&self) -> bool {
        self.path.ends_with("/live") || self.path == "/api/v1/events"
    }

    fn is_socket(&self) -> bool {
        self.path.ends_with("/live")
    }

    fn takes(&self, content: &str) -> bool {
        self.body
            .is_some_and(|body| body.pointer("/content").is_some_and(|types| types.get(content).is_some()))
    }

    /// Whether it reads from or writes to a host.
    fn reaches_a_host(&self) -> bool {
        self.path.starts_with("/api/v1/containers/{id}") || self.path.starts_with("/api/v1/daemons/{id}")
    }
}

const SHARED: [Shared; 12] = [
    Shared {
        status: "401",
        name: "Unauthenticated",
        description: "Nobody is signed in, the session has ended, or what was sent to prove who calls is wrong (`unauthenticated`).",
        applies: |operation| !operation.public || operation.changes() || operation.id == "download",
    },
    Shared {
        status: "403",
        name: "Forbidden",
        description: "The caller may not do this (`forbidden`, with the missing permission in the sentence), has to choose a new password first (`password_change_required`), or a page of another site sent the request (`csrf`).",
        applies: |operation| !operation.public || operation.changes() || operation.id == "download",
    },
    Shared {
        status: "404",
        name: "NotFound",
        description: "There is no such thing, or the caller may not know of it.",
        applies: |operation| {
            operation.path.contains('{') || operation.changes() || operation.id == "download"
        },
    },
    Shared {
        status: "409",
        name: "Conflict",
        description: "The state of things does not allow it now; `code` says why.",
        applies: |operation| operation.changes() || operation.reaches_a_host() || operation.id == "download",
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
        applies: |operation| operation.takes("application/json"),
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
        applies: |operation| operation.is_socket(),
    },
    Shared {
        status: "429",
        name: "TooMany",
        description: "Too many requests or streams at the same time; `Retry-After` says when to try again.",
        applies: |operation| operation.changes() || operation.streams() || operation.reaches_a_host(),
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

/// Adds to each operation the problems that it may answer.
pub(super) fn add(document: &mut Value) {
    for (path, method, operation) in operations(document) {
        let wanted = {
            let known = Operation {
                path,
                method,
                id: operation["operationId"].as_str().unwrap_or_default(),
                public: operation.get("security").is_some(),
                body: operation.get("requestBody"),
                has_parameters: operation.get("parameters").is_some(),
            };
            SHARED.iter().filter(|shared| (shared.applies)(&known)).collect::<Vec<_>>()
        };
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
            continue;
        };
        for shared in wanted {
            refer(responses, shared.status, shared.name);
        }
        describe(responses);
    }
    let shared = SHARED.iter().map(|shared| (shared.name.to_owned(), problem(shared.description)));
    let responses: Map<String, Value> = shared.collect();
    document["components"]["responses"] = responses.into();
}

/// OpenAPI wants words for every answer, and callers the address of what they made.
fn describe(responses: &mut Map<String, Value>) {
    for (status, response) in responses {
        if response.get("$ref").is_none() && response.get("description").is_none() {
            response["description"] = match status.as_str() {
                "101" => "The WebSocket is open",
                "201" => "Made",
                "202" => "Accepted; it is carried out in the background",
                "204" => "Done",
                _ => "The answer",
            }
            .into();
        }
        if status == "201" {
            response["headers"] = json!({ "Location": {
                "description": "The address of what was made, as a path on this server.",
                "schema": { "type": "string" },
            } });
        }
    }
}
