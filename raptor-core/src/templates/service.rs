//! What can be done with templates.

use super::{
    Template, export,
    import::{self, ImportWarning},
};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerSet, Permit, Target,
        actions::{DeleteTemplate, ImportTemplate, ListTemplates, ReadTemplate},
    },
    id::TemplateId,
    paging::{Page, PageRequest},
    store::{self, Change, Conn, Subject, Verb},
};
use chrono::{DateTime, Utc};

/// A template in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTemplate {
    /// Its id.
    pub id: TemplateId,
    /// Its small stable number.
    pub number: i64,
    /// The dialect that it was imported from.
    pub source_format: String,
    /// What it says.
    pub document: Template,
    /// Grows with each change.
    pub revision: i64,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Containers that are made from it.
    pub container_count: i64,
}

impl Target for StoredTemplate {
    type Key = TemplateId;
    const WHAT: &'static str = "template";
    async fn load(
        conn: &mut Conn<'_>,
        _: &Actor,
        key: TemplateId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        Ok(store::templates::find(conn, key).await?.map(|template| (template, None)))
    }
}

/// The operations.
pub struct TemplateService<'r>(pub(crate) &'r Raptor);

impl TemplateService<'_> {
    /// Templates by name.
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
        store::templates::list(&mut self.0.store.read().await?.conn(), search, page).await
    }

    /// One template.
    #[must_use]
    pub fn get(&self, permit: Permit<ReadTemplate>) -> StoredTemplate {
        permit.consume().1
    }

    /// Imports an egg.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is none.
    pub async fn import(
        &self,
        permit: Permit<ImportTemplate>,
        egg: &[u8],
    ) -> Result<(StoredTemplate, Vec<ImportWarning>)> {
        let (actor, ()) = permit.consume();
        let imported = import::import(egg)?;
        let now = self.0.clock.now();
        let mut template = StoredTemplate {
            id: TemplateId::generate(),
            number: 0,
            source_format: imported.format,
            document: imported.template,
            revision: 1,
            created_at: now,
            updated_at: now,
            container_count: 0,
        };
        let mut tx = self.0.store.begin().await?;
        template.number = store::templates::insert(&mut tx.conn(), &template).await?;
        let activity = Activity::new(&self.0.clock, &actor, "template.imported")
            .on("template", template.id, &template.document.name)
            .with(
                serde_json::json!({ "format": template.source_format, "warnings": imported.warnings.len() }),
            );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Template, Verb::Created, template.id));
        tx.commit().await?;
        Ok((template, imported.warnings))
    }

    /// The template as a PTDL_v2 document.
    #[must_use]
    pub fn export(&self, permit: Permit<ReadTemplate>) -> serde_json::Value {
        export::to_ptdl_v2(&permit.consume().1.document, self.0.clock.now())
    }

    /// Deletes a template that no container is made from.
    ///
    /// # Errors
    /// [`Error::Conflict`] `in_use`.
    pub async fn delete(&self, permit: Permit<DeleteTemplate>) -> Result<()> {
        let (actor, template) = permit.consume();
        let mut tx = self.0.store.begin().await?;
        if !store::templates::delete(&mut tx.conn(), template.id).await? {
            return Err(Error::NotFound { what: "template" });
        }
        let activity = Activity::new(&self.0.clock, &actor, "template.deleted").on(
            "template",
            template.id,
            &template.document.name,
        );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Template, Verb::Deleted, template.id));
        tx.commit().await
    }
}
