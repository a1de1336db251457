//! The routes, one file per part of the path.

mod access;
mod account;
mod activity;
mod allocations;
mod attachments;
mod auth;
mod catalogue;
mod container_templates;
mod containers;
mod content;
mod daemons;
mod downloads;
mod events;
mod files;
mod history;
mod images;
mod live;
mod mail;
mod network;
mod registries;
mod roles;
mod runtime;
mod settings;
mod sftp;
mod template_imports;
mod templates;
mod texts;
mod uploads;
mod users;

pub(crate) use containers::ContainerSort;
pub(crate) use events::{EventFrame, EventRequest};
pub(crate) use history::ConsoleOrder;
pub(crate) use live::LiveRequest;
pub(crate) use template_imports::UploadKind;
pub(crate) use templates::ExportFormat;

use crate::{App, openapi::Base};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Every route that the OpenAPI document names.
pub(crate) fn api() -> OpenApiRouter<App> {
    // Each route has its full path: nested routers would parse the path again for each request.
    OpenApiRouter::with_openapi(Base::openapi())
        .merge(settings::routes())
        .merge(mail::routes())
        .merge(auth::routes())
        .merge(account::routes())
        .merge(users::routes())
        .merge(roles::routes())
        .merge(daemons::routes())
        .merge(allocations::routes())
        .merge(templates::routes())
        .merge(catalogue::routes())
        .merge(containers::routes())
        .merge(container_templates::routes())
        .merge(runtime::routes())
        .merge(registries::routes())
        .merge(images::routes())
        .merge(network::routes())
        .merge(sftp::routes())
        .merge(access::routes())
        .merge(live::routes())
        .merge(events::routes())
        .merge(history::routes())
        .merge(files::routes())
        .merge(content::routes())
        .merge(texts::routes())
        .merge(uploads::routes())
        .merge(downloads::routes())
        .merge(activity::routes())
}
