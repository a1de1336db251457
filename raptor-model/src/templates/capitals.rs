//! Variables' names in upper case: published scripts and images expect them so, however an egg spells them.

use super::lint::{RESERVED, of_the_system};
use std::collections::BTreeSet;

/// A copy of a variable under its name in capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapitalCopy<'n> {
    /// The name in capitals.
    pub name: String,
    /// The name of the variable that it is a copy of.
    pub of: &'n str,
}

/// The copies that variables of these names get: in capitals, unless another variable has
/// that name, Raptor sets it itself, or it means something to every program. Of two with the same copy the first has it.
pub fn of<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<CapitalCopy<'n>> {
    let mut taken: BTreeSet<String> = names.clone().map(str::to_owned).collect();
    let copies = names.filter_map(|name| {
        let copy = name.to_ascii_uppercase();
        let own = RESERVED.contains(&copy.as_str()) || of_the_system(&copy).is_some();
        (!own && taken.insert(copy.clone())).then_some(CapitalCopy { name: copy, of: name })
    });
    copies.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_where_nothing_else_has_the_name() {
        let copies: Vec<(String, &str)> =
            of(["grafana_plugins", "Version", "MAP", "map", "Mode", "mode", "path", "ld_preload", "startup"]
                .into_iter())
            .into_iter()
            .map(|copy| (copy.name, copy.of))
            .collect();
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
