//! Raptor's own format, `RAPTOR_v1`: the template as it is stored, as JSON or YAML, with a version marker.
//!
//! ```json
//! { "raptor_template": 1, "name": "…", "images": [{ "label": "…", "image": "…" }], "startup": "…", "variables": [ … ] }
//! ```
//! The fields are those of [`Template`]. Exported eggs have the same fields under the key `raptor` for what eggs can't express;
//! Pterodactyl and Pelican ignore that key.

use super::{
    Template,
    check::check,
    import::{ImportWarning, Imported},
    lint::lint,
};
use crate::{Error, Result};
use serde_json::{Map, Value, json};

const MARK: &str = "raptor_template";
const VERSION: u64 = 1;

pub(super) fn is_own(source: &Value) -> bool {
    source.get(MARK).is_some()
}

/// Parses a template in this format.
pub(super) fn read(mut source: Value, mut warnings: Vec<ImportWarning>) -> Result<Imported> {
    let version =
        source.as_object_mut().and_then(|map| map.remove(MARK)).and_then(|version| version.as_u64());
    if version != Some(VERSION) {
        return Err(Error::invalid(
            MARK,
            format!(
                "This Raptor reads version {VERSION} of its format. Use the version of Raptor that wrote it, or a newer one."
            ),
        ).because("template_version").with("version", VERSION));
    }
    let keys: Vec<String> = source.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let template: Template = serde_json::from_value(source).map_err(|error| {
        Error::invalid("body", format!("This is no template: {error}.")).because("template_file")
    })?;
    check(&template)?;
    let written = serde_json::to_value(&template).unwrap_or_default();
    for key in keys.iter().filter(|key| {
        !["uuid", "tags", "icon", "update_url", "startup_commands", "logs", "stop_text", "extra"]
            .contains(&key.as_str())
            && written.get(key.as_str()).is_none()
    }) {
        warnings.push(ImportWarning {
            path: key.clone(),
            message: "Raptor has no such field; it was left out.".into(),
        });
    }
    warnings.extend(lint(&template));
    Ok(Imported { template, format: "RAPTOR_v1".into(), warnings })
}

/// The template in this format.
#[must_use]
pub fn to_own(template: &Template) -> Value {
    let mut document = json!({ MARK: VERSION });
    if let (Some(map), Ok(Value::Object(fields))) = (document.as_object_mut(), serde_json::to_value(template))
    {
        map.extend(fields);
    }
    document
}

/// The parts of `template` that are missing from `plain`, which is the result of importing the egg made from it.
pub(super) fn difference(template: &Template, plain: &Template) -> Option<Value> {
    let fields = |template: &Template| match serde_json::to_value(template) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let (whole, held) = (fields(template), fields(plain));
    let mut more: Map<String, Value> = whole
        .iter()
        .filter(|(key, value)| *key != "variables" && held.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // Removed fields have to be explicit as well.
    more.extend(held.keys().filter(|key| !whole.contains_key(*key)).map(|key| (key.clone(), Value::Null)));
    let mut variables = Map::new();
    for variable in &template.variables {
        let other = plain.variables.iter().find(|other| other.env == variable.env);
        let mut said = Map::new();
        if other.is_none_or(|other| other.secret != variable.secret) {
            said.insert("secret".into(), json!(variable.secret));
        }
        if other.is_none_or(|other| other.extra != variable.extra) {
            said.insert("extra".into(), json!(variable.extra));
        }
        for (key, value, held) in [
            ("name", &variable.name, other.map(|other| &other.name)),
            ("rules", &variable.rules, other.map(|other| &other.rules)),
        ] {
            if held != Some(value) {
                said.insert(key.into(), json!(value));
            }
        }
        if !said.is_empty() {
            variables.insert(variable.env.clone(), said.into());
        }
    }
    if !variables.is_empty() {
        more.insert("variables".into(), variables.into());
    }
    (!more.is_empty()).then(|| more.into())
}

/// Applies what an egg exported by Raptor has under its own key.
pub(super) fn overlay(template: &mut Template, source: &Value, warnings: &mut Vec<ImportWarning>) {
    let Some(Value::Object(more)) = source.get("raptor") else { return };
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&*template) else { return };
    for (key, value) in more.iter().filter(|(key, _)| *key != "variables") {
        if value.is_null() {
            fields.remove(key);
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
    let said = more.get("variables").and_then(Value::as_object);
    for variable in fields.get_mut("variables").and_then(Value::as_array_mut).into_iter().flatten() {
        let env = variable.get("env").and_then(Value::as_str).unwrap_or_default();
        let said = said.and_then(|said| said.get(env)).and_then(Value::as_object);
        if let (Some(said), Some(variable)) = (said.cloned(), variable.as_object_mut()) {
            variable.extend(said);
        }
    }
    match serde_json::from_value::<Template>(fields.into())
        .map(|template| check(&template).map(|()| template))
    {
        Ok(Ok(read)) => *template = read,
        _ => warnings.push(ImportWarning {
            path: "raptor".into(),
            message: "What is written here does not fit the rest and was left out.".into(),
        }),
    }
}
