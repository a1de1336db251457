//! The document's texts: groups of operations, and a summary and a description of each operation.

use super::permissions::required;
use raptor_server::openapi::{operations, split_summary};
use serde_json::{Value, json};

/// The groups of operations in display order, with their descriptions.
const TAGS: [(&str, &str); 16] = [
    ("settings", "What anybody may know of this installation, its health, and how its mail is set up."),
    (
        "auth",
        "Signing in and out, and passwords that were forgotten. `POST /auth/sign-in` answers with the token that every other operation takes as `Authorization: Bearer …`.",
    ),
    ("account", "The caller's own account: password, sessions, public keys for SFTP, mails and activity."),
    ("users", "Everybody's accounts."),
    ("roles", "Roles, and the permissions that they grant over the whole installation."),
    ("daemons", "Hosts on which containers run, through the daemon on each of them."),
    ("allocations", "Addresses and ports of a host that containers can publish."),
    ("registries", "Logins for private image registries."),
    ("images", "Images that containers may use beside those of their templates."),
    (
        "templates",
        "What containers are made from: imported eggs, and templates in Raptor's own format. Each change is a revision; containers stay at theirs until they are moved.",
    ),
    ("catalogue", "Published templates to choose from, and the address that their list comes from."),
    (
        "containers",
        "Game servers and other containers: settings, power, console, measurements and installation. Where an address takes an `id`, it takes the short id as well. Changes of what concerns Docker hold from the next start on.",
    ),
    ("files", "A container's files. Paths begin at the container's own folder."),
    ("access", "Who else may use a container, and what was done to it."),
    ("activity", "The audit trail of the whole installation."),
    ("events", "Changes as they happen, over server-sent events or WebSocket."),
];

/// Adds the groups, and splits each operation's text into a summary of one sentence and a description.
pub(super) fn add(document: &mut Value) {
    document["tags"] =
        TAGS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    for (_, _, operation) in operations(document) {
        split_summary(operation);
        if let Some(required) = required(operation["operationId"].as_str().unwrap_or_default()) {
            append(operation, &required);
        }
    }
}

fn append(operation: &mut Value, sentence: &str) {
    let before = operation.get("description").and_then(Value::as_str);
    operation["description"] =
        before.map_or_else(|| sentence.to_owned(), |before| format!("{before}\n\n{sentence}")).into();
}
