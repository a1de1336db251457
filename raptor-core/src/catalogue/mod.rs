//! The catalogue: the programs that can be chosen, as data. It lists published eggs with their addresses and file hashes, and
//! Raptor's own templates. The format is described in `raptor-core/catalogue/README.md`.

pub(crate) mod builtin;
mod current;
mod read;
mod search;
pub mod service;
pub mod source;

pub(crate) use current::ParsedCatalogue;

use serde::{Deserialize, Serialize};

/// The largest accepted catalogue file, in bytes.
pub const MAX_SIZE: usize = 2 * 1024 * 1024;

/// A parsed and validated catalogue.
#[derive(Debug)]
pub struct Catalogue {
    /// The date on which its hashes were last compared, e.g. `2026-11-29`.
    pub indexed_on: String,
    /// SHA-256 of the file, as 64 hexadecimal digits.
    pub sha256: String,
    /// Categories in display order.
    pub categories: Vec<Category>,
    /// The repositories that eggs come from.
    pub collections: Vec<Collection>,
    /// The popular ones in their order, then the others by category and id.
    pub entries: Vec<Entry>,
    /// How many of `entries`, from the first one on, are popular.
    pub popular: usize,
    /// How many entries were skipped because they name an icon or template that this version of Raptor does not have.
    pub left_out: usize,
    /// The searchable text of each entry, in the order of `entries`.
    searched: Vec<search::Searched>,
}

impl Catalogue {
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Whether this entry is marked as popular.
    #[must_use]
    pub fn is_popular(&self, id: &str) -> bool {
        self.entries.iter().take(self.popular).any(|entry| entry.id == id)
    }

    /// The entries that are variants of the entry with this id.
    pub fn variants<'c>(&'c self, id: &'c str) -> impl Iterator<Item = &'c Entry> {
        self.entries.iter().filter(move |entry| entry.variant_of.as_deref() == Some(id))
    }
}

/// A category of the catalogue, under which entries are shown together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Category {
    /// Id of the category, in lower case with hyphens.
    pub id: String,
    /// Name of the category, as the panel shows it.
    pub name: String,
    /// Name of its icon in `icons.json`.
    pub icon: String,
}

/// A repository that eggs are taken from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Collection {
    /// Owner and name of the repository on GitHub.
    pub repository: String,
    /// Branch or tag that files are read from.
    pub branch: String,
    /// The commit that was indexed, where it is known.
    pub commit: Option<String>,
}

/// Kind of program that an entry runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A server for a game.
    Game,
    /// A proxy in front of game servers.
    Proxy,
    /// A server for voice chat, e.g. TeamSpeak or Mumble.
    Voice,
    /// A bot for a chat service, e.g. Discord.
    Bot,
    /// A database server, e.g. PostgreSQL.
    Database,
    /// A web server or web application.
    Web,
    /// A language runtime, for a program of your own.
    Runtime,
    /// A program of none of the other kinds.
    Software,
    /// A server that stores files or objects.
    Storage,
    /// A program that monitors others.
    Monitoring,
}

/// A program in the catalogue. Either `source` or `template` is set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Id of the entry, in lower case with hyphens. It never changes.
    pub id: String,
    /// The name of the program.
    pub name: String,
    /// The id of its category.
    pub category: String,
    /// What kind of program it is.
    pub kind: EntryKind,
    /// What the program is and who it is for, in one or two sentences.
    pub description: String,
    /// Name of its icon in `icons.json`.
    pub icon: String,
    /// The background of the drawing, as `#rrggbb`. The drawing on it is white.
    pub colour: String,
    /// The id of the entry for the same program that most people want.
    pub variant_of: Option<String>,
    /// Where the egg is published.
    pub source: Option<EggSource>,
    /// The path of one of Raptor's own templates.
    pub template: Option<String>,
    /// Stated memory; none where nothing is stated.
    pub memory_mib: Option<StatedAmount>,
    /// Stated disk space; none where nothing is stated.
    pub disk_mib: Option<StatedAmount>,
    /// Stated ports; none where nothing is stated, empty where it is stated that none is needed.
    pub ports: Option<Vec<StatedPort>>,
    /// A file that has to be uploaded before the first start.
    pub upload: Option<NeededUpload>,
}

/// A file that has to be uploaded before the first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NeededUpload {
    /// The template's variable that holds the file's path, seen from the container's folder.
    pub variable: String,
    /// The template's variable that makes the upload needless where it has a value, such as an address to download from.
    pub unless: Option<String>,
}

/// Where an egg is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EggSource {
    /// Owner and name of the repository on GitHub.
    pub repository: String,
    /// Branch or tag that files are read from.
    pub branch: String,
    /// Path in the repository, not percent-encoded.
    pub path: String,
    /// SHA-256 of the file when it was indexed, as 64 hexadecimal digits.
    pub sha256: String,
    /// Format of the egg, such as `PTDL_v2`.
    pub format: String,
    /// SPDX identifier of the repository's licence; null where none is stated.
    pub licence: Option<String>,
}

impl EggSource {
    /// The address of the file below `origin`, at the branch or at another `reference` such as a commit.
    ///
    /// # Errors
    /// When `origin` is no address that a path can be added to.
    fn address(&self, origin: &str, reference: &str) -> Option<url::Url> {
        let mut url = url::Url::parse(origin).ok()?;
        let parts = self.repository.split('/').chain(reference.split('/')).chain(self.path.split('/'));
        url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
        Some(url)
    }
}

/// An amount of memory or disk space in MiB, as the egg or its documentation states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatedAmount {
    /// The least that is needed, in MiB.
    pub minimum: Option<u32>,
    /// What is recommended, in MiB.
    pub recommended: Option<u32>,
    /// Where it is stated: `owner/name:path`, or the path of one of Raptor's own templates.
    pub stated_in: String,
}

/// The transport that a port is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StatedProtocol {
    /// Used over TCP only.
    Tcp,
    /// Used over UDP only.
    Udp,
    /// Both, on the same port number.
    Both,
}

/// A port, as the egg or its documentation states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatedPort {
    /// What the port is used for, such as `game` or `query`.
    pub purpose: String,
    /// The template's variable that holds it; `SERVER_PORT` is the primary allocation. Null where none does.
    pub variable: Option<String>,
    /// The port number that the program uses by default; null where none is stated.
    pub default: Option<u16>,
    /// Its transport; null where it is not stated.
    pub protocol: Option<StatedProtocol>,
    /// Where it is stated: `owner/name:path`, or the path of one of Raptor's own templates.
    pub stated_in: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eggs_address_is_percent_encoded_below_any_origin() {
        let source = EggSource {
            repository: "owner/eggs".into(),
            branch: "release/1".into(),
            path: "a game/egg #1?.json".into(),
            sha256: String::new(),
            format: "PTDL_v2".into(),
            licence: None,
        };
        let at = |origin, reference| source.address(origin, reference).unwrap().to_string();
        assert_eq!(
            at(crate::templates::origin::RAW_FILES, "release/1"),
            "https://raw.githubusercontent.com/owner/eggs/release/1/a%20game/egg%20%231%3F.json"
        );
        assert_eq!(
            at("http://mirror.test:81/eggs/", "abc"),
            "http://mirror.test:81/eggs/owner/eggs/abc/a%20game/egg%20%231%3F.json"
        );
    }
}
