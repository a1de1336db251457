//! Configuration from flags, environment and `.env`, checked before anything starts.

pub mod keys;
pub mod mail;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use keys::{JwtRotation, KeyRotation};
use raptor_core::auth::seal::generate_secret;
use raptor_server::{
    KEY_LENGTH, Secret,
    host::{HostConfig, network, port},
    is_easily_guessed,
};
use std::{
    fs,
    io::{ErrorKind, Write},
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
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
    /// Encrypt every stored secret again with APP_KEY, while no API runs, and exit
    RotateKey(KeyRotation),
    /// Sign sessions with JWT_SECRET from now on, while no API runs, and exit; all sessions end
    RotateJwtSecret(JwtRotation),
    /// Ask the server on this machine whether it is ready, and exit with 0 if it is
    Health,
}

/// What the `up` form needs beside [`Config`].
#[derive(Args, Clone, Debug)]
pub struct UpConfig {
    /// Folder for the database, the key and the containers' files
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// This host
    #[command(flatten, next_help_heading = "This host, which runs containers")]
    pub host: HostConfig,
}

/// Where the panel's development server is.
const DEFAULT_APP_URL: &str = "http://localhost:5173/";

/// Configuration of the API server.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Key that encrypts stored secrets; 32 characters or more. `raptor-api key` creates one [required, except with `up`, which creates one in DATA_DIR]
    #[arg(long, env = "APP_KEY", hide_env_values = true, value_parser = app_key, global = true)]
    pub app_key: Option<Secret>,
    /// File with the APP_KEY, if that is not set; created with a new key at the first start
    #[arg(long, env = "APP_KEY_FILE", global = true)]
    pub app_key_file: Option<PathBuf>,
    /// sqlite://path or postgres://user:password@host/database [default: sqlite://./data/raptor.db; with `up`, raptor.db in DATA_DIR]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_parser = database_url, global = true)]
    pub database_url: Option<DatabaseUrl>,
    /// File with the password of the database user, if DATABASE_URL has none
    #[arg(long, env = "DATABASE_PASSWORD_FILE", global = true)]
    pub database_password_file: Option<PathBuf>,
    /// Number of connections to PostgreSQL, 2 to 1000 [default: 20, or half of the server's limit if that is less]
    #[arg(long, env = "DATABASE_POOL", value_parser = pool, global = true)]
    pub database_pool: Option<u32>,
    /// Key that signs session tokens [default: APP_KEY]
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_parser = jwt_secret, global = true)]
    pub jwt_secret: Option<Secret>,
    /// Lifetime of a session in days, 1 to 365
    #[arg(long, env = "JWT_EXPIRY_DAYS", default_value_t = 7, value_parser = days, global = true)]
    pub jwt_expiry_days: i64,
    /// Address and port to listen on
    #[arg(long, env = "API_ADDR", default_value = "0.0.0.0:3000", value_parser = address, global = true)]
    pub api_addr: SocketAddr,
    /// Address at which others reach the port published by Compose; if it is not an address of this machine only, the server does not start while an account has the default password [default: the address of API_ADDR]
    #[arg(long, env = "PUBLISHED_ADDRESS", value_parser = ip, global = true)]
    pub published_address: Option<IpAddr>,
    /// Address at which people open the panel; a panel served from this origin may call the API [default: http://localhost:5173, which may not call it with `up`]
    #[arg(long, env = "APP_URL", value_parser = app_url, global = true)]
    pub app_url: Option<Url>,
    /// Whether this process serves the panel itself, so that nobody else is trusted who is not named.
    #[arg(skip)]
    pub serves_panel: bool,
    /// Cost of bcrypt, 4 to 31; each step doubles the time of a sign-in
    #[arg(long, env = "BCRYPT_COST", default_value_t = 12, value_parser = cost, global = true)]
    pub bcrypt_cost: u32,
    /// Sign-in attempts per minute for one account from one address; 0 = no limit
    #[arg(long, env = "SIGN_IN_ATTEMPTS", default_value_t = 10, value_parser = attempts, global = true)]
    pub sign_in_attempts: u32,
    /// User name of the first administrator
    #[arg(long, env = "ADMIN_USERNAME", default_value = "admin", value_parser = admin_username, global = true)]
    pub admin_username: String,
    /// E-mail address of the first administrator
    #[arg(long, env = "ADMIN_EMAIL", default_value = "admin@localhost", value_parser = admin_email, global = true)]
    pub admin_email: String,
    /// Password of the first administrator, 8 characters or more; without it no administrator is created
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true, value_parser = admin_password, global = true)]
    pub admin_password: Option<Secret>,
    /// The mail server
    #[command(flatten)]
    pub smtp: mail::SmtpConfig,
    /// Networks of reverse proxies whose X-Forwarded-For is trusted, separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, global = true)]
    pub trusted_proxies: Vec<IpNet>,
    /// Private addresses and networks that files and templates may be fetched from, separated by commas
    #[arg(long, env = "OUTBOUND_ALLOW", value_delimiter = ',', value_parser = network, global = true)]
    pub outbound_allow: Vec<IpNet>,
    /// Address from which the catalogue's published eggs are fetched instead of https://raw.githubusercontent.com
    #[arg(long, env = "CATALOGUE_MIRROR", value_parser = mirror, global = true)]
    pub catalogue_mirror: Option<Url>,
    /// Hours between checks of each template's source for a newer file, 1 to 8760; 0 = only on request
    #[arg(long, env = "TEMPLATE_CHECK_HOURS", default_value_t = 24, value_parser = check_hours, global = true)]
    pub template_check_hours: u64,
    /// Token that Prometheus sends to read /metrics; 16 characters or more [default: none, which disables /metrics]
    #[arg(long, env = "METRICS_TOKEN", hide_env_values = true, value_parser = metrics_token, global = true)]
    pub metrics_token: Option<Secret>,
    /// Log level: error, warn, info, debug, trace, or by module (raptor_core=debug)
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub rust_log: String,
}

