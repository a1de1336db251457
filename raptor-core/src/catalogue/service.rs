//! Operations on the catalogue.

use super::{Catalogue, Category, Entry, builtin, current::current, source::CurrentCatalogue};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, Permission, Permit, SystemPermission,
        actions::{ImportTemplate, ListTemplates},
    },
    hash::sha256,
    id::TemplateId,
    outbound::OutboundError,
    paging::{Page, PageRequest},
    store::{self, catalogue::Imported},
    templates::{
        FieldChange, Origin, difference, import,
        imports::read,
        service::{Import, Outcome, StoredTemplate},
    },
};
use serde::Serialize;
use std::time::Duration;

/// Time limit for fetching one file.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// A search in the catalogue.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Words that must all occur in the name, category or description, without regard to case and accents. Empty for all
    /// entries.
    pub words: String,
    /// The id of the only category to search.
    pub category: Option<String>,
    /// Which variants of the same program to include.
    pub variants: Variants,
}

/// Which variants of the same program to include.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Variants {
    #[default]
    All,
    /// Only entries that are not a variant of another one.
    None,
    /// Only variants of the entry with this id.
    Of(String),
}

impl Variants {
    fn include(&self, entry: &Entry) -> bool {
        match self {
            Self::All => true,
            Self::None => entry.variant_of.is_none(),
            Self::Of(id) => entry.variant_of.as_ref() == Some(id),
        }
    }
}

/// A catalogue entry, and what was made of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedEntry {
    /// The entry, as in the catalogue file.
    pub entry: Entry,
    /// The paths of its icon.
    pub drawing: &'static [String],
    /// The template that was imported from it, if it still exists.
    pub template_id: Option<TemplateId>,
    /// Whether it is marked as popular.
    pub popular: bool,
    /// The number of its variants.
    pub variant_count: usize,
}

/// A category, and the number of matching entries in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CategoryCount {
    /// The category, as in the catalogue file.
    pub category: Category,
    /// The paths of its icon.
    pub drawing: &'static [String],
    /// The number of its entries that match the search.
    pub count: usize,
}

/// One page of the catalogue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listing {
    /// The entries on this page.
    pub page: Page<ListedEntry>,
    /// All categories, in order.
    pub categories: Vec<CategoryCount>,
    /// The date on which the catalogue's hashes were last compared.
    pub indexed_on: String,
    /// Whether it is the built-in catalogue.
    pub built_in: bool,
}

/// What a fetched template was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ComparedWith))]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// With the template that was imported from this entry.
    Present,
    /// With the file that was indexed.
    Indexed,
    /// With nothing: it is the indexed file and not imported yet, or the indexed file can't be fetched any more.
    Nothing,
}

/// The current file at an entry's source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// SHA-256 of the file.
    pub sha256: String,
    /// SHA-256 of the indexed file; `None` for one of Raptor's own templates.
    pub indexed: Option<String>,
    /// The template in the fetched file, with the notes of the import.
    pub imported: import::Imported,
    pub compared: Compared,
    /// How it differs from the template that exists already.
    pub changes: Vec<FieldChange>,
    /// The template that was imported from this entry.
    pub template_id: Option<TemplateId>,
}

impl Fetched {
    /// Whether the file is the indexed one, or one of Raptor's own.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.indexed.as_ref().is_none_or(|indexed| *indexed == self.sha256)
    }
}

/// Operations on the catalogue and on its source.
pub struct CatalogueService<'r>(pub(crate) &'r Raptor);

