//! Image references, parsed like the engine does.

use crate::{Error, Result};

/// The registry of references without one.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The namespace of official images in that registry.
const OFFICIAL: &str = "library";
/// The longest image name in bytes, without tag and digest (the engine's limit).
const MAX_NAME: usize = 255;
/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

const HELP: &str = "Use an image reference such as registry.example.com/owner/name:tag, with ~ before it if it is already on the host.";

/// A complete image reference: registry, name, and a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Whether it is only used if it is on the host, and never pulled. Written as a leading `~`.
    pub on_host: bool,
    /// Including the registry, without tag and digest: `docker.io/library/debian`.
    pub name: String,
    /// `:tag`, `@digest`, or both; `:latest` by default.
    pub version: String,
}

impl Reference {
    /// Parses a reference according to the engine's grammar: the registry in any case, the name in lower case.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `image`, with the reason if it can be determined.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (on_host, body) = match text.strip_prefix('~') {
            Some(body) => (true, body),
            None => (false, text),
        };
        let wrong = || Error::invalid("image", HELP).because("image");
        let (tagged, digest) = match body.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest)),
            None => (body, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let path_at = tagged.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match tagged.get(path_at..).and_then(|last| last.find(':')) {
            Some(colon) => {
                let (name, tag) = tagged.split_at(path_at + colon);
                (name, tag.strip_prefix(':'))
            }
            None => (tagged, None),
        };
        if name.len() > MAX_NAME || !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
            return Err(wrong());
        }
        let (registry, path) = split_registry(name);
        if !is_host(&registry) {
            return Err(wrong());
        }
        if !path.split('/').all(is_part) {
            let lower = path.to_ascii_lowercase();
            if lower != path && lower.split('/').all(is_part) {
                let why = format!("Image names are lower-case: use {lower} in place of {path}.");
                return Err(Error::invalid("image", why).because("image_case").with("lower", lower));
            }
            return Err(wrong());
        }
        let version = match (tag, digest) {
            (None, None) => ":latest".to_owned(),
            (tag, digest) => {
                let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
                tag + &digest.map(|digest| format!("@{digest}")).unwrap_or_default()
            }
        };
        Ok(Self { on_host, name: full_name(&registry, path), version })
    }

    /// Name and version: `docker.io/library/debian:latest`.
    #[must_use]
    pub fn full(&self) -> String {
        format!("{}{}", self.name, self.version)
    }
}

/// Validates an image reference and trims it.
///
/// # Errors
/// Those of [`Reference::parse`].
pub fn check_image(image: &str) -> Result<String> {
    Reference::parse(image).map(|_| image.trim().to_owned())
}

/// The host of an image's registry in lower case, with its port if it has one.
#[must_use]
pub fn registry_of(image: &str) -> String {
    split_registry(image.trim().trim_start_matches('~')).0
}

/// Splits off the registry's host, in lower case.
pub(super) fn split_registry(name: &str) -> (String, &str) {
    match name.split_once('/') {
        // As in the engine: a first part without a dot or port is a user name.
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
            (host.to_ascii_lowercase(), rest)
        }
        _ => (DEFAULT_REGISTRY.to_owned(), name),
    }
}

/// The name with its registry. Official images of the default registry get their namespace.
pub(super) fn full_name(registry: &str, path: &str) -> String {
    let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
    if registry == DEFAULT_REGISTRY && !path.contains('/') {
        return format!("{registry}/{OFFICIAL}/{path}");
    }
    format!("{registry}/{path}")
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_label = |label: &str| {
        let ends = [label.chars().next(), label.chars().next_back()];
        ends.iter().all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric()))
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    name.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Whether it consists of lower-case letters and digits, separated by `.`, `_`, `__` or hyphens.
fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separated = part.split(plain).filter(|separator| !separator.is_empty());
    part.starts_with(plain)
        && part.ends_with(plain)
        && separated
            .into_iter()
            .all(|separator| matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= MAX_TAG && tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
        && algorithm.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.'))
        && (32..=256).contains(&hex.len())
        && hex.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_read_from_a_reference_as_the_engine_reads_it() {
        for (image, registry) in [
            ("debian", "docker.io"),
            ("owner/name:tag", "docker.io"),
            ("Registry.example.com/owner/name:tag", "registry.example.com"),
            ("registry.example.com.evil.net/name", "registry.example.com.evil.net"),
            ("localhost/name", "localhost"),
            ("localhost:5000/name@sha256:abc", "localhost:5000"),
            ("~host.example/name", "host.example"),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
        }
    }

    #[test]
    fn a_reference_is_read_in_full() {
        let digest = format!("@sha256:{}", "0f".repeat(32));
        for (image, full) in [
            ("debian", "docker.io/library/debian:latest".to_owned()),
            ("debian:12-slim", "docker.io/library/debian:12-slim".to_owned()),
            ("docker.io/debian:12", "docker.io/library/debian:12".to_owned()),
            ("index.docker.io/library/debian", "docker.io/library/debian:latest".to_owned()),
            ("itzg/minecraft-server", "docker.io/itzg/minecraft-server:latest".to_owned()),
            (" GHCR.io/pterodactyl/yolks:java_17 ", "ghcr.io/pterodactyl/yolks:java_17".to_owned()),
            ("localhost:5000/a__b/c--d", "localhost:5000/a__b/c--d:latest".to_owned()),
            (&format!("debian{digest}"), format!("docker.io/library/debian{digest}")),
            (&format!("debian:12{digest}"), format!("docker.io/library/debian:12{digest}")),
        ] {
            let reference = Reference::parse(image).unwrap();
            assert_eq!((reference.full(), reference.on_host), (full, false), "{image}");
        }
        assert!(Reference::parse("~raptor-test/busybox:1").unwrap().on_host);
    }

    #[test]
    fn malformed_references_are_refused_with_a_sentence() {
        for image in [
            "",
            "~",
            "~~debian",
            "/debian",
            "debian/",
            "a//b",
            "debian:",
            "debian:a:b",
            "debian@",
            "debian@sha256:abc",
            "debian:-x",
            "-debian",
            "debian-",
            "a..b/c",
            "a_-b",
            "host:port/name",
            "host:0/name",
            "deb ian",
            "http://ghcr.io/a",
            "$(id)",
            "debian;ls",
            "ghcr.io/",
            ".example.com/a",
        ] {
            let refused = check_image(image).unwrap_err().to_string();
            assert!(refused.contains("registry.example.com/owner/name:tag"), "{image}: {refused}");
        }
        let refused = check_image("ghcr.io/Owner/Name:Tag").unwrap_err().to_string();
        assert_eq!(refused, "Image names are lower-case: use owner/name in place of Owner/Name.");
        assert!(check_image(&format!("{}/name", "a".repeat(256))).is_err());
        assert!(check_image(&format!("debian:{}", "a".repeat(129))).is_err());
    }
}
