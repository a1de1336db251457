//! The routes, a file for each part of the address.

mod account;
mod activity;
mod auth;
mod roles;
mod settings;
mod users;

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
        .merge(activity::routes());
    OpenApiRouter::with_openapi(Base::openapi()).nest("/api/v1", v1)
}

/// Every route.
pub(crate) fn all() -> axum::Router<App> {
    api().split_for_parts().0
}
