//! Configuration from flags, environment and `.env`, checked before anything starts.

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use raptor_node_lib::{Pool, Reach};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// Raptor's daemon: runs containers on this host.
#[derive(Parser)]
#[command(name = "raptor-daemon", version, about = "Raptor's daemon: runs containers on this host", long_about = None)]
pub struct Cli {
    /// What to do; serving is what it does without.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How.
    #[command(flatten)]
    pub config: Config,
}

/// What `raptor-daemon` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve (the default)
    Serve,
    /// Print the OpenAPI document and exit
    Openapi,
    /// Take Raptor's rules out of this host's firewall, as before removing Raptor
    RemoveRules,
}

/// Configuration of the daemon.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address and port to listen on
    #[arg(long, env = "DAEMON_ADDR", default_value = "0.0.0.0:8080", value_parser = address, global = true)]
    pub daemon_addr: SocketAddr,
    /// The key that the panel showed when this daemon was added [required]
    #[arg(long, env = "DAEMON_API_KEY", hide_env_values = true, value_parser = api_key, global = true)]
    pub daemon_api_key: Option<Secret>,
    /// Folder of the containers' files and of the daemon's own state
    #[arg(long, env = "SFTP_BASE_PATH", default_value = "/data/raptor/containers", global = true)]
    pub sftp_base_path: PathBuf,
    /// Address of the SFTP server
    #[arg(long, env = "SFTP_HOST", default_value = "0.0.0.0", value_parser = ip, global = true)]
    pub sftp_host: IpAddr,
    /// Port of the SFTP server
    #[arg(long, env = "SFTP_PORT", default_value_t = 2222, value_parser = port, global = true)]
    pub sftp_port: u16,
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
    /// The range of which containers' networks are made, as address/prefix
    #[arg(long, env = "CONTAINER_SUBNETS", default_value = "10.216.0.0/14", value_parser = subnets, global = true)]
    pub container_subnets: Pool,
    /// Folders that containers may mount, with all below them, separated by commas
    #[arg(long, env = "ALLOWED_MOUNTS", value_delimiter = ',', value_parser = folder, global = true)]
    pub allowed_mounts: Vec<PathBuf>,
    /// Whether containers are kept from this host's services and its private network: on or off
    #[arg(long, env = "CONTAINER_FIREWALL", default_value = "on", value_parser = switch, action = clap::ArgAction::Set, global = true)]
    pub container_firewall: bool,
    /// Private places that containers may reach all the same, separated by commas
    #[arg(long, env = "CONTAINER_REACH", value_delimiter = ',', global = true)]
    pub container_reach: Vec<Reach>,
    /// Days after which pulled images that nobody uses are removed; 0 = never
    #[arg(long, env = "IMAGE_RETENTION_DAYS", default_value_t = 30, global = true)]
    pub image_retention_days: u32,
    /// Private addresses and networks that files and templates may be fetched from all the same, separated by commas
    #[arg(long, env = "OUTBOUND_ALLOW", value_delimiter = ',', value_parser = network, global = true)]
    pub outbound_allow: Vec<IpNet>,
    /// Days after which deleted files in a container's trash are removed for good; 0 = never.
    #[arg(long, env = "TRASH_RETENTION_DAYS", default_value_t = 30, global = true)]
    pub trash_retention_days: u32,
    /// What is logged: error, warn, info, debug, trace, or by module
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub rust_log: String,
}

/// A value that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, at the place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "use an address and a port, like 0.0.0.0:8080")
}

fn ip(text: &str) -> Result<IpAddr, &'static str> {
    text.trim().parse().map_err(|_| "use IP addresses, like 203.0.113.7")
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    let text = text.trim();
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "use addresses and networks, like 10.0.0.5 or 10.0.0.0/24")
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().ok().filter(|port| *port > 0).ok_or("use a number from 1 to 65535")
}

fn unprivileged(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|id| *id > 0).ok_or("use a number from 1 to 4294967295; 0 would be root")
}

fn api_key(text: &str) -> Result<Secret, String> {
    match text.len() {
        0..16 => Err("copy the whole key that the panel showed when this daemon was added".into()),
        _ => Ok(Secret(text.into())),
    }
}

fn timezone(text: &str) -> Result<String, &'static str> {
    let known = raptor_core::containers::is_timezone(text);
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

/// Settings whose values are never shown.
const SECRETS: &[&str] = &["DAEMON_API_KEY"];

/// Reads `.env` of the working folder, then flags and environment.
///
/// # Errors
/// One sentence that names the line of `.env`, or the value and what is allowed. Secrets are never in it.
pub fn read() -> anyhow::Result<Cli> {
    raptor_config::read(SECRETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> String {
        raptor_config::refusal(
            Cli::try_parse_from([&["raptor-daemon"], args].concat()).err().unwrap(),
            SECRETS,
        )
        .to_string()
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_what_is_allowed() {
        for (args, name, allowed) in [
            (["--daemon-addr", "nowhere"], "DAEMON_ADDR is \"nowhere\"", "0.0.0.0:8080"),
            (["--sftp-port", "0"], "SFTP_PORT is \"0\"", "65535"),
            (["--available-ips", "1.2.3"], "AVAILABLE_IPS is \"1.2.3\"", "203.0.113.7"),
            (["--container-uid", "0"], "CONTAINER_UID is \"0\"", "root"),
            (["--container-subnets", "10.216.0.0/30"], "CONTAINER_SUBNETS is", "8 to 22"),
            (["--container-subnets", "10.216.0.1/14"], "CONTAINER_SUBNETS is", "8 to 22"),
            (["--container-firewall", "no"], "CONTAINER_FIREWALL is", "on or off"),
            (["--container-reach", "host"], "CONTAINER_REACH is", "host:3306"),
            (["--outbound-allow", "10.0.0"], "OUTBOUND_ALLOW is", "10.0.0.0/24"),
            (["--allowed-mounts", "srv"], "ALLOWED_MOUNTS is", "absolute"),
            (
                ["--container-timezone", "Mars/Olympus"],
                "CONTAINER_TIMEZONE is \"Mars/Olympus\"",
                "Europe/Berlin",
            ),
        ] {
            let message = refused(&args);
            assert!(message.contains(name) && message.contains(allowed), "{message}");
        }
    }

    #[test]
    fn the_key_is_never_shown() {
        let message = refused(&["--daemon-api-key", "hunter"]);
        assert!(message.contains("DAEMON_API_KEY") && !message.contains("hunter"), "{message}");
        let cli = Cli::try_parse_from(["raptor-daemon", "--daemon-api-key", "rd_a-long-enough-key"]).unwrap();
        assert!(!format!("{:?}", cli.config).contains("a-long-enough-key"));
    }

    #[test]
    fn the_example_names_every_setting_and_no_other() {
        use clap::CommandFactory;
        let names: std::collections::BTreeSet<_> = Cli::command()
            .get_arguments()
            .filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned))
            .collect();
        let example: std::collections::BTreeSet<_> = include_str!("../.env.example")
            .lines()
            .filter_map(|line| line.trim_start_matches("# ").split_once('='))
            .map(|(name, _)| name.to_owned())
            .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            .collect();
        assert_eq!(names, example);
    }
}
