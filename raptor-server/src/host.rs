//! Settings of a host that runs containers, shared by the daemon and `raptor-api up`.

use clap::Args;
use ipnet::IpNet;
use raptor_node_lib::{Builder, Host, Pool, Reach};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

/// Settings of a host that runs containers.
#[derive(Args, Clone, Debug)]
pub struct HostConfig {
    /// Address of the SFTP server
    #[arg(long, env = "SFTP_HOST", default_value = "0.0.0.0", value_parser = ip, global = true)]
    pub sftp_host: IpAddr,
    /// Port of the SFTP server
    #[arg(long, env = "SFTP_PORT", default_value_t = 2222, value_parser = port, global = true)]
    pub sftp_port: u16,
    /// Whether SFTP also offers algorithms for clients that support no modern ones: on or off
    #[arg(long, env = "SFTP_OLD_CLIENTS", default_value = "off", value_parser = switch, action = clap::ArgAction::Set, global = true)]
    pub sftp_old_clients: bool,
    /// Addresses that allocations may use, separated by commas
    #[arg(long, env = "AVAILABLE_IPS", default_value = "0.0.0.0", value_delimiter = ',', value_parser = ip, global = true)]
    pub available_ips: Vec<IpAddr>,
    /// The Docker Engine's socket
    #[arg(long, env = "DOCKER_SOCKET", default_value = "/var/run/docker.sock", global = true)]
    pub docker_socket: PathBuf,
    /// User id of the containers' processes and files
    #[arg(long, env = "CONTAINER_UID", default_value_t = 988, value_parser = unprivileged, global = true)]
    pub container_uid: u32,
    /// Group id of the containers' processes and files
    #[arg(long, env = "CONTAINER_GID", default_value_t = 988, value_parser = unprivileged, global = true)]
    pub container_gid: u32,
    /// The containers' time zone
    #[arg(long, env = "CONTAINER_TIMEZONE", default_value = "UTC", value_parser = timezone, global = true)]
    pub container_timezone: String,
    /// Range from which containers' networks are allocated, as address/prefix
    #[arg(long, env = "CONTAINER_SUBNETS", default_value = "10.216.0.0/14", value_parser = subnets, global = true)]
    pub container_subnets: Pool,
    /// Folders that containers may mount, including everything below them, separated by commas
    #[arg(long, env = "ALLOWED_MOUNTS", value_delimiter = ',', value_parser = folder, global = true)]
    pub allowed_mounts: Vec<PathBuf>,
    /// Whether containers are isolated from this host's services and its private network: on or off
    #[arg(long, env = "CONTAINER_FIREWALL", default_value = "on", value_parser = switch, action = clap::ArgAction::Set, global = true)]
    pub container_firewall: bool,
    /// Private destinations that containers may reach, separated by commas
    #[arg(long, env = "CONTAINER_REACH", value_delimiter = ',', global = true)]
    pub container_reach: Vec<Reach>,
    /// Days after which unused pulled images are removed; 0 = never
    #[arg(long, env = "IMAGE_RETENTION_DAYS", default_value_t = 30, global = true)]
    pub image_retention_days: u32,
    /// Days after which files in a container's trash are permanently deleted; 0 = never
    #[arg(long, env = "TRASH_RETENTION_DAYS", default_value_t = 30, global = true)]
    pub trash_retention_days: u32,
}

impl HostConfig {
    /// A builder for a host with these settings that stores its data in `folder`.
    #[must_use]
    pub fn builder(&self, folder: &Path) -> Builder {
        Host::builder(folder)
            .docker_socket(&self.docker_socket)
            .user(self.container_uid, self.container_gid)
            .ips(self.available_ips.clone())
            .timezone(&self.container_timezone)
            .sftp((self.sftp_host, self.sftp_port).into())
            .old_sftp_clients(self.sftp_old_clients)
            .subnets(self.container_subnets)
            .mounts(self.allowed_mounts.clone())
            .firewall(self.container_firewall)
            .reach(self.container_reach.clone())
            .image_retention_days(self.image_retention_days)
            .trash_retention_days(self.trash_retention_days)
    }
}

fn ip(text: &str) -> Result<IpAddr, &'static str> {
    text.trim().parse().map_err(|_| "use IP addresses, like 203.0.113.7")
}

/// Parses a port number.
///
/// # Errors
/// A description of what is allowed.
pub fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().ok().filter(|port| *port > 0).ok_or("use a number from 1 to 65535")
}

fn unprivileged(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|id| *id > 0).ok_or("use a number from 1 to 4294967295; 0 would be root")
}

fn timezone(text: &str) -> Result<String, &'static str> {
    let known = raptor_model::containers::is_timezone(text);
    known.then(|| text.to_owned()).ok_or("use the name of a time zone, such as UTC or Europe/Berlin")
}

fn subnets(text: &str) -> Result<Pool, String> {
    let wrong = || "use an address and a prefix of 8 to 22, such as 10.216.0.0/14".to_owned();
    let (first, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let first: Ipv4Addr = first.parse().map_err(|_| wrong())?;
    let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
    let host_bits = u32::MAX.checked_shr(prefix).unwrap_or(0);
    if !(8..=22).contains(&prefix) || u32::from(first) & host_bits != 0 {
        return Err(wrong());
    }
    Ok(Pool { first, prefix })
}

fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("use on or off"),
    }
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("use absolute paths".into()) }
}

/// Parses an IP address or a network in CIDR notation.
///
/// # Errors
/// A description of what is allowed.
pub fn network(text: &str) -> Result<IpNet, &'static str> {
    let text = text.trim();
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "use addresses and networks, like 10.0.0.5 or 10.0.0.0/24")
}
