//! Parsing of the text that people type to find a container: part of a name, an id, a port or an address.

use super::like_pattern;
use raptor_model::{
    authz::{ContainerPermission, Permission as _},
    containers::Level,
    id::ContainerId,
};
use uuid::Uuid;

/// What a search text may mean. A container matches if any of these does.
pub(crate) struct SearchTerms {
    /// `LIKE` pattern for names, short ids and owners.
    pub pattern: String,
    /// The text as a full container id.
    pub id: Option<ContainerId>,
    /// The host part of an address: an IP address, or a name with its ASCII letters in lower case.
    pub host: Option<String>,
    /// The text as a public port of an allocation.
    pub port: Option<i64>,
}

impl SearchTerms {
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let id = Uuid::try_parse(text).ok().map(ContainerId::from);
        let (host, port) = address(text);
        Self { pattern: like_pattern(text), id, host, port }
    }

    /// The condition, with its first parameter after `given`, and the number of its last one. With `only_theirs`, addresses
    /// match only where the user `$1` may see them.
    pub fn condition(&self, given: u32, only_theirs: bool) -> (String, u32) {
        let pattern = given + 1;
        let mut last = pattern;
        let mut parameter = || {
            last += 1;
            last
        };
        let mut any = format!(
            r"c.name_key LIKE ${pattern} ESCAPE '\' OR c.short_id LIKE ${pattern} ESCAPE '\' OR u.username_key LIKE ${pattern} ESCAPE '\'"
        );
        if self.id.is_some() {
            any += &format!(" OR c.id = ${}", parameter());
        }
        let mut at = String::new();
        if self.host.is_some() {
            let host = parameter();
            // Under this collation, which `open.rs` defines for SQLite, both engines lower-case only ASCII letters.
            at += &format!(
                r#" AND (at.ip = ${host} OR LOWER(at.alias COLLATE "C") = ${host} OR LOWER(host.host COLLATE "C") = ${host})"#
            );
        }
        if self.port.is_some() {
            at += &format!(" AND at.port = ${}", parameter());
        }
        if !at.is_empty() {
            let seen = if only_theirs { sees_addresses() } else { String::new() };
            any += &format!(
                " OR EXISTS (SELECT 1 FROM allocations at JOIN daemons host ON host.id = at.daemon_id
                             WHERE at.container_id = c.id{at}){seen}"
            );
        }
        (format!("({any})"), last)
    }
}

/// Whether user `$1` may see a container's addresses: its owner may, and those with that permission.
fn sees_addresses() -> String {
    let levels = Level::GIVEN
        .into_iter()
        .filter(|level| level.permissions().contains(ContainerPermission::NetworkRead));
    let levels: Vec<String> = levels.map(|level| format!("'{}'", level.name())).collect();
    let permission = ContainerPermission::NetworkRead.name();
    format!(
        " AND (c.owner_id = $1 OR EXISTS (SELECT 1 FROM container_access sees
               WHERE sees.container_id = c.id AND sees.user_id = $1
                 AND (sees.level IN ({}) OR CAST(sees.permissions AS TEXT) LIKE '%\"{permission}\"%')))",
        levels.join(", ")
    )
}

/// The host and port that `text` may stand for: `25565`, `play.example.com`, `10.0.0.1:25565`, `[2001:db8::1]:25565`.
fn address(text: &str) -> (Option<String>, Option<i64>) {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).map(i64::from);
    if let Some(port) = port(text) {
        return (None, Some(port));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<std::net::IpAddr>() {
        return (Some(ip.to_string()), None);
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return (Some(address.ip().to_string()), Some(i64::from(address.port())));
    }
    match text.rsplit_once(':') {
        Some((host, after)) if is_name(host) && port(after).is_some() => {
            (Some(host.to_ascii_lowercase()), port(after))
        }
        _ if is_name(text) && text.contains('.') => (Some(text.to_ascii_lowercase()), None),
        _ => (None, None),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_and_an_address_are_told_from_names() {
        let host = |host: &str| Some(host.to_owned());
        for (text, found) in [
            ("25565", (None, Some(25565))),
            ("0", (None, None)),
            ("70000", (None, None)),
            ("10.0.0.1", (host("10.0.0.1"), None)),
            ("10.0.0.1:25565", (host("10.0.0.1"), Some(25565))),
            ("[2001:DB8::1]:25565", (host("2001:db8::1"), Some(25565))),
            ("2001:db8::1", (host("2001:db8::1"), None)),
            ("Play.Example.com", (host("play.example.com"), None)),
            ("PLAY.KÖLN:25565", (host("play.kÖln"), Some(25565))),
            ("localhost:25565", (host("localhost"), Some(25565))),
            ("OpenTTD 2", (None, None)),
            ("lobby", (None, None)),
        ] {
            assert_eq!(address(text), found, "{text}");
        }
    }
}
