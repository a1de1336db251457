//! The catalogue of programs to choose from.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::{
        catalogue::{
            CatalogueConfirmation, CatalogueEntry, CatalogueFetch, CatalogueOrigin, CatalogueOriginUpdate,
            CataloguePage,
        },
        template_imports::{ImportedTemplate, imported},
    },
};
use axum::extract::State;
use raptor_core::{
    authz::actions::{ImportTemplate, ListTemplates, ReadCatalogueSource, UpdateCatalogueSource},
    catalogue::service::{Search, Variants},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_catalogue))
        .routes(routes!(get_catalogue_entry))
        .routes(routes!(fetch_catalogue_entry))
        .routes(routes!(import_catalogue_entry))
        .routes(routes!(get_catalogue_origin, update_catalogue_origin))
        .routes(routes!(refresh_catalogue))
}

/// Which entries are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CatalogueQuery {
    /// Words that are all in name, category or description. Case and accents don't matter.
    search: Option<String>,
    /// Only entries of the category with this id.
    category: Option<String>,
    /// Whether variants of other entries are listed too. Default true.
    variants: Option<bool>,
    /// Only the variants of the entry with this id.
    variant_of: Option<String>,
}

impl CatalogueQuery {
    fn search(self) -> Search {
        let variants = match (self.variant_of, self.variants) {
            (Some(id), _) => Variants::Of(id),
            (None, Some(false)) => Variants::None,
            (None, _) => Variants::All,
        };
        Search { words: self.search.unwrap_or_default(), category: self.category, variants }
    }
}

/// What can be chosen to run. With `search`, entries with the words in their names come first. Otherwise the popular ones do,
/// followed by all others ordered by category.
#[utoipa::path(get, path = "/api/v1/catalogue", operation_id = "list_catalogue", tag = "catalogue",
    params(CatalogueQuery, Paging), responses((status = 200, body = CataloguePage)))]
async fn list_catalogue(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<CatalogueQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<CataloguePage>> {
    let permit = app.raptor.authz().allow::<ListTemplates>(&actor)?;
    Ok(Json(app.raptor.catalogue().list(permit, &query.search(), &paging.request()?).await?.into()))
}

/// One entry of the catalogue.
#[utoipa::path(get, path = "/api/v1/catalogue/{id}", operation_id = "get_catalogue_entry", tag = "catalogue",
    params(("id" = String, Path)), responses((status = 200, body = CatalogueEntry)))]
async fn get_catalogue_entry(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<Json<CatalogueEntry>> {
    let permit = app.raptor.authz().allow::<ListTemplates>(&actor)?;
    Ok(Json(app.raptor.catalogue().get(permit, &id).await?.into()))
}

/// Fetch an entry's template from its source without keeping it: what it holds, and whether and how it differs from the file that
/// was indexed.
#[utoipa::path(post, path = "/api/v1/catalogue/{id}/fetch", operation_id = "fetch_catalogue_entry", tag = "catalogue",
    params(("id" = String, Path)), responses((status = 200, body = CatalogueFetch)))]
async fn fetch_catalogue_entry(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<Json<CatalogueFetch>> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    Ok(Json(app.raptor.catalogue().fetch(permit, &id).await?.into()))
}

/// Import an entry's template. One that was imported already is answered as it is, with the outcome `unchanged`. A file that is not
/// the one that was indexed is refused with 409 `source_changed` until `sha256` confirms it.
#[utoipa::path(post, path = "/api/v1/catalogue/{id}/import", operation_id = "import_catalogue_entry", tag = "catalogue",
    params(("id" = String, Path)), request_body = CatalogueConfirmation,
    responses((status = 201, body = ImportedTemplate)))]
async fn import_catalogue_entry(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Json(body): Json<CatalogueConfirmation>,
) -> Answer<Created<ImportedTemplate>> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    let import = app.raptor.catalogue().import(permit, &id, body.sha256.as_deref()).await?;
    Ok(imported(import))
}

/// Where the catalogue comes from.
#[utoipa::path(get, path = "/api/v1/catalogue-origin", operation_id = "get_catalogue_origin", tag = "catalogue",
    responses((status = 200, body = CatalogueOrigin)))]
async fn get_catalogue_origin(
    State(app): State<App>,
    Caller(actor): Caller,
) -> Answer<Json<CatalogueOrigin>> {
    let permit = app.raptor.authz().allow::<ReadCatalogueSource>(&actor)?;
    Ok(Json(app.raptor.catalogue().source(permit).await?.into()))
}

/// Fetch the catalogue from another address, or go back to the one that comes with Raptor. A file that can't be fetched or is no
/// catalogue changes nothing.
#[utoipa::path(put, path = "/api/v1/catalogue-origin", operation_id = "update_catalogue_origin", tag = "catalogue",
    request_body = CatalogueOriginUpdate, responses((status = 200, body = CatalogueOrigin)))]
async fn update_catalogue_origin(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<CatalogueOriginUpdate>,
) -> Answer<Json<CatalogueOrigin>> {
    let permit = app.raptor.authz().allow::<UpdateCatalogueSource>(&actor)?;
    let updated = app.raptor.catalogue().update_source(permit, body.url.as_deref(), body.revision).await?;
    Ok(Json(updated.into()))
}

/// Fetch the catalogue again from the address that is set.
#[utoipa::path(post, path = "/api/v1/catalogue-origin/refresh", operation_id = "refresh_catalogue", tag = "catalogue",
    responses((status = 200, body = CatalogueOrigin)))]
async fn refresh_catalogue(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<CatalogueOrigin>> {
    let permit = app.raptor.authz().allow::<UpdateCatalogueSource>(&actor)?;
    Ok(Json(app.raptor.catalogue().refresh(permit).await?.into()))
}
