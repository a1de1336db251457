//! The differences between two templates, or between two revisions of one.

use super::{Install, Template, Variable, readable};
use serde::Serialize;
use similar::TextDiff;
use std::collections::BTreeSet;

/// Lines of context around a difference.
const CONTEXT: usize = 2;

/// One thing that becomes different.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldChange {
    /// What: `startup`, `image`, `stop`, `install.script`, `variables.NAME`, `config_files.path`.
    pub field: String,
    /// What it is; none where there is none yet.
    pub before: Option<String>,
    /// What it becomes; none where it goes.
    pub after: Option<String>,
    /// Both as a unified diff, where both are there and one has several lines.
    pub diff: Option<String>,
}

/// Collects differences.
#[derive(Default)]
pub struct Difference {
    /// The differences so far, in the order of the fields.
    pub changes: Vec<FieldChange>,
}

impl Difference {
    /// Adds a field if its texts differ.
    pub fn note(&mut self, field: impl Into<String>, before: Option<String>, after: Option<String>) {
        if before == after {
            return;
        }
        let several = |text: &str| text.trim_end().contains('\n');
        let diff = before.as_deref().zip(after.as_deref()).filter(|(old, new)| several(old) || several(new));
        let diff = diff.map(|(old, new)| {
            // Without a final newline, every change of the last line would be shown as "no newline at end".
            let ended = |text: &str| format!("{}\n", text.trim_end_matches('\n'));
            TextDiff::from_lines(&ended(old), &ended(new)).unified_diff().context_radius(CONTEXT).to_string()
        });
        self.changes.push(FieldChange { field: field.into(), before, after, diff });
    }

    /// Compares everything that containers take from the template, except for image and startup command, which containers have
    /// themselves. `shown` decides which variables the reader may see.
    pub fn note_rest(&mut self, before: &Template, after: &Template, shown: impl Fn(&Variable) -> bool) {
        self.note("images", readable::images(&before.images), readable::images(&after.images));
        self.note("done", readable::items(&before.done), readable::items(&after.done));
        self.note("stop", Some(readable::stop(&before.stop)), Some(readable::stop(&after.stop)));
        self.note_install(before.install.as_ref(), after.install.as_ref());
        self.note("denylist", readable::items(&before.denylist), readable::items(&after.denylist));
        let paths = before.config_files.iter().chain(&after.config_files).map(|file| &file.path);
        for path in paths.collect::<BTreeSet<_>>() {
            let of = |template: &Template| {
                template.config_files.iter().find(|file| file.path == *path).map(readable::config_file)
            };
            self.note(format!("config_files.{path}"), of(before), of(after));
        }
        let names = before.variables.iter().chain(&after.variables).map(|variable| &variable.env);
        for env in names.collect::<BTreeSet<_>>() {
            let of = |template: &Template| {
                template.variables.iter().find(|variable| variable.env == *env).cloned()
            };
            let (old, new) = (of(before), of(after));
            if old.iter().chain(&new).all(&shown) {
                let told = |variable: Option<Variable>| variable.as_ref().map(readable::variable);
                self.note(format!("variables.{env}"), told(old), told(new));
            }
        }
    }

    fn note_install(&mut self, before: Option<&Install>, after: Option<&Install>) {
        let mut part = |name: &str, of: fn(&Install) -> String| {
            self.note(format!("install.{name}"), before.map(of), after.map(of));
        };
        part("image", |install| install.image.clone());
        part("entrypoint", |install| install.entrypoint.clone());
        part("script", Install::mended);
        part("strict", |install| install.strict.to_string());
    }
}

/// The differences from `before` to `after`, without defaults of secret variables.
#[must_use]
pub fn difference(before: &Template, after: &Template) -> Vec<FieldChange> {
    let mut found = Difference::default();
    let mut plain = |field: &str, old: &str, new: &str| {
        found.note(field, Some(old.to_owned()), Some(new.to_owned()));
    };
    plain("name", &before.name, &after.name);
    plain("author", &before.author, &after.author);
    plain("description", &before.description, &after.description);
    plain("startup", &before.startup, &after.startup);
    let commands = |template: &Template| readable::commands(&template.startup_commands);
    found.note("startup_commands", commands(before), commands(after));
    found.note_rest(before, after, |_| true);
    found.note("features", readable::items(&before.features), readable::items(&after.features));
    found.note("tags", readable::items(&before.tags), readable::items(&after.tags));
    found.note("uuid", before.uuid.clone(), after.uuid.clone());
    found.note("update_url", before.update_url.clone(), after.update_url.clone());
    found.changes
}