impl Config {
    /// The configured database, or the SQLite file `raptor.db` in `folder`.
    ///
    /// # Errors
    /// If the file with the password can't be read, or the URL already has a password or no server.
    pub fn database(&self, folder: &Path) -> anyhow::Result<String> {
        let url = match &self.database_url {
            Some(url) => url.clone(),
            None => Secret::new(format!("sqlite://{}", folder.join("raptor.db").display())),
        };
        let Some(file) = &self.database_password_file else { return Ok(url.expose().to_owned()) };
        if url.expose().starts_with("sqlite:") {
            bail!(
                "DATABASE_PASSWORD_FILE is set, and the database is SQLite, which has no password. Set DATABASE_URL to postgres://user@host/database, or remove DATABASE_PASSWORD_FILE."
            );
        }
        let password = secret_file(file).context("DATABASE_PASSWORD_FILE can't be used")?;
        let mut url = Url::parse(url.expose()).context("DATABASE_URL is not a valid address")?;
        if url.password().is_some() {
            bail!("Both DATABASE_URL and DATABASE_PASSWORD_FILE have a password. Keep one of them.");
        }
        url.set_password(Some(password.expose())).map_err(|()| {
            anyhow!("DATABASE_URL has no place for a password. Use postgres://user@host/database.")
        })?;
        Ok(url.into())
    }

    /// The key that stored secrets are encrypted with: the configured one, or the one in the file, which is created if it
    /// doesn't exist.
    ///
    /// # Errors
    /// One sentence with how to fix it.
    pub fn key(&self) -> anyhow::Result<Option<Secret>> {
        if let Some(key) = &self.app_key {
            return Ok(Some(key.clone()));
        }
        self.app_key_file.as_deref().map(|file| key_in(file).map(|(key, _)| key)).transpose()
    }

    /// The origin of a panel that is served elsewhere. With `up`, the panel is built in, and whatever listens on port 5173 of a
    /// visitor's machine is not ours, so an origin is trusted only if APP_URL names it.
    #[must_use]
    pub fn panel_origin(&self) -> Option<String> {
        match &self.app_url {
            Some(url) => Some(url.origin().ascii_serialization()),
            None => (!self.serves_panel).then(|| DEFAULT_APP_URL.trim_end_matches('/').to_owned()),
        }
    }

    /// The address at which others can reach the server.
    #[must_use]
    pub fn reached_on(&self) -> IpAddr {
        self.published_address.unwrap_or(self.api_addr.ip())
    }

