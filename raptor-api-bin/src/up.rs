//! Everything in one process: API, panel, SQLite, and this host as a daemon.

use crate::{
    App,
    config::{Config, Secret, UpConfig},
    serve,
};
use anyhow::{Context, bail};
use raptor_core::{Raptor, auth::seal::generate_secret, store::Store};
use raptor_node_lib::Host;
use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Ports that a new host's record gets.
const FIRST_PORTS: &str = "25565-25574";

/// Runs until Ctrl-C.
///
/// # Errors
/// One sentence that names what is in the way and what mends it.
pub async fn run(config: Config, up: UpConfig) -> anyhow::Result<()> {
    let listener = serve::listen(config.api_addr).await?;
    let folder = folder(&up.data_dir)?;
    let app_key = app_key(&config, &folder)?;
    // First of all: it keeps out a second Raptor on the same folder before that touches a container.
    let store = Store::open_with(&config.database(&folder), config.database_pool).await?;
    let host = Host::builder(&folder.join("containers"))
        .ips(up.available_ips.clone())
        .docker_socket(up.docker_socket)
        .sftp((up.sftp_host, up.sftp_port).into())
        .build()
        .await;
    let host = match host {
        // In use: the sentence says it all.
        Err(error) if error.kind() == ErrorKind::WouldBlock => bail!(error),
        host => host.with_context(|| {
            format!("DATA_DIR is {}; choose a folder that this user may write to", folder.display())
        })?,
    };
    let builder =
        config.builder(app_key.expose())?.store(store).local_node(Arc::new(host.clone()), FIRST_PORTS);
    let raptor = builder.build().await?;
    let made = first_administrator(&raptor, &config).await?;
    greet(&config, &host, made.as_ref().map(Secret::expose)).await;
    let served = serve::run(listener, App::new(raptor.clone(), &config)).await;
    println!("Raptor has stopped. Containers that were running go on.");
    raptor.shutdown().await;
    host.shutdown().await;
    served
}

fn folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let refused = || {
        format!(
            "The folder {} can't be written. Set DATA_DIR to one that this user may write to",
            folder.display()
        )
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(folder.join("containers"))
        .with_context(refused)?;
    let probe = folder.join(".writable");
    fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).with_context(refused)?;
    folder.canonicalize().with_context(refused)
}

/// The key that is given, or the one in the folder, or a new one there.
fn app_key(config: &Config, folder: &Path) -> anyhow::Result<Secret> {
    if let Some(key) = &config.app_key {
        return Ok(key.clone());
    }
    let path = folder.join("app.key");
    if let Ok(key) = fs::read_to_string(&path) {
        if key.trim().len() < 32 {
            bail!(
                "{} holds no key. Bring the right one back, or delete the file and everything stored under it.",
                path.display()
            );
        }
        return Ok(Secret::new(key.trim().to_owned()));
    }
    let key = generate_secret("")?;
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(&path)?;
    writeln!(file, "{key}")?;
    Ok(Secret::new(key))
}

/// Makes the first administrator where there is none, and gives the password if it was generated.
async fn first_administrator(raptor: &Raptor, config: &Config) -> anyhow::Result<Option<Secret>> {
    let (password, generated) = match &config.admin_password {
        Some(password) => (password.expose().to_owned(), false),
        None => (generate_secret("")?.chars().take(20).collect(), true),
    };
    let made =
        raptor.users().ensure_admin(&config.admin_username, &config.admin_email, password.clone()).await?;
    Ok((made && generated).then(|| Secret::new(password)))
}

async fn greet(config: &Config, host: &Host, password: Option<&str>) {
    let port = config.api_addr.port();
    println!("\nRaptor is running.\n\n  Open       http://localhost:{port}");
    println!("  User name  {}", config.admin_username);
    match password {
        Some(password) => println!("  Password   {password}    (shown this once; change it under Account)"),
        None => println!("  Password   the one that was set or shown at the first start"),
    }
    match raptor_core::node::Node::system(host).await {
        Ok(system) => {
            match system.docker_problem {
                None => println!(
                    "\nThis host runs containers with Docker {}.",
                    system.docker_version.unwrap_or_default()
                ),
                Some(problem) => println!("\nThis host can't run containers yet. {problem}"),
            }
            if let Some(sftp) = system.sftp {
                match sftp.problem {
                    None => println!("SFTP is on port {}.", sftp.port),
                    Some(problem) => println!("{problem}"),
                }
            }
        }
        Err(error) => println!("\nThis host can't run containers yet. {error}"),
    }
    println!(
        "Next: import a template (an egg), then create a container. Ctrl-C stops Raptor and leaves containers running.\n"
    );
}