impl CatalogueService<'_> {
    /// Entries that match a search.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown category, or for a cursor of another list.
    pub async fn list(
        &self,
        permit: Permit<ListTemplates>,
        search: &Search,
        page: &PageRequest,
    ) -> Result<Listing> {
        let _ = permit.consume();
        let CurrentCatalogue { source, catalogue } = current(self.0).await?;
        let category = search.category.as_deref().filter(|category| !category.is_empty());
        if category.is_some_and(|id| catalogue.categories.iter().all(|category| category.id != id)) {
            return Err(Error::invalid("category", "The catalogue has no such category."));
        }
        let start = page.after::<usize>()?.unwrap_or(0);
        let mut found = catalogue.find(&search.words);
        found.retain(|entry| search.variants.include(entry));
        let categories = count(&catalogue, &found);
        let chosen: Vec<&Entry> =
            found.into_iter().filter(|entry| category.is_none_or(|id| entry.category == id)).collect();
        let total = page.with_total.then(|| i64::try_from(chosen.len()).unwrap_or(i64::MAX));
        let most = usize::try_from(page.fetch()).unwrap_or(usize::MAX);
        let shown = chosen.into_iter().enumerate().skip(start).take(most).collect();
        let shown = page.cut(shown, total, |(at, _): &(usize, &Entry)| at + 1);
        let imported = store::catalogue::imports(&mut self.0.inner.store.read().await?.conn()).await?;
        Ok(Listing {
            page: shown.map(|(_, entry)| listed(&catalogue, entry, &imported)),
            categories,
            indexed_on: catalogue.indexed_on.clone(),
            built_in: source.sha256.is_none(),
        })
    }

    /// One entry.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, permit: Permit<ListTemplates>, id: &str) -> Result<ListedEntry> {
        let _ = permit.consume();
        let catalogue = current(self.0).await?.catalogue;
        let imported = store::catalogue::imports(&mut self.0.inner.store.read().await?.conn()).await?;
        Ok(listed(&catalogue, find(&catalogue, id)?, &imported))
    }

    /// Fetches an entry's template from its source without storing it, and compares it with the template that was imported from
    /// the entry, or else with the indexed file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] `source_gone` if the file no longer exists, [`Error::Unavailable`]
    /// `source_unreachable`, [`Error::Invalid`] if it is not a template.
    pub async fn fetch(&self, permit: Permit<ImportTemplate>, id: &str) -> Result<Fetched> {
        let (actor, ()) = permit.consume();
        let catalogue = current(self.0).await?.catalogue;
        let entry = find(&catalogue, id)?;
        let file = self.file(entry).await?;
        let imported = read(&file).await?;
        let present = {
            let mut reader = self.0.inner.store.read().await?;
            store::catalogue::present(&mut reader.conn(), id).await?
        };
        let (sha256, indexed) = (sha256(&file), entry.source.as_ref().map(|source| source.sha256.clone()));
        let unchanged = indexed.as_ref().is_none_or(|indexed| *indexed == sha256);
        // The differences reveal the content of the stored template, edits by hand included.
        let reads = actor.grants().contains(SystemPermission::TemplatesRead);
        let before = match &present {
            Some(_) if !reads => None,
            Some((template, _)) => Some((Compared::Present, template.document.clone())),
            None if unchanged => None,
            None => self.indexed(&catalogue, entry).await.map(|template| (Compared::Indexed, template)),
        };
        let (compared, changes) = match before {
            Some((compared, before)) => (compared, difference(&before, &imported.template)),
            None => (Compared::Nothing, Vec::new()),
        };
        let template_id = present.map(|(template, _)| template.id);
        Ok(Fetched { sha256, indexed, imported, compared, changes, template_id })
    }

    /// Imports an entry's template, or returns the one that was already imported from it. `confirmed` is the SHA-256 of the
    /// file that the caller has reviewed. It is required if the file is not the indexed one, and if an existing template is to
    /// get it as a new revision.
    ///
    /// # Errors
    /// Those of [`Self::fetch`], and [`Error::Conflict`] `source_changed` if the file is neither the indexed nor the confirmed
    /// one, [`Error::Forbidden`] if an existing template would change and the actor may not change templates, or if it would be
    /// returned and the actor may not read templates.
    pub async fn import(
        &self,
        permit: Permit<ImportTemplate>,
        id: &str,
        confirmed: Option<&str>,
    ) -> Result<Import> {
        let (actor, ()) = permit.consume();
        let catalogue = current(self.0).await?.catalogue;
        let entry = find(&catalogue, id)?;
        if confirmed.is_none() {
            let mut reader = self.0.inner.store.read().await?;
            if let Some((template, _)) = store::catalogue::present(&mut reader.conn(), id).await? {
                // The answer contains the template, edits by hand included.
                return match actor.grants().contains(SystemPermission::TemplatesRead) {
                    true => Ok(unchanged(template)),
                    false => {
                        Err(Error::Forbidden { permission: SystemPermission::TemplatesRead.name().into() })
                    }
                };
            }
        }
        let file = self.file(entry).await?;
        let sha256 = sha256(&file);
        let expected = confirmed.or(entry.source.as_ref().map(|source| source.sha256.as_str()));
        if expected.is_some_and(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
            return Err(Error::conflict(
                "source_changed",
                format!(
                    "The file of {} has changed since {}. Review the difference, then confirm its hash to use it.",
                    entry.name,
                    if confirmed.is_some() { "you reviewed it" } else { "the catalogue was made" }
                ),
            )
            .with("name", entry.name.as_str()));
        }
        let imported = read(&file).await?;
        self.keep(&actor, entry, &sha256, imported).await
    }

    async fn keep(
        &self,
        actor: &Actor,
        entry: &Entry,
        sha256: &str,
        imported: import::Imported,
    ) -> Result<Import> {
        let templates = self.0.templates();
        let mut tx = self.0.inner.store.begin().await?;
        store::templates::lock(&mut tx.conn()).await?;
        if let Some((template, _)) = store::catalogue::present(&mut tx.conn(), &entry.id).await? {
            if template.document == imported.template {
                return Ok(unchanged(template));
            }
            if !actor.grants().contains(SystemPermission::TemplatesUpdate) {
                let permission = SystemPermission::TemplatesUpdate.name().to_owned();
                return Err(Error::Forbidden { permission });
            }
            store::catalogue::reimport(&mut tx.conn(), &entry.id, sha256).await?;
            let given = (imported, origin_of(entry), sha256.to_owned());
            let revised = templates.update(&mut tx, actor, template, given).await?;
            tx.commit().await?;
            return Ok(revised);
        }
        // The same template was already imported by hand: it is used, and stays as it is.
        let same = store::templates::find_same(&mut tx.conn(), &imported.template).await?;
        let import = match same {
            Some(template) => {
                let activity = Activity::new(&self.0.inner.clock, actor, "template.imported")
                    .on("template", template.id, &template.document.name)
                    .with(serde_json::json!({ "format": template.source_format, "catalogue": entry.id }));
                store::activity::insert(&mut tx.conn(), &activity).await?;
                Import { warnings: imported.warnings, ..unchanged(template) }
            }
            None => templates.add(&mut tx, actor, imported, origin_of(entry), sha256.to_owned()).await?,
        };
        let now = self.0.inner.clock.now();
        if !store::catalogue::insert(&mut tx.conn(), &entry.id, import.template.id, sha256, now).await? {
            // Somebody else imported it in the meantime: theirs is used.
            drop(tx);
            let mut reader = self.0.inner.store.read().await?;
            let present = store::catalogue::present(&mut reader.conn(), &entry.id).await?;
            let (template, _) = present.ok_or(Error::NotFound { what: "template" })?;
            return Ok(unchanged(template));
        }
        tx.commit().await?;
        Ok(import)
    }

    /// The current file of an entry.
    async fn file(&self, entry: &Entry) -> Result<Vec<u8>> {
        if let Some(path) = &entry.template {
            let own = builtin::template(path).map(<[u8]>::to_vec);
            return own.ok_or(Error::NotFound { what: "template" });
        }
        let source = entry.source.as_ref().ok_or(Error::NotFound { what: "template" })?;
        let url = source.address(self.0.raw_files(), &source.branch);
        let url = url.ok_or(Error::NotFound { what: "template" })?;
        let fetched = self.0.inner.outbound.read(url.as_str(), import::MAX_SIZE, FETCH_TIMEOUT).await;
        fetched.map_err(|error| not_fetched(&error, entry, &url))
    }

    /// The indexed template, if its commit is known and can be fetched.
    async fn indexed(&self, catalogue: &Catalogue, entry: &Entry) -> Option<crate::templates::Template> {
        let source = entry.source.as_ref()?;
        let collection = catalogue.collections.iter().find(|one| one.repository == source.repository)?;
        let url = source.address(self.0.raw_files(), collection.commit.as_deref()?)?;
        let file = self.0.inner.outbound.read(url.as_str(), import::MAX_SIZE, FETCH_TIMEOUT).await.ok()?;
        if sha256(&file) != source.sha256 {
            return None;
        }
        read(&file).await.ok().map(|imported| imported.template)
    }
}

