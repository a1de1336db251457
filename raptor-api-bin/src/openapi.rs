//! The OpenAPI document.

mod answers;
mod permissions;
mod shapes;
mod words;

use crate::{problem::Problem, routes};
use raptor_core::{
    node::{
        LiveFrame,
        files::{ChecksumKind, FileSort},
    },
    text::LineEnd,
};
use serde_json::json;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Raptor API",
        description = "Runs game servers and any other containers on many hosts. Errors are RFC 9457 problem documents.",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(Problem, LiveFrame, FileSort, ChecksumKind, LineEnd, routes::ConsoleOrder, routes::EventFrame, routes::EventRequest, routes::LiveRequest, routes::ContainerSort, routes::ExportFormat, routes::UploadKind)),
    modifiers(&Bearer)
)]
pub(crate) struct Base;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    }
}

/// The document, as published.
#[must_use]
pub fn openapi() -> serde_json::Value {
    let (_, document) = routes::api().split_for_parts();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["servers"] = json!([{ "url": "/", "description": "The server that this document comes from" }]);
    answers::add(&mut document);
    shapes::refine(&mut document);
    words::add(&mut document);
    document
}