    /// A builder with this configuration and `app_key`.
    ///
    /// # Errors
    /// One sentence if the mail settings don't fit together.
    pub fn builder(&self, app_key: &str) -> anyhow::Result<raptor_core::Builder> {
        let mut builder = raptor_core::Raptor::builder(app_key)
            .session_lifetime(chrono::TimeDelta::days(self.jwt_expiry_days))
            .bcrypt_cost(self.bcrypt_cost)
            .sign_in_attempts(self.sign_in_attempts)
            .source_checks(hours(self.template_check_hours))
            .outbound(raptor_core::outbound::Outbound::default().open(self.outbound_allow.clone()));
        // Without APP_URL the panel is used on this machine.
        let panel_host = self.app_url.as_ref().map_or(Some("localhost"), |url| url.host_str());
        if let Some(host) = panel_host {
            builder = builder.panel_host(host);
        }
        if let Some(mirror) = &self.catalogue_mirror {
            builder = builder.catalogue_mirror(mirror.as_str());
        }
        if let Some(connections) = self.database_pool {
            builder = builder.database_pool(connections);
        }
        if let Some(secret) = &self.jwt_secret {
            builder = builder.jwt_secret(secret.expose());
        }
        if let Some((transport, panel)) = self.smtp.transport(self.app_url.as_ref())? {
            builder = builder.mail(transport, &panel);
        }
        Ok(builder)
    }
}

/// The secret in a file, without the trailing newline.
fn secret_file(file: &Path) -> anyhow::Result<Secret> {
    let text = fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    match text.trim() {
        "" => bail!("{} is empty", file.display()),
        secret => Ok(Secret::new(secret)),
    }
}

/// The key in `file`, which is created if it doesn't exist, and whether it was.
fn key_in(file: &Path) -> anyhow::Result<(Secret, bool)> {
    let made = make_secret(file).context("APP_KEY_FILE can't be created")?;
    let key = secret_file(file).context("APP_KEY_FILE can't be used")?;
    let key = app_key(key.expose()).map_err(|why| anyhow!("APP_KEY_FILE {}: {why}", file.display()))?;
    Ok((key, made))
}

/// Atomically writes a new random secret into `file`, readable by this user only, unless the file exists. Returns whether it
/// created it.
///
/// # Errors
/// If the folder can't be written.
fn make_secret(file: &Path) -> anyhow::Result<bool> {
    if file.exists() {
        return Ok(false);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let refused = || format!("{} can't be written", file.display());
    let mut draft = tempfile::NamedTempFile::new_in(folder).with_context(refused)?;
    draft.as_file().set_permissions(fs::Permissions::from_mode(0o600)).with_context(refused)?;
    writeln!(draft, "{}", generate_secret("")?).with_context(refused)?;
    draft.as_file().sync_all().with_context(refused)?;
    match draft.persist_noclobber(file) {
        // Synchronised to disk before anything is sealed with it.
        Ok(_) => {
            fs::File::open(folder).and_then(|folder| folder.sync_all()).map(|()| true).with_context(refused)
        }
        // Another process was faster; its secret is used.
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).with_context(refused),
    }
}

/// The database URL, which may contain a password.
pub type DatabaseUrl = Secret;

fn app_key(text: &str) -> Result<Secret, String> {
    match text.len() {
        0..KEY_LENGTH => Err(format!("use {KEY_LENGTH} characters or more; `raptor-api key` creates one")),
        _ if is_easily_guessed(text) => Err(
            "it is easy to guess, and anyone who guesses it can sign in as any user. `raptor-api key` creates another one; if the current one is in use, replace it with `raptor-api rotate-key`"
                .into(),
        ),
        _ => Ok(Secret::new(text)),
    }
}

fn metrics_token(text: &str) -> Result<Secret, String> {
    if text.len() < 16 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "use 16 characters or more, without spaces, or remove METRICS_TOKEN to disable /metrics".into()
        );
    }
    Ok(Secret::new(text.to_owned()))
}

fn jwt_secret(text: &str) -> Result<Secret, String> {
    match text.len() {
        0..KEY_LENGTH => {
            Err(format!("use {KEY_LENGTH} characters or more, or remove JWT_SECRET to use APP_KEY"))
        }
        _ if is_easily_guessed(text) => Err(
            "it is easy to guess, and anyone who guesses it can sign in as any user. `raptor-api key` creates another one; if the current one is in use, replace it with `raptor-api rotate-jwt-secret`"
                .into(),
        ),
        _ => Ok(Secret::new(text)),
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "use an address and a port, like 0.0.0.0:3000")
}

