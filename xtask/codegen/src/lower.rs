//! OpenAPI 3.1, as the servers publish it, to 3.0, as the generator reads it. What has no counterpart is an error.

use serde_json::{Map, Value, json};

/// Methods that hold operations.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
/// Words of a schema that 3.0 does not have and that change what it means.
const UNKNOWN: [&str; 6] =
    ["prefixItems", "patternProperties", "unevaluatedProperties", "if", "contains", "dependentSchemas"];

/// The document for the generator: streams are left out, since no generated client can speak them.
pub fn lower(document: &Value) -> Result<Value, Vec<String>> {
    let mut document = document.clone();
    let mut problems = Vec::new();
    document["openapi"] = json!("3.0.3");
    if let Some(license) = document.pointer_mut("/info/license").and_then(Value::as_object_mut) {
        license.remove("identifier");
    }
    drop_streams(&mut document);
    gather_problems(&mut document);
    walk(&mut document, "#", &mut problems);
    flatten_variants(&mut document);
    if problems.is_empty() { Ok(document) } else { Err(problems) }
}

fn drop_streams(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for item in paths.values_mut().filter_map(Value::as_object_mut) {
        item.retain(|method, operation| {
            let socket = operation.pointer("/responses/101").is_some();
            let events = operation.pointer("/responses/200/content/text~1event-stream").is_some();
            !(METHODS.contains(&method.as_str()) && (socket || events))
        });
    }
    paths.retain(|_, item| {
        item.as_object().is_some_and(|item| METHODS.iter().any(|method| item.contains_key(*method)))
    });
}

/// Problems of all statuses have one schema; told apart, each would be a branch in each generated function.
fn gather_problems(document: &mut Value) {
    let shared = document.pointer("/components/responses").cloned().unwrap_or_default();
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        for (class, first) in [("4XX", '4'), ("5XX", '5')] {
            let of_class = |status: &String| status.starts_with(first);
            let found =
                responses.iter().find(|(status, _)| of_class(status)).map(|(_, response)| response.clone());
            let Some(found) = found else { continue };
            let name = found.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            let mut whole = name.and_then(|name| shared.get(name)).cloned().unwrap_or(found);
            whole["description"] = json!(if class == "4XX" { "Refused" } else { "Failed" });
            responses.retain(|status, _| !of_class(status));
            responses.insert(class.into(), whole);
        }
    }
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.remove("responses");
    }
}

/// Lowers every schema, wherever it is.
fn walk(value: &mut Value, at: &str, problems: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(content) = map.get_mut("content").and_then(Value::as_object_mut) {
                media_types(content);
            }
            if at == "#/components/schemas" || at.ends_with("/properties") {
                map.iter_mut().for_each(|(name, inner)| schema(inner, &format!("{at}/{name}"), problems));
                return;
            }
            for (name, inner) in map.iter_mut() {
                let path = format!("{at}/{name}");
                if name == "schema" { schema(inner, &path, problems) } else { walk(inner, &path, problems) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, at, problems)),
        _ => {}
    }
}

/// The generator types error bodies only where they are `application/json`, and bytes only where the schema says so.
fn media_types(content: &mut Map<String, Value>) {
    if let Some(problem) = content.remove("application/problem+json") {
        content.insert("application/json".into(), problem);
    }
    if let Some(bytes) = content.get_mut("application/octet-stream") {
        bytes["schema"] = json!({ "type": "string", "format": "binary" });
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

fn schema(value: &mut Value, at: &str, problems: &mut Vec<String>) {
    let Some(map) = value.as_object_mut() else { return };
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        properties
            .iter_mut()
            .for_each(|(name, inner)| schema(inner, &format!("{at}/properties/{name}"), problems));
    }
    for name in ["items", "additionalProperties", "not"] {
        if let Some(inner) = map.get_mut(name) {
            schema(inner, &format!("{at}/{name}"), problems);
        }
    }
    map.remove("propertyNames");
    open_choice(map);
    // The server fills them in; a client that did would be wrong once they change.
    map.remove("default");
    nullable_type(map);
    nullable_composition(map, at, problems);
    if let Some(constant) = map.remove("const") {
        map.insert("enum".into(), json!([constant]));
    }
    if let Some(format) =
        map.get("format").and_then(Value::as_str).and_then(|format| format.strip_prefix("u-int"))
    {
        let format = format!("uint{format}");
        map.insert("format".into(), json!(format));
    }
    if let Some(example) = map.remove("examples").and_then(|examples| examples.get(0).cloned()) {
        map.insert("example".into(), example);
    }
    problems
        .extend(UNKNOWN.iter().filter(|name| map.contains_key(**name)).map(|name| format!("{at}: `{name}`")));
    if map.contains_key("$ref") && map.len() > 1 {
        let reference = map.remove("$ref");
        map.insert("allOf".into(), json!([{ "$ref": reference }]));
    }
}

/// `anyOf` of an enum and any other string becomes a string. The generator would make a struct of two flattened fields from it,
/// which no string deserializes into.
fn open_choice(map: &mut Map<String, Value>) {
    let Some(parts) = map.get("anyOf").and_then(Value::as_array) else { return };
    let is_text = |part: &Value| part.get("type").and_then(Value::as_str) == Some("string");
    let is_any_text = |part: &Value| is_text(part) && part.get("enum").is_none();
    if parts.iter().all(|part| is_text(part) || part.get("$ref").is_some()) && parts.iter().any(is_any_text) {
        map.remove("anyOf");
        map.insert("type".into(), json!("string"));
    }
}

/// `type: [T, null]` is `type: T, nullable`.
fn nullable_type(map: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = map.get("type").cloned() else { return };
    let rest: Vec<Value> = types.iter().filter(|name| name.as_str() != Some("null")).cloned().collect();
    if rest.len() < types.len() {
        map.insert("nullable".into(), json!(true));
    }
    if let [only] = rest.as_slice() {
        map.insert("type".into(), only.clone());
    }
}

/// `oneOf: [X, null]` is X, nullable.
fn nullable_composition(map: &mut Map<String, Value>, at: &str, problems: &mut Vec<String>) {
    for name in ["oneOf", "anyOf", "allOf"] {
        let Some(Value::Array(mut parts)) = map.remove(name) else { continue };
        let before = parts.len();
        parts.retain(|part| !is_null(part));
        parts
            .iter_mut()
            .enumerate()
            .for_each(|(n, part)| schema(part, &format!("{at}/{name}/{n}"), problems));
        let nullable = parts.len() < before;
        if nullable {
            map.insert("nullable".into(), json!(true));
        }
        let name = if nullable && parts.len() == 1 { "allOf" } else { name };
        map.insert(name.into(), Value::Array(parts));
    }
}

/// A variant that is composed of a schema and its tag becomes one object, which the generator knows as a tagged enum.
fn flatten_variants(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let Some(own) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return;
    };
    for variant in own.values_mut().filter_map(|schema| schema.get_mut("oneOf")?.as_array_mut()).flatten() {
        if variant.get("allOf").is_some()
            && let Some((properties, required)) = merged(variant, &schemas)
        {
            *variant = json!({ "type": "object", "properties": properties, "required": required });
        }
    }
}

