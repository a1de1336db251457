//! The validation rules of variables, in Laravel's notation as in published eggs, and the kinds of input that suit them.

mod input;
mod notation;
mod pattern;
#[cfg(test)]
mod tests;
mod wanted;

use crate::sentence::Sentence;
use notation::{Rule, parts, rule};

pub use input::VariableInput;
pub use wanted::needed;

/// The rules of one variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Parses rules separated by `|`. Unknown rules are ignored.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(parts(text).into_iter().filter(|part| !part.trim().is_empty()).map(rule).collect())
    }

    /// The rules that this version does not know.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter_map(|rule| if let Rule::Unknown(text) = rule { Some(text.as_str()) } else { None })
    }

    fn has(&self, rule: &Rule) -> bool {
        self.0.contains(rule)
    }

    fn is_number(&self) -> bool {
        self.has(&Rule::Numeric) || self.has(&Rule::Integer)
    }

    /// Whether a value is required.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.has(&Rule::Required)
    }

    /// Validates a value.
    ///
    /// # Errors
    /// A sentence that says what is allowed, with its reason.
    pub fn check(&self, value: &str) -> Result<(), Sentence> {
        // Laravel treats blank values as empty, and skips the other rules.
        if value.trim().is_empty() {
            let may_be_empty = self
                .0
                .iter()
                .any(|rule| matches!(rule, Rule::In(values) if values.iter().any(String::is_empty)));
            return if self.is_required() && !may_be_empty { Err(needed()) } else { Ok(()) };
        }
        match self.0.iter().find(|rule| !self.meets(rule, value)) {
            Some(rule) => Err(wanted::wanted(rule, self.size(value).1)),
            None => Ok(()),
        }
    }

    /// A value as it is stored: without surrounding whitespace, unless only that makes it meet the rules.
    #[must_use]
    pub fn trimmed<'v>(&self, value: &'v str) -> &'v str {
        let trimmed = value.trim_matches(|c: char| c.is_whitespace() || INVISIBLE.contains(&c));
        if self.check(trimmed).is_err() && self.check(value).is_ok() { value } else { trimmed }
    }

    fn meets(&self, rule: &Rule, value: &str) -> bool {
        let (size, _) = self.size(value);
        let compare = |bound: &String, fits: fn(f64, f64) -> bool| {
            bound.parse().map_or(true, |bound| fits(size, bound))
        };
        let all = |allowed: fn(char) -> bool| value.chars().all(allowed);
        match rule {
            Rule::Required | Rule::Free | Rule::Unknown(_) => true,
            Rule::Numeric => number(value).is_some(),
            Rule::Integer => is_integer(value),
            Rule::Boolean => matches!(value, "0" | "1"),
            Rule::Accepted => matches!(value, "yes" | "on" | "1" | "true"),
            Rule::In(values) => values.iter().any(|allowed| allowed == value),
            Rule::NotIn(values) => !values.iter().any(|refused| refused == value),
            Rule::Min(min) => compare(min, |size, min| size >= min),
            Rule::Max(max) => compare(max, |size, max| size <= max),
            Rule::Greater(bound, equal) => {
                compare(bound, |size, bound| size > bound) || (*equal && compare(bound, same))
            }
            Rule::Less(bound, equal) => {
                compare(bound, |size, bound| size < bound) || (*equal && compare(bound, same))
            }
            Rule::Between(min, max) => {
                compare(min, |size, min| size >= min) && compare(max, |size, max| size <= max)
            }
            Rule::Size(exact) => compare(exact, same),
            Rule::Digits(min, max) => all(|c| c.is_ascii_digit()) && (*min..=*max).contains(&value.len()),
            Rule::MultipleOf(of) => {
                number(value).zip(number(of)).is_some_and(|(value, of)| of != 0.0 && same(value % of, 0.0))
            }
            Rule::Regex(pattern, wanted) => {
                // An invalid pattern, or one that would take too long, is ignored.
                let built =
                    fancy_regex::RegexBuilder::new(&pattern.matched).backtrack_limit(MAX_BACKTRACKS).build();
                let matches = built.ok().and_then(|pattern| pattern.is_match(value).ok());
                matches.is_none_or(|matches| matches == *wanted)
            }
            Rule::Alpha => all(char::is_alphabetic),
            Rule::AlphaNum => all(char::is_alphanumeric),
            Rule::AlphaDash => all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')),
            Rule::Case(true) => value.to_uppercase() == value,
            Rule::Case(false) => value.to_lowercase() == value,
            Rule::Url => value.contains("://") && url::Url::parse(value).is_ok_and(|url| url.has_host()),
            Rule::Email => {
                value.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
                    && !value.contains(char::is_whitespace)
            }
            Rule::Ip => value.parse::<std::net::IpAddr>().is_ok(),
            Rule::Json => serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok(),
            Rule::Uuid => uuid::Uuid::try_parse(value).is_ok(),
            Rule::EndsWith(ends, wanted) => ends.iter().any(|end| value.ends_with(end)) == *wanted,
            Rule::StartsWith(starts, wanted) => {
                starts.iter().any(|start| value.starts_with(start)) == *wanted
            }
        }
    }

    /// What size rules apply to: the number, or the length of the text in characters.
    fn size(&self, value: &str) -> (f64, &'static str) {
        match number(value) {
            Some(number) if self.is_number() => (number, ""),
            _ => (f64::from(u32::try_from(value.chars().count()).unwrap_or(u32::MAX)), "characters"),
        }
    }
}

/// Other invisible characters around pasted text: NUL, a byte order mark, a zero-width space, direction marks.
const INVISIBLE: [char; 5] = ['\0', '\u{feff}', '\u{200b}', '\u{200e}', '\u{200f}'];

/// The limit of backtracking for a pattern.
const MAX_BACKTRACKS: usize = 100_000;

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < f64::EPSILON
}

/// A number as PHP recognises it.
fn number(value: &str) -> Option<f64> {
    let text = value.trim();
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    text.parse::<f64>().ok().filter(|number| number.is_finite() && text.chars().all(allowed))
}

/// A whole number as PHP recognises it: without leading zeros.
fn is_integer(value: &str) -> bool {
    let text = value.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    text.parse::<i64>().is_ok() && (digits == "0" || !digits.starts_with('0'))
}
