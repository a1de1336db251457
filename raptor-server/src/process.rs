//! A server as a process: its address, its limits, and the signal that ends it.

pub use raptor_node_lib::allow_open_files;

use anyhow::{Context, bail};
use std::{io::ErrorKind, net::SocketAddr};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Takes the address, which was set by `setting`, or says in a sentence why not.
///
/// # Errors
/// When the port is taken, needs more rights, or the address is not this machine's.
pub async fn listen(setting: &str, addr: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => bail!(
                "Port {} is taken by another program. Stop that one, or set {setting} to another address, such as {setting}={}:{}.",
                addr.port(),
                addr.ip(),
                addr.port().checked_add(1).unwrap_or(3000)
            ),
            ErrorKind::PermissionDenied => {
                bail!("Port {} needs more rights. Set {setting} to a port above 1023.", addr.port())
            }
            ErrorKind::AddrNotAvailable => bail!(
                "{} is no address of this machine. Set {setting} to one that is, or to 0.0.0.0.",
                addr.ip()
            ),
            _ => Err(error).with_context(|| format!("{setting} {addr} can't be used")),
        },
    }
}

/// Resolves on Ctrl-C and on SIGTERM.
pub async fn asked_to_end() {
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
