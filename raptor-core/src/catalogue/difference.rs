//! What is different between two templates.

use crate::{
    containers::template::FieldChange,
    templates::{Template, export::to_own},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What the elements of a list are known by.
const KEYS: [(&str, &str); 4] =
    [("variables", "env"), ("config_files", "path"), ("images", "label"), ("startup_commands", "name")];

/// What becomes different when `after` takes the place of `before`: by field, and by element for variables, configuration files,
/// images and startup commands.
pub(super) fn difference(before: &Template, after: &Template) -> Vec<FieldChange> {
    let (before, after) = (to_own(before), to_own(after));
    let mut changes = Vec::new();
    for name in names(&before, &after) {
        let (old, new) = (before.get(&name), after.get(&name));
        if old == new {
            continue;
        }
        match KEYS.iter().find(|(list, _)| *list == name) {
            Some((_, key)) => elements(&name, key, old, new, &mut changes),
            None if name == "install"
                && old.is_some_and(Value::is_object)
                && new.is_some_and(Value::is_object) =>
            {
                let (old, new) = (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null));
                for part in names(old, new) {
                    note(format!("install.{part}"), old.get(&part), new.get(&part), &mut changes);
                }
            }
            None => note(name, old, new, &mut changes),
        }
    }
    changes
}

fn elements(list: &str, key: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<FieldChange>) {
    let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (old, new) = (items(old), items(new));
    let named = |item: &Value| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let noted = changes.len();
    for name in old.iter().chain(&new).map(named).collect::<BTreeSet<_>>() {
        let of = |items: &[Value]| items.iter().find(|item| named(item) == name).cloned();
        note(format!("{list}.{name}"), of(&old).as_ref(), of(&new).as_ref(), changes);
    }
    if changes.len() == noted {
        // The same elements in another order.
        let order = |items: &[Value]| Value::from(items.iter().map(named).collect::<Vec<_>>());
        note(list.to_owned(), Some(&order(&old)), Some(&order(&new)), changes);
    }
    if changes.len() == noted {
        // Several elements are named alike.
        note(list.to_owned(), Some(&Value::from(old)), Some(&Value::from(new)), changes);
    }
}

fn note(field: String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    let (before, after) = (before.and_then(text), after.and_then(text));
    if before != after {
        changes.push(FieldChange { field, before, after });
    }
}

/// A value as people read it; none for nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => serde_json::to_string_pretty(value).ok(),
    }
}

fn names(before: &Value, after: &Value) -> BTreeSet<String> {
    [before, after].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::builtin, templates::import::import};

    #[test]
    fn each_change_is_told_by_its_place_and_nothing_else_is() {
        let before = import(builtin::template("templates/openttd.json").unwrap()).unwrap().template;
        assert_eq!(difference(&before, &before), []);
        let mut after = before.clone();
        after.startup.push_str(" -d");
        after.variables[0].default_value = "other".into();
        let gone = after.variables.pop().unwrap();
        after.install.as_mut().unwrap().script.push_str("curl evil");
        let changes = difference(&before, &after);
        let fields: BTreeSet<_> = changes.iter().map(|change| change.field.as_str()).collect();
        let expected = [
            "startup".to_owned(),
            format!("variables.{}", before.variables[0].env),
            format!("variables.{}", gone.env),
            "install.script".into(),
        ];
        assert_eq!(fields, expected.iter().map(String::as_str).collect());
        let removed = changes.iter().find(|change| change.field == expected[2]).unwrap();
        assert!(removed.before.is_some() && removed.after.is_none());
        after = before.clone();
        after.variables.reverse();
        assert_eq!(difference(&before, &after)[0].field, "variables");
    }
}
