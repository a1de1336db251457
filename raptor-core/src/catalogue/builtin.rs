//! The built-in catalogue, with its icons and templates.

use super::{Catalogue, read};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

const CATALOGUE: &[u8] = include_bytes!("../../catalogue/catalogue.json");
const ICONS: &str = include_str!("../../catalogue/icons.json");
const TEMPLATES: [(&str, &[u8]); 6] = [
    ("templates/docker-image.json", include_bytes!("../../catalogue/templates/docker-image.json")),
    ("templates/java-jar.json", include_bytes!("../../catalogue/templates/java-jar.json")),
    ("templates/nodejs.json", include_bytes!("../../catalogue/templates/nodejs.json")),
    ("templates/openttd.json", include_bytes!("../../catalogue/templates/openttd.json")),
    ("templates/python.json", include_bytes!("../../catalogue/templates/python.json")),
    ("templates/static-site.json", include_bytes!("../../catalogue/templates/static-site.json")),
];

/// Parsed on first use, so that it costs nothing if nobody opens the catalogue.
static BUILT_IN: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    Arc::new(read::read(CATALOGUE).unwrap_or_else(|why| {
        tracing::error!(%why, "the built-in catalogue can't be parsed");
        Catalogue::empty()
    }))
});
static DRAWINGS: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| serde_json::from_str(ICONS).unwrap_or_default());

pub(crate) fn catalogue() -> Arc<Catalogue> {
    BUILT_IN.clone()
}

/// An icon: the `d` attribute of each path, on a grid of 24 × 24.
pub(crate) fn drawing(name: &str) -> Option<&'static [String]> {
    DRAWINGS.get(name).map(Vec::as_slice)
}

/// The file of one of Raptor's own templates.
pub(super) fn template(path: &str) -> Option<&'static [u8]> {
    TEMPLATES.iter().find(|(known, _)| *known == path).map(|(_, file)| *file)
}

impl Catalogue {
    fn empty() -> Self {
        Self {
            indexed_on: String::new(),
            sha256: String::new(),
            categories: Vec::new(),
            collections: Vec::new(),
            entries: Vec::new(),
            popular: 0,
            left_out: 0,
            searched: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_read_whole() {
        let catalogue = catalogue();
        assert!(catalogue.entries.iter().filter(|entry| entry.source.is_some()).count() >= 250);
        assert_eq!(
            catalogue.entries.iter().filter(|entry| entry.template.is_some()).count(),
            TEMPLATES.len()
        );
        assert_eq!(catalogue.left_out, 0);
        for entry in &catalogue.entries {
            assert!(drawing(&entry.icon).is_some_and(|paths| !paths.is_empty()), "{}", entry.icon);
        }
    }
}
