//! Patterns of images.

use super::reference::{Reference, full_name, split_registry};
use crate::{Error, Result};
use serde::Serialize;

/// The longest pattern, in bytes.
const MAX_LEN: usize = 300;
/// Most wildcards in a pattern.
const MAX_WILDCARDS: usize = 5;

/// A pattern of images, e.g. `ghcr.io/pterodactyl/yolks:*`.
///
/// `*` at the end matches anything; elsewhere it matches anything without `/`, `:` and `@`. A pattern without a tag matches all
/// versions of an image. The registry is always explicit (`docker.io` by default), so that no other host's name can match.
/// Local images (`~`) match only patterns that begin with `~`. A sole `*` matches every image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Parses a pattern. Errors are reported at `field`.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `field`.
    pub fn parse(text: &str, field: &str) -> Result<Self> {
        let text = text.trim();
        let body = text.strip_prefix('~').unwrap_or(text);
        let wrong =
            |why: String, reason| Err(Error::invalid(field, why).because(reason).with("pattern", text));
        if body == "*" {
            return Ok(Self(text.to_owned()));
        }
        if text.len() > MAX_LEN || body.matches('*').count() > MAX_WILDCARDS {
            let why = format!("Use at most {MAX_LEN} characters and {MAX_WILDCARDS} wildcards in a pattern.");
            return Err(Error::invalid(field, why)
                .because("image_pattern_size")
                .with("max", MAX_LEN)
                .with("wildcards", MAX_WILDCARDS));
        }
        if let Some((first, _)) = body.split_once('/')
            && first.contains('*')
        {
            let why = format!(
                "Write out the registry or owner in {text:?}, as in ghcr.io/owner/*: a * there would match other hosts too."
            );
            return wrong(why, "image_pattern_host");
        }
        // Characters that are invalid in a reference are invalid in a pattern, too.
        match Reference::parse(&body.replace('*', "x")) {
            Ok(_) if !body.starts_with('~') => Ok(Self(text.to_owned())),
            Err(Error::Invalid { why, .. }) if why.contains("lower-case") => {
                wrong(format!("Image names are lower-case; {text:?} matches none."), "image_pattern_case")
            }
            _ => {
                let why = format!(
                    "{text:?} is not an image pattern. Use one such as ghcr.io/owner/name:* or docker.io/library/*."
                );
                wrong(why, "image_pattern")
            }
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn matches(&self, image: &Reference) -> bool {
        let (on_host, body) = match self.0.strip_prefix('~') {
            Some(body) => (true, body),
            None => (false, self.0.as_str()),
        };
        if on_host != image.on_host {
            return false;
        }
        if body == "*" {
            return true;
        }
        let (registry, path) = split_registry(body);
        let pattern = full_name(&registry, path);
        let last = path.rsplit('/').next().unwrap_or(path);
        let text =
            if last.ends_with('*') || last.contains([':', '@']) { image.full() } else { image.name.clone() };
        glob(pattern.as_bytes(), text.as_bytes())
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', [])) => true,
        Some((b'*', rest)) => {
            let run = text.iter().take_while(|byte| !matches!(byte, b'/' | b':' | b'@')).count();
            (0..=run).any(|taken| text.get(taken..).is_some_and(|text| glob(rest, text)))
        }
        Some((wanted, rest)) => {
            text.split_first().is_some_and(|(first, text)| first == wanted && glob(rest, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, image: &str) -> bool {
        Pattern::parse(pattern, "patterns").unwrap().matches(&Reference::parse(image).unwrap())
    }

    #[test]
    fn a_pattern_matches_what_it_says_and_nothing_of_another_host() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for (pattern, image) in [
            ("ghcr.io/pterodactyl/yolks:*", "ghcr.io/pterodactyl/yolks:java_17"),
            ("ghcr.io/pterodactyl/yolks:*", "GHCR.IO/pterodactyl/yolks"),
            ("ghcr.io/pterodactyl/yolks:java_*", "ghcr.io/pterodactyl/yolks:java_21"),
            ("ghcr.io/pterodactyl/*", "ghcr.io/pterodactyl/games/source:latest"),
            ("ghcr.io/*/yolks:debian", "ghcr.io/parkervcp/yolks:debian"),
            ("ghcr.io/pterodactyl/yolks", "ghcr.io/pterodactyl/yolks:any"),
            ("ghcr.io/pterodactyl/yolks", &format!("ghcr.io/pterodactyl/yolks@{digest}")),
            ("docker.io/library/*", "debian:12"),
            ("debian", "docker.io/library/debian:12"),
            ("debian:*", "debian"),
            ("itzg/*", "docker.io/itzg/minecraft-server:java21"),
            ("localhost:5000/*", "localhost:5000/own:1"),
            ("*", "registry.example.com/anything:1"),
            ("~raptor-test/*", "~raptor-test/busybox:1"),
        ] {
            assert!(matches(pattern, image), "{pattern} has to match {image}");
        }
        for (pattern, image) in [
            ("ghcr.io/pterodactyl/yolks:*", "ghcr.io/pterodactyl/yolks-evil:java_17"),
            ("ghcr.io/pterodactyl/yolks", "ghcr.io/pterodactyl/yolks/more:1"),
            ("ghcr.io/pterodactyl/*", "ghcr.io.evil.net/pterodactyl/yolks:1"),
            ("ghcr.io/pterodactyl/*", "ghcr.io/pterodactyl-evil/yolks:1"),
            ("ghcr.io/*/yolks:debian", "ghcr.io/a/b/yolks:debian"),
            ("ghcr.io/a/b:1", &format!("ghcr.io/a/b:1@{digest}")),
            ("docker.io/library/*", "itzg/minecraft-server"),
            ("debian:12", "debian:13"),
            ("*", "~secret/image"),
            ("raptor-test/*", "~raptor-test/busybox:1"),
            ("~raptor-test/*", "raptor-test/busybox:1"),
        ] {
            assert!(!matches(pattern, image), "{pattern} must not match {image}");
        }
    }

    #[test]
    fn a_pattern_that_can_match_nothing_or_other_hosts_is_refused_with_a_sentence() {
        for (pattern, said) in [
            ("", "is not an image pattern"),
            ("ghcr.io/owner name/*", "is not an image pattern"),
            ("https://ghcr.io/*", "is not an image pattern"),
            ("~~a", "is not an image pattern"),
            ("*/yolks", "Write out the registry"),
            ("ghcr.*/pterodactyl/yolks", "Write out the registry"),
            ("ghcr.io/Owner/*", "lower-case"),
            ("a*b*c*d*e*f*", "at most"),
        ] {
            let refused = Pattern::parse(pattern, "patterns.0").unwrap_err();
            assert!(matches!(&refused, Error::Invalid { field, .. } if field == "patterns.0"));
            assert!(refused.to_string().contains(said), "{pattern}: {refused}");
        }
    }
}