/// Parses an IP address. Compose writes IPv6 addresses in brackets where it publishes a port on them.
fn ip(text: &str) -> Result<IpAddr, &'static str> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "use an IP address, like 203.0.113.7")
}

fn days(text: &str) -> Result<i64, &'static str> {
    text.parse().ok().filter(|days| (1..=365).contains(days)).ok_or("use a number from 1 to 365")
}

fn check_hours(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|hours| *hours <= 8_760).ok_or("use a number from 0 to 8760")
}

/// An interval; `None` for 0.
fn hours(hours: u64) -> Option<std::time::Duration> {
    (hours > 0).then(|| std::time::Duration::from_secs(hours * 3_600))
}

fn pool(text: &str) -> Result<u32, &'static str> {
    text.parse()
        .ok()
        .filter(|connections| (2..=1_000).contains(connections))
        .ok_or("use a number from 2 to 1000")
}

fn cost(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|cost| (4..=31).contains(cost)).ok_or("use a number from 4 to 31")
}

fn attempts(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "use a number from 0 to 4294967295")
}

fn admin_username(text: &str) -> Result<String, String> {
    raptor_core::users::check_username(text).map_err(|error| error.to_string())
}

fn admin_email(text: &str) -> Result<String, String> {
    raptor_core::users::check_email(text).map_err(|error| error.to_string())
}

fn admin_password(text: &str) -> Result<Secret, String> {
    if text != raptor_core::users::DEFAULT_PASSWORD {
        raptor_core::users::check_password("ADMIN_PASSWORD", text).map_err(|error| error.to_string())?;
    }
    Ok(Secret::new(text))
}

fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if known {
        Ok(Secret::new(text))
    } else {
        Err("use sqlite://path or postgres://user:password@host/database".into())
    }
}

fn mirror(text: &str) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.query().is_none()
                && url.fragment().is_none()
        })
        .ok_or_else(|| "use an address without ? and # like https://mirror.example.com/eggs".into())
}

fn app_url(text: &str) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
        .ok_or_else(|| "use an address like https://panel.example.com".into())
}

/// Settings whose values are never shown.
const SECRETS: &[&str] = &[
    "APP_KEY",
    "OLD_APP_KEY",
    "JWT_SECRET",
    "ADMIN_PASSWORD",
    "DATABASE_URL",
    "SMTP_PASSWORD",
    "METRICS_TOKEN",
];

