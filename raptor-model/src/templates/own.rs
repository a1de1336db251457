//! Raptor's own format, `RAPTOR_v1`: the template as it is kept, as JSON or YAML, under a mark that says so.
//!
//! ```json
//! { "raptor_template": 1, "name": "…", "images": [{ "label": "…", "image": "…" }], "startup": "…", "variables": [ … ] }
//! ```
//! The fields are those of [`Template`]. The same fields, under the key `raptor` of an exported egg, carry what eggs have no
//! word for; Pterodactyl and Pelican pass over that key.

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

/// Reads a template of this format.
pub(super) fn read(mut source: Value, mut warnings: Vec<ImportWarning>) -> Result<Imported> {
    let version =
        source.as_object_mut().and_then(|map| map.remove(MARK)).and_then(|version| version.as_u64());
    if version != Some(VERSION) {
        return Err(Error::invalid(
            MARK,
            format!(
                "This Raptor reads version {VERSION} of its format. Use the version of Raptor that wrote it, or a newer one."
            ),
        ));
    }
    let keys: Vec<String> = source.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let template: Template = serde_json::from_value(source)
        .map_err(|error| Error::invalid("body", format!("This is no template: {error}.")))?;
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

/// What `template` says and `plain`, which is what an egg made of it says, does not.
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
    // What is gone has to be said as well.
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

/// Adds what an egg that Raptor wrote says under its own key.
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
