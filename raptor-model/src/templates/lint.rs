//! Warnings about templates that are usable but questionable.

use super::{Template, capitals, import::ImportWarning, placeholders};
use std::collections::BTreeSet;

/// Names of variables that Raptor itself sets in each container.
pub(super) const RESERVED: [&str; 7] = [
    "SERVER_MEMORY",
    "SERVER_IP",
    "SERVER_PORT",
    "STARTUP",
    "TZ",
    "P_SERVER_UUID",
    "P_SERVER_ALLOCATION_LIMIT",
];

/// What a variable of this name affects beyond the server itself: how programs are found, loaded or run.
#[must_use]
pub(super) fn of_the_system(env: &str) -> Option<&'static str> {
    match env {
        "PATH" => Some("programs are only searched for there, and may not be found"),
        "HOME" => Some("programs read their settings there instead of in the image's home folder"),
        "BASH_ENV" | "ENV" | "PROMPT_COMMAND" => {
            Some("shells run the file that it names before anything else")
        }
        "IFS" | "SHELL" | "SHELLOPTS" | "BASHOPTS" => Some("it changes how shells read commands"),
        name if name.starts_with("LD_") => Some("it changes how every program in the container is loaded"),
        _ => None,
    }
}

/// All warnings, in the order of the template.
#[must_use]
pub fn lint(template: &Template) -> Vec<ImportWarning> {
    let mut warnings = Vec::new();
    let mut warn = |path: String, message: String| warnings.push(ImportWarning { path, message });
    let names = || template.variables.iter().map(|variable| variable.env.as_str());
    let copies = capitals::of(names());
    let known: BTreeSet<&str> = names().chain(copies.iter().map(|copy| copy.name.as_str())).collect();
    if template.images.is_empty() {
        warn("images".into(), "There is no image; one must be set for each container.".into());
    }
    if template.startup.trim().is_empty() {
        warn("startup".into(), "There is no startup command; one must be set for each container.".into());
    }
    let commands = template.startup_commands.iter().map(|choice| choice.command.as_str());
    let commands: BTreeSet<&str> = commands.chain([template.startup.as_str()]).collect();
    for name in
        commands.iter().flat_map(|command| placeholders::unknown(command, &known)).collect::<BTreeSet<_>>()
    {
        warn("startup".into(), format!("{{{{{name}}}}} is not a known placeholder and stays as it is."));
    }
    for line in &template.done {
        if line.contains("change this ") {
            warn(
                "done".into(),
                format!("{line:?} was never filled in by the template's authors; no output will match it."),
            );
        }
        if line.strip_prefix("regex:").is_some_and(|pattern| regex::Regex::new(pattern).is_err()) {
            warn(
                "done".into(),
                format!("{line:?} is not a valid pattern and is searched for as plain text."),
            );
        }
    }
    for file in &template.config_files {
        let texts =
            file.edits.iter().flat_map(|edit| [edit.value.as_str(), Some(edit.key.as_str())]).flatten();
        let names: BTreeSet<String> =
            texts.chain([file.path.as_str()]).flat_map(|text| placeholders::unknown(text, &known)).collect();
        for name in names {
            let why = if name.starts_with("config.") {
                "is a setting of the daemon that containers don't get; it becomes empty"
            } else {
                "is not a known placeholder and becomes empty"
            };
            warn(format!("config_files.{}", file.path), format!("{{{{{name}}}}} {why}."));
        }
    }
    for variable in &template.variables {
        let at = format!("variables.{}", variable.env);
        if RESERVED.contains(&variable.env.as_str()) {
            warn(at.clone(), format!("Raptor sets {} itself; this value is not used.", variable.env));
        }
        if let Some(why) = of_the_system(&variable.env) {
            let env = &variable.env;
            warn(
                at.clone(),
                format!(
                    "{env} is set for all programs in the container: {why}. Keep it only where the template's author is trusted."
                ),
            );
        }
        for rule in variable.rules().unknown() {
            warn(at.clone(), format!("The rule {rule:?} is unknown and constrains nothing."));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::import::import;

    #[test]
    fn variables_that_change_how_programs_run_are_warned_of() {
        let variables = ["LD_PRELOAD", "PATH", "HOME", "MAP"].map(|env| {
            serde_json::json!({ "name": env, "env_variable": env, "default_value": "x", "rules": "string" })
        });
        let egg = serde_json::json!({
            "meta": { "version": "PTDL_v2" }, "name": "Game", "docker_images": { "a": "img:1" }, "startup": "x",
            "variables": variables,
        });
        let imported = import(egg.to_string().as_bytes()).unwrap();
        let warned: Vec<_> = lint(&imported.template).into_iter().map(|warning| warning.path).collect();
        assert_eq!(warned, ["variables.LD_PRELOAD", "variables.PATH", "variables.HOME"]);
    }
}
