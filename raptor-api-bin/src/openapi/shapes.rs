//! Adjusting schemas to what client generators expect.

use crate::problem::{CODES, Code, REASONS};
use raptor_core::{
    activity::actions::{ACTIONS, SUBJECTS},
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
    growing(document);
    // Written here, since the order of several extensions of a route is by chance.
    for (.., operation) in raptor_server::openapi::operations(document) {
        let sends = operation["x-websocket-frame"].as_str().map(|frame| frame.replace("Frame", "Request"));
        if let Some(request) = sends {
            operation["x-websocket-request"] = request.into();
        }
    }
}

/// Names the sets of values to which later versions may add, and says where they are used. There, any other text is allowed as
/// well: a client that is older than the server goes on understanding its answers.
fn growing(document: &mut Value) {
    let names = |list: &[Code]| list.iter().map(|(name, ..)| *name).collect::<Vec<_>>();
    let sets = [
        (
            "ProblemCode",
            format!(
                "Machine-readable reason of a problem. A code keeps its meaning for good. In parentheses: the `params` that it may have.\n{}",
                meanings(CODES)
            ),
            names(CODES),
        ),
        (
            "InvalidReason",
            format!(
                "Why a field of the input is refused: `reason` among the `params` of a problem with the code `invalid`, which may be without one. A reason keeps its meaning for good. In parentheses: the other `params` that it may have.\n{}",
                meanings(REASONS)
            ),
            names(REASONS),
        ),
        (
            "ActivityAction",
            "What was done: the noun, a dot, and the verb. An action keeps its meaning for good.".to_owned(),
            ACTIONS.to_vec(),
        ),
        (
            "ActivitySubjectKind",
            "What something was done to. Empty where it was nothing in particular.".to_owned(),
            SUBJECTS.to_vec(),
        ),
    ];
    for (name, description, values) in sets {
        document["components"]["schemas"][name] =
            json!({ "type": "string", "enum": values, "description": description });
    }
    for (set, list) in [("ProblemCode", CODES), ("InvalidReason", REASONS)] {
        let params: serde_json::Map<String, Value> = list
            .iter()
            .filter(|(.., params)| !params.is_empty())
            .map(|(name, _, params)| ((*name).to_owned(), json!(params)))
            .collect();
        document["components"]["schemas"][set]["x-params"] = params.into();
    }
    open(document.pointer_mut("/components/schemas/Problem/properties/code"), "ProblemCode");
    open(document.pointer_mut("/components/schemas/Activity/properties/action"), "ActivityAction");
    open(document.pointer_mut("/components/schemas/ActivitySubject/properties/kind"), "ActivitySubjectKind");
    let frames = document.pointer_mut("/components/schemas/LiveFrame/oneOf").and_then(Value::as_array_mut);
    for frame in frames.into_iter().flatten() {
        open(frame.pointer_mut("/properties/code"), "ProblemCode");
    }
}

/// A list of names with their meanings and values.
fn meanings(list: &[Code]) -> String {
    list.iter()
        .map(|(name, meaning, params)| match params {
            [] => format!("\n- `{name}`: {meaning}"),
            params => format!("\n- `{name}`: {meaning} (`{}`)", params.join("`, `")),
        })
        .collect()
}

/// Has a property hold a value of the set, or another text of a later version.
fn open(property: Option<&mut Value>, set: &str) {
    if let Some(property) = property {
        let description = property["description"].take();
        let reference = format!("#/components/schemas/{set}");
        *property =
            json!({ "description": description, "anyOf": [{ "$ref": reference }, { "type": "string" }] });
    }
}

/// The values that fields have unless given, by schema. The domain is their only source.
fn defaults() -> [(&'static str, Value); 5] {
    let new = NewContainer::new("", TemplateId::generate());
    let settings = Settings::default();
    [
        ("Limits", json!(Limits::default())),
        ("NewLimits", json!(Limits::default())),
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
