//! Importing templates, and handling those that already exist.

use super::{
    FieldChange, Origin, OriginKind, Template, difference,
    import::{self, ImportWarning, Imported},
    origin::RAW_FILES,
    service::{Import, Outcome, StoredTemplate, TemplateService, changed_meanwhile},
};
use crate::{
    Error, Result,
    activity::Activity,
    authz::{
        Actor, Permission, Permit, SystemPermission,
        actions::{ImportTemplate, UpdateTemplate},
    },
    hash::sha256,
    id::TemplateId,
    store::{self, Change, Subject, Tx, Verb},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Time limit for fetching a template.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// What an import does where the same template is here already and says something else. It is the same one with the same id of
/// its makers, from the same address, or, where one of the two has no such id, with the same name and author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnExisting {
    /// Import nothing and say so (`template_exists`).
    #[default]
    Ask,
    /// Give the template that is here a new revision. Containers stay at theirs until they are moved.
    Update,
    /// Import a second one beside it.
    KeepBoth,
}

/// A parsed file, and the templates that it may be another version of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preview {
    /// The template in the file, with the notes of the import.
    pub imported: Imported,
    /// SHA-256 of the file, as lower-case hex digits.
    pub sha256: String,
    /// Existing templates that are the same one, the most likely first. Empty if the actor may not read templates.
    pub existing: Vec<Existing>,
}

/// An existing template that a file may be another version of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Existing {
    /// The template in its newest revision.
    pub template: StoredTemplate,
    /// The differences to the file; empty if there are none.
    pub changes: Vec<FieldChange>,
}

/// A parsed file with its origin.
struct ParsedFile {
    imported: Imported,
    origin: Origin,
    sha256: String,
}

impl ParsedFile {
    async fn read(file: &[u8], origin: Origin) -> Result<Self> {
        Ok(Self { imported: read(file).await?, origin, sha256: sha256(file) })
    }

    fn origin(&self, revision: i64) -> Origin {
        self.origin.clone().of(&self.imported.template.author, self.sha256.clone(), revision)
    }
}

