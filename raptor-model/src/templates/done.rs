//! Recognising output that means that a process is ready.

use crate::console::plain;
use regex::Regex;
use std::{borrow::Cow, sync::Arc};

/// Patterns of which any match means that the container is running.
#[derive(Clone, Debug)]
pub struct DoneRules {
    rules: Arc<[Rule]>,
    strip_ansi: bool,
}

#[derive(Debug)]
enum Rule {
    Contains(String),
    Matches(Regex),
}

impl DoneRules {
    /// Plain text matches anywhere in a line; a rule with the prefix `regex:` is a pattern. An invalid pattern is treated as
    /// plain text.
    #[must_use]
    pub fn new(rules: &[String], strip_ansi: bool) -> Self {
        let rule = |text: &String| match text.strip_prefix("regex:").map(Regex::new) {
            Some(Ok(pattern)) => Rule::Matches(pattern),
            _ => Rule::Contains(text.clone()),
        };
        Self { rules: rules.iter().map(rule).collect(), strip_ansi }
    }

    /// Whether this line means that the process is ready.
    #[must_use]
    pub fn matches(&self, line: &str) -> bool {
        let line = if self.strip_ansi { plain(line) } else { Cow::Borrowed(line) };
        self.rules.iter().any(|rule| match rule {
            Rule::Contains(text) => line.contains(text.as_str()),
            Rule::Matches(pattern) => pattern.is_match(&line),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str], strip: bool) -> DoneRules {
        DoneRules::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), strip)
    }

    #[test]
    fn any_of_the_rules_is_enough() {
        let done = rules(&["starting game", r"regex:^\d+ players$"], false);
        assert!(done.matches("dbg: [net] Map generated, starting game"));
        assert!(done.matches("3 players"));
        assert!(!done.matches("starting"));
        assert!(!rules(&[], false).matches("anything"));
    }

    #[test]
    fn colours_do_not_hide_the_line_where_they_are_to_be_ignored() {
        let line = "\x1b[32mDone\x1b[0m (3.1s)";
        assert!(rules(&["Done (3"], true).matches(line));
        assert!(!rules(&["Done (3"], false).matches(line));
    }

    #[test]
    fn a_broken_pattern_is_taken_literally() {
        assert!(rules(&["regex:("], false).matches("see regex:( here"));
    }
}
