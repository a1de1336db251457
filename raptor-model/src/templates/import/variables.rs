//! The variables of an egg.

use super::{Reader, plain};
use crate::templates::{
    check::is_env,
    document::{Variable, looks_secret},
    variables::Rules,
};
use serde_json::Value;

impl Reader {
    pub(super) fn variables(&mut self, source: &Value) -> Vec<Variable> {
        let mut variables: Vec<Variable> = Vec::new();
        let list = source.get("variables").and_then(Value::as_array);
        for (place, entry) in list.into_iter().flatten().enumerate() {
            let text = |name: &str| entry.get(name).map(plain).unwrap_or_default();
            let flag = |name: &str| match entry.get(name) {
                Some(Value::Bool(flag)) => *flag,
                Some(Value::String(text)) => ["1", "true"].contains(&text.as_str()),
                Some(value) => value.as_i64() == Some(1),
                None => false,
            };
            let env = text("env_variable").trim().to_owned();
            let at = format!("variables.{place}");
            if !is_env(&env) {
                self.warn(&at, format!("{env:?} is not a valid variable name; it was left out."));
                continue;
            }
            if variables.iter().any(|variable| variable.env == env) {
                self.warn(&at, format!("{env} is defined twice; the first one is used."));
                continue;
            }
            let mut rules = match entry.get("rules") {
                Some(Value::Array(rules)) => rules.iter().map(plain).collect::<Vec<_>>().join("|"),
                Some(Value::String(rules)) => rules.clone(),
                _ => String::new(),
            };
            if rules.trim_matches(['|', ' ']).is_empty() {
                self.warn(&at, format!("{env} has no rules; any text is accepted."));
                rules = "nullable|string".into();
            }
            let mut default_value = text("default_value");
            if let Some(Value::Bool(on)) = entry.get("default_value") {
                let digit = Rules::parse(&rules).check(&default_value).is_err();
                default_value = if digit { u8::from(*on).to_string() } else { on.to_string() };
                self.warn(&at, format!("The default of {env} is {on}, which is read as {default_value}."));
            }
            let known = [
                "name",
                "description",
                "env_variable",
                "default_value",
                "user_viewable",
                "user_editable",
                "rules",
                "field_type",
            ];
            let extra = entry.as_object().into_iter().flatten().filter(|(key, value)| {
                !known.contains(&key.as_str()) || (*key == "field_type" && *value != "text")
            });
            variables.push(Variable {
                extra: extra.map(|(key, value)| (key.clone(), value.clone())).collect(),
                secret: looks_secret(&env, &rules, &text("name")),
                name: text("name"),
                description: text("description"),
                env,
                default_value,
                user_viewable: flag("user_viewable"),
                user_editable: flag("user_editable"),
                rules,
            });
        }
        variables
    }
}
