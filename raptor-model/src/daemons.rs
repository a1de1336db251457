//! Daemons: the hosts that run containers.

mod transport;

use crate::{Error, Result, allocations::Ports, id::DaemonId};
use chrono::{DateTime, Utc};
use serde::Serialize;
pub use transport::Transport;

/// The default for how many hours known SSH keys work while the control side is unavailable. 0, since revoked keys would work
/// too.
pub const DEFAULT_OFFLINE_HOURS: i64 = 0;
/// Most ports and ranges for self-service per daemon.
const MAX_RANGES: usize = 64;

/// A daemon's record.
#[derive(Clone, Debug, PartialEq)]
pub struct Daemon {
    pub id: DaemonId,
    /// A short number that never changes, counted from 1.
    pub number: i64,
    /// Unique without regard to case.
    pub name: String,
    /// Whether it is this process's own host.
    pub local: bool,
    /// Host name or IP address.
    pub host: String,
    /// Port of the daemon's API.
    pub port: u16,
    /// How the connection to it is encrypted.
    pub transport: Transport,
    /// MiB of memory that its containers may have in total; `None` = the host's memory.
    pub memory_limit_mib: Option<i64>,
    /// MiB of disk space that its containers may have in total; `None` = the host's disk.
    pub disk_limit_mib: Option<i64>,
    /// Whether files can't be changed by SFTP.
    pub sftp_read_only: bool,
    /// For how many hours known SSH keys work while the control side is unavailable; 0 = never.
    pub sftp_offline_hours: i64,
    /// The ports that people without `containers.update` can choose from, as ports and ranges; `None` = all free ones.
    pub self_service_ports: Option<String>,
    /// The reason for maintenance, during which nothing is placed on it and its containers are left alone; `None` = no
    /// maintenance.
    pub maintenance: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// What its containers use in total.
    pub usage: Usage,
}

/// What the containers of a daemon may use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DaemonUsage))]
pub struct Usage {
    /// How many containers it has. Not on the wire here: a daemon has it beside its usage, like the two that follow.
    #[serde(skip)]
    pub container_count: i64,
    /// How many allocations it has.
    #[serde(skip)]
    pub allocation_count: i64,
    /// How many of its allocations no container has.
    #[serde(skip)]
    pub allocation_free_count: i64,
    /// The sum of their memory limits, in MiB.
    pub memory_mib: i64,
    /// The sum of their disk limits, in MiB.
    pub disk_mib: i64,
    /// The sum of their CPU limits, in percent of one CPU: 150 = one and a half.
    pub cpu_percent: i64,
}

/// The input for adding or changing a daemon.
#[derive(Clone, Debug)]
pub struct DaemonDraft {
    /// 1 to 64 characters.
    pub name: String,
    /// Host name or IP address.
    pub host: String,
    /// Port of the daemon's API.
    pub port: u16,
    /// How the connection to it is encrypted. `None` keeps the current value, except that [`Transport::Certificate`] becomes
    /// [`Transport::Pinned`], which is also the default of a new daemon. [`Transport::Upgrading`] can be kept but not chosen:
    /// for a daemon with another value it means [`Transport::Pinned`].
    pub transport: Option<Transport>,
    /// As in [`Daemon`].
    pub memory_limit_mib: Option<i64>,
    /// As in [`Daemon`].
    pub disk_limit_mib: Option<i64>,
    /// As in [`Daemon`].
    pub sftp_read_only: bool,
    /// As in [`Daemon`], 0 to 8,760; [`DEFAULT_OFFLINE_HOURS`] unless given.
    pub sftp_offline_hours: Option<i64>,
    /// As in [`Daemon`].
    pub self_service_ports: Option<String>,
}

impl DaemonDraft {
    /// The transport of a daemon whose transport is `now`, or that is new.
    #[must_use]
    pub fn transport(&self, now: Option<Transport>) -> Transport {
        match self.transport {
            None => now.filter(|now| *now != Transport::Certificate).unwrap_or_default(),
            Some(Transport::Upgrading) if now != Some(Transport::Upgrading) => Transport::Pinned,
            Some(chosen) => chosen,
        }
    }

    fn check_address(&self) -> Result<()> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<std::net::IpAddr>().is_err() && url::Host::parse(&self.host).is_err() {
            return Err(Error::invalid(
                "host",
                "Use a host name or an address, without http:// and without a port.",
            )
            .because("host"));
        }
        if self.port == 0 {
            return Err(Error::invalid("port", "Use a port of 1 to 65535.").because("port"));
        }
        Ok(())
    }

    /// Validates the draft and trims its texts. A `local` host, which runs in this process, has no address, so host and port
    /// are not checked.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn checked(mut self, local: bool) -> Result<Self> {
        self.name = self.name.trim().to_owned();
        self.host = self.host.trim().to_owned();
        if self.name.is_empty() || self.name.chars().count() > 64 || self.name.chars().any(char::is_control) {
            return Err(Error::invalid("name", "Give the daemon a name of 1 to 64 characters.")
                .because("name_length")
                .with("max", 64));
        }
        if !local {
            self.check_address()?;
        }
        if self.sftp_offline_hours.is_some_and(|hours| !(0..=8_760).contains(&hours)) {
            return Err(Error::invalid("sftp_offline_hours", "Use 0 (never) to 8,760 hours.")
                .because("range")
                .with("min", 0)
                .with("max", 8_760));
        }
        for (field, limit) in
            [("memory_limit_mib", self.memory_limit_mib), ("disk_limit_mib", self.disk_limit_mib)]
        {
            if limit.is_some_and(|limit| limit < 0) {
                return Err(Error::invalid(
                    field,
                    "Use 0 or more, or leave it out to use what the host has.",
                )
                .because("size_or_none"));
            }
        }
        self.self_service_ports =
            self.self_service_ports.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(text) = &self.self_service_ports {
            // Each becomes a condition in a statement.
            if Ports::parse("self_service_ports", text)?.ranges().len() > MAX_RANGES {
                let why = format!("Use at most {MAX_RANGES} ports and ranges.");
                return Err(Error::invalid("self_service_ports", why)
                    .because("too_many")
                    .with("max", MAX_RANGES));
            }
        }
        Ok(self)
    }
}
