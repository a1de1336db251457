//! What can be done with templates.

use super::{
    Template, export,
    import::{self, ImportWarning},
};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerSet, Permit, SystemPermission, Target,
        actions::{DeleteTemplate, ImportTemplate, ListTemplates, ReadTemplate, UpdateTemplate},
    },
    id::TemplateId,
    paging::{Page, PageRequest},
    store::{self, Change, Conn, Subject, Tx, Verb},
};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// How long fetching a template may take.
const FETCH_PATIENCE: Duration = Duration::from_secs(20);

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

/// One revision of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Its number, from 1.
    pub revision: i64,
    /// The dialect that it was imported from.
    pub source_format: String,
    /// Who made it; empty where nobody wrote it down.
    pub made_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Containers that run it.
    pub container_count: i64,
}

/// What an import came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new template.
    Created,
    /// A new revision of a template that was there.
    Revised,
    /// The template says this already.
    Unchanged,
}

/// What somebody gave, and what became of it.
#[derive(Clone, Debug)]
pub struct Import {
    /// The template.
    pub template: StoredTemplate,
    /// What was odd.
    pub warnings: Vec<ImportWarning>,
    /// What it came to.
    pub outcome: Outcome,
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

    /// Imports a template. One that its makers gave an id, and that is here under the same name, gets a new revision where the actor
    /// may change templates.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is none.
    pub async fn import(&self, permit: Permit<ImportTemplate>, file: &[u8]) -> Result<Import> {
        self.take(permit, file, None).await
    }

    /// Imports the template at a web address, which must be a public one. Otherwise as [`Self::import`].
    ///
    /// # Errors
    /// [`Error::Invalid`] at `url` where nothing can be fetched, and where it is no template.
    pub async fn import_from(&self, permit: Permit<ImportTemplate>, url: &str) -> Result<Import> {
        let fetched = self.0.outbound.read(url, import::MAX_SIZE, FETCH_PATIENCE).await;
        let file = fetched.map_err(|error| Error::invalid("url", error.to_string()))?;
        // Only the host: an address may hold a secret.
        let host = url::Url::parse(url.trim()).ok().and_then(|url| url.host_str().map(str::to_owned));
        self.take(permit, &file, host).await
    }