impl TemplateService<'_> {
    /// Imports an uploaded template, like [`Self::import_as`] with [`OnExisting::Ask`].
    ///
    /// # Errors
    /// Those of [`Self::import_as`].
    pub async fn import(&self, permit: Permit<ImportTemplate>, file: &[u8]) -> Result<Import> {
        self.import_as(permit, file, Origin::file(None), OnExisting::Ask).await
    }

    /// Imports a template from `origin`. If the same template exists with the same content, nothing changes.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a template; [`Error::Conflict`] `template_exists` if another version of it exists and
    /// `on_existing` is [`OnExisting::Ask`], `several_templates` if it is unclear which one to update; [`Error::Forbidden`] if
    /// the actor may not update templates.
    pub async fn import_as(
        &self,
        permit: Permit<ImportTemplate>,
        file: &[u8],
        origin: Origin,
        on_existing: OnExisting,
    ) -> Result<Import> {
        let (actor, ()) = permit.consume();
        let given = ParsedFile::read(file, origin).await?;
        let mut tx = self.0.inner.store.begin().await?;
        // Two callers with the same file must create only one template.
        store::templates::lock(&mut tx.conn()).await?;
        if on_existing == OnExisting::KeepBoth {
            return committed(self.create(&mut tx, &actor, given).await?, tx).await;
        }
        let present =
            store::templates::similar(&mut tx.conn(), &given.imported.template, &given.origin).await?;
        let same =
            present.iter().find(|one| one.damaged.is_empty() && one.document == given.imported.template);
        if let Some(same) = same.cloned() {
            return committed(self.add_revision(&mut tx, &actor, same, given).await?, tx).await;
        }
        match (present.as_slice(), on_existing) {
            ([], _) => committed(self.create(&mut tx, &actor, given).await?, tx).await,
            ([first, ..], OnExisting::Ask) => Err(exists(&given.imported.template, first)),
            ([_, _, ..], _) => Err(Error::conflict(
                "several_templates",
                format!(
                    "{} is here {} times. Open the one to update and update it there, or import this one with on_existing=keep_both.",
                    given.imported.template.name,
                    present.len()
                ),
            )
            .with("name", given.imported.template.name.as_str())
            .with("count", present.len())),
            ([one], _) => {
                may_update(&actor)?;
                committed(self.add_revision(&mut tx, &actor, one.clone(), given).await?, tx).await
            }
        }
    }

    /// Imports the template at a public web address. With `expected`, the file must have this SHA-256. Otherwise like
    /// [`Self::import_as`].
    ///
    /// # Errors
    /// [`Error::Invalid`] at `url` if it can't be fetched, or if it is not a template; [`Error::Conflict`] `source_changed`;
    /// otherwise those of [`Self::import_as`].
    pub async fn import_from(
        &self,
        permit: Permit<ImportTemplate>,
        url: &str,
        on_existing: OnExisting,
        expected: Option<&str>,
    ) -> Result<Import> {
        let file = self.fetch(url).await?;
        expect_same(&file, expected)?;
        self.import_as(permit, &file, Origin::address(url), on_existing).await
    }

    /// Adds a template from `origin`, whose file has this SHA-256.
    pub(crate) async fn add(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        imported: Imported,
        origin: Origin,
        sha256: String,
    ) -> Result<Import> {
        self.create(tx, actor, ParsedFile { imported, origin, sha256 }).await
    }

    /// Adds a revision to `present` from `origin`, whose file has this SHA-256, if the content differs.
    pub(crate) async fn update(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        present: StoredTemplate,
        (imported, origin, sha256): (Imported, Origin, String),
    ) -> Result<Import> {
        self.add_revision(tx, actor, present, ParsedFile { imported, origin, sha256 }).await
    }

    async fn create(&self, tx: &mut Tx, actor: &Actor, given: ParsedFile) -> Result<Import> {
        let now = self.0.inner.clock.now();
        let origin = given.origin(1);
        let Imported { template: document, format, warnings } = given.imported;
        let mut template = StoredTemplate {
            id: TemplateId::generate(),
            number: 0,
            source_format: format,
            document,
            origin: Some(origin),
            source_check: None,
            revision: 1,
            created_at: now,
            updated_at: now,
            container_count: 0,
            damaged: Vec::new(),
        };
        template.number = store::templates::insert(&mut tx.conn(), &template, actor.name()).await?;
        let activity = Activity::new(&self.0.inner.clock, actor, "template.imported")
            .on("template", template.id, &template.document.name)
            .with(serde_json::json!({
                "format": template.source_format, "warnings": warnings.len(),
                // Only the host, since the address may contain a secret.
                "from": template.origin.as_ref().and_then(Origin::host),
            }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Template, Verb::Created, template.id));
        Ok(Import { template, warnings, outcome: Outcome::Created })
    }

    /// Adds a revision to a template. Containers stay at theirs until they are moved. `base` is the revision that was edited,
    /// if it was an edit; `origin` is given if it is a newer file instead.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a template, [`Error::Conflict`] `template_changed` if there is a newer revision than
    /// `base`.
    pub async fn revise(
        &self,
        permit: Permit<UpdateTemplate>,
        file: &[u8],
        base: Option<i64>,
        origin: Option<Origin>,
    ) -> Result<Import> {
        let (actor, target) = permit.consume();
        let by_hand = origin.is_none();
        let given = ParsedFile::read(file, origin.unwrap_or_else(|| Origin::new(OriginKind::Pasted))).await?;
        let mut tx = self.0.inner.store.begin().await?;
        let present = store::templates::find(&mut tx.conn(), target.id).await?;
        let present = present.ok_or(Error::NotFound { what: "template" })?;
        if base.is_some_and(|base| base != present.revision) {
            return Err(changed_meanwhile());
        }
        if !by_hand {
            return committed(self.add_revision(&mut tx, &actor, present, given).await?, tx).await;
        }
        let origin = present.origin.clone();
        committed(self.revise_as(&mut tx, &actor, present, given.imported, origin).await?, tx).await
    }

    async fn add_revision(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        present: StoredTemplate,
        given: ParsedFile,
    ) -> Result<Import> {
        let same = given.imported.template == present.document;
        let mut origin = given.origin(present.revision + i64::from(!same));
        // The same program keeps its icon, wherever its newer file came from.
        if let Some(before) = &present.origin
            && origin.icon.is_none()
        {
            origin.catalogue_id = origin.catalogue_id.or_else(|| before.catalogue_id.clone());
            (origin.icon, origin.colour) = (before.icon.clone(), before.colour.clone());
        }
        self.revise_as(tx, actor, present, given.imported, Some(origin)).await
    }

    async fn revise_as(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        present: StoredTemplate,
        imported: Imported,
        origin: Option<Origin>,
    ) -> Result<Import> {
        let Imported { template: document, format, warnings } = imported;
        if document == present.document && present.damaged.is_empty() {
            return self.keep(tx, actor, present, origin, warnings).await;
        }
        let template = StoredTemplate {
            source_format: format,
            revision: present.revision + 1,
            updated_at: self.0.inner.clock.now(),
            document,
            // The result of the last check is about the previous file.
            source_check: present.source_check.clone().filter(|_| origin == present.origin),
            origin,
            damaged: Vec::new(),
            ..present
        };
        if !store::templates::revise(&mut tx.conn(), &template, actor.name()).await? {
            return Err(changed_meanwhile());
        }
        let from = template.origin.as_ref().filter(|origin| origin.revision == template.revision);
        let activity = Activity::new(&self.0.inner.clock, actor, "template.revised")
            .on("template", template.id, &template.document.name)
            .with(serde_json::json!({
                "revision": template.revision, "format": template.source_format,
                "from": from.and_then(Origin::host),
            }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Template, Verb::Updated, template.id));
        Ok(Import { template, warnings, outcome: Outcome::Revised })
    }

    /// The template already has this content. If its origin is unknown, or another file with the same content was imported, the
    /// new origin is stored, provided that the actor may change templates.
    async fn keep(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        mut present: StoredTemplate,
        origin: Option<Origin>,
        warnings: Vec<ImportWarning>,
    ) -> Result<Import> {
        let learns = origin.is_some() && origin != present.origin;
        if learns && actor.grants().contains(SystemPermission::TemplatesUpdate) {
            (present.origin, present.source_check) = (origin, None);
            store::templates::set_origin(&mut tx.conn(), &present).await?;
            tx.emit(Change::new(Subject::Template, Verb::Updated, present.id));
        }
        Ok(Import { template: present, warnings, outcome: Outcome::Unchanged })
    }

    /// Parses a template without storing it: the result, warnings, and the differences to an existing version of the same
    /// template. `origin` is where it came from.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a template.
    pub async fn preview(
        &self,
        permit: Permit<ImportTemplate>,
        file: &[u8],
        origin: &Origin,
    ) -> Result<Preview> {
        let (actor, ()) = permit.consume();
        let imported = read(file).await?;
        let existing = match actor.grants().contains(SystemPermission::TemplatesRead) {
            true => {
                let mut reader = self.0.inner.store.read().await?;
                store::templates::similar(&mut reader.conn(), &imported.template, origin).await?
            }
            false => Vec::new(),
        };
        let existing = existing.into_iter().map(|template| against(template, &imported.template)).collect();
        Ok(Preview { existing, sha256: sha256(file), imported })
    }

    /// Like [`Self::preview`], for the template at a web address.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `url` if it can't be fetched, or if it is not a template.
    pub async fn preview_from(&self, permit: Permit<ImportTemplate>, url: &str) -> Result<Preview> {
        let file = self.fetch(url).await?;
        self.preview(permit, &file, &Origin::address(url)).await
    }

    /// Parses a file without storing it, and compares it with this template.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a template.
    pub async fn compare(&self, permit: Permit<UpdateTemplate>, file: &[u8]) -> Result<Preview> {
        let (_, template) = permit.consume();
        let imported = read(file).await?;
        Ok(Preview { existing: vec![against(template, &imported.template)], sha256: sha256(file), imported })
    }

    /// Like [`Self::compare`], for the file at a web address; by default at the template's own source.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `url` if it can't be fetched, or if it is not a template; [`Error::Conflict`] `no_source` if the
    /// template's source is unknown.
    pub async fn compare_with(&self, permit: Permit<UpdateTemplate>, url: Option<&str>) -> Result<Preview> {
        let url = address(permit.target(), url, self.0.raw_files())?;
        let file = self.fetch(&url).await?;
        self.compare(permit, &file).await
    }

    /// Adds a revision from a web address; by default from the template's own source. With `expected`, the file must have this
    /// SHA-256. Otherwise like [`Self::revise`].
    ///
    /// # Errors
    /// [`Error::Invalid`] at `url` if it can't be fetched; [`Error::Conflict`] `source_changed`, `no_source` if the template's
    /// source is unknown; otherwise those of [`Self::revise`].
    pub async fn revise_from(
        &self,
        permit: Permit<UpdateTemplate>,
        url: Option<&str>,
        base: Option<i64>,
        expected: Option<&str>,
    ) -> Result<Import> {
        let known =
            permit.target().origin.clone().filter(|origin| origin.source_address(RAW_FILES).is_some());
        let given = url.is_some();
        let url = address(permit.target(), url, self.0.raw_files())?;
        let origin = known.filter(|_| !given).unwrap_or_else(|| Origin::address(&url));
        let file = self.fetch(&url).await?;
        expect_same(&file, expected)?;
        self.revise(permit, &file, base, Some(origin)).await
    }

    /// Fetches the file at an address that somebody entered.
    pub(super) async fn fetch(&self, url: &str) -> Result<Vec<u8>> {
        let fetched = self.0.inner.outbound.read(url, import::MAX_SIZE, FETCH_TIMEOUT).await;
        fetched.map_err(|error| Error::invalid("url", error.to_string()))
    }
}