fn find<'c>(catalogue: &'c Catalogue, id: &str) -> Result<&'c Entry> {
    catalogue.entry(id).ok_or(Error::NotFound { what: "catalogue entry" })
}

/// The origin to store for an entry's template.
fn origin_of(entry: &Entry) -> Origin {
    let origin = match &entry.source {
        Some(source) => Origin::catalogue(&entry.id, &source.repository, &source.branch, &source.path),
        None => Origin::own(&entry.id),
    };
    origin.drawn(&entry.icon, &entry.colour)
}

fn listed(catalogue: &Catalogue, entry: &Entry, imported: &[Imported]) -> ListedEntry {
    let template_id =
        imported.iter().find(|import| import.entry_id == entry.id).map(|import| import.template_id);
    ListedEntry {
        entry: entry.clone(),
        drawing: builtin::drawing(&entry.icon).unwrap_or_default(),
        template_id,
        popular: catalogue.is_popular(&entry.id),
        variant_count: catalogue.variants(&entry.id).count(),
    }
}

fn count(catalogue: &Catalogue, found: &[&Entry]) -> Vec<CategoryCount> {
    let counted = |category: &Category| CategoryCount {
        category: category.clone(),
        drawing: builtin::drawing(&category.icon).unwrap_or_default(),
        count: found.iter().filter(|entry| entry.category == category.id).count(),
    };
    catalogue.categories.iter().map(counted).collect()
}

fn unchanged(template: StoredTemplate) -> Import {
    Import { template, warnings: Vec::new(), outcome: Outcome::Unchanged }
}

/// The error for a file that can't be fetched, with what to do.
fn not_fetched(error: &OutboundError, entry: &Entry, url: &url::Url) -> Error {
    let name = &entry.name;
    let host = url.host_str().unwrap_or_default();
    match error {
        OutboundError::Status(status) if matches!(status.as_u16(), 404 | 410) => Error::conflict(
            "source_gone",
            format!(
                "The file of {name} is no longer where the catalogue says: it was moved, renamed or deleted. Fetch a newer catalogue, or import the template from a file."
            ),
        )
        .with("name", name.as_str()),
        error => Error::unavailable(
            "source_unreachable",
            format!(
                "{name} can't be fetched from {host}. {error} Check this server's internet connection and try again, or import the template from a file."
            ),
        )
        .with("name", name.as_str())
        .with("host", host),
    }
}
