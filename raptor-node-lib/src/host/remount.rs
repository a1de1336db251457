//! Going on when the disk with the containers' files is mounted after the daemon was started.

use super::Host;
use std::{convert::Infallible, env, io, os::unix::process::CommandExt, process::Command, time::Duration};

/// How often the folder is looked at, once its disk was missing.
const LOOK_EVERY: Duration = Duration::from_secs(3);

impl Host {
    /// Completes when the disk that was missing as this host was built is mounted. What is open leads to the empty folder below
    /// the mount, so the program has to be started again ([`start_again`]); containers run on meanwhile. Stays pending for ever
    /// where no disk was missing.
    pub async fn disk_came_back(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let context = self.0.context.clone();
            if tokio::task::spawn_blocking(move || context.kept.is_back()).await.unwrap_or(false) {
                return;
            }
        }
    }
}

/// Starts this program again in its own place: with the same process id, arguments and environment.
///
/// # Errors
/// When the program can't be started, as after its file was replaced. The caller goes on then, and should end.
pub fn start_again() -> io::Result<Infallible> {
    Err(Command::new(env::current_exe()?).args(env::args_os().skip(1)).exec())
}
