//! Searching a console's text, and removing escape sequences.

use crate::node::{ConsoleExport, ConsoleHit, ConsoleLine, ConsoleSearch, HitPart, LineKind, MAX_HITS};
use chrono::{DateTime, SecondsFormat, Utc};
use regex::{Regex, RegexBuilder};
use std::{borrow::Cow, sync::LazyLock};

/// Terminal escape sequences: CSI, OSC, and the short ones (ECMA-48).
static ANSI: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])").ok());

/// The longest text or pattern to search for, in characters.
const MAX_PATTERN: usize = 500;
/// The largest compiled pattern, in bytes.
const MAX_COMPILED: usize = 1024 * 1024;
/// Most text per page of hits, in bytes.
const MAX_TEXT: usize = 1024 * 1024;
/// Most matches reported per line.
const MAX_PARTS: usize = 20;

/// The line without escape sequences.
#[must_use]
pub fn plain(line: &str) -> Cow<'_, str> {
    match &*ANSI {
        Some(ansi) if line.contains('\x1b') => ansi.replace_all(line, ""),
        _ => Cow::Borrowed(line),
    }
}

/// What to search for in a console. Matching takes linear time, whatever the pattern.
pub struct SearchPattern {
    pattern: Option<Regex>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl SearchPattern {
    /// Compiles the pattern of `search`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the pattern.
    pub fn new(search: &ConsoleSearch) -> Result<Self, String> {
        let text = search.text.as_deref().filter(|text| !text.is_empty());
        if text.is_some_and(|text| text.chars().count() > MAX_PATTERN) {
            return Err(format!("Search for at most {MAX_PATTERN} characters."));
        }
        let compile = |text: &str| {
            let pattern = if search.regex { Cow::Borrowed(text) } else { Cow::Owned(regex::escape(text)) };
            RegexBuilder::new(&pattern)
                .case_insensitive(!search.match_case)
                .size_limit(MAX_COMPILED)
                .dfa_size_limit(MAX_COMPILED)
                .build()
                .map_err(|error| match error {
                    regex::Error::CompiledTooBig(_) => "This pattern is too large. Make it simpler.".into(),
                    error => format!("This is not a regular expression: {}", last_line(&error.to_string())),
                })
        };
        Ok(Self { pattern: text.map(compile).transpose()?, from: search.from, to: search.to })
    }

    /// The line as a hit; `None` if it doesn't match.
    #[must_use]
    pub fn hit(&self, line: &ConsoleLine) -> Option<ConsoleHit> {
        if self.from.is_some_and(|from| line.at < from) || self.to.is_some_and(|to| line.at > to) {
            return None;
        }
        let text = plain(&line.text);
        let parts = match &self.pattern {
            None => Vec::new(),
            Some(pattern) if !pattern.is_match(&text) => return None,
            Some(pattern) => parts(pattern, &text),
        };
        let ConsoleLine { seq, at, kind, .. } = *line;
        Some(ConsoleHit { seq, at, kind, text: text.into_owned(), parts })
    }
}

/// Where the pattern matches, in characters.
fn parts(pattern: &Regex, text: &str) -> Vec<HitPart> {
    let (mut bytes, mut chars) = (0, 0);
    let mut count = |until: usize| {
        chars += text.get(bytes..until).map_or(0, |part| part.chars().count());
        bytes = until;
        u32::try_from(chars).unwrap_or(u32::MAX)
    };
    let found = pattern.find_iter(text).filter(|found| !found.is_empty()).take(MAX_PARTS);
    found.map(|found| HitPart { start: count(found.start()), end: count(found.end()) }).collect()
}

/// The end of regex's message, which says what is wrong after showing the pattern.
fn last_line(message: &str) -> &str {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ")
}

/// What [`search`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// The lines that were found, in the order asked for.
    pub hits: Vec<ConsoleHit>,
    /// The number of the line after which to go on; none where all lines were looked at.
    pub next: Option<u64>,
}

/// Searches `lines`, which are in the requested order. `enough` decides when to stop early.
pub fn search(
    lines: impl Iterator<Item = ConsoleLine>,
    sought: &SearchPattern,
    limit: u32,
    mut enough: impl FnMut() -> bool,
) -> Hits {
    let limit = limit.clamp(1, MAX_HITS) as usize;
    let (mut hits, mut text) = (Vec::new(), 0);
    for line in lines {
        if let Some(hit) = sought.hit(&line) {
            text += hit.text.len();
            hits.push(hit);
        }
        if hits.len() >= limit || text >= MAX_TEXT || enough() {
            return Hits { hits, next: Some(line.seq) };
        }
    }
    Hits { hits, next: None }
}

