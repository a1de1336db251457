//! Everything in one process: the API, the panel, SQLite, and this host as a daemon.

use crate::{
    App,
    config::{Config, UpConfig},
    serve,
};
use anyhow::{Context, bail};
use raptor_core::{Raptor, auth::seal::generate_secret, outbound::Outbound, store::Store};
use raptor_node_lib::{Host, start_again};
use raptor_server::{Secret, process::listen, say};
use std::{
    fmt, fs,
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Ports of the allocations created with a new host.
const FIRST_PORTS: &str = "25565-25574";

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// One sentence with the cause and how to fix it.
pub async fn run(mut config: Config, up: UpConfig) -> anyhow::Result<()> {
    config.serves_panel = true;
    let listener = listen("API_ADDR", config.api_addr).await?;
    let folder = folder(&up.data_dir)?;
    let app_key = app_key(&config, &folder)?;
    // First of all, so that a second Raptor with the same folder stops before it touches a container.
    let store = Store::open_with(&config.database(&folder)?, config.database_pool).await?;
    let host = up
        .host
        .builder(&folder.join("containers"))
        .outbound(Outbound::default().open(config.outbound_allow.clone()))
        .exempt(config.trusted_proxies.clone())
        .build()
        .await;
    let host = host.map_err(|error| not_usable(&folder, error))?;
    let builder =
        config.builder(app_key.expose())?.store(store).local_node(Arc::new(host.clone()), FIRST_PORTS);
    let raptor = builder.build().await?;
    let made = first_administrator(&raptor, &config).await?;
    serve::refuse_default_password(&raptor, &config).await?;
    greet(&config, &host, made.as_ref().map(Secret::expose)).await;
    let again = tokio::select! {
        () = serve::run(listener, App::new(raptor.clone(), &config)) => false,
        () = host.disk_came_back() => true,
    };
    match again {
        false => tell("Raptor has stopped. Containers that were running keep running."),
        true => tell("The disk with the containers' files is mounted again: Raptor restarts to use it."),
    }
    raptor.shutdown().await;
    host.shutdown().await;
    if !again {
        return Ok(());
    }
    start_again().context("Raptor can't restart itself; start it by hand")?;
    Ok(())
}

fn folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let refused = |error| not_usable(folder, error);
    fs::DirBuilder::new().recursive(true).mode(0o711).create(folder.join("containers")).map_err(refused)?;
    let probe = folder.join(".writable");
    fs::write(&probe, "raptor").and_then(|()| fs::remove_file(&probe)).map_err(refused)?;
    folder.canonicalize().map_err(refused)
}

/// The error for an unusable folder, with how to fix it.
fn not_usable(folder: &Path, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "its disk is full. Free some space there (`df -h` shows it), then start Raptor again; containers keep running"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "its file system is read-only, which the system does after a disk fault. Check `dmesg`, mount it for writing, then start Raptor again; containers keep running"
        }
        _ => "set DATA_DIR to a folder that this user may write to",
    };
    anyhow::anyhow!("The folder {} can't be written: {advice} ({error})", folder.display())
}

/// The configured key, or the one in the folder, which is created if it doesn't exist.
fn app_key(config: &Config, folder: &Path) -> anyhow::Result<Secret> {
    if let Some(key) = config.key()? {
        return Ok(key);
    }
    let path = folder.join("app.key");
    if let Ok(key) = fs::read_to_string(&path) {
        if key.trim().len() < 32 {
            bail!(
                "{} contains no key. Restore the right one, or delete the file and everything that was stored with it.",
                path.display()
            );
        }
        return Ok(Secret::new(key.trim().to_owned()));
    }
    let key = generate_secret("")?;
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(&path)?;
    writeln!(file, "{key}")?;
    // Before anything is sealed with it: a disk fault must not leave an empty file.
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()?;
    Ok(Secret::new(key))
}

/// Creates the first administrator if there is none, and returns the password if it was generated.
async fn first_administrator(raptor: &Raptor, config: &Config) -> anyhow::Result<Option<Secret>> {
    let (password, generated) = match &config.admin_password {
        Some(password) => (password.expose().to_owned(), false),
        None => (generate_secret("")?.chars().take(20).collect(), true),
    };
    let made =
        raptor.users().ensure_admin(&config.admin_username, &config.admin_email, password.clone()).await?;
    Ok((made && generated).then(|| Secret::new(password)))
}

/// Prints a line to standard output. If that fails, it is logged and Raptor continues.
fn tell(line: impl fmt::Display) {
    if let Err(error) = say(line) {
        tracing::warn!(%error, "standard output can't be written to");
    }
}

async fn greet(config: &Config, host: &Host, password: Option<&str>) {
    let port = config.api_addr.port();
    tell(format_args!("\nRaptor is running.\n\n  Open       http://localhost:{port}"));
    tell(format_args!("  User name  {}", config.admin_username));
    match password {
        Some(password) => {
            tell(format_args!("  Password   {password}    (shown this once; change it under Account)"))
        }
        None => tell("  Password   the one that was set or shown at the first start"),
    }
    match raptor_core::node::Node::system(host).await {
        Ok(system) => {
            match system.docker_problem {
                None => tell(format_args!(
                    "\nThis host runs containers with Docker {}.",
                    system.docker_version.unwrap_or_default()
                )),
                Some(problem) => tell(format_args!("\nThis host can't run containers yet. {problem}")),
            }
            if let Some(note) = system.user_note {
                tell(format_args!("{note}"));
            }
            if let Some(sftp) = system.sftp {
                match sftp.problem {
                    None => tell(format_args!("SFTP is on port {}.", sftp.port)),
                    Some(problem) => tell(format_args!("{problem}")),
                }
            }
        }
        Err(error) => tell(format_args!("\nThis host can't run containers yet. {error}")),
    }
    tell("Next: open it and choose what to run. Ctrl-C stops Raptor and leaves containers running.\n");
}
