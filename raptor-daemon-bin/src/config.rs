//! Configuration from flags, environment and `.env`, checked before anything starts.

use crate::setup::Setup;
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use raptor_server::{
    KEY_LENGTH, Secret,
    host::{HostConfig, network},
    is_easily_guessed,
};
use std::{net::SocketAddr, path::PathBuf};

/// Raptor's daemon: runs containers on this host.
#[derive(Parser)]
#[command(name = "raptor-daemon", version, about = "Raptor's daemon: runs containers on this host", long_about = None)]
pub struct Cli {
    /// The subcommand; `serve` if there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings.
    #[command(flatten)]
    pub config: Config,
}

/// The subcommands of `raptor-daemon`.
#[derive(Subcommand)]
pub enum Command {
    /// Serve (the default)
    Serve,
    /// Print the OpenAPI document and exit
    Openapi,
    /// Write settings from standard input to this host's .env; the panel shows the command for a new daemon
    Setup(Setup),
    /// Remove Raptor's rules from this host's firewall, for example before uninstalling Raptor
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
    /// Protocol at DAEMON_ADDR: derived (HTTPS with a certificate derived from the key) or off (plain HTTP, for a proxy in front of it)
    #[arg(long, env = "DAEMON_TLS", value_enum, default_value_t = Tls::Derived, global = true)]
    pub daemon_tls: Tls,
    /// PEM file with your own certificate chain to use instead, the daemon's certificate first
    #[arg(long, env = "DAEMON_TLS_CERT", global = true)]
    pub daemon_tls_cert: Option<PathBuf>,
    /// PEM file with that certificate's private key
    #[arg(long, env = "DAEMON_TLS_KEY", global = true)]
    pub daemon_tls_key: Option<PathBuf>,
    /// Folder of the containers' files and of the daemon's own state
    #[arg(long, env = "SFTP_BASE_PATH", default_value = "/data/raptor/containers", global = true)]
    pub sftp_base_path: PathBuf,
    /// The host
    #[command(flatten)]
    pub host: HostConfig,
    /// Private addresses and networks that files and templates may be fetched from, separated by commas
    #[arg(long, env = "OUTBOUND_ALLOW", value_delimiter = ',', value_parser = network, global = true)]
    pub outbound_allow: Vec<IpNet>,
    /// Networks of proxies in front of this daemon, which are exempt from the limit of connections per address, separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, global = true)]
    pub trusted_proxies: Vec<IpNet>,
    /// Log level: error, warn, info, debug, trace, or by module
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub rust_log: String,
}

/// The protocol at the daemon's address, if no certificate is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tls {
    /// HTTPS with the certificate derived from the API key.
    Derived,
    /// Plain HTTP.
    Off,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "use an address and a port, like 0.0.0.0:8080")
}

fn api_key(text: &str) -> Result<Secret, String> {
    if is_easily_guessed(text) {
        return Err(format!(
            "it is easy to guess. Copy the whole key that the panel showed when this daemon was added, or create a new one on the daemon's page. For your own programs, `head -c 32 /dev/urandom | base64` creates a key; use {KEY_LENGTH} characters or more"
        ));
    }
    Ok(Secret::new(text))
}

/// Settings whose values are never printed.
pub(crate) const SECRETS: &[&str] = &["DAEMON_API_KEY"];

/// Reads `.env` of the working folder, then flags and environment.
///
/// # Errors
/// A sentence with the line of `.env`, or with the value and what is allowed. It never contains secrets.
pub fn read() -> anyhow::Result<Cli> {
    raptor_server::read(SECRETS, &["openapi", "remove-rules", "setup"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> String {
        raptor_server::refusal(
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
        let cli = Cli::try_parse_from([
            "raptor-daemon",
            "--daemon-api-key",
            "rd_a-long-enough-key-of-many-different-characters",
        ])
        .unwrap();
        assert!(!format!("{:?}", cli.config).contains("a-long-enough-key"));
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused_with_the_command_that_makes_one() {
        for weak in ["rd_a-long-enough-key", &"x".repeat(64), &"0123456789".repeat(6)] {
            let message = refused(&["--daemon-api-key", weak]);
            assert!(
                message.contains("head -c 32 /dev/urandom | base64") && !message.contains(weak),
                "{message}"
            );
        }
        for good in
            ["rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV", "q8+Jx1mT2vR7yKc5MfH1pJd8GsA4uEoI6tQxN0bVw3s="]
        {
            assert!(Cli::try_parse_from(["raptor-daemon", "--daemon-api-key", good]).is_ok(), "{good}");
        }
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
