//! Adjusting schemas to what client generators expect.

use crate::problem::CODES;
use raptor_core::{
    containers::{Behaviour, Limits, Settings, service::NewContainer},
    daemons::DEFAULT_OFFLINE_HOURS,
    id::TemplateId,
};
use serde_json::{Value, json};

/// String properties with a fixed set of values: schema, property and values.
const CHOICES: [(&str, &str, &[&str]); 2] = [
    ("ActivityActor", "kind", &["user", "system", "daemon"]),
    (
        "Mail",
        "kind",
        &["password_reset", "password_changed", "email_changed", "ssh_key_added", "access_granted", "test"],
    ),
];

/// Adds formats of binary data, contents of event streams, and fixed sets of values.
pub(super) fn refine(document: &mut Value) {
    raptor_server::openapi::refine(document);
    events(document);
    for (schema, property, values) in CHOICES {
        let place = format!("/components/schemas/{schema}/properties/{property}");
        if let Some(found) = document.pointer_mut(&place) {
            found["enum"] = json!(values);
        }
    }
    for (schema, values) in defaults() {
        let place = format!("/components/schemas/{schema}/properties");
        let (Some(properties), Some(values)) = (document.pointer_mut(&place), values.as_object()) else {
            continue;
        };
        for (name, value) in values.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(field) = properties.get_mut(name) {
                field["default"] = value.clone();
            }
        }
    }
    if let Some(code) = document.pointer_mut("/components/schemas/Problem/properties/code") {
        *code = codes();
    }
}

/// The defaults of fields, by schema. The domain is their only source.
fn defaults() -> [(&'static str, Value); 4] {
    let new = NewContainer::new("", TemplateId::generate());
    let settings = Settings::default();
    [
        ("Limits", json!(Limits::default())),
        ("Behaviour", json!(Behaviour::default())),
        (
            "NewContainer",
            json!({
                "stop_timeout_ms": settings.stop_timeout_ms,
                "allocation_count": new.allocation_count,
                "skip_install": new.skip_install,
                "start": new.start,
            }),
        ),
        ("DaemonDraft", json!({ "sftp_offline_hours": DEFAULT_OFFLINE_HOURS })),
    ]
}

/// The known codes or any other string, so that clients older than the server still understand its errors.
fn codes() -> Value {
    let known: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    let list: String = CODES.iter().map(|(code, meaning)| format!("\n- `{code}`: {meaning}")).collect();
    json!({
        "description": format!("Stable machine-readable reason. Later versions may have more than these:\n{list}"),
        "anyOf": [{ "type": "string", "enum": known }, { "type": "string" }],
    })
}

fn events(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(events) = map.get_mut("text/event-stream") {
                let frame = json!({ "$ref": "#/components/schemas/EventFrame" });
                *events = json!({ "schema": {
                    "type": "string",
                    "description": "Server-sent events. The `data` of each is one `EventFrame` as JSON, without `type` and `event_id`, which are the event's `event` and `id`.",
                    "contentMediaType": "application/json",
                    "contentSchema": frame,
                } });
            }
            map.values_mut().for_each(events);
        }
        Value::Array(items) => items.iter_mut().for_each(events),
        _ => {}
    }
}
