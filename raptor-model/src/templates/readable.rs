//! Parts of a template as text for a diff: one line per item.

use super::{ConfigFile, StartupCommand, StopRule, TemplateImage, Variable};
use serde::Serialize;
use serde_json::Value;

/// One item per line; `None` for an empty list.
pub(super) fn items<'t>(list: impl IntoIterator<Item = &'t String>) -> Option<String> {
    lines(list.into_iter().cloned())
}

/// One image per line, after its label if that differs.
pub(super) fn images(images: &[TemplateImage]) -> Option<String> {
    lines(images.iter().map(|TemplateImage { label, image }| named(label, image)))
}

/// One command per line, after its name.
pub(super) fn commands(commands: &[StartupCommand]) -> Option<String> {
    lines(commands.iter().map(|StartupCommand { name, command }| named(name, command)))
}

pub(super) fn stop(rule: &StopRule) -> String {
    match rule {
        StopRule::Command { command } => format!("Command: {command}"),
        StopRule::Signal { signal } => format!("Signal: {signal}"),
        StopRule::Docker => "The image's stop signal".into(),
    }
}

/// The format, and each edit with what it applies to.
pub(super) fn config_file(file: &ConfigFile) -> String {
    let edits = file.edits.iter().map(|edit| match &edit.if_value {
        Some(present) => format!("{} = {}, where it is {present}", edit.key, plain(&edit.value)),
        None => format!("{} = {}", edit.key, plain(&edit.value)),
    });
    let format = format!("Format: {}", plain(&file.parser));
    std::iter::once(format).chain(edits).collect::<Vec<_>>().join("\n")
}

/// The properties of a variable, without the default of a secret one.
pub(super) fn variable(variable: &Variable) -> String {
    let users = match (variable.user_viewable, variable.user_editable) {
        (true, true) => "see and change it",
        (true, false) => "see it",
        (false, true) => "change it",
        (false, false) => "neither see nor change it",
    };
    let default = if variable.secret { "secret" } else { &variable.default_value };
    let known = [
        format!("Name: {}", variable.name),
        format!("Description: {}", variable.description),
        format!("Default: {default}"),
        format!("Rules: {}", variable.rules),
        format!("Users may {users}"),
    ];
    let more = variable.extra.iter().map(|(key, value)| format!("{key}: {}", plain(value)));
    known.into_iter().chain(more).map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn named(name: &str, what: &str) -> String {
    if name.is_empty() || name == what { what.to_owned() } else { format!("{name}: {what}") }
}

fn lines(all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

/// Strings as they are, anything else as JSON.
fn plain(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_lines_and_nothing_is_json() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        assert_eq!(items(&list(&["Done (", "For help"])).as_deref(), Some("Done (\nFor help"));
        assert_eq!(items(&list(&[])), None);
        let image = |label: &str, image: &str| TemplateImage { label: label.into(), image: image.into() };
        assert_eq!(
            images(&[image("Java 21", "java:21"), image("java:8", "java:8")]).as_deref(),
            Some("Java 21: java:21\njava:8")
        );
        assert_eq!(stop(&StopRule::Command { command: "stop".into() }), "Command: stop");
        assert_eq!(stop(&StopRule::Signal { signal: "SIGINT".into() }), "Signal: SIGINT");
        let file: ConfigFile = serde_json::from_value(json!({
            "path": "server.properties", "parser": "properties",
            "edits": [{ "key": "server-port", "if_value": null, "value": "{{server.build.default.port}}" },
                      { "key": "query", "if_value": "false", "value": true }]
        }))
        .unwrap();
        assert_eq!(
            config_file(&file),
            "Format: properties\nserver-port = {{server.build.default.port}}\nquery = true, where it is false"
        );
    }

    #[test]
    fn a_variable_is_told_whole_but_the_default_of_a_secret_one() {
        let mut told: Variable = serde_json::from_value(json!({
            "name": "Slots", "description": "", "env": "SLOTS", "default_value": "20", "user_viewable": true,
            "user_editable": false, "rules": "required|integer", "secret": false
        }))
        .unwrap();
        assert_eq!(
            variable(&told),
            "Name: Slots\nDescription:\nDefault: 20\nRules: required|integer\nUsers may see it"
        );
        told.secret = true;
        assert!(!variable(&told).contains("20"));
    }
}
