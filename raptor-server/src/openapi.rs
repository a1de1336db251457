//! What both OpenAPI documents need beyond what their routes declare, so that client generators understand them.

use axum::http::{HeaderName, header};
use serde_json::{Map, Value, json};

/// `Content-Security-Policy` of the page that shows a document.
pub const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/// Headers of that page, for a server that serves no other page.
pub const PAGE_HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Marks bodies of bytes as binary, and gives unsigned numbers the formats of OpenAPI's format registry.
pub fn refine(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(bytes) = map.get_mut("application/octet-stream") {
                *bytes = json!({ "schema": { "type": "string", "format": "binary" } });
            }
            // The registry has `uint8` etc.; utoipa writes other names.
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

/// All operations of a document, each with its path and method.
pub fn operations(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    paths.filter_map(|(path, item)| Some((path.as_str(), item.as_object_mut()?))).flat_map(|(path, item)| {
        item.iter_mut().map(move |(method, operation)| (path, method.as_str(), operation))
    })
}

/// Keeps the first sentence of an operation's summary and moves the others to the beginning of its description.
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

/// What the shared responses of an operation depend on.
pub struct Operation<'a> {
    /// Its path, with parameters in braces.
    pub path: &'a str,
    /// Its method, in lower case.
    pub method: &'a str,
    pub id: &'a str,
    /// Whether it can be called without authentication.
    pub public: bool,
    pub body: Option<&'a Value>,
    /// Whether it has path or query parameters.
    pub has_parameters: bool,
    /// Whether it opens a WebSocket.
    pub is_socket: bool,
}

/// A response that many operations share.
pub struct Shared {
    /// The HTTP status, as a string as in the document.
    pub status: &'static str,
    /// Its name among the document's `components`.
    pub name: &'static str,
    /// One sentence on what it means.
    pub description: &'static str,
    /// Whether an operation may respond with it.
    pub applies: fn(&Operation<'_>) -> bool,
}

/// Adds to each operation the `shared` responses that apply to it, and a description to each response that has none.
pub fn add_answers(document: &mut Value, shared: &[Shared]) {
    for (path, method, operation) in operations(document) {
        let wanted = {
            let known = Operation {
                path,
                method,
                id: operation["operationId"].as_str().unwrap_or_default(),
                public: operation.get("security").is_some(),
                body: operation.get("requestBody"),
                has_parameters: operation.get("parameters").is_some(),
                is_socket: operation.pointer("/responses/101").is_some(),
            };
            shared.iter().filter(|shared| (shared.applies)(&known)).collect::<Vec<_>>()
        };
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
            continue;
        };
        for shared in wanted {
            // Unless the operation describes this status itself.
            let reference = || json!({ "$ref": format!("#/components/responses/{}", shared.name) });
            responses.entry(shared.status).or_insert_with(reference);
        }
        responses.iter_mut().for_each(describe);
    }
    let all = shared.iter().map(|shared| (shared.name.to_owned(), problem(shared.description)));
    document["components"]["responses"] = all.collect::<Map<String, Value>>().into();
}

/// Adds the description that OpenAPI requires for every response.
fn describe((status, response): (&String, &mut Value)) {
    let described = response["description"].as_str().is_some_and(|words| !words.is_empty());
    if response.get("$ref").is_none() && !described {
        response["description"] = match status.as_str() {
            "101" => "The WebSocket is open",
            "201" => "Made",
            "202" => "Accepted; it is carried out in the background",
            "204" => "Done",
            _ => "The answer",
        }
        .into();
    }
}

/// A response with a problem document (RFC 9457).
fn problem(description: &str) -> Value {
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
