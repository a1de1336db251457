//! A server as a process: its listening address, its limits and its shutdown signal.

pub use raptor_node_lib::allow_open_files;

use anyhow::{Context, bail};
use std::{io::ErrorKind, net::SocketAddr};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Binds the address, which comes from the setting `setting`, or explains in a sentence why that fails.
///
/// # Errors
/// If the port is in use or needs more privileges, or the address is not one of this machine.
pub async fn listen(setting: &str, addr: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => bail!(
                "Port {} is taken by another program. Stop it, or set {setting} to another address, such as {setting}={}:{}.",
                addr.port(),
                addr.ip(),
                addr.port().checked_add(1).unwrap_or(3000)
            ),
            ErrorKind::PermissionDenied => {
                bail!("Port {} needs more privileges. Set {setting} to a port above 1023.", addr.port())
            }
            ErrorKind::AddrNotAvailable => bail!(
                "{} is not an address of this machine. Set {setting} to one that is, or to 0.0.0.0.",
                addr.ip()
            ),
            _ => Err(error).with_context(|| format!("{setting} {addr} can't be used")),
        },
    }
}

/// Completes on Ctrl-C or SIGTERM.
pub async fn shutdown_signal() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
