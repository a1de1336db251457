//! The origin of a template.

pub use crate::hash::sha256;
use serde::{Deserialize, Serialize};
use url::Url;

/// The base URL of published files, followed by repository, branch and path.
pub const RAW_FILES: &str = "https://raw.githubusercontent.com";

/// How a template got here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// A file that somebody uploaded.
    File,
    /// Text that somebody pasted.
    Pasted,
    /// A web address.
    Address,
    /// A published file that the catalogue lists.
    Catalogue,
    /// A template that comes with Raptor.
    Own,
}

/// Where a template came from, as of its last import or update. Edits by hand leave it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = TemplateOrigin))]
pub struct Origin {
    /// How it got here.
    pub kind: OriginKind,
    /// The name of the uploaded file; in an uploaded folder, its path there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The web address, without user info, query and fragment, which may hold secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether the address had more than is kept of it, so that it can't be fetched again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub address_shortened: bool,
    /// Owner and name of the repository on GitHub that publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Its branch or tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The file's path in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The id of the catalogue's entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue_id: Option<String>,
    /// The name of the drawing in the catalogue's `icons.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The colour behind that drawing, as `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// The author that the file names, as imported.
    #[serde(default)]
    pub author: String,
    /// SHA-256 of the file as imported, in lower-case hex digits.
    #[serde(default)]
    pub sha256: String,
    /// The revision of the template that this file made; the template was edited here since where it has a newer one.
    #[serde(default)]
    pub revision: i64,
}

impl Origin {
    /// An origin of this kind without further details.
    #[must_use]
    pub fn new(kind: OriginKind) -> Self {
        Self {
            kind,
            file: None,
            address: None,
            address_shortened: false,
            repository: None,
            branch: None,
            path: None,
            catalogue_id: None,
            icon: None,
            colour: None,
            author: String::new(),
            sha256: String::new(),
            revision: 0,
        }
    }

    /// An uploaded file with the name that the browser gave; only its last 255 characters are kept.
    #[must_use]
    pub fn file(name: Option<&str>) -> Self {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let tail = |name: &str| {
            let skipped = name.chars().count().saturating_sub(255);
            name.chars().skip(skipped).filter(|character| !character.is_control()).collect()
        };
        Self { file: name.map(tail), ..Self::new(OriginKind::File) }
    }

    /// A web address, without parts that may be secret. Raw files of GitHub are stored as repository, branch and path.
    #[must_use]
    pub fn address(url: &str) -> Self {
        let mut origin = Self::new(OriginKind::Address);
        let Ok(mut url) = Url::parse(url.trim()) else { return origin };
        let whole = url.clone();
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.set_query(None);
        // A fragment is never sent to the server, so it can be dropped.
        url.set_fragment(None);
        let mut sent = whole;
        sent.set_fragment(None);
        origin.address_shortened = sent != url;
        if url.host_str() == Some("raw.githubusercontent.com") && !origin.address_shortened {
            (origin.repository, origin.branch, origin.path) = published(&url);
        }
        origin.address = Some(url.into());
        origin
    }

    /// A published file that the catalogue lists under `id`.
    #[must_use]
    pub fn catalogue(id: &str, repository: &str, branch: &str, path: &str) -> Self {
        Self {
            repository: Some(repository.into()),
            branch: Some(branch.into()),
            path: Some(path.into()),
            catalogue_id: Some(id.into()),
            ..Self::new(OriginKind::Catalogue)
        }
    }

    /// A template of Raptor's own that the catalogue lists under `id`.
    #[must_use]
    pub fn own(id: &str) -> Self {
        Self { catalogue_id: Some(id.into()), ..Self::new(OriginKind::Own) }
    }

    /// Sets the catalogue's icon and colour.
    #[must_use]
    pub fn drawn(mut self, icon: &str, colour: &str) -> Self {
        (self.icon, self.colour) = (Some(icon.into()), Some(colour.into()));
        self
    }

    /// Where the file can be fetched again. `raw_files` replaces [`RAW_FILES`] if a mirror is used.
    #[must_use]
    pub fn source_address(&self, raw_files: &str) -> Option<String> {
        if let (Some(repository), Some(branch), Some(path)) = (&self.repository, &self.branch, &self.path) {
            return raw_address(raw_files, repository, branch, path);
        }
        self.address.clone().filter(|_| !self.address_shortened)
    }

