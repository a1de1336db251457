//! What is odd about a template, though it can be used.

use super::{Template, import::ImportWarning, placeholders};
use std::collections::BTreeSet;

/// Names that Raptor itself sets in each container's environment.
const RESERVED: [&str; 6] = ["SERVER_MEMORY", "SERVER_IP", "SERVER_PORT", "STARTUP", "TZ", "P_SERVER_UUID"];

/// Everything odd, in the order of the template.
#[must_use]
pub fn lint(template: &Template) -> Vec<ImportWarning> {
    let mut warnings = Vec::new();
    let mut warn = |path: String, message: String| warnings.push(ImportWarning { path, message });
    let known: BTreeSet<&str> = template.variables.iter().map(|variable| variable.env.as_str()).collect();
    if template.images.is_empty() {
        warn("images".into(), "There is no image; each container needs one of its own.".into());
    }
    if template.startup.trim().is_empty() {
        warn("startup".into(), "There is no startup command; each container needs one of its own.".into());
    }
    let commands = template.startup_commands.iter().map(|choice| choice.command.as_str());
    let commands: BTreeSet<&str> = commands.chain([template.startup.as_str()]).collect();
    for name in
        commands.iter().flat_map(|command| placeholders::unknown(command, &known)).collect::<BTreeSet<_>>()
    {
        warn("startup".into(), format!("{{{{{name}}}}} names nothing and stays as it is written."));
    }
    for line in &template.done {
        if line.contains("change this ") {
            warn("done".into(), format!("{line:?} was never filled in by the makers; no output will fit."));
        }
        if line.strip_prefix("regex:").is_some_and(|pattern| regex::Regex::new(pattern).is_err()) {
            warn("done".into(), format!("{line:?} is no pattern and is looked for as it is written."));
        }
    }
    for file in &template.config_files {
        let texts =
            file.edits.iter().flat_map(|edit| [edit.value.as_str(), Some(edit.key.as_str())]).flatten();
        let names: BTreeSet<String> =
            texts.chain([file.path.as_str()]).flat_map(|text| placeholders::unknown(text, &known)).collect();
        for name in names {
            let why = if name.starts_with("config.") {
                "is the daemon's own and not given to containers; it becomes empty"
            } else {
                "names nothing and becomes empty"
            };
            warn(format!("config_files.{}", file.path), format!("{{{{{name}}}}} {why}."));
        }
    }
    for variable in &template.variables {
        let at = format!("variables.{}", variable.env);
        if RESERVED.contains(&variable.env.as_str()) {
            warn(at.clone(), format!("Raptor sets {} itself; this value is not used.", variable.env));
        }
        for rule in variable.rules().unknown() {
            warn(at.clone(), format!("The rule {rule:?} is unknown and constrains nothing."));
        }
    }
    warnings
}
