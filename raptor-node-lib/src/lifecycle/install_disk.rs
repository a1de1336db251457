//! Enforcing the container's disk limit during an installation: the container's folder and the installer's own root file system
//! count together.

use super::{ContainerPaths, HostContext, failure::Failure, install::Installation, monitor::End};
use crate::{
    desired::Run,
    files::Root,
    runtime::{Attached, RuntimeError},
};
use raptor_model::node::amount;
use std::{io, time::Duration};
use tokio::time::Instant;

/// The shortest pause between two measurements.
const PAUSE: Duration = Duration::from_secs(2);
/// The pause is at least this multiple of the last measurement's duration, since large folders take long.
const SHARE: u32 = 5;

impl Installation {
    /// Attends the installer until it has ended, and kills it once it exceeds the limit. The second value is then the failure.
    pub(super) async fn stay_within_limit(
        &self,
        run: &Run,
        started: Option<Attached>,
    ) -> (End, Option<Failure>) {
        let mut full = None;
        let name = run.container.as_ref().unwrap_or(&self.place.installer);
        let end = {
            let mut staying = std::pin::pin!(self.stay(run, started));
            tokio::select! {
                end = &mut staying => end,
                why = self.until_full(name) => {
                    // The reason is reported when it has ended, as for every failed installation.
                    self.context.say(&self.console, "Killing the installer: the disk limit is reached.");
                    full = Some(why);
                    tokio::select! {
                        end = &mut staying => end,
                        never = self.kill(name) => match never {},
                    }
                }
            }
        };
        if full.is_none() {
            // What it wrote last, before its container is removed.
            full = self.overrun(name).await;
        }
        (end, full)
    }

    async fn until_full(&self, name: &str) -> Failure {
        loop {
            let began = Instant::now();
            if let Some(why) = self.overrun(name).await {
                return why;
            }
            tokio::time::sleep(PAUSE.max(began.elapsed() * SHARE)).await;
        }
    }

    /// The failure, if the limit is exceeded.
    async fn overrun(&self, name: &str) -> Option<Failure> {
        let limit_mib = self.spec.limits.disk_mib;
        if limit_mib == 0 {
            return None;
        }
        let (context, place) = (self.context.clone(), self.place.clone());
        let measured = tokio::task::spawn_blocking(move || measure(&context, &place, limit_mib)).await;
        let Measured { used, trash } = measured.unwrap_or_default();
        // Unknown if the engine does not answer; it is asked again.
        let own = self.context.engine.written(name).await.unwrap_or(0);
        let limit = limit_mib.saturating_mul(1024 * 1024);
        let all = used.saturating_add(own);
        (all > limit).then(|| {
            Failure::new(words(used, own, trash, limit_mib), super::disk_full(all, limit_mib, trash))
        })
    }

    /// Kills the installer, repeatedly until the task that waits for its end notices.
    async fn kill(&self, name: &str) -> std::convert::Infallible {
        loop {
            match self.context.engine.signal(name, "SIGKILL").await {
                Ok(()) | Err(RuntimeError::NotFound | RuntimeError::Refused(_)) => {}
                Err(error) => {
                    tracing::warn!(%error, id = %self.place.id, "killing an installer at its disk limit failed")
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Disk usage in bytes.
#[derive(Default)]
pub(super) struct Measured {
    /// The container's folder and the folder beside it.
    pub(super) used: u64,
    /// The trash, which is part of `used`.
    pub(super) trash: u64,
}

/// Measures a container's files. Blocking.
pub(super) fn measure(context: &HostContext, place: &ContainerPaths, limit_mib: u64) -> Measured {
    let usage = context.accounts.of(place.id, limit_mib);
    let measured = || -> io::Result<u64> {
        let beside = place.state.files();
        let root = Root::measured(&place.data, &beside, context.uid, context.gid, usage.clone())?;
        Ok(root.measure(&beside))
    };
    let used = measured().unwrap_or(0);
    Measured { used, trash: usage.trash() }
}

fn words(used: u64, own: u64, trash: u64, limit_mib: u64) -> String {
    let own = match own {
        0 => String::new(),
        own => format!(" and the installer's own files take {}", amount(own)),
    };
    let trash = match trash {
        0 => String::new(),
        trash => format!(" Emptying the trash frees {}.", amount(trash)),
    };
    format!(
        "The installation was stopped at the disk limit of {limit_mib} MiB: the container's files take {}{own}. Have the limit \
         raised and install again.{trash}",
        amount(used)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_too_much_is_said_with_numbers() {
        let mib = 1024 * 1024;
        assert_eq!(
            words(40 * mib, 30 * mib, 8 * mib, 50),
            "The installation was stopped at the disk limit of 50 MiB: the container's files take 40 MiB and the installer's \
             own files take 30 MiB. Have the limit raised and install again. Emptying the trash frees 8 MiB."
        );
    }
}
