//! Image references.

use crate::{Error, Result};

/// The registry that references without one mean.
const DEFAULT_REGISTRY: &str = "docker.io";

/// Checks an image reference. A leading `~` says that the image is on the host already.
///
/// # Errors
/// [`Error::Invalid`] at `image`.
pub fn check_image(image: &str) -> Result<String> {
    let image = image.trim();
    let body = image.trim_start_matches('~');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    let begins = body.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if begins
        && body.len() <= 255
        && body.chars().all(allowed)
        && !body.contains("..")
        && !body.contains("//")
    {
        return Ok(image.to_owned());
    }
    Err(Error::invalid(
        "image",
        "Use an image reference such as registry.example.com/owner/name:tag, with ~ before it for one that is on the host already.",
    ))
}

/// The host of the registry that an image comes from, in lower case, with its port where it has one.
#[must_use]
pub fn registry_of(image: &str) -> String {
    let body = image.trim().trim_start_matches('~');
    match body.split_once('/') {
        // As the engine reads it: a first part without a dot or port is a user's name.
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host.to_ascii_lowercase(),
        _ => DEFAULT_REGISTRY.to_owned(),
    }
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
}
