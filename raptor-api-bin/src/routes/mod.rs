//! The routes, a file for each part of the address.

mod access;
mod account;
mod activity;
mod allocations;
mod auth;
mod container_templates;
mod containers;
mod daemons;
mod live;
mod network;
mod roles;
mod settings;
mod templates;
mod users;

pub(crate) use containers::ContainerSort;
pub(crate) use templates::ExportFormat;

use crate::{App, openapi::Base};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Every route that the OpenAPI document names.
pub(crate) fn api() -> OpenApiRouter<App> {
    let v1 = OpenApiRouter::new()
        .merge(settings::routes())
        .merge(auth::routes())
        .merge(account::routes())
        .merge(users::routes())
        .merge(roles::routes())
        .merge(daemons::routes())
        .merge(allocations::routes())
        .merge(templates::routes())
        .merge(containers::routes())
        .merge(container_templates::routes())
        .merge(network::routes())
        .merge(access::routes())
        .merge(live::routes())
        .merge(activity::routes());
    OpenApiRouter::with_openapi(Base::openapi()).nest("/api/v1", v1)
}

/// Every route.
pub(crate) fn all() -> axum::Router<App> {
    api().split_for_parts().0
}
