//! Regular expressions in PHP's notation.

/// A pattern in PHP's notation and in that of our engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The text between the delimiters.
    pub(super) written: String,
    /// The same for our engine.
    pub(super) matched: String,
}

impl Pattern {
    /// Parses a pattern in PHP's delimiters, which may be a pair of brackets, followed by flags.
    pub(super) fn parse(text: &str) -> Self {
        let (body, flags) = delimited(text.trim());
        let matched = if flags.contains('u') { body.to_owned() } else { ascii(body) };
        let flags: String = flags.chars().filter(|c| "imsx".contains(*c)).collect();
        let matched = if flags.is_empty() { matched } else { format!("(?{flags}){matched}") };
        Self { written: body.to_owned(), matched }
    }
}

fn delimited(text: &str) -> (&str, &str) {
    let Some(open) = text.chars().next() else { return ("", "") };
    let Some(close) = closing(open) else { return (text, "") };
    let Some(end) = text.rfind(close).filter(|end| *end > 0) else { return (text, "") };
    let body = text.get(open.len_utf8()..end).unwrap_or_default();
    (body, text.get(end + close.len_utf8()..).unwrap_or_default())
}

/// The closing delimiter for an opening one.
pub(super) fn closing(open: char) -> Option<char> {
    Some(match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other if !other.is_alphanumeric() && other != '\\' && !other.is_whitespace() => other,
        _ => return None,
    })
}

// Each ends with a range: PCRE takes a dash behind a class for itself, and behind a single character it would make a range.
const WORD: &str = "_0-9A-Za-z";
const SPACE: &str = " \\t-\\r";
const BLANK: &str = " \\t-\\t";

/// Restricts classes to ASCII, as PCRE does without the flag `u`; our engine's are Unicode.
fn ascii(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped) => written.push_str(&escape(escaped, in_class)),
                None => written.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                written.push('[');
                if characters.peek() == Some(&'^') {
                    written.extend(characters.next());
                }
                // A `]` in first position is part of the class.
                if characters.peek() == Some(&']') {
                    characters.next();
                    written.push_str("\\]");
                }
            }
            // A POSIX class such as `[:alpha:]`, or a literal bracket.
            '[' if characters.peek() != Some(&':') => written.push_str("\\["),
            '[' => {
                let class: String = characters.clone().take_while(|c| *c != ']').collect();
                written.push('[');
                written.push_str(&class);
                written.push(']');
                for _ in 0..=class.chars().count() {
                    characters.next();
                }
            }
            ']' => {
                in_class = false;
                written.push(']');
            }
            '&' | '~' if in_class => {
                written.push('\\');
                written.push(character);
            }
            other => written.push(other),
        }
    }
    written
}

fn escape(character: char, in_class: bool) -> String {
    let class = |negated: bool, inner: &str| match (negated, in_class) {
        (false, true) => inner.to_owned(),
        (true, _) => format!("[^{inner}]"),
        (false, false) => format!("[{inner}]"),
    };
    match character {
        'w' | 'W' => class(character == 'W', WORD),
        'd' | 'D' => class(character == 'D', "0-9"),
        's' | 'S' => class(character == 'S', SPACE),
        'h' | 'H' => class(character == 'H', BLANK),
        'b' if in_class => "\\x08".into(),
        'b' => format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"),
        'B' if !in_class => format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"),
        other => format!("\\{other}"),
    }
}
