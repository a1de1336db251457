//! The rules of variables, in the notation that published eggs use (Laravel's), and the inputs that fit them.

use fancy_regex::Regex;
use serde::{Deserialize, Serialize};

/// The rules of one variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Required,
    Text,
    Numeric,
    Integer,
    Boolean,
    In(Vec<String>),
    NotIn(Vec<String>),
    Min(String),
    Max(String),
    Between(String, String),
    Size(String),
    Digits(usize, usize),
    Regex(String, bool),
    Alpha,
    AlphaNum,
    AlphaDash,
    Url,
    EndsWith(Vec<String>),
    StartsWith(Vec<String>),
}

/// What a person is shown to set a variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VariableInput {
    /// A switch.
    Toggle {
        /// The value when it is on.
        on: String,
        /// The value when it is off.
        off: String,
    },
    /// One of some values.
    Select {
        /// The values.
        options: Vec<String>,
    },
    /// A number.
    Number {
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
        /// Whether it has no fraction.
        integer: bool,
    },
    /// Text.
    Text {
        /// Characters at least.
        min_length: Option<u32>,
        /// Characters at most.
        max_length: Option<u32>,
    },
}

impl Rules {
    /// Reads rules separated by `|`. What this version does not know constrains nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.split('|').filter_map(rule).collect())
    }

    fn has(&self, rule: &Rule) -> bool {
        self.0.contains(rule)
    }

    fn is_number(&self) -> bool {
        self.has(&Rule::Numeric) || self.has(&Rule::Integer)
    }

    /// Whether a value is needed.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.has(&Rule::Required)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if value.is_empty() {
            let may_be_empty = self
                .0
                .iter()
                .any(|rule| matches!(rule, Rule::In(values) if values.iter().any(String::is_empty)));
            return if self.is_required() && !may_be_empty {
                Err("A value is needed.".into())
            } else {
                Ok(())
            };
        }
        self.0.iter().try_for_each(|rule| self.meets(rule, value))
    }

    fn meets(&self, rule: &Rule, value: &str) -> Result<(), String> {
        let (size, unit) = self.size(value);
        let compare = |bound: &String, fits: fn(f64, f64) -> bool| {
            bound.parse().map_or(true, |bound| fits(size, bound))
        };
        let all = |allowed: fn(char) -> bool| value.chars().all(allowed);
        let (met, why) = match rule {
            Rule::Required | Rule::Text => (true, String::new()),
            Rule::Numeric => (value.trim().parse::<f64>().is_ok_and(f64::is_finite), "Use a number.".into()),
            Rule::Integer => (value.trim().parse::<i64>().is_ok(), "Use a whole number.".into()),
            Rule::Boolean => (matches!(value, "0" | "1" | "true" | "false"), "Use 1 or 0.".into()),
            Rule::In(values) => {
                (values.iter().any(|allowed| allowed == value), format!("Use one of: {}.", values.join(", ")))
            }
            Rule::NotIn(values) => (
                !values.iter().any(|refused| refused == value),
                format!("Don't use any of: {}.", values.join(", ")),
            ),
            Rule::Min(min) => (compare(min, |size, min| size >= min), format!("Use at least {min}{unit}.")),
            Rule::Max(max) => (compare(max, |size, max| size <= max), format!("Use at most {max}{unit}.")),
            Rule::Between(min, max) => (
                compare(min, |size, min| size >= min) && compare(max, |size, max| size <= max),
                format!("Use {min} to {max}{unit}."),
            ),
            Rule::Size(exact) => (
                compare(exact, |size, exact| (size - exact).abs() < f64::EPSILON),
                format!("Use exactly {exact}{unit}."),
            ),
            Rule::Digits(min, max) => (
                all(|c| c.is_ascii_digit()) && (*min..=*max).contains(&value.len()),
                if min == max { format!("Use {min} digits.") } else { format!("Use {min} to {max} digits.") },
            ),
            Rule::Regex(pattern, wanted) => {
                // A pattern that is none, or that would take too long, constrains nothing.
                let matches = Regex::new(pattern).ok().and_then(|pattern| pattern.is_match(value).ok());
                (
                    matches.is_none_or(|matches| matches == *wanted),
                    format!("This does not fit the pattern {pattern}."),
                )
            }
            Rule::Alpha => (all(char::is_alphabetic), "Use letters only.".into()),
            Rule::AlphaNum => (all(char::is_alphanumeric), "Use letters and digits only.".into()),
            Rule::AlphaDash => (
                all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')),
                "Use letters, digits, dashes and underscores only.".into(),
            ),
            Rule::Url => (url::Url::parse(value).is_ok(), "Use an address like https://example.com.".into()),
            Rule::EndsWith(ends) => (
                ends.iter().any(|end| value.ends_with(end)),
                format!("End it with one of: {}.", ends.join(", ")),
            ),
            Rule::StartsWith(starts) => (
                starts.iter().any(|start| value.starts_with(start)),
                format!("Begin it with one of: {}.", starts.join(", ")),
            ),
        };
        if met { Ok(()) } else { Err(why) }
    }

    /// What bounds are about: the number, or how many characters the text has.
    fn size(&self, value: &str) -> (f64, &'static str) {
        match value.trim().parse::<f64>() {
            Ok(number) if self.is_number() => (number, ""),
            _ => (f64::from(u32::try_from(value.chars().count()).unwrap_or(u32::MAX)), " characters"),
        }
    }

    /// The input that fits.
    #[must_use]
    pub fn input(&self) -> VariableInput {
        let options = self
            .0
            .iter()
            .find_map(|rule| if let Rule::In(values) = rule { Some(values.clone()) } else { None });
        if let Some(options) = options {
            return match options.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["true", "false"] | ["false", "true"] => {
                    VariableInput::Toggle { on: "true".into(), off: "false".into() }
                }
                ["0", "1"] | ["1", "0"] => VariableInput::Toggle { on: "1".into(), off: "0".into() },
                _ => VariableInput::Select { options },
            };
        }
        if self.has(&Rule::Boolean) {
            return VariableInput::Toggle { on: "1".into(), off: "0".into() };
        }
        let (mut min, mut max) = (None, None);
        for rule in &self.0 {
            match rule {
                Rule::Min(bound) => min = bound.parse::<f64>().ok(),
                Rule::Max(bound) => max = bound.parse::<f64>().ok(),
                Rule::Between(low, high) => (min, max) = (low.parse().ok(), high.parse().ok()),
                _ => {}
            }
        }
        if self.is_number() {
            return VariableInput::Number { min, max, integer: self.has(&Rule::Integer) };
        }
        let length =
            |bound: Option<f64>| bound.filter(|bound| (0.0..1e6).contains(bound)).map(|bound| bound as u32);
        VariableInput::Text { min_length: length(min), max_length: length(max) }
    }
}

