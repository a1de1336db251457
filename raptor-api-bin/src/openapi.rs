//! The OpenAPI document.

use crate::{problem::Problem, routes};
use raptor_core::{
    node::{
        LiveFrame,
        files::{ChecksumKind, FileSort},
    },
    text::LineEnd,
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, Response,
        path::PathItem,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Raptor API",
        description = "Runs game servers and any other containers on many hosts. Errors are RFC 9457 problem documents.",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(Problem, LiveFrame, FileSort, ChecksumKind, LineEnd, routes::ConsoleOrder, routes::EventFrame, routes::ContainerSort, routes::ExportFormat, routes::UploadKind)),
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
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = routes::api().split_for_parts();
    for item in document.paths.paths.values_mut() {
        add_problems(item);
    }
    document
}

/// Every operation may answer with a problem; saying so once beats saying so a hundred times.
fn add_problems(item: &mut PathItem) {
    let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
        .into_iter()
        .flatten();
    for operation in operations {
        for (status, description) in [("4XX", "Refused"), ("5XX", "Failed")] {
            let mut response = Response::new(description);
            let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
            response.content.insert("application/problem+json".into(), RefOr::T(Content::new(Some(schema))));
            operation.responses.responses.entry(status.into()).or_insert(RefOr::T(response));
        }
        describe(operation);
    }
}

/// OpenAPI wants words for every answer.
fn describe(operation: &mut utoipa::openapi::path::Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = "Done".into();
        }
    }
}