fn merged(schema: &Value, schemas: &Value) -> Option<(Map<String, Value>, Vec<Value>)> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return merged(schemas.get(reference.rsplit('/').next()?)?, schemas);
    }
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else {
        let properties = schema.get("properties")?.as_object()?.clone();
        return Some((
            properties,
            schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default(),
        ));
    };
    let mut all = (Map::new(), Vec::new());
    for part in parts {
        let (properties, required) = merged(part, schemas)?;
        all.0.extend(properties);
        all.1.extend(required);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(schema: Value) -> Value {
        let document =
            json!({ "openapi": "3.1.0", "paths": {}, "components": { "schemas": { "X": schema } } });
        lower(&document).unwrap()["components"]["schemas"]["X"].clone()
    }

    #[test]
    fn what_may_be_null_stays_so() {
        assert_eq!(
            lowered(json!({ "type": ["string", "null"] })),
            json!({ "type": "string", "nullable": true })
        );
        let choice = json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Y" }] });
        assert_eq!(
            lowered(choice),
            json!({ "allOf": [{ "$ref": "#/components/schemas/Y" }], "nullable": true })
        );
    }

    #[test]
    fn what_may_be_any_other_text_is_text() {
        let choice = json!({ "anyOf": [{ "$ref": "#/components/schemas/Y" }, { "type": "string" }] });
        assert_eq!(lowered(choice), json!({ "type": "string" }));
    }

    #[test]
    fn a_choice_that_later_versions_may_extend_is_text() {
        let known = json!({ "type": "string", "enum": ["a", "b"] });
        let open = json!({ "description": "Why", "anyOf": [known, { "type": "string" }] });
        assert_eq!(lowered(open), json!({ "type": "string", "description": "Why" }));
        let closed = json!({ "anyOf": [known, { "type": "string", "enum": ["c"] }] });
        assert_eq!(lowered(closed.clone()), closed);
    }

    #[test]
    fn what_has_no_counterpart_is_named_with_its_place() {
        let document =
            json!({ "components": { "schemas": { "X": { "properties": { "a": { "prefixItems": [] } } } } } });
        assert_eq!(lower(&document).unwrap_err(), ["#/components/schemas/X/properties/a: `prefixItems`"]);
    }

    #[test]
    fn problems_of_one_class_become_one() {
        let refused = json!({ "description": "Gone", "content": { "application/json": { "schema": {} } } });
        let document = json!({
            "paths": { "/a": { "get": { "responses": {
                "200": {}, "404": { "$ref": "#/components/responses/NotFound" }, "409": {}, "503": { "description": "Away" },
            } } } },
            "components": { "schemas": {}, "responses": { "NotFound": refused } },
        });
        let responses = lower(&document).unwrap()["paths"]["/a"]["get"]["responses"].clone();
        let statuses: Vec<&String> = responses.as_object().unwrap().keys().collect();
        assert_eq!(statuses, ["200", "4XX", "5XX"]);
        assert_eq!(responses["4XX"]["content"], json!({ "application/json": { "schema": {} } }));
    }

    #[test]
    fn sockets_and_event_streams_are_left_out() {
        let document = json!({ "paths": {
            "/a": { "get": { "responses": { "101": {} } } },
            "/b": { "get": { "responses": { "200": { "content": { "text/event-stream": {} } } } }, "post": { "responses": {} } },
        } });
        let paths = lower(&document).unwrap()["paths"].clone();
        assert_eq!(paths.as_object().unwrap().keys().collect::<Vec<_>>(), ["/b"]);
        assert!(paths["/b"].get("get").is_none());
    }
}
