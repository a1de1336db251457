//! The rules of variables, in the notation that published eggs use (Laravel's), and the inputs that fit them.

use serde::{Deserialize, Serialize};

/// The rules of one variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Required,
    /// Constrains nothing that can be said here, such as `string` and `nullable`.
    Free,
    Unknown(String),
    Numeric,
    Integer,
    Boolean,
    Accepted,
    In(Vec<String>),
    NotIn(Vec<String>),
    Min(String),
    Max(String),
    Greater(String, bool),
    Less(String, bool),
    Between(String, String),
    Size(String),
    Digits(usize, usize),
    MultipleOf(String),
    Regex(String, bool),
    Alpha,
    AlphaNum,
    AlphaDash,
    Case(bool),
    Url,
    Email,
    Ip,
    Json,
    Uuid,
    EndsWith(Vec<String>, bool),
    StartsWith(Vec<String>, bool),
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
    /// Text that is not shown again.
    Secret {
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
        // Laravel takes blanks for nothing, and checks nothing further then.
        if value.trim().is_empty() {
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
        let list = |values: &[String]| values.join(", ");
        let (met, why) = match rule {
            Rule::Required | Rule::Free | Rule::Unknown(_) => (true, String::new()),
            Rule::Numeric => (number(value).is_some(), "Use a number.".into()),
            Rule::Integer => (is_integer(value), "Use a whole number.".into()),
            Rule::Boolean => (matches!(value, "0" | "1"), "Use 1 or 0.".into()),
            Rule::Accepted => (matches!(value, "yes" | "on" | "1" | "true"), "Use 1 to accept.".into()),
            Rule::In(values) => {
                (values.iter().any(|allowed| allowed == value), format!("Use one of: {}.", list(values)))
            }
            Rule::NotIn(values) => (
                !values.iter().any(|refused| refused == value),
                format!("Don't use any of: {}.", list(values)),
            ),
            Rule::Min(min) => (compare(min, |size, min| size >= min), format!("Use at least {min}{unit}.")),
            Rule::Max(max) => (compare(max, |size, max| size <= max), format!("Use at most {max}{unit}.")),
            Rule::Greater(bound, equal) => (
                compare(bound, |size, bound| size > bound) || (*equal && compare(bound, same)),
                format!("Use more than {bound}{unit}."),
            ),
            Rule::Less(bound, equal) => (
                compare(bound, |size, bound| size < bound) || (*equal && compare(bound, same)),
                format!("Use less than {bound}{unit}."),
            ),
            Rule::Between(min, max) => (
                compare(min, |size, min| size >= min) && compare(max, |size, max| size <= max),
                format!("Use {min} to {max}{unit}."),
            ),
            Rule::Size(exact) => (compare(exact, same), format!("Use exactly {exact}{unit}.")),
            Rule::Digits(min, max) => (
                all(|c| c.is_ascii_digit()) && (*min..=*max).contains(&value.len()),
                if min == max { format!("Use {min} digits.") } else { format!("Use {min} to {max} digits.") },
            ),
            Rule::MultipleOf(of) => (
                number(value).zip(number(of)).is_some_and(|(value, of)| of != 0.0 && same(value % of, 0.0)),
                format!("Use a multiple of {of}."),
            ),
            Rule::Regex(pattern, wanted) => {
                // A pattern that is none, or that would take too long, constrains nothing.
                let built = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(MAX_BACKTRACKS).build();
                let matches = built.ok().and_then(|pattern| pattern.is_match(value).ok());
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
            Rule::Case(true) => (value.to_uppercase() == value, "Use capital letters.".into()),
            Rule::Case(false) => (value.to_lowercase() == value, "Use small letters.".into()),
            Rule::Url => (
                value.contains("://") && url::Url::parse(value).is_ok_and(|url| url.has_host()),
                "Use an address like https://example.com.".into(),
            ),
            Rule::Email => (
                value.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
                    && !value.contains(char::is_whitespace),
                "Use an e-mail address.".into(),
            ),
            Rule::Ip => (value.parse::<std::net::IpAddr>().is_ok(), "Use an IP address.".into()),
            Rule::Json => (serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok(), "Use JSON.".into()),
            Rule::Uuid => (uuid::Uuid::try_parse(value).is_ok(), "Use a UUID.".into()),
            Rule::EndsWith(ends, wanted) => (
                ends.iter().any(|end| value.ends_with(end)) == *wanted,
                format!("{} it with one of: {}.", if *wanted { "End" } else { "Don't end" }, list(ends)),
            ),
            Rule::StartsWith(starts, wanted) => (
                starts.iter().any(|start| value.starts_with(start)) == *wanted,
                format!(
                    "{} it with one of: {}.",
                    if *wanted { "Begin" } else { "Don't begin" },
                    list(starts)
                ),
            ),
        };
        if met { Ok(()) } else { Err(why) }
    }

    /// What bounds are about: the number, or how many characters the text has.
    fn size(&self, value: &str) -> (f64, &'static str) {
        match number(value) {
            Some(number) if self.is_number() => (number, ""),
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
                ["yes", "no"] | ["no", "yes"] => VariableInput::Toggle { on: "yes".into(), off: "no".into() },
                ["on", "off"] | ["off", "on"] => VariableInput::Toggle { on: "on".into(), off: "off".into() },
                ["True", "False"] | ["False", "True"] => {
                    VariableInput::Toggle { on: "True".into(), off: "False".into() }
                }
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

/// How much a pattern may try.
const MAX_BACKTRACKS: usize = 100_000;

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < f64::EPSILON
}

/// What PHP takes for a number.
fn number(value: &str) -> Option<f64> {
    let text = value.trim();
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    text.parse::<f64>().ok().filter(|number| number.is_finite() && text.chars().all(allowed))
}

/// What PHP takes for a whole number: no leading zeros.
fn is_integer(value: &str) -> bool {
    let text = value.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    text.parse::<i64>().is_ok() && (digits == "0" || !digits.starts_with('0'))
}

/// The rules one by one. A `|` between the delimiters of a pattern is the pattern's own.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let begun = rest.trim_start().to_ascii_lowercase();
        let is_pattern = begun.starts_with("regex:") || begun.starts_with("not_regex:");
        let closed = if is_pattern { pattern_end(rest) } else { None };
        let Some(end) = closed.unwrap_or_else(|| rest.find('|')) else {
            parts.push(rest);
            return parts;
        };
        parts.push(rest.get(..end).unwrap_or_default());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
}

/// Where the `|` stands behind a pattern, or that none follows it; nothing where the pattern is not closed.
fn pattern_end(text: &str) -> Option<Option<usize>> {
    let from = text.find(':')? + 1;
    let open = text.get(from..)?.chars().next()?;
    let close = closing(open)?;
    let body = from + open.len_utf8();
    let mut last = None;
    for (at, _) in text.get(body..)?.match_indices(close) {
        let behind = body + at + close.len_utf8();
        let rest = text.get(behind..)?;
        let flags = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        match rest.get(flags..)?.chars().next() {
            // The first place where the pattern may end; brackets are closed by the last.
            Some('|') if close == open => return Some(Some(behind + flags)),
            Some('|') => last = Some(Some(behind + flags)),
            None => return last.or(Some(None)),
            Some(_) => {}
        }
    }
    last
}

fn closing(open: char) -> Option<char> {
    Some(match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other if !other.is_alphanumeric() && other != '\\' && !other.is_whitespace() => other,
        _ => return None,
    })
}

/// Reads one rule. Laravel finds rules by the names of methods: without regard to case, underscores and dashes.
fn rule(text: &str) -> Rule {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-') && !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    let unknown = || Rule::Unknown(text.trim().to_owned());
    let list = || argument.split(',').map(str::to_owned).collect::<Vec<_>>();
    let one = || argument.trim().to_owned();
    let count = || argument.trim().parse::<usize>().ok();
    let pair = || argument.split_once(',').map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
    match name.as_str() {
        "required" => Rule::Required,
        "string" | "nullable" | "present" | "filled" | "sometimes" | "bail" | "ascii" | "date"
        | "timezone" | "prohibited" => Rule::Free,
        "numeric" | "decimal" => Rule::Numeric,
        "integer" | "int" => Rule::Integer,
        "boolean" | "bool" => Rule::Boolean,
        "accepted" => Rule::Accepted,
        "in" => Rule::In(list()),
        "notin" => Rule::NotIn(list()),
        "min" => Rule::Min(one()),
        "max" => Rule::Max(one()),
        "gt" => Rule::Greater(one(), false),
        "gte" => Rule::Greater(one(), true),
        "lt" => Rule::Less(one(), false),
        "lte" => Rule::Less(one(), true),
        "between" => pair().map_or_else(unknown, |(min, max)| Rule::Between(min, max)),
        "size" => Rule::Size(one()),
        "multipleof" => Rule::MultipleOf(one()),
        "digits" => count().map_or_else(unknown, |digits| Rule::Digits(digits, digits)),
        "mindigits" => count().map_or_else(unknown, |digits| Rule::Digits(digits, usize::MAX)),
        "maxdigits" => count().map_or_else(unknown, |digits| Rule::Digits(0, digits)),
        "digitsbetween" => pair()
            .and_then(|(min, max)| Some(Rule::Digits(min.parse().ok()?, max.parse().ok()?)))
            .unwrap_or_else(unknown),
        "regex" => Rule::Regex(pattern(argument), true),
        "notregex" => Rule::Regex(pattern(argument), false),
        "alpha" => Rule::Alpha,
        "alphanum" => Rule::AlphaNum,
        "alphadash" => Rule::AlphaDash,
        "uppercase" => Rule::Case(true),
        "lowercase" => Rule::Case(false),
        "url" | "activeurl" => Rule::Url,
        "email" => Rule::Email,
        "ip" | "ipv4" | "ipv6" => Rule::Ip,
        "json" => Rule::Json,
        "uuid" => Rule::Uuid,
        "endswith" => Rule::EndsWith(list(), true),
        "doesntendwith" => Rule::EndsWith(list(), false),
        "startswith" => Rule::StartsWith(list(), true),
        "doesntstartwith" => Rule::StartsWith(list(), false),
        _ => unknown(),
    }
}

/// A pattern between PHP's delimiters, which may be a pair of brackets, with flags behind the second.
fn pattern(text: &str) -> String {
    let text = text.trim();
    let Some(open) = text.chars().next() else { return String::new() };
    let Some(close) = closing(open) else { return text.to_owned() };
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
    fn a_bar_in_a_pattern_does_not_end_it() {
        let rules = "required|regex:/^(a|b)$/i|max:5";
        assert!(ok(rules, "A") && !ok(rules, "c") && Rules::parse(rules).unknown().next().is_none());
        assert!(ok("string|regex:/^(x|y)$/", "y") && !ok("string|regex:/^(x|y)$/", "z"));
        assert!(ok("regex:([a-z-0-9]+$)|max:3", "abc") && !ok("regex:([a-z-0-9]+$)|max:3", "abcd"));
    }

    #[test]
    fn values_are_taken_as_laravel_takes_them() {
        assert!(ok("boolean", "1") && ok("bool", "0") && !ok("boolean", "true"));
        assert!(
            ok("integer", " 7 ") && !ok("integer", "007") && !ok("integer", "1.0") && ok("integer", "-0")
        );
        assert!(ok("numeric", "1e5") && !ok("numeric", "inf") && !ok("numeric", "0x1"));
        assert!(!ok("required|string", "  ") && ok("nullable:string|url", ""));
        assert!(ok("url", "https://a.b/c") && !ok("url", "a:b") && !ok("url", "example.com"));
        assert!(ok("integer|gt:0", "1") && !ok("integer|gt:0", "0"));
        assert!(ok("digits_between:1,3", "12") && !ok("digits:3", "12") && ok("size:2", "ab"));
        assert!(ok("in: A,B", " A") && !ok("in: A,B", "A") && ok("in:gta:iii,x", "gta:iii"));
        assert!(ok("not_in:a,b", "c") && !ok("not_regex:/^x/", "xy") && ok("ends_with:.jar,.zip", "a.zip"));
        assert!(ok("alpha_dash", "a-b_é") && !ok("alpha_dash", "a b"));
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
