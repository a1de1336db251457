//! Operations on templates.

use super::{export, import::ImportWarning};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerSet, Permit, Target,
        actions::{DeleteTemplate, ListTemplates, ReadTemplate},
        sealed::Load,
    },
    id::TemplateId,
    paging::{Page, PageRequest},
    store::{self, Change, Conn, Subject, Verb},
};
use serde::Serialize;

pub use raptor_model::templates::{Revision, StoredTemplate};

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ImportOutcome))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new template was created.
    Created,
    /// An existing template got a new revision.
    Revised,
    /// The template already says the same, so nothing was changed.
    Unchanged,
}

/// The result of an import.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Import {
    /// The new or existing template.
    pub template: StoredTemplate,
    /// Warnings about the file.
    pub warnings: Vec<ImportWarning>,
    /// What the import did.
    pub outcome: Outcome,
}

impl Target for StoredTemplate {
    type Key = TemplateId;
}

impl Load<TemplateId> for StoredTemplate {
    const WHAT: &'static str = "template";
    async fn load(
        conn: &mut Conn<'_>,
        _: &Actor,
        key: TemplateId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        Ok(store::templates::find(conn, key).await?.map(|template| (template, None)))
    }
}

/// Operations on templates and their revisions.
pub struct TemplateService<'r>(pub(crate) &'r Raptor);

impl TemplateService<'_> {
    /// Templates, ordered by name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn list(
        &self,
        permit: Permit<ListTemplates>,
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<StoredTemplate>> {
        let _ = permit.consume();
        store::templates::list(&mut self.0.inner.store.read().await?.conn(), search, page).await
    }

    #[must_use]
    pub fn get(&self, permit: Permit<ReadTemplate>) -> StoredTemplate {
        permit.consume().1
    }

    /// A template's revisions, newest first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn revisions(&self, permit: Permit<ReadTemplate>) -> Result<Vec<Revision>> {
        let (_, template) = permit.consume();
        store::templates::revisions(&mut self.0.inner.store.read().await?.conn(), template.id).await
    }

    /// A template as of one of its revisions.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revision(&self, permit: Permit<ReadTemplate>, revision: i64) -> Result<StoredTemplate> {
        let (_, template) = permit.consume();
        let mut reader = self.0.inner.store.read().await?;
        let found = store::templates::revision(&mut reader.conn(), template.id, revision).await?;
        let document = found.ok_or(Error::NotFound { what: "revision" })?;
        Ok(StoredTemplate { document, revision, damaged: Vec::new(), ..template })
    }

    /// The template in Raptor's own format, without any loss.
    ///
    /// # Errors
    /// [`Error::Conflict`] `damaged`.
    pub fn export_own(&self, permit: Permit<ReadTemplate>) -> Result<serde_json::Value> {
        Ok(export::to_own(&permit.consume().1.readable()?.document))
    }

    /// The template as a PTDL_v2 egg.
    ///
    /// # Errors
    /// [`Error::Conflict`] `damaged`.
    pub fn export(&self, permit: Permit<ReadTemplate>) -> Result<serde_json::Value> {
        Ok(export::to_ptdl_v2(&permit.consume().1.readable()?.document, self.0.inner.clock.now()))
    }

    /// Deletes a template that no container uses.
    ///
    /// # Errors
    /// [`Error::Conflict`] `in_use`.
    pub async fn delete(&self, permit: Permit<DeleteTemplate>) -> Result<()> {
        let (actor, template) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        if !store::templates::delete(&mut tx.conn(), template.id).await? {
            return Err(Error::NotFound { what: "template" });
        }
        let activity = Activity::new(&self.0.inner.clock, &actor, "template.deleted").on(
            "template",
            template.id,
            &template.document.name,
        );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Template, Verb::Deleted, template.id));
        tx.commit().await
    }
}

pub(super) fn changed_meanwhile() -> Error {
    Error::conflict(
        "template_changed",
        "Somebody else changed this template in the meantime. Review the newest revision, then change it again.",
    )
}
