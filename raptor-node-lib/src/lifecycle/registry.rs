//! Explaining why an image could not be pulled, and what to do.

use super::failure::Failure;
use raptor_model::{images::registry_of, node::Fault};

/// How engines report a registry that can't be reached, or is not a registry.
const AWAY: [&str; 14] = [
    "dial tcp",
    "no such host",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "timeout exceeded",
    "deadline exceeded",
    "tls handshake",
    "x509:",
    "server gave http response",
    "received unexpected http status: 5",
    "bad gateway",
    "service unavailable",
    ": eof",
];
/// How they report a missing or wrong login.
const LOGIN: [&str; 6] = [
    "no basic auth credentials",
    "unauthorized",
    "authentication required",
    "incorrect username or password",
    "access to the resource is denied",
    "forbidden",
];
/// How they report a missing image. Docker Hub says the same about private ones.
const MISSING: [&str; 6] = [
    "repository does not exist",
    "manifest unknown",
    "name unknown",
    "not found",
    "invalid reference format",
    "no such image",
];
/// How they report an image for other CPU architectures only.
const OTHER_PROCESSOR: &str = "no matching manifest for";
const TOO_MANY: &str = "toomanyrequests";
const NO_SPACE: &str = "no space left on device";

/// The registry's name for people.
fn shown(registry: &str) -> &str {
    if matches!(registry, "docker.io" | "index.docker.io") { "Docker Hub" } else { registry }
}

/// The reason, as the continuation of "can't be downloaded: ".
fn reason(image: &str, said: &str) -> (String, Kind) {
    let text = said.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let registry = registry_of(image);
    let registry = shown(&registry);
    if any(&[NO_SPACE]) {
        ("the disk of this host is full.".into(), Kind::DiskFull)
    } else if any(&[TOO_MANY]) {
        (format!("{registry} allows this host no further downloads for now."), Kind::TooMany)
    } else if any(&[OTHER_PROCESSOR]) {
        ("it does not support the processor of this host.".into(), Kind::Missing)
    } else if any(&["repository does not exist"]) {
        (format!("{registry} has no such image, or shows it only after a login."), Kind::Missing)
    } else if any(&LOGIN) {
        (format!("{registry} requires a login for it."), Kind::Login)
    } else if any(&AWAY) {
        (format!("{registry} can't be reached from this host."), Kind::Away)
    } else if any(&MISSING) {
        (format!("{registry} has no such image."), Kind::Missing)
    } else {
        (format!("{registry} or Docker refused it."), Kind::Refused)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    Away,
    Login,
    TooMany,
    DiskFull,
    Refused,
}

/// Why `image` was not pulled, as a phrase after a colon.
pub(super) fn phrase(image: &str, said: &str) -> String {
    reason(image, said).0
}

/// What an image is used for, which determines who can choose another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The container itself: its image is chosen on the Startup page.
    Container,
    /// The installation script: the template names its image.
    Installer,
}

impl Need {
    /// The subject of a sentence about the image.
    pub(super) const fn called(self) -> &'static str {
        match self {
            Self::Container => "The image",
            Self::Installer => "The installer's image",
        }
    }

    /// How to choose another image, as the end of a sentence.
    pub(super) const fn another(self) -> &'static str {
        match self {
            Self::Container => "choose another image.",
            Self::Installer => {
                "have the template changed: it names this image, and the installation can be skipped."
            }
        }
    }
}

