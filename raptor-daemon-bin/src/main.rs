//! `raptor-daemon`: configuration, logs, serving, and leaving containers running at the end.

use anyhow::Context;
use raptor_daemon::{
    config::{self, Cli, Command, Config},
    openapi, router, transport,
};
use raptor_node_lib::start_again;
use raptor_outbound::Outbound;
use raptor_server::{
    http::{self, Limits},
    process::{listen, shutdown_signal},
    say,
};
use std::{io::ErrorKind, process::ExitCode, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Maximum number of connections per address: an API has one for each watched console and each file in transfer.
const PER_ADDRESS: usize = 5_000;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raptor-daemon: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let Cli { command, config } = config::read()?;
    match command.unwrap_or(Command::Serve) {
        Command::Openapi => say(serde_json::to_string_pretty(&openapi())?)?,
        Command::Setup(setup) => say(raptor_daemon::setup::run(&setup, std::io::stdin().lock())?)?,
        Command::RemoveRules => {
            let removed = raptor_node_lib::remove_rules().context("the firewall can't be changed")?;
            say(format!("Daemons whose rules were removed: {removed}. Running daemons restore theirs."))?;
        }
        Command::Serve => serve(config).await?,
    }
    Ok(())
}

async fn serve(config: Config) -> anyhow::Result<()> {
    raptor_server::logs::start(&config.rust_log)?;
    let key = config.daemon_api_key.clone().context(
        "DAEMON_API_KEY is not set. Add this host in the panel (Daemons, Add daemon) and copy the key that it shows.",
    )?;
    let listener = listen("DAEMON_ADDR", config.daemon_addr).await?;
    let (transport, upgrade) = transport::of(&config, key.expose())?;
    let host = config
        .host
        .builder(&config.sftp_base_path)
        .outbound(Outbound::default().open(config.outbound_allow.clone()))
        .exempt(config.trusted_proxies.clone())
        .build()
        .await
        .map_err(|error| not_usable(&config, error))?;
    // If the SFTP port is in use, that is logged and retried: containers matter more.
    if let Some(problem) = raptor_model::node::Node::system(&host).await?.docker_problem {
        tracing::warn!("{problem}");
    }
    tracing::info!(addr = %config.daemon_addr, version = env!("CARGO_PKG_VERSION"), "serving");
    let mut router = router(Arc::new(host.clone()), key.expose().to_owned());
    if let Some(upgrade) = upgrade.map(Arc::new) {
        upgrade.settle();
        router = upgrade.over(router);
    }
    let limits = Limits { per_address: PER_ADDRESS, ..Limits::exempting(config.trusted_proxies.clone()) };
    let end = CancellationToken::new();
    let again = tokio::select! {
        () = http::serve(listener, transport, router, limits, end) => false,
        () = shutdown_signal() => {
            tracing::info!("stopping; containers keep running");
            false
        }
        () = host.disk_came_back() => {
            tracing::info!("the disk is mounted again: restarting to use it; containers keep running");
            true
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), host.shutdown()).await;
    if again {
        start_again().context("the daemon can't restart itself; start it by hand")?;
    }
    Ok(())
}

/// The error for a folder that can't be used, with how to fix it.
fn not_usable(config: &Config, error: std::io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        // It is in use, which the sentence explains.
        ErrorKind::WouldBlock => return anyhow::anyhow!(error),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "its disk is full. Free some space there (`df -h` shows it), then start the daemon again; containers keep running"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "its file system is read-only, which the system does after a disk fault. Check `dmesg`, mount it for writing, then start the daemon again; containers keep running"
        }
        _ => "set it to a folder that this user may write to",
    };
    anyhow::anyhow!("SFTP_BASE_PATH is {}: {advice} ({error})", config.sftp_base_path.display())
}
