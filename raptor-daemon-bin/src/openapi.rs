//! The OpenAPI document.

use crate::Problem;
use raptor_model::{
    id::ContainerId,
    node::{
        HostMessage, LiveFrame, Node, NodeEvent,
        files::{FileRead, FileRequest},
        requests::{Handler, Input, Method, Reply, Request, Route, Target, Visitor, visit},
    },
};
use raptor_server::openapi::{Shared, add_answers, operations, refine, split_summary};
use serde_json::{Map, Value, json};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        Components,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Raptor daemon",
        description = "What the API asks of a host. Every request carries the daemon's key, `DAEMON_API_KEY`, as `Authorization: Bearer …`. Errors are RFC 9457 problem documents. This is not an interface for programs of your own: it changes with Raptor's version, and what is changed here is not in the API's database.",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(Problem, ContainerId, LiveFrame, NodeEvent, HostMessage, FileRequest, FileRead)),
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

/// Groups of operations: name, description, and prefixes of their paths. The first match applies.
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

/// The published document.
#[must_use]
pub fn openapi() -> Value {
    let mut document = Base::openapi();
    let mut operations_of_hosts = Operations::default();
    visit(&mut operations_of_hosts);
    document.components.get_or_insert_default().schemas.append(&mut operations_of_hosts.components.schemas);
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["paths"] = operations_of_hosts.paths.into();
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

/// The operations of all requests, and the schemas that they refer to.
#[derive(Default)]
struct Operations {
    paths: Map<String, Value>,
    components: Components,
}

impl Visitor for Operations {
    fn request<R: Request>(&mut self)
    where
        dyn Node: Handler<R>,
    {
        self.add::<R>();
    }

    fn stream<R: Route>(&mut self) {
        self.add::<R>();
    }
}

impl Operations {
    fn add<R: Route>(&mut self) {
        let known = R::OPERATION;
        let mut operation = json!({ "summary": known.about, "operationId": known.id });
        let mut parameters = Vec::new();
        if R::Target::IS_CONTAINER {
            let id = json!({ "$ref": "#/components/schemas/ContainerId" });
            parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": id }));
        }
        match known.input {
            Input::None => {}
            Input::Query => parameters.extend(self.query::<R>()),
            Input::Json => {
                let content = json!({ "application/json": { "schema": self.named::<R>() } });
                operation["requestBody"] = json!({ "content": content, "required": true });
            }
            Input::Content => {
                let about = "JSON of what is written: a `FileWrite` in `request`, and `denied`.";
                let text = json!({ "type": "string" });
                parameters.push(json!({ "name": "request", "in": "query", "description": about, "required": true, "schema": text }));
                let content = json!({ "application/octet-stream": {} });
                operation["requestBody"] = json!({ "content": content, "required": true });
            }
        }
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        let reply = match known.reply {
            Reply::Json => {
                json!({ "content": { "application/json": { "schema": self.named::<R::Answer>() } } })
            }
            Reply::Content => json!({ "content": { "application/octet-stream": {} } }),
            Reply::Accepted | Reply::Done => json!({}),
            Reply::Socket(frames) => json!({ "description": format!("WebSocket of {frames}") }),
        };
        operation["responses"] = json!({ known.reply.status().to_string(): reply });
        let method = match known.method {
            Method::Get => "get",
            Method::Put => "put",
            Method::Post => "post",
            Method::Delete => "delete",
        };
        let path = self.paths.entry(format!("/api/v1{}", known.path)).or_insert_with(|| json!({}));
        path[method] = operation;
    }

    /// A reference to the type's schema.
    fn named<T: ToSchema>(&mut self) -> Value {
        let name = name_of::<T>();
        self.nested::<T>();
        self.components.schemas.insert(name.clone(), T::schema());
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn nested<T: ToSchema>(&mut self) {
        let mut nested = Vec::new();
        T::schemas(&mut nested);
        self.components.schemas.extend(nested);
    }

    /// The type's fields, as parameters of a query.
    fn query<T: ToSchema>(&mut self) -> Vec<Value> {
        self.nested::<T>();
        let schema = serde_json::to_value(T::schema()).unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let fields = schema["properties"].as_object().cloned().unwrap_or_default();
        let parameter = |(name, mut field): (String, Value)| {
            let about = field.as_object_mut().and_then(|field| field.remove("description"));
            // A parameter is omitted rather than null.
            if let Some(Value::Array(types)) = field.get("type") {
                field["type"] = types.iter().find(|one| *one != "null").cloned().unwrap_or_default();
            }
            let required = required.contains(&json!(name));
            json!({ "name": name, "in": "query", "description": about, "required": required, "schema": field })
        };
        fields.into_iter().map(parameter).collect()
    }
}

/// The name of a type's schema. For a generic type it includes the name of its argument, e.g. `Scoped_FileRequest`.
fn name_of<T: ToSchema>() -> String {
    match std::any::type_name::<T>().split_once('<') {
        Some((_, of)) => {
            let of = of.trim_end_matches('>');
            format!("{}_{}", T::name(), of.rsplit("::").next().unwrap_or(of))
        }
        None => T::name().into_owned(),
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

    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = openapi();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    #[tokio::test]
    async fn every_operation_is_served() {
        let host = std::sync::Arc::new(raptor_core::daemons::simulated::SimulatedHost::default());
        let router = crate::router(host, "key".into());
        let mut document = openapi();
        for (path, method, operation) in operations(&mut document) {
            let path = path.replace("{id}", "01a2f3c4-0d5e-7f60-8a1b-2c3d4e5f6071");
            let request = axum::http::Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let request =
                request.header("authorization", "Bearer key").body(axum::body::Body::empty()).unwrap();
            let answer = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
            let answered = answer.headers().get("content-type").is_some() || answer.status().is_success();
            // An unknown path is 404 without a body, and an unsupported method is 405.
            assert!(
                answered && answer.status() != 405,
                "{} {path}: {}",
                operation["operationId"],
                answer.status()
            );
        }
    }
}
