//! Validation of templates.

use super::Template;
use crate::{Error, Result, images::check_image};
use std::collections::BTreeSet;

const MAX_VARIABLES: usize = 500;
const MAX_FILES: usize = 200;

/// Whether it is a valid name of a variable.
pub(super) fn is_env(env: &str) -> bool {
    !env.is_empty() && env.len() <= 191 && env.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Validates a template.
///
/// # Errors
/// [`Error::Invalid`] with the field.
pub fn check(template: &Template) -> Result<()> {
    let refuse = |field: String, why: &str, reason| Err(Error::invalid(field, why).because(reason));
    if template.name.trim().is_empty() || template.name.chars().count() > 191 {
        return Err(Error::invalid("name", "Give the template a name of 1 to 191 characters.")
            .because("name_length")
            .with("max", 191));
    }
    if template.icon.as_ref().is_some_and(|icon| !icon.starts_with("data:image/")) {
        return refuse("icon".into(), "Use a picture as a data:image URL.", "picture");
    }
    for (place, image) in template.images.iter().enumerate() {
        if let Err(error) = check_image(&image.image) {
            return Err(error.at(format!("images.{place}.image")));
        }
    }
    if let Some(first) = template.startup_commands.first()
        && first.command != template.startup
    {
        return refuse("startup".into(), "This is the first of the named commands.", "first_command");
    }
    if template.variables.len() > MAX_VARIABLES || template.config_files.len() > MAX_FILES {
        return refuse(
            "variables".into(),
            "A template has at most 500 variables and edits at most 200 files.",
            "template_parts",
        );
    }
    let mut names = BTreeSet::new();
    for (place, variable) in template.variables.iter().enumerate() {
        if !is_env(&variable.env) {
            return refuse(
                format!("variables.{place}.env"),
                "Use letters, digits and underscores.",
                "variable_name",
            );
        }
        if !names.insert(variable.env.as_str()) {
            return refuse(
                format!("variables.{place}.env"),
                "Another variable has this name.",
                "variable_twice",
            );
        }
    }
    for (place, file) in template.config_files.iter().enumerate() {
        if file.path.split('/').any(|part| part == "..") || file.path.trim_matches('/').is_empty() {
            return refuse(
                format!("config_files.{place}.path"),
                "Use a path inside the container's folder, such as config/server.properties.",
                "path_inside",
            );
        }
    }
    Ok(())
}
