//! Icons of the catalogue, for templates that were imported from a file that it lists.

use super::Origin;
use crate::catalogue::builtin;
use serde::Serialize;
use std::{collections::HashMap, sync::LazyLock};

/// An icon: a drawing on a colour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Drawing {
    /// Background colour, as `#rrggbb`.
    pub colour: String,
    /// The `d` of each path, on a grid of 24 × 24, drawn with a round white stroke of 2 and no fill.
    pub paths: Vec<String>,
}

/// Icon and colour of each listed file, by repository and path, and by the file's SHA-256.
#[derive(Default)]
struct Listed {
    by_place: HashMap<(String, String), (String, String)>,
    by_hash: HashMap<String, (String, String)>,
}

static LISTED: LazyLock<Listed> = LazyLock::new(|| {
    let mut listed = Listed::default();
    for entry in &builtin::catalogue().entries {
        let Some(source) = entry.source.clone() else { continue };
        let look = (entry.icon.clone(), entry.colour.clone());
        listed.by_hash.insert(source.sha256, look.clone());
        listed.by_place.insert((source.repository, source.path), look);
    }
    listed
});

/// The icon of a template with this origin; `None` if the built-in catalogue does not list it.
#[must_use]
pub fn drawing(origin: &Origin) -> Option<Drawing> {
    let own = origin.icon.clone().zip(origin.colour.clone());
    let place = || origin.repository.clone().zip(origin.path.clone());
    let (icon, colour) = own
        .or_else(|| LISTED.by_place.get(&place()?).cloned())
        .or_else(|| LISTED.by_hash.get(&origin.sha256).cloned())?;
    Some(Drawing { paths: builtin::drawing(&icon)?.to_vec(), colour })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::OriginKind;

    #[test]
    fn a_listed_file_has_its_drawing_by_its_place_by_its_hash_and_as_written_down() {
        let all = builtin::catalogue();
        let listed: Vec<_> = all.entries.iter().filter(|entry| entry.source.is_some()).collect();
        assert!(listed.len() >= 250, "{}", listed.len());
        for entry in listed {
            let source = entry.source.clone().unwrap();
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
