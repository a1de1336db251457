//! Recovering when the disk with the containers' files is mounted after the daemon was started.

use super::Host;
use std::{convert::Infallible, env, io, os::unix::process::CommandExt, process::Command, time::Duration};

/// How often the folder is checked while its disk is missing.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);

impl Host {
    /// Completes when the disk that was missing when this host was built is mounted. Open files refer to the empty folder below
    /// the mount, so the program has to be restarted ([`start_again`]); containers keep running meanwhile. Pending forever if
    /// no disk was missing.
    pub async fn disk_came_back(&self) {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let context = self.0.context.clone();
            if tokio::task::spawn_blocking(move || context.kept.is_back()).await.unwrap_or(false) {
                return;
            }
        }
    }
}

/// Restarts this program in place: with the same process id, arguments and environment.
///
/// # Errors
/// If the program can't be executed, e.g. because its file was replaced. The caller continues then, and should exit.
pub fn start_again() -> io::Result<Infallible> {
    Err(Command::new(env::current_exe()?).args(env::args_os().skip(1)).exec())
}
