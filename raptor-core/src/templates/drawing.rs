//! The catalogue's drawings, for templates that came from a file that it lists.

use super::Origin;
use serde::Deserialize;
use std::{collections::HashMap, sync::LazyLock};

const ICONS: &str = include_str!("../../catalogue/icons.json");
const CATALOGUE: &str = include_str!("../../catalogue/catalogue.json");

/// A drawing on a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// The colour behind it, as `#rrggbb`.
    pub colour: String,
    /// The `d` of each path, on a grid of 24 × 24, drawn with a round stroke of 2 and no fill.
    pub paths: Vec<String>,
}

#[derive(Deserialize)]
struct Catalogue {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    icon: String,
    colour: String,
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    repository: String,
    path: String,
    sha256: String,
}

/// Icon and colour of each listed file, by repository and path, and by the SHA-256 of the file.
#[derive(Default)]
struct Listed {
    by_place: HashMap<(String, String), (String, String)>,
    by_hash: HashMap<String, (String, String)>,
}

static DRAWINGS: LazyLock<HashMap<String, Vec<String>>> =
    LazyLock::new(|| serde_json::from_str(ICONS).unwrap_or_default());
static LISTED: LazyLock<Listed> = LazyLock::new(|| {
    let mut listed = Listed::default();
    let entries = serde_json::from_str::<Catalogue>(CATALOGUE).map_or_else(|_| Vec::new(), |all| all.entries);
    for entry in entries {
        let Some(source) = entry.source else { continue };
        let look = (entry.icon, entry.colour);
        listed.by_hash.insert(source.sha256, look.clone());
        listed.by_place.insert((source.repository, source.path), look);
    }
    listed
});

/// The drawing of a template that came from there; none where the catalogue that came with Raptor does not list it.
#[must_use]
pub fn drawing(origin: &Origin) -> Option<Drawing> {
    let own = origin.icon.clone().zip(origin.colour.clone());
    let place = || origin.repository.clone().zip(origin.path.clone());
    let (icon, colour) = own
        .or_else(|| LISTED.by_place.get(&place()?).cloned())
        .or_else(|| LISTED.by_hash.get(&origin.sha256).cloned())?;
    Some(Drawing { paths: DRAWINGS.get(&icon)?.clone(), colour })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::OriginKind;

    #[test]
    fn a_listed_file_has_its_drawing_by_its_place_by_its_hash_and_as_written_down() {
        let all: Catalogue = serde_json::from_str(CATALOGUE).unwrap();
        let listed: Vec<Entry> = all.entries.into_iter().filter(|entry| entry.source.is_some()).collect();
        assert!(listed.len() >= 250, "{}", listed.len());
        for entry in listed {
            let source = entry.source.unwrap();
            let from_web = Origin::catalogue("", &source.repository, "main", &source.path);
            let found = drawing(&from_web).unwrap();
            assert!(found.colour.starts_with('#') && !found.paths.is_empty());
            let uploaded = Origin { sha256: source.sha256, ..Origin::new(OriginKind::File) };
            assert!(drawing(&uploaded).is_some());
            let written = Origin::own("x").drawn(&entry.icon, "#123456");
            assert_eq!(drawing(&written).unwrap().colour, "#123456");
        }
        assert_eq!(drawing(&Origin::file(Some("x.json"))), None);
    }
}
