//! The catalogue on the wire.

use crate::views::templates::TemplateVariable;
use chrono::{DateTime, Utc};
use raptor_core::{
    catalogue::{
        EggSource, EntryKind, NeededUpload, StatedAmount, StatedPort,
        service::{CategoryCount, Compared, Fetched, ListedEntry, Listing},
        source::CurrentCatalogue,
    },
    id::TemplateId,
    templates::FieldChange,
    templates::{Install, TemplateImage, drawing::Drawing, import::ImportWarning},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A program in the catalogue, with the template that runs it.
//
// Differs from the domain's: the entry's fields beside what the list adds, its icon drawn, and without the template that comes with it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueEntry {
    /// Id of the entry, such as `minecraft-vanilla`. It never changes.
    pub id: String,
    /// The name of the program.
    pub name: String,
    /// The id of its category.
    pub category: String,
    /// What kind of program it is, for filtering.
    pub kind: EntryKind,
    /// What the program is and who it is for, in one or two sentences.
    pub description: String,
    /// The icon, drawn for this entry.
    pub icon: Drawing,
    /// The id of the entry for the same program that most people want; null where it is that one.
    pub variant_of: Option<String>,
    /// Where its egg is published; null for one of Raptor's own templates, which need no network.
    pub source: Option<EggSource>,
    /// The memory that its egg or documentation states; null where nothing is stated.
    pub memory_mib: Option<StatedAmount>,
    /// The disk space that its egg or documentation states; null where nothing is stated.
    pub disk_mib: Option<StatedAmount>,
    /// The ports that its egg or documentation states; null where nothing is stated, empty where it is stated that none is needed.
    pub ports: Option<Vec<StatedPort>>,
    /// A file that has to be uploaded before the first start; null where none has to.
    pub upload: Option<NeededUpload>,
    /// The template that was imported from it; null where none was or it is gone.
    pub template_id: Option<TemplateId>,
    /// Whether it is one of those that most people look for. They come first in the list.
    pub popular: bool,
    /// How many variants of it there are: entries whose `variant_of` is its id.
    pub variant_count: usize,
}

impl From<ListedEntry> for CatalogueEntry {
    fn from(listed: ListedEntry) -> Self {
        let entry = listed.entry;
        Self {
            id: entry.id,
            name: entry.name,
            category: entry.category,
            kind: entry.kind,
            description: entry.description,
            icon: Drawing { paths: listed.drawing.to_vec(), colour: entry.colour },
            variant_of: entry.variant_of,
            source: entry.source,
            memory_mib: entry.memory_mib,
            disk_mib: entry.disk_mib,
            ports: entry.ports,
            upload: entry.upload,
            template_id: listed.template_id,
            popular: listed.popular,
            variant_count: listed.variant_count,
        }
    }
}

/// A category of the catalogue.
//
// Differs from the domain's: drawn, and with its count.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueCategory {
    /// Id of the category, as the query parameter `category` takes it.
    pub id: String,
    /// Name of the category, as the panel shows it.
    pub name: String,
    /// Its drawing: the `d` of each path, on a grid of 24 × 24.
    pub paths: Vec<String>,
    /// How many of its entries hold the words that were searched for.
    pub count: usize,
}

impl From<CategoryCount> for CatalogueCategory {
    fn from(counted: CategoryCount) -> Self {
        let CategoryCount { category, drawing, count, .. } = counted;
        Self { id: category.id, name: category.name, paths: drawing.to_vec(), count }
    }
}

/// One page of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct CataloguePage {
    /// Entries on this page.
    pub items: Vec<CatalogueEntry>,
    /// The next page's `cursor`; null on the last page.
    pub next: Option<String>,
    /// How many there are on all pages, where `with_total` asked for it.
    pub total: Option<i64>,
    /// All categories, in the order in which they are shown, counted before `category` is applied.
    pub categories: Vec<CatalogueCategory>,
    /// The day on which the catalogue's hashes were last compared with the sources, as `2026-11-29`.
    pub indexed_on: String,
    /// Whether it is the catalogue that comes with Raptor.
    pub built_in: bool,
}

impl From<Listing> for CataloguePage {
    fn from(listing: Listing) -> Self {
        let Listing { page, categories, indexed_on, built_in, .. } = listing;
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next,
            total: page.total,
            categories: categories.into_iter().map(Into::into).collect(),
            indexed_on,
            built_in,
        }
    }
}

