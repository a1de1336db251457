//! Variables' names in upper case: published scripts and images expect them so, however an egg spells them.

use super::lint::{RESERVED, of_the_system};
use std::collections::BTreeSet;

/// The copies that variables with these names get, each with the name of the original: the name in upper case, unless another
/// variable has that name, Raptor sets it itself, or it affects programs in general. If two have the same copy, the first wins.
pub fn of<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<(String, &'n str)> {
    let mut taken: BTreeSet<String> = names.clone().map(str::to_owned).collect();
    let copies = names.filter_map(|name| {
        let copy = name.to_ascii_uppercase();
        let own = RESERVED.contains(&copy.as_str()) || of_the_system(&copy).is_some();
        (!own && taken.insert(copy.clone())).then_some((copy, name))
    });
    copies.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_where_nothing_else_has_the_name() {
        let copies =
            of(["grafana_plugins", "Version", "MAP", "map", "Mode", "mode", "path", "ld_preload", "startup"]
                .into_iter());
        assert_eq!(
            copies,
            [
                ("GRAFANA_PLUGINS".into(), "grafana_plugins"),
                ("VERSION".into(), "Version"),
                ("MODE".into(), "Mode")
            ]
        );
    }
}