async fn committed(import: Import, tx: Tx) -> Result<Import> {
    tx.commit().await?;
    Ok(import)
}

fn against(template: StoredTemplate, document: &Template) -> Existing {
    Existing { changes: difference(&template.document, document), template }
}

/// Parses a file on a blocking thread, since a large one takes a while.
pub(crate) async fn read(file: &[u8]) -> Result<Imported> {
    let file = file.to_vec();
    tokio::task::spawn_blocking(move || import::import(&file)).await.map_err(Error::internal)?
}

/// Checks that the file is the one that was previewed.
pub(super) fn expect_same(file: &[u8], expected: Option<&str>) -> Result<()> {
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&sha256(file)) => Err(Error::conflict(
            "source_changed",
            "The file at this address has changed since you reviewed it. Review the difference again, then import it.",
        )),
        _ => Ok(()),
    }
}

/// The given address, or the one to look for a newer file.
fn address(template: &StoredTemplate, url: Option<&str>, raw_files: &str) -> Result<String> {
    let own = || template.source_address(raw_files);
    url.map(str::to_owned).or_else(own).ok_or_else(|| {
        Error::conflict(
            "no_source",
            "The source of this template is unknown. Update it from a file or a web address.",
        )
    })
}

fn may_update(actor: &Actor) -> Result<()> {
    let needed = SystemPermission::TemplatesUpdate;
    if actor.grants().contains(needed) {
        return Ok(());
    }
    Err(Error::Forbidden { permission: Permission::name(needed).to_owned() })
}

fn exists(document: &Template, present: &StoredTemplate) -> Error {
    let by = match document.author.trim() {
        "" => String::new(),
        author => format!(" by {author}"),
    };
    Error::conflict(
        "template_exists",
        format!(
            "Another version of {}{by} already exists, as template {}. Update it with on_existing=update, or import a second one with on_existing=keep_both.",
            document.name, present.number
        ),
    )
    .with("name", document.name.as_str())
    .with("number", present.number)
}
