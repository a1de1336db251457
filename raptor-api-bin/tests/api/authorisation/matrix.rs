//! The answers as a table for people: one line for each operation.

use super::{Outcome, Row, Takes, table::Right, who::Kind};
use raptor_core::authz::{ContainerPermission, Permission};
use std::fmt::Write;

const HEAD: &str = "\
# Who may call what, as the API answered. Made by the tests: RAPTOR_UPDATE_SNAPSHOTS=1 cargo test -p raptor-api-bin authorisation
#
# operation: without a session, without any right | levels of access | one permission of an access | one permission of a role | built-in roles
# `+`: only together. `*`: also for somebody who has to choose another password first.
";

/// What came of calling one operation.
pub struct Line {
    name: String,
    takes: Takes,
    outcomes: Vec<(Kind, Outcome)>,
}

impl Line {
    pub fn new(row: &Row) -> Self {
        Self { name: row.name(), takes: row.takes.clone(), outcomes: Vec::new() }
    }

    pub fn note(&mut self, kind: &Kind, outcome: Outcome) {
        self.outcomes.push((kind.clone(), outcome));
    }

    fn allowed(&self) -> impl Iterator<Item = &Kind> {
        self.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Allowed).map(|(kind, _)| kind)
    }

    fn status(&self, of: &Kind) -> &'static str {
        match self.outcomes.iter().find(|(kind, _)| kind == of).map(|(_, outcome)| outcome) {
            Some(Outcome::Allowed) => "yes",
            Some(Outcome::NotSignedIn) => "401",
            Some(Outcome::Missing(_) | Outcome::PasswordFirst) => "403",
            Some(Outcome::Redacted) => "404",
            _ => "?",
        }
    }

    fn text(&self) -> String {
        let star = if self.status(&Kind::Bound) == "yes" { " *" } else { "" };
        let all = self.outcomes.len();
        let name = format!("{}{star}:", self.name);
        match (self.allowed().count(), &self.takes) {
            (allowed, _) if allowed == all => return format!("{name:53} anybody"),
            (_, Takes::SignIn) => {
                return format!("{name:53} {} everybody else", self.status(&Kind::Anonymous));
            }
            (0, _) => return format!("{name:53} nobody"),
            _ => {}
        }
        let (nobody, stranger) = (self.status(&Kind::Anonymous), self.status(&Kind::Stranger));
        let allowed: Vec<Kind> = self.allowed().cloned().collect();
        format!("{name:53} {nobody} {stranger} | {}", columns(&allowed))
    }
}

/// Levels of access, permissions of an access, permissions of a role and built-in roles.
pub fn columns(allowed: &[Kind]) -> String {
    let names = |of: fn(&Kind) -> Option<String>| {
        let names: Vec<String> = allowed.iter().filter_map(of).collect();
        if names.is_empty() { "-".into() } else { names.join(" ") }
    };
    let levels = names(|kind| match kind {
        Kind::Level(level) => Some(level.name().into()),
        _ => None,
    });
    let single = |kind: &&Kind| matches!(kind, Kind::One(Right::Container(_)));
    let any = allowed.iter().filter(single).count() == ContainerPermission::ALL.len();
    let access = names(|kind| match kind {
        Kind::One(right @ Right::Container(_)) => Some(right.name().into()),
        Kind::Several(rights) => Some(rights.iter().map(|one| one.name()).collect::<Vec<_>>().join(" + ")),
        _ => None,
    });
    let role = names(|kind| match kind {
        Kind::One(right @ Right::System(_)) => Some(right.name().into()),
        _ => None,
    });
    let roles = names(|kind| match kind {
        Kind::Builtin(role) => Some(role.name().into()),
        _ => None,
    });
    let access = if any { "any".into() } else { access };
    [levels, access, role, roles].join(" | ")
}

pub fn text(lines: &[Line]) -> String {
    let mut text = HEAD.to_owned();
    for line in lines {
        writeln!(text, "{}", line.text()).unwrap();
    }
    text
}

fn path(file: &str) -> String {
    format!("{}/tests/api/authorisation/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// Checks that each of these lines is written down.
pub fn contains(file: &str, lines: &[Line]) {
    let known = std::fs::read_to_string(path(file)).unwrap();
    let other: Vec<String> =
        lines.iter().map(Line::text).filter(|line| !known.lines().any(|one| one == line)).collect();
    assert!(other.is_empty(), "{file} says something else of:\n{}", other.join("\n"));
}

/// Compares `text` with what is written down, or writes it down.
pub fn compare(file: &str, text: &str) {
    let path = path(file);
    if std::env::var_os("RAPTOR_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<String> = known
        .lines()
        .filter(|line| !text.lines().any(|new| new == *line))
        .map(|line| format!("- {line}"))
        .chain(
            text.lines()
                .filter(|line| !known.lines().any(|old| old == *line))
                .map(|line| format!("+ {line}")),
        )
        .collect();
    assert!(
        text == known,
        "{file} says something else:\n{}\nWhere that is meant, run with RAPTOR_UPDATE_SNAPSHOTS=1 and review the diff.",
        changed.join("\n")
    );
}