/// What a template from the catalogue holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FetchedTemplate {
    /// Name of the template, as its file states it.
    pub name: String,
    /// The author that the template's file names.
    pub author: String,
    /// Description from the template's file.
    pub description: String,
    /// Format of the file, such as `PTDL_v2`.
    pub source_format: String,
    /// What could not be imported as the file states it, and what is used in its place.
    pub warnings: Vec<ImportWarning>,
    /// Images to choose from; empty where each container names its own.
    pub images: Vec<TemplateImage>,
    /// The startup command, with placeholders.
    pub startup_command: String,
    /// Variables that each container can set.
    pub variables: Vec<TemplateVariable>,
    /// Installation script; null where none is needed.
    pub install: Option<Install>,
}

/// What an entry's source has now.
//
// Differs from the domain's: the template's fields as the wire has them.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueFetch {
    /// SHA-256 of the file, as 64 hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the file that was indexed; null for one of Raptor's own templates.
    pub indexed_sha256: Option<String>,
    /// Whether the file can be imported without a confirmation: it is the one that was indexed, or one of Raptor's own.
    pub matches: bool,
    /// What the file holds.
    pub template: FetchedTemplate,
    /// What `changes` compares the file with.
    pub compared_with: Compared,
    /// Fields that differ; empty where there is nothing to compare with.
    pub changes: Vec<FieldChange>,
    /// The template that was imported from this entry; null where none was.
    pub template_id: Option<TemplateId>,
}

impl From<Fetched> for CatalogueFetch {
    fn from(fetched: Fetched) -> Self {
        let matches = fetched.matches();
        let template = fetched.imported.template;
        Self {
            sha256: fetched.sha256,
            indexed_sha256: fetched.indexed,
            matches,
            template: FetchedTemplate {
                name: template.name,
                author: template.author,
                description: template.description,
                source_format: fetched.imported.format,
                warnings: fetched.imported.warnings,
                images: template.images,
                startup_command: template.startup,
                variables: template.variables.into_iter().map(Into::into).collect(),
                install: template.install,
            },
            compared_with: fetched.compared,
            changes: fetched.changes,
            template_id: fetched.template_id,
        }
    }
}

/// Which file is to be imported.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CatalogueConfirmation {
    /// SHA-256 of the file that was looked at. Needed where the file is not the one that was indexed, and to give a template that
    /// was imported already the file as a new revision.
    pub sha256: Option<String>,
}

/// Where the catalogue comes from.
//
// Joins the domain's source with what the catalogue in use says of itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueOrigin {
    /// The address that it is fetched from; null for the catalogue that comes with Raptor.
    pub url: Option<String>,
    /// When it was fetched; null for the catalogue that comes with Raptor.
    pub fetched_at: Option<DateTime<Utc>>,
    /// SHA-256 of the catalogue's file.
    pub sha256: String,
    /// The day on which its hashes were last compared with the sources, as `2026-11-29`.
    pub indexed_on: String,
    /// How many entries it has.
    pub entry_count: usize,
    /// How many entries are left out since they name an icon or a template that this version of Raptor does not have.
    pub left_out_count: usize,
    /// Grows by one with each change.
    pub revision: i64,
}

impl From<CurrentCatalogue> for CatalogueOrigin {
    fn from(CurrentCatalogue { source, catalogue, .. }: CurrentCatalogue) -> Self {
        Self {
            url: source.url,
            fetched_at: source.fetched_at,
            sha256: catalogue.sha256.clone(),
            indexed_on: catalogue.indexed_on.clone(),
            entry_count: catalogue.entries.len(),
            left_out_count: catalogue.left_out,
            revision: source.revision,
        }
    }
}

/// Where the catalogue is to come from.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CatalogueOriginUpdate {
    /// A public address of a `catalogue.json`, over HTTP or HTTPS; at most 2 MiB are read, within 30 seconds. Null for the catalogue
    /// that comes with Raptor.
    pub url: Option<String>,
    /// The revision that was looked at. Where it is no longer the newest, nothing changes and the answer is 409
    /// `changed_meanwhile`.
    pub revision: i64,
}
