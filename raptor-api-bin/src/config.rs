//! Configuration from flags, environment and `.env`, checked before anything starts.

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use std::{fmt, net::SocketAddr, path::PathBuf};
use url::Url;

/// Raptor's API server.
#[derive(Parser)]
#[command(name = "raptor-api", version, about = "Raptor's API server, with the panel inside", long_about = None)]
pub struct Cli {
    /// What to do; serving is what it does without.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How.
    #[command(flatten)]
    pub config: Config,
}

/// What `raptor-api` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve the API and the panel (the default)
    Serve,
    /// Serve everything from this one process: API, panel, SQLite and this host as a daemon
    Up(UpConfig),
    /// Print the OpenAPI document and exit
    Openapi,
    /// Print a new random APP_KEY and exit
    Key,
}

/// What the `up` form needs beside [`Config`].
#[derive(Args, Clone, Debug)]
pub struct UpConfig {
    /// Folder for the database, the key and the containers' files
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// Addresses that allocations of this host may use, separated by commas
    #[arg(long, env = "AVAILABLE_IPS", default_value = "0.0.0.0", value_delimiter = ',')]
    pub available_ips: Vec<std::net::IpAddr>,
    /// The Docker Engine's socket
    #[arg(long, env = "DOCKER_SOCKET", default_value = "/var/run/docker.sock")]
    pub docker_socket: PathBuf,
}

/// Configuration of the API server.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Secret that stored secrets are encrypted under; 32 characters or more. `raptor-api key` makes one [required]
    #[arg(long, env = "APP_KEY", hide_env_values = true, value_parser = app_key, global = true)]
    pub app_key: Option<Secret>,
    /// sqlite://path or postgres://user:password@host/database
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite://./data/raptor.db", hide_env_values = true, value_parser = database_url, global = true)]
    pub database_url: DatabaseUrl,
    /// Secret that session tokens are signed with [default: APP_KEY]
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_parser = jwt_secret, global = true)]
    pub jwt_secret: Option<Secret>,
    /// Days that a session lasts, 1 to 365
    #[arg(long, env = "JWT_EXPIRY_DAYS", default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=365), global = true)]
    pub jwt_expiry_days: i64,
    /// Address and port to listen on
    #[arg(long, env = "API_ADDR", default_value = "0.0.0.0:3000", global = true)]
    pub api_addr: SocketAddr,
    /// Where people open the panel; also the origin from which a panel served elsewhere may call
    #[arg(long, env = "APP_URL", default_value = "http://localhost:5173", value_parser = app_url, global = true)]
    pub app_url: Url,
    /// bcrypt's cost, 4 to 31; each step doubles the time of a sign-in
    #[arg(long, env = "BCRYPT_COST", default_value_t = 12, value_parser = clap::value_parser!(u32).range(4..=31), global = true)]
    pub bcrypt_cost: u32,
    /// Attempts to sign in to one account from one address per minute; 0 = no limit
    #[arg(long, env = "SIGN_IN_ATTEMPTS", default_value_t = 10, global = true)]
    pub sign_in_attempts: u32,
    /// User name of the first administrator
    #[arg(long, env = "ADMIN_USERNAME", default_value = "admin", global = true)]
    pub admin_username: String,
    /// E-mail address of the first administrator
    #[arg(long, env = "ADMIN_EMAIL", default_value = "admin@localhost", global = true)]
    pub admin_email: String,
    /// Password of the first administrator, who is created only with one; 8 characters or more
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true, value_parser = admin_password, global = true)]
    pub admin_password: Option<Secret>,
    /// Networks of reverse proxies whose X-Forwarded-For is believed, separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, global = true)]
    pub trusted_proxies: Vec<IpNet>,
    /// What is logged: error, warn, info, debug, trace, or by module (raptor_core=debug)
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub rust_log: String,
}

impl Config {
    /// What the library is built with, under `app_key`.
    #[must_use]
    pub fn builder(&self, app_key: &str) -> raptor_core::Builder {
        let builder = raptor_core::Raptor::builder(app_key)
            .session_lifetime(chrono::TimeDelta::days(self.jwt_expiry_days))
            .bcrypt_cost(self.bcrypt_cost)
            .sign_in_attempts(self.sign_in_attempts);
        match &self.jwt_secret {
            Some(secret) => builder.jwt_secret(secret.expose()),
            None => builder,
        }
    }
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

    /// Hides `value` from logs.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Where the state is kept; may hold a password.
pub type DatabaseUrl = Secret;

fn app_key(text: &str) -> Result<Secret, String> {
    match text.len() {
        0..32 => Err("use 32 characters or more; `raptor-api key` makes one".into()),
        _ => Ok(Secret(text.into())),
    }
}

fn jwt_secret(text: &str) -> Result<Secret, String> {
    match text.len() {
        0..32 => Err("use 32 characters or more, or leave JWT_SECRET away to use APP_KEY".into()),
        _ => Ok(Secret(text.into())),
    }
}

fn admin_password(text: &str) -> Result<Secret, String> {
    raptor_core::users::check_password("ADMIN_PASSWORD", text).map_err(|error| error.to_string())?;
    Ok(Secret(text.into()))
}

fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if known {
        Ok(Secret(text.into()))
    } else {
        Err("use sqlite://path or postgres://user:password@host/database".into())
    }
}

fn app_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.host().is_some() => Ok(url),
        _ => Err("use an address like https://panel.example.com".into()),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    text.trim()
        .parse::<IpNet>()
        .or_else(|_| text.trim().parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "use addresses or networks like 10.0.0.0/8".into())
}

/// Reads `.env` of the working folder, then flags and environment. Ends the process with one sentence where they are wrong.
///
/// # Errors
/// When `.env` is there and can't be read.
pub fn read() -> anyhow::Result<Cli> {
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(error) if error.not_found() => {}
        Err(error) => anyhow::bail!("The file .env can't be read: {error}. Each line must be NAME=value."),
    }
    Ok(Cli::parse_from(std::env::args_os()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, String> {
        Cli::try_parse_from([&["raptor-api"], args].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_what_is_allowed() {
        for (args, name, allowed) in [
            (["--api-addr", "nowhere"], "API_ADDR", "nowhere"),
            (["--bcrypt-cost", "40"], "BCRYPT_COST", "31"),
            (["--jwt-expiry-days", "0"], "JWT_EXPIRY_DAYS", "365"),
            (["--app-url", "panel"], "APP_URL", "panel"),
            (["--database-url", "mysql://x"], "DATABASE_URL", "postgres://"),
        ] {
            let message = parse(&args).err().unwrap();
            assert!(message.contains(name) && message.contains(allowed), "{message}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let cli = parse(&["--app-key", &"k".repeat(40), "--admin-password", "hunter22"]).unwrap();
        let shown = format!("{:?}", cli.config);
        assert!(!shown.contains("kkkk") && !shown.contains("hunter22"), "{shown}");
    }
}