fn rule(text: &str) -> Option<Rule> {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    let list = || argument.split(',').map(str::to_owned).collect::<Vec<_>>();
    let pair = || argument.split_once(',').map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "required" => Rule::Required,
        "string" => Rule::Text,
        "numeric" => Rule::Numeric,
        "integer" | "int" => Rule::Integer,
        "boolean" | "bool" => Rule::Boolean,
        "in" => Rule::In(list()),
        "not_in" => Rule::NotIn(list()),
        "min" => Rule::Min(argument.trim().into()),
        "max" => Rule::Max(argument.trim().into()),
        "between" => pair().map(|(min, max)| Rule::Between(min, max))?,
        "size" => Rule::Size(argument.trim().into()),
        "digits" => argument.trim().parse().map(|digits| Rule::Digits(digits, digits)).ok()?,
        "digits_between" => {
            pair().and_then(|(min, max)| Some(Rule::Digits(min.parse().ok()?, max.parse().ok()?)))?
        }
        "regex" => Rule::Regex(pattern(argument), true),
        "not_regex" => Rule::Regex(pattern(argument), false),
        "alpha" => Rule::Alpha,
        "alpha_num" | "alphanum" => Rule::AlphaNum,
        "alpha_dash" => Rule::AlphaDash,
        "url" => Rule::Url,
        "ends_with" => Rule::EndsWith(list()),
        "starts_with" => Rule::StartsWith(list()),
        _ => return None,
    })
}

/// A pattern between PHP's delimiters, which may be a pair of brackets, with flags behind the second.
fn pattern(text: &str) -> String {
    let text = text.trim();
    let Some(open) = text.chars().next() else { return String::new() };
    let close = match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other if !other.is_alphanumeric() && other != '\\' => other,
        _ => return text.to_owned(),
    };
    let Some(end) = text.rfind(close).filter(|end| *end > 0) else { return text.to_owned() };
    let body = text.get(open.len_utf8()..end).unwrap_or_default();
    let flags: String = text
        .get(end + close.len_utf8()..)
        .unwrap_or_default()
        .chars()
        .filter(|c| "imsx".contains(*c))
        .collect();
    if flags.is_empty() { body.to_owned() } else { format!("(?{flags}){body}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(rules: &str, value: &str) -> bool {
        Rules::parse(rules).check(value).is_ok()
    }

    #[test]
    fn bounds_are_about_numbers_only_where_a_number_is_asked_for() {
        assert!(ok("required|integer|max:20", "20") && !ok("required|integer|max:20", "21"));
        assert!(ok("required|string|max:3", "999") && !ok("required|string|max:3", "9999"));
        assert!(ok("numeric|between:1024,65535", "25565") && !ok("numeric|between:1024,65535", "80"));
    }

    #[test]
    fn an_empty_value_is_refused_only_where_one_is_needed() {
        assert!(!ok("required|string", "") && ok("nullable|integer", "") && ok("string|max:5", ""));
        assert!(ok("required|in:,beta", ""));
    }

    #[test]
    fn patterns_have_phps_delimiters() {
        assert!(
            ok(r"required|regex:/^([\w\d._-]+)(\.jar)$/", "server.jar")
                && !ok(r"required|regex:/^([\w\d._-]+)(\.jar)$/", "a b.jar")
        );
        assert!(ok("regex:([a-z-0-9]+$)", "abc"));
        assert!(ok(r"regex:/^(?:true)?(?:false)?\b/i", "TRUE"));
        assert!(ok("regex:/^(?!x)y/", "y") && !ok("regex:/^(?!x)./", "x"));
    }

    #[test]
    fn names_are_read_without_regard_to_case_and_what_is_unknown_constrains_nothing() {
        assert!(ok("Nullable||present|foo:bar|alphanum", "ab1") && !ok("alphanum", "a b"));
    }

    #[test]
    fn the_input_fits_the_rules() {
        assert_eq!(
            Rules::parse("required|in:true,false").input(),
            VariableInput::Toggle { on: "true".into(), off: "false".into() }
        );
        assert_eq!(
            Rules::parse("required|boolean").input(),
            VariableInput::Toggle { on: "1".into(), off: "0".into() }
        );
        assert_eq!(
            Rules::parse("in:a,b,c").input(),
            VariableInput::Select { options: vec!["a".into(), "b".into(), "c".into()] }
        );
        assert_eq!(
            Rules::parse("integer|between:1,9").input(),
            VariableInput::Number { min: Some(1.0), max: Some(9.0), integer: true }
        );
        assert_eq!(
            Rules::parse("string|max:20").input(),
            VariableInput::Text { min_length: None, max_length: Some(20) }
        );
    }
}