/// One line as it is downloaded, including its line end; empty if it is not included.
#[must_use]
pub fn written(line: &ConsoleLine, export: &ConsoleExport) -> String {
    if export.from.is_some_and(|from| line.at < from) || export.to.is_some_and(|to| line.at > to) {
        return String::new();
    }
    let text = if export.ansi { Cow::Borrowed(line.text.as_str()) } else { plain(&line.text) };
    let by = if line.kind == LineKind::Daemon { "[Raptor] " } else { "" };
    match export.timestamps {
        true => format!("{} {by}{text}\n", line.at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        false => format!("{by}{text}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> ConsoleLine {
        ConsoleLine { seq: 7, at: DateTime::UNIX_EPOCH, kind: LineKind::Output, text: text.into() }
    }

    fn sought(text: &str, regex: bool, match_case: bool) -> Result<SearchPattern, String> {
        SearchPattern::new(&ConsoleSearch {
            text: Some(text.into()),
            regex,
            match_case,
            ..ConsoleSearch::default()
        })
    }

    #[test]
    fn colours_do_not_hide_text_and_parts_are_counted_in_characters() {
        let hit =
            sought("done", false, false).unwrap().hit(&line("\x1b[32mGrüße: D\x1b[1mone\x1b[0m")).unwrap();
        assert_eq!(hit.text, "Grüße: Done");
        assert_eq!(hit.parts, [HitPart { start: 7, end: 11 }]);
    }

    #[test]
    fn plain_text_is_no_pattern_and_case_counts_only_when_asked() {
        assert!(sought("a.c", false, false).unwrap().hit(&line("abc")).is_none());
        assert!(sought("a.c", true, false).unwrap().hit(&line("ABC")).is_some());
        assert!(sought("abc", false, true).unwrap().hit(&line("ABC")).is_none());
    }

    #[test]
    fn a_pattern_that_is_none_or_too_large_is_refused_in_a_sentence() {
        assert!(sought("(", true, false).err().unwrap().starts_with("This is not a regular expression"));
        assert!(sought(r"\w{1000}{1000}", true, false).is_err());
        assert!(sought(&"x".repeat(501), false, false).is_err());
    }

    proptest::proptest! {
        /// No text or pattern makes it fail, and every part lies within the text and matches.
        #[test]
        fn any_line_can_be_searched_for_anything(text in "(\\PC|\x1b\\[[0-9;]{0,4}m|\x1b){0,60}", wanted in "\\PC{1,3}") {
            let found = sought(&wanted, false, true).unwrap().hit(&line(&text));
            proptest::prop_assert_eq!(found.is_some(), plain(&text).contains(&wanted));
            for HitPart { start, end } in found.iter().flat_map(|hit| &hit.parts) {
                let hit: String = plain(&text).chars().skip(*start as usize).take((end - start) as usize).collect();
                proptest::prop_assert_eq!(&hit, &wanted);
            }
            let _ = sought(&wanted, true, false).map(|sought| sought.hit(&line(&text)));
        }
    }

    #[test]
    fn an_empty_match_marks_nothing_and_finds_every_line() {
        assert_eq!(sought("x*", true, false).unwrap().hit(&line("abc")).unwrap().parts, []);
    }

    #[test]
    fn times_are_bounds() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let within = |from, to| {
            let search = ConsoleSearch { from: at(from), to: at(to), ..ConsoleSearch::default() };
            SearchPattern::new(&search).unwrap().hit(&line("x")).is_some()
        };
        assert!(within(-1, 1) && within(0, 0));
        assert!(!within(1, 2) && !within(-2, -1));
    }

    #[test]
    fn a_download_is_with_or_without_colours_and_times() {
        let line = line("\x1b[31mred");
        let wanted = |ansi, timestamps| ConsoleExport { ansi, timestamps, ..ConsoleExport::default() };
        assert_eq!(written(&line, &wanted(true, false)), "\x1b[31mred\n");
        assert_eq!(written(&line, &wanted(false, true)), "1970-01-01T00:00:00.000Z red\n");
    }
}