/// Why `image` can't be used, given that there is no copy on the host.
pub(super) fn explain(need: Need, image: &str, details: String) -> Failure {
    let (phrase, kind) = reason(image, &details);
    let (image, registry) = (image.to_owned(), registry_of(image));
    let another = need.another();
    let advice = match (kind, need) {
        (Kind::Missing, Need::Container) => format!("Check its name and tag, or {another}"),
        (Kind::Missing, Need::Installer) => {
            "The template names it: have its name and tag corrected there, or skip the installation.".into()
        }
        (Kind::Away, _) => format!("Try again when it answers, or {another}"),
        (Kind::Login, _) => format!("Add a login for this registry under Daemons, or {another}"),
        (Kind::TooMany, _) => "Try again later, or add a login for this registry under Daemons.".into(),
        (Kind::DiskFull, _) => "Free space on it, then try again.".into(),
        (Kind::Refused, _) => format!("Try again, or {another}"),
    };
    let why = format!("{} {image} can't be downloaded: {phrase} {advice}", need.called());
    let fault = match kind {
        Kind::Missing => Fault::ImageNotFound { image, details: Some(details) },
        Kind::Away => Fault::RegistryUnreachable { image, registry, details },
        Kind::Login => Fault::LoginRequired { image, registry, details },
        Kind::TooMany => Fault::TooManyDownloads { image, registry, details },
        Kind::DiskFull => Fault::HostDiskFull { details },
        Kind::Refused => Fault::EngineRefused { details },
    };
    Failure::new(why, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(fault: &Fault) -> String {
        serde_json::to_value(fault).unwrap()["type"].as_str().unwrap().to_owned()
    }

    /// With messages of Docker 20.10 to 29, containerd and Podman.
    #[test]
    fn what_registries_and_engines_say_has_a_code_and_a_sentence() {
        let cases = [
            (
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host",
                "registry_unreachable",
            ),
            (
                "Get \"http://127.0.0.1:9/v2/\": dial tcp 127.0.0.1:9: connect: connection refused",
                "registry_unreachable",
            ),
            (
                "Get \"https://ghcr.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
                "registry_unreachable",
            ),
            (
                "Get \"https://ghcr.io/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
                "registry_unreachable",
            ),
            (
                "failed to resolve reference \"ghcr.io/a/b:1\": unexpected status from HEAD request: 503 Service Unavailable",
                "registry_unreachable",
            ),
            ("manifest for ghcr.io/a/b:1 not found: manifest unknown: manifest unknown", "image_not_found"),
            (
                "failed to resolve reference \"docker.io/a/b:1\": docker.io/a/b:1: not found",
                "image_not_found",
            ),
            ("no matching manifest for linux/arm64/v8 in the manifest list entries", "image_not_found"),
            (
                "pull access denied for nosuch, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                "image_not_found",
            ),
            (
                "Head \"http://127.0.0.1:5000/v2/games/x/manifests/1\": no basic auth credentials",
                "login_required",
            ),
            ("unauthorized: authentication required", "login_required"),
            (
                "Error response from daemon: denied: requested access to the resource is denied",
                "login_required",
            ),
            ("toomanyrequests: You have reached your pull rate limit.", "too_many_downloads"),
            ("failed to register layer: write /usr/lib/x: no space left on device", "host_disk_full"),
            ("unsupported media type application/vnd.x", "engine_refused"),
        ];
        for (raw, wanted) in cases {
            let Failure { why, fault } = explain(Need::Container, "ghcr.io/a/b:1", raw.into());
            let fault = fault.unwrap();
            assert_eq!(code(&fault), wanted, "{raw}: {why}");
            assert_eq!(fault.details(), Some(raw));
            assert!(
                why.starts_with("The image ghcr.io/a/b:1 can't be downloaded: ") && !why.contains(raw),
                "{why}"
            );
        }
    }

    #[test]
    fn docker_hub_is_called_by_its_name() {
        let Failure { why, .. } = explain(Need::Container, "nosuch:1", "dial tcp: no such host".into());
        assert_eq!(
            why,
            "The image nosuch:1 can't be downloaded: Docker Hub can't be reached from this host. Try again when it answers, or \
             choose another image."
        );
    }

    /// Nobody can choose an installer's image on the Startup page.
    #[test]
    fn an_installers_image_is_called_so_and_its_template_is_where_it_is_changed() {
        for raw in
            ["dial tcp: no such host", "manifest unknown", "unauthorized: authentication required", "odd"]
        {
            let Failure { why, .. } = explain(Need::Installer, "ghcr.io/a/b:1", raw.into());
            assert!(why.starts_with("The installer's image ghcr.io/a/b:1 can't be downloaded: "), "{why}");
            assert!(why.contains("template") && !why.contains("choose another image"), "{why}");
        }
    }
}