/// Reads `.env` in the working directory, then flags and the environment.
///
/// # Errors
/// One sentence that names the line of `.env`, or the value and what is allowed. Never contains secrets.
pub fn read() -> anyhow::Result<Cli> {
    raptor_server::read(SECRETS, &["key", "openapi"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, String> {
        Cli::try_parse_from([&["raptor-api"], args].concat())
            .map_err(|error| raptor_server::refusal(error, SECRETS).to_string())
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_what_is_allowed() {
        for (args, name, allowed) in [
            (["--api-addr", "unknown_path"], "API_ADDR is \"unknown_path\"", "0.0.0.0:3000"),
            (["--bcrypt-cost", "40"], "BCRYPT_COST is \"40\"", "31"),
            (["--database-pool", "1"], "DATABASE_POOL is \"1\"", "1000"),
            (["--jwt-expiry-days", "0"], "JWT_EXPIRY_DAYS is \"0\"", "365"),
            (["--app-url", "panel"], "APP_URL is \"panel\"", "https://"),
            (["--admin-email", "me"], "ADMIN_EMAIL is \"me\"", "name@example.com"),
            (["--admin-username", "a b"], "ADMIN_USERNAME is \"a b\"", "letters"),
            (["--sign-in-attempts", "-1"], "SIGN_IN_ATTEMPTS", "number"),
        ] {
            let message = parse(&[&format!("{}={}", args[0], args[1])]).err().unwrap();
            assert!(message.contains(name) && message.contains(allowed), "{message}");
        }
    }

    #[test]
    fn with_up_no_origin_is_trusted_that_was_not_named() {
        let mut config = parse(&["up"]).unwrap().config;
        assert_eq!(config.panel_origin().as_deref(), Some("http://localhost:5173"));
        config.serves_panel = true;
        assert_eq!(config.panel_origin(), None);
        let mut config = parse(&["up", "--app-url=https://panel.example.com/"]).unwrap().config;
        config.serves_panel = true;
        assert_eq!(config.panel_origin().as_deref(), Some("https://panel.example.com"));
    }

    #[test]
    fn a_wrong_secret_is_refused_without_being_shown() {
        for (flag, name) in [
            ("--app-key", "APP_KEY"),
            ("--jwt-secret", "JWT_SECRET"),
            ("--admin-password", "ADMIN_PASSWORD"),
            ("--database-url", "DATABASE_URL"),
            ("--smtp-password", "SMTP_PASSWORD"),
        ] {
            let message = parse(&[flag, "hunter\n"]).err().unwrap();
            assert!(message.contains(name) && !message.contains("hunter"), "{message}");
        }
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused_with_the_command_that_changes_it() {
        let digits = "0123456789".repeat(6);
        for (flag, command) in [("--app-key", "rotate-key"), ("--jwt-secret", "rotate-jwt-secret")] {
            for weak in [&"k".repeat(64), &digits, &"password".repeat(5)] {
                let message = parse(&[flag, weak]).err().unwrap();
                assert!(message.contains(command) && !message.contains(weak), "{message}");
            }
            for good in ["an application key of some length", "9f86d081884c7d659a2feaa0c55ad015"] {
                assert!(parse(&[flag, good]).is_ok(), "{good}");
            }
        }
    }

    #[test]
    fn a_password_for_a_database_that_takes_none_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "a b\n").unwrap();
        let flag = format!("--database-password-file={}", file.display());
        let database = |more: &[&str]| {
            parse(&[&[flag.as_str()], more].concat()).unwrap().config.database("./data".as_ref())
        };
        for more in [&[] as &[_], &["--database-url=sqlite://./data/raptor.db"]] {
            let message = database(more).unwrap_err().to_string();
            assert!(message.contains("DATABASE_PASSWORD_FILE"), "{message}");
            assert!(message.contains("Set DATABASE_URL to postgres://user@host/database"), "{message}");
        }
        assert_eq!(
            database(&["--database-url=postgres://raptor@db/raptor"]).unwrap(),
            "postgres://raptor:a%20b@db/raptor"
        );
    }

    #[test]
    fn a_published_address_may_stand_in_the_brackets_that_compose_asks_for() {
        for address in ["[::1]", "::1"] {
            let cli = parse(&["--published-address", address]).unwrap();
            assert!(cli.config.reached_on().is_loopback());
        }
        let message = parse(&["--published-address", "[::1"]).err().unwrap();
        assert!(message.contains("PUBLISHED_ADDRESS") && message.contains("203.0.113.7"), "{message}");
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let cli = parse(&[
            "--app-key",
            "kkkk, a key for nobody to see at all",
            "--admin-password",
            "hunter2, of all things",
        ])
        .unwrap();
        let shown = format!("{:?}", cli.config);
        assert!(!shown.contains("kkkk") && !shown.contains("hunter2"), "{shown}");
    }

    /// `cargo xtask up --help` shows that file.
    #[test]
    fn what_the_help_of_up_says_is_written_down() {
        use clap::CommandFactory;
        // Without the values in the tests' environment.
        let hidden = |command: clap::Command| command.mut_args(|arg| arg.hide_env_values(true));
        let cli = Cli::command().name("cargo xtask").bin_name("cargo xtask").term_width(100);
        let mut cli = hidden(cli).mut_subcommand("up", hidden);
        cli.build();
        let help = cli.find_subcommand_mut("up").unwrap().render_long_help().to_string();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/up.txt");
        if std::env::var_os("RAPTOR_UPDATE_SNAPSHOTS").is_some() {
            fs::write(file, &help).unwrap();
        }
        assert_eq!(help, fs::read_to_string(file).unwrap(), "run with RAPTOR_UPDATE_SNAPSHOTS=1");
    }

    #[test]
    fn the_example_names_every_setting_and_no_other() {
        use clap::CommandFactory;
        let cli = Cli::command();
        let up = cli.find_subcommand("up").unwrap();
        let names: std::collections::BTreeSet<_> = cli
            .get_arguments()
            .chain(up.get_arguments())
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
