//! Validation of the values that people enter for variables.

use crate::{
    Error, Result,
    templates::{Template, Variable, variables::needed},
};
use std::collections::BTreeMap;

/// Validates new values, and returns them as they are stored: without surrounding whitespace. Users who don't manage all
/// containers can set only what the template lets users set.
pub(super) fn checked_variables(
    template: &Template,
    values: BTreeMap<String, String>,
    manages: bool,
) -> Result<BTreeMap<String, String>> {
    let values = known_variables(template, values, manages)?;
    for (variable, value) in &values {
        let field = || format!("variables.{}", variable.env);
        variable.rules().check(value).map_err(|why| Error::invalid(field(), why))?;
    }
    Ok(values.into_iter().map(|(variable, value)| (variable.env.clone(), value)).collect())
}

/// The variables to set, with their trimmed values, whether or not they meet their rules.
pub(super) fn known_variables(
    template: &Template,
    values: BTreeMap<String, String>,
    manages: bool,
) -> Result<Vec<(&Variable, String)>> {
    let known = values.into_iter().map(|(env, value)| {
        let field = format!("variables.{env}");
        // Users who may not see a variable don't learn that it exists.
        let found = template.variables.iter().find(|variable| variable.env == env);
        let Some(variable) = found.filter(|variable| manages || variable.user_viewable) else {
            return Err(
                Error::invalid(field, "The template has no such variable.").because("variable_unknown")
            );
        };
        if !manages && !variable.is_users() {
            return Err(
                Error::invalid(field, "This variable can't be changed by users.").because("variable_locked")
            );
        }
        let value = variable.rules().trimmed(&value).to_owned();
        if value.contains('\0') || value.len() > 16_384 {
            return Err(Error::invalid(field, "Use text of at most 16,384 bytes.")
                .because("too_many_bytes")
                .with("max", 16_384));
        }
        Ok((variable, value))
    });
    known.collect()
}

/// Validates the given values, and the defaults of the others: published templates leave some for the user to fill in, and some
/// defaults break their own rules. Reports all problems at once.
pub(super) fn all_variables(
    template: &Template,
    given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let given: BTreeMap<String, String> = known_variables(template, given, true)?
        .into_iter()
        .map(|(variable, value)| (variable.env.clone(), value))
        .collect();
    let mut wrong = template.variables.iter().filter_map(|variable| {
        let value = given.get(&variable.env);
        let why = variable.rules().check(value.unwrap_or(&variable.default_value)).err()?;
        Some((variable, value.is_some(), why))
    });
    let Some((first, is_given, why)) = wrong.next() else { return Ok(given) };
    let field = format!("variables.{}", first.env);
    let wrong: Vec<_> = wrong.collect();
    let others: Vec<String> =
        wrong.iter().map(|(variable, given, why)| lacks(variable, *given, why)).collect();
    let names = std::iter::once(first).chain(wrong.iter().map(|(variable, ..)| *variable)).map(called);
    let names = names.collect::<Vec<_>>().join(", ");
    if others.is_empty() && is_given {
        return Err(Error::invalid(field, why));
    }
    let all: Vec<String> = std::iter::once(lacks(first, is_given, &why)).chain(others).collect();
    Err(Error::invalid(field, all.join(" ")).because("variables").with("names", names))
}

/// The variable as people know it.
fn called(variable: &Variable) -> &str {
    if variable.name.trim().is_empty() { &variable.env } else { &variable.name }
}

/// The problem with a variable's value, as a sentence that names the variable.
fn lacks(variable: &Variable, given: bool, why: &str) -> String {
    let name = called(variable);
    match (given, variable.default_value.trim().is_empty()) {
        _ if *why == *needed() => format!("{name} needs a value."),
        (true, _) => format!("{name} needs another value. {why}"),
        (false, true) => format!("{name} needs a value. {why}"),
        (false, false) => format!("{name} needs another value than its default. {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::import::import;
    use serde_json::json;

    fn template() -> Template {
        let variable = |name: &str, env: &str, default: &str, rules: &str| json!({ "name": name, "env_variable": env, "default_value": default, "rules": rules });
        let egg = json!({
            "meta": { "version": "PTDL_v2" }, "name": "Bot", "docker_images": { "a": "img:1" }, "startup": "x",
            "variables": [
                variable("Twitch Channel Name", "CHANNEL", "", "required|string"),
                variable("Bot Owner ID", "OWNER", "Change This", "required|digits_between:17,18"),
                variable("Slots", "SLOTS", "5", "required|integer|between:1,10"),
                variable("", "TOKEN", "", "required|string"),
            ],
        });
        import(egg.to_string().as_bytes()).unwrap().template
    }

    fn given(pairs: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
        all_variables(
            &template(),
            pairs.iter().map(|(env, value)| ((*env).into(), (*value).into())).collect(),
        )
    }

    fn refused(pairs: &[(&str, &str)]) -> (String, String) {
        match given(pairs) {
            Err(Error::Invalid { field, why }) => (field, why.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_values_that_are_missing_are_named_at_once_and_each_once() {
        let (field, why) = refused(&[("TOKEN", " ")]);
        assert_eq!(field, "variables.CHANNEL");
        assert_eq!(
            why,
            "Twitch Channel Name needs a value. Bot Owner ID needs another value than its default. Use 17 to 18 digits. TOKEN needs a value."
        );
        let rest = [("CHANNEL", "x"), ("TOKEN", "y")];
        assert_eq!(
            refused(&rest).1,
            "Bot Owner ID needs another value than its default. Use 17 to 18 digits."
        );
        let (field, why) = refused(&[rest[0], rest[1], ("OWNER", "7")]);
        assert_eq!((field.as_str(), why.as_str()), ("variables.OWNER", "Use 17 to 18 digits."));
    }

    #[test]
    fn values_are_kept_without_the_blanks_around_them() {
        let values = given(&[
            ("CHANNEL", "x"),
            ("OWNER", "12345678901234567\r\n"),
            ("SLOTS", "5\n"),
            ("TOKEN", "secret "),
        ]);
        let values = values.unwrap();
        assert_eq!((values["SLOTS"].as_str(), values["TOKEN"].as_str()), ("5", "secret"));
        assert_eq!(values["OWNER"], "12345678901234567");
    }
}
