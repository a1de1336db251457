//! What both programs' OpenAPI documents need beyond what their routes say, so that generators of clients understand them.

use axum::http::{HeaderName, header};
use serde_json::{Map, Value, json};

/// What the page that shows a document may load and who may frame it.
pub const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/// Headers of that page, for a program that serves no other.
pub const PAGE_HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Describes bodies of bytes as binary, and unsigned numbers by their formats in OpenAPI's registry.
pub fn refine(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(bytes) = map.get_mut("application/octet-stream") {
                *bytes = json!({ "schema": { "type": "string", "format": "binary" } });
            }
            // The registry has `uint8`, and not what the generator of the document writes.
            if let Some(Value::String(format)) = map.get_mut("format")
                && let Some(bits) = format.strip_prefix("u-int")
            {
                *format = format!("uint{bits}");
            }
            map.values_mut().for_each(refine);
        }
        Value::Array(items) => items.iter_mut().for_each(refine),
        _ => {}
    }
}

/// All operations of a document, each with its path and its method.
pub fn operations(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    paths.filter_map(|(path, item)| Some((path.as_str(), item.as_object_mut()?))).flat_map(|(path, item)| {
        item.iter_mut().map(move |(method, operation)| (path, method.as_str(), operation))
    })
}

/// Leaves the first sentence in an operation's summary and puts the others at the beginning of its description.
pub fn split_summary(operation: &mut Value) {
    let text = operation["summary"].as_str().unwrap_or_default().replace('\n', " ");
    let (first, rest) = text.split_once(". ").unwrap_or((text.as_str(), ""));
    operation["summary"] = first.trim_end_matches('.').into();
    let more = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let parts = [rest, more].map(str::trim).into_iter().filter(|part| !part.is_empty());
    let description = parts.collect::<Vec<_>>().join("\n\n");
    if !description.is_empty() {
        operation["description"] = description.into();
    }
}

/// Refers to the shared answer `name`, unless the operation itself describes this status.
pub fn refer(responses: &mut Map<String, Value>, status: &str, name: &str) {
    responses.entry(status).or_insert_with(|| json!({ "$ref": format!("#/components/responses/{name}") }));
}

/// An answer that is a problem (RFC 9457).
#[must_use]
pub fn problem(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_is_the_summary_and_the_rest_is_the_description() {
        let mut operation =
            json!({ "summary": "Make it. Nothing\nelse.", "description": "For example `1.5 s`." });
        split_summary(&mut operation);
        assert_eq!(
            operation,
            json!({ "summary": "Make it", "description": "Nothing else.\n\nFor example `1.5 s`." })
        );
        let mut short = json!({ "summary": "Make it." });
        split_summary(&mut short);
        assert_eq!(short, json!({ "summary": "Make it" }));
    }
}
