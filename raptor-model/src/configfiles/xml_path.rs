//! Keys of XML files: paths of element names from the root, with filters for elements of the same name.

/// One element of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The element's name including its prefix; `*` = any.
    pub(super) name: String,
    /// Conditions that the element must meet.
    pub(super) filters: Vec<Filter>,
}

/// A condition that distinguishes elements of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// It has this attribute, with this value if given.
    Attribute(String, Option<String>),
    /// It has a child of this name with this text.
    Child(String, String),
    /// It is the n-th of its name, counted from 1.
    Number(usize),
}

/// Parses a key: `ServerSettings.property[@name='ServerPort']`. `None` if it names no element.
pub(super) fn steps(key: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let (mut part, mut depth, mut quote) = (String::new(), 0_usize, None);
    for character in key.chars().chain(['.']) {
        match character {
            '.' | '/' if depth == 0 => {
                if !part.is_empty() {
                    steps.push(step(&part)?);
                    part.clear();
                }
                continue;
            }
            '\'' | '"' if depth > 0 => {
                quote = if quote == Some(character) { None } else { quote.or(Some(character)) };
            }
            '[' if quote.is_none() => depth += 1,
            ']' if quote.is_none() => depth = depth.saturating_sub(1),
            _ => {}
        }
        part.push(character);
    }
    (!steps.is_empty() && part.trim_end_matches('.').is_empty()).then_some(steps)
}

fn step(text: &str) -> Option<Step> {
    let (name, mut rest) = text.find('[').map_or((text, ""), |at| text.split_at(at));
    if name != "*" && !is_name(name) {
        return None;
    }
    let mut filters = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let end = closing(inner)?;
        filters.push(filter(inner.get(..end)?)?);
        rest = inner.get(end + 1..)?;
    }
    rest.is_empty().then(|| Step { name: name.to_owned(), filters })
}

/// The position of the closing bracket; brackets in quotes don't count.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, character)| {
        match character {
            '\'' | '"' => quote = if quote == Some(character) { None } else { quote.or(Some(character)) },
            ']' if quote.is_none() => return Some(at),
            _ => {}
        }
        None
    })
}

fn filter(text: &str) -> Option<Filter> {
    if let Ok(number) = text.parse() {
        return Some(Filter::Number(number));
    }
    let unquoted = |text: &str| {
        let text = text.trim();
        let inner = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
        inner.map(str::to_owned)
    };
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim(), Some(unquoted(value)?)),
        None => (text.trim(), None),
    };
    match (name.strip_prefix('@'), value) {
        (Some(name), value) if is_name(name) => Some(Filter::Attribute(name.to_owned(), value)),
        (None, Some(value)) if is_name(name) => Some(Filter::Child(name.to_owned(), value)),
        _ => None,
    }
}

/// Parses a value of the form `[name='value']`, which sets an attribute instead of the text.
pub(super) fn attribute(value: &str) -> Option<(&str, &str)> {
    let (name, value) = value.trim().strip_prefix('[')?.strip_suffix(']')?.split_once('=')?;
    let name = name.trim().trim_start_matches('@');
    let value = value.trim();
    let inner = ['\'', '"'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.filter(|_| is_name(name)).map(|value| (name, value))
}

/// Whether it is a valid name of an element or attribute.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '.'))
}
