//! Parsing Laravel's notation of rules.

use super::pattern::{Pattern, closing};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Required,
    /// Constrains nothing that can be checked here, e.g. `string` and `nullable`.
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
    Regex(Pattern, bool),
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

/// Splits at `|`, except between the delimiters of a pattern.
pub(super) fn parts(text: &str) -> Vec<&str> {
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

/// The position of the `|` after a pattern, if one follows; the outer `None` if the pattern is not closed.
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
            // The pattern ends at the first possible position, or for brackets at the last one.
            Some('|') if close == open => return Some(Some(behind + flags)),
            Some('|') => last = Some(Some(behind + flags)),
            None => return last.or(Some(None)),
            Some(_) => {}
        }
    }
    last
}

/// Parses one rule. Laravel finds rules by method names: without regard to case, underscores and hyphens.
pub(super) fn rule(text: &str) -> Rule {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-') && !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    let unknown = || Rule::Unknown(text.trim().to_owned());
    let list = || values(argument);
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
        "regex" => Rule::Regex(Pattern::parse(argument), true),
        "notregex" => Rule::Regex(Pattern::parse(argument), false),
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

/// Comma-separated values as PHP parses CSV: quoted values may contain commas, and `""` in them is a quote.
fn values(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (mut value, mut behind) = (String::new(), rest);
        if let Some(quoted) = rest.trim_start().strip_prefix('"') {
            let mut characters = quoted.chars().peekable();
            while let Some(character) = characters.next() {
                match character {
                    '"' if characters.peek() == Some(&'"') => {
                        characters.next();
                        value.push('"');
                    }
                    '"' => break,
                    '\\' if characters.peek() == Some(&'"') => {
                        characters.next();
                        value.push_str("\\\"");
                    }
                    other => value.push(other),
                }
            }
            let left: usize = characters.map(char::len_utf8).sum();
            behind = rest.get(rest.len() - left..).unwrap_or_default();
        }
        let (more, next) = behind.split_once(',').map_or((behind, None), |(more, next)| (more, Some(next)));
        values.push(value + more);
        match next {
            Some(next) => rest = next,
            None => return values,
        }
    }
}