    async fn take(
        &self,
        permit: Permit<ImportTemplate>,
        file: &[u8],
        host: Option<String>,
    ) -> Result<Import> {
        let (actor, ()) = permit.consume();
        let imported = read(file).await?;
        let mut tx = self.0.store.begin().await?;
        let revises = actor.grants().contains(SystemPermission::TemplatesUpdate);
        if let Some(uuid) = imported.template.uuid.as_deref().filter(|_| revises)
            && let Some(present) =
                store::templates::find_source(&mut tx.conn(), uuid, &imported.template.name).await?
        {
            let revised = self.add_revision(&mut tx, &actor, present, imported).await?;
            tx.commit().await?;
            return Ok(revised);
        }
        let added = self.add(&mut tx, &actor, imported, host.as_deref(), None).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// Adds a template, which came from the host `from` and the catalogue's entry `entry`.
    pub(crate) async fn add(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        imported: import::Imported,
        from: Option<&str>,
        entry: Option<&str>,
    ) -> Result<Import> {
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
        template.number = store::templates::insert(&mut tx.conn(), &template, actor.name()).await?;
        self.note_import(tx, actor, &template, imported.warnings.len(), from, entry).await?;
        tx.emit(Change::new(Subject::Template, Verb::Created, template.id));
        Ok(Import { template, warnings: imported.warnings, outcome: Outcome::Created })
    }

    /// Writes down that a template was imported from the host `from` and the catalogue's entry `entry`.
    pub(crate) async fn note_import(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        template: &StoredTemplate,
        warnings: usize,
        from: Option<&str>,
        entry: Option<&str>,
    ) -> Result<()> {
        let mut detail =
            serde_json::json!({ "format": template.source_format, "warnings": warnings, "from": from });
        if let Some(entry) = entry {
            detail["catalogue"] = entry.into();
        }
        let activity = Activity::new(&self.0.clock, actor, "template.imported")
            .on("template", template.id, &template.document.name)
            .with(detail);
        store::activity::insert(&mut tx.conn(), &activity).await
    }

    /// Gives a template a new revision. Containers stay at theirs until they are moved. `base` is the revision that the change was
    /// made from, where it was made from one.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is no template, [`Error::Conflict`] `template_changed` where there is a newer revision than `base`.
    pub async fn revise(
        &self,
        permit: Permit<UpdateTemplate>,
        file: &[u8],
        base: Option<i64>,
    ) -> Result<Import> {
        let (actor, target) = permit.consume();
        let imported = read(file).await?;
        let mut tx = self.0.store.begin().await?;
        let present = store::templates::find(&mut tx.conn(), target.id).await?;
        let present = present.ok_or(Error::NotFound { what: "template" })?;
        if base.is_some_and(|base| base != present.revision) {
            return Err(changed_meanwhile());
        }
        let revised = self.add_revision(&mut tx, &actor, present, imported).await?;
        tx.commit().await?;
        Ok(revised)
    }

    /// Gives a template a new revision, where it says something else.
    pub(crate) async fn add_revision(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        present: StoredTemplate,
        imported: import::Imported,
    ) -> Result<Import> {
        let import::Imported { template: document, format, warnings } = imported;
        if document == present.document {
            return Ok(Import { template: present, warnings, outcome: Outcome::Unchanged });
        }
        let template = StoredTemplate {
            source_format: format,
            revision: present.revision + 1,
            updated_at: self.0.clock.now(),
            document,
            ..present
        };
        if !store::templates::revise(&mut tx.conn(), &template, actor.name()).await? {
            return Err(changed_meanwhile());
        }
        let activity = Activity::new(&self.0.clock, actor, "template.revised")
            .on("template", template.id, &template.document.name)
            .with(serde_json::json!({ "revision": template.revision, "format": template.source_format }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Template, Verb::Updated, template.id));
        Ok(Import { template, warnings, outcome: Outcome::Revised })
    }

    /// Reads a template without keeping it: what it would be, and what is odd about it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is none.
    pub async fn preview(&self, permit: Permit<ImportTemplate>, file: &[u8]) -> Result<import::Imported> {
        let _ = permit.consume();
        read(file).await
    }

    /// A template's revisions, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revisions(&self, permit: Permit<ReadTemplate>) -> Result<Vec<Revision>> {
        let (_, template) = permit.consume();
        store::templates::revisions(&mut self.0.store.read().await?.conn(), template.id).await
    }

    /// A template as one of its revisions had it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revision(&self, permit: Permit<ReadTemplate>, revision: i64) -> Result<StoredTemplate> {
        let (_, template) = permit.consume();
        let mut reader = self.0.store.read().await?;
        let found = store::templates::revision(&mut reader.conn(), template.id, revision).await?;
        let document = found.ok_or(Error::NotFound { what: "revision" })?;
        Ok(StoredTemplate { document, revision, ..template })
    }

    /// The template in Raptor's own format, which holds all of it.
    #[must_use]
    pub fn export_own(&self, permit: Permit<ReadTemplate>) -> serde_json::Value {
        export::to_own(&permit.consume().1.document)
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

/// Reads a file off the threads that serve: a large one takes a while.
pub(crate) async fn read(file: &[u8]) -> Result<import::Imported> {
    let file = file.to_vec();
    tokio::task::spawn_blocking(move || import::import(&file)).await.map_err(Error::internal)?
}

fn changed_meanwhile() -> Error {
    Error::conflict(
        "template_changed",
        "Somebody else has changed this template meanwhile. Look at the newest revision, then change it again.",
    )
}