    /// Whether both are the same address, or the same file on the same branch.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        let place = |origin: &Self| origin.source_address(RAW_FILES);
        place(self).is_some_and(|mine| place(other).as_deref() == Some(&mine))
    }

    /// The host of the address, which is all that the activity log shows of it.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        Url::parse(self.address.as_deref()?).ok()?.host_str().map(str::to_owned)
    }

    /// Adds what is known from the file itself.
    #[must_use]
    pub fn of(mut self, author: &str, sha256: String, revision: i64) -> Self {
        (self.author, self.sha256, self.revision) = (author.into(), sha256, revision);
        self
    }
}

/// The URL of a published file, with the path's segments percent-encoded.
#[must_use]
pub fn raw_address(raw_files: &str, repository: &str, branch: &str, path: &str) -> Option<String> {
    let mut url = Url::parse(raw_files).ok()?;
    let parts = [repository, branch, path].into_iter().flat_map(|text| text.split('/'));
    url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
    Some(url.into())
}

/// Repository, branch and path of a raw file of GitHub. If the branch's name contains a slash, the split is wrong but leads to
/// the same address.
fn published(url: &Url) -> (Option<String>, Option<String>, Option<String>) {
    let decoded = |part: &str| {
        let text = format!("x={}", part.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(text.as_bytes())
            .next()
            .map_or_else(String::new, |(_, value)| value.into())
    };
    let parts: Vec<String> = url.path_segments().into_iter().flatten().map(decoded).collect();
    match parts.as_slice() {
        [owner, name, branch, path @ ..] if !path.is_empty() => {
            (Some(format!("{owner}/{name}")), Some(branch.clone()), Some(path.join("/")))
        }
        _ => (None, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_without_what_may_be_a_secret() {
        let plain = Origin::address(" https://example.com/eggs/a%20b.json#top ");
        assert_eq!(plain.address.as_deref(), Some("https://example.com/eggs/a%20b.json"));
        assert_eq!(plain.source_address(RAW_FILES), plain.address);
        for secret in ["https://example.com/egg?token=hunter2", "https://steve:hunter2@example.com/egg"] {
            let origin = Origin::address(secret);
            assert_eq!(origin.address.as_deref(), Some("https://example.com/egg"));
            assert_eq!(origin.source_address(RAW_FILES), None, "it can't be fetched again");
            assert_eq!(origin.host().as_deref(), Some("example.com"));
            assert!(!origin.is_same_place(&origin.clone()), "two addresses may differ in what is not kept");
        }
    }

    #[test]
    fn a_raw_file_of_github_is_known_by_repository_branch_and_path() {
        let path = "game_eggs/a b/egg+c%.json";
        let listed = Origin::catalogue("a", "pelican-eggs/games", "main", path);
        let address = listed.source_address(RAW_FILES).unwrap();
        assert_eq!(
            address,
            "https://raw.githubusercontent.com/pelican-eggs/games/main/game_eggs/a%20b/egg+c%25.json"
        );
        let typed = Origin::address(&address);
        assert_eq!(
            (typed.repository.as_deref(), typed.branch.as_deref(), typed.path.as_deref()),
            (Some("pelican-eggs/games"), Some("main"), Some(path))
        );
        assert!(typed.is_same_place(&listed));
        assert_eq!(
            listed.source_address("http://127.0.0.1:8080/mirror/").unwrap(),
            "http://127.0.0.1:8080/mirror/pelican-eggs/games/main/game_eggs/a%20b/egg+c%25.json"
        );
    }

    #[test]
    fn files_keep_the_end_of_their_name() {
        assert_eq!(Origin::file(Some(" eggs/rust\n.json ")).file.as_deref(), Some("eggs/rust.json"));
        assert_eq!(Origin::file(Some(" ")).file, None);
        let long = format!("{}.json", "é".repeat(300));
        let kept = Origin::file(Some(&long)).file.unwrap();
        assert!(kept.ends_with("é.json") && kept.chars().count() == 255);
    }
}
