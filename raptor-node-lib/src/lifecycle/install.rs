//! Running a template's installation script in a container of its own.

use super::{
    ContainerPaths, HostContext,
    boot::{environment, prepared},
    engine::{self, Interruption},
    failure::Failure,
    image,
    monitor::{ASK_AGAIN, End, ProcessMonitor},
    ownership,
    registry::Need,
    supervisor::Msg,
    zone,
};
use crate::{
    console::Console,
    desired::Run,
    files::{self, Root},
    runtime::{Attached, Part, RuntimeError, Shape, installer_memory_mib},
};
use raptor_model::{
    configfiles::Memory,
    node::{ContainerSpec, Fault, InstallSpec, LineKind, Progress},
};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};
use tokio::sync::mpsc;

/// The exit code of a killed script, which no script uses itself.
const KILLED: i64 = 137;
/// Less free space than this below a disk limit counts as full, in KiB: scripts often delete some of what did not fit.
const FULL_KIB: u64 = 1_024;

/// One installation.
pub(super) struct Installation {
    pub(super) context: Arc<HostContext>,
    pub(super) place: ContainerPaths,
    pub(super) spec: ContainerSpec,
    pub(super) install: InstallSpec,
    pub(super) console: Arc<Console>,
    pub(super) messages: mpsc::Sender<Msg>,
}

impl Installation {
    /// Runs it from the beginning, or attends the process `run` that an earlier daemon started.
    ///
    /// The value of a successful result is a warning.
    pub(super) async fn run(self, run: Option<Run>) -> Result<Option<String>, Failure> {
        let (end, full) = match run {
            Some(run) => self.stay_within_limit(&run, None).await,
            None => {
                let (run, started) = self.start().await?;
                self.stay_within_limit(&run, started).await
            }
        };
        let settled = self.settle().await;
        if let Some(full) = full {
            return Err(full);
        }
        match end {
            // One that says that it succeeded has, even if the engine was away at that moment.
            End { interrupted: true, ended, .. } | End { by_hand: true, ended, .. } if ended.code != 0 => {
                Err("The installation was interrupted: its container was ended from outside. Install again."
                    .to_owned()
                    .into())
            }
            End { ended, .. } if ended.out_of_memory => {
                let limit = installer_memory_mib(&self.spec.limits);
                let why = format!(
                    "The installation needed more memory than the {limit} MiB that it may use. Give the container a higher limit \
                     than that and install again."
                );
                Err(Failure::new(why, Fault::OutOfMemory { limit_mib: Some(limit), details: None }))
            }
            End { ended, .. } if ended.code != 0 => {
                let exit_code = ended.code;
                if self.install.strict || exit_code == KILLED {
                    return Err(Failure::new(
                        format!("The installation script failed with exit code {exit_code}."),
                        Fault::ScriptFailed { exit_code },
                    ));
                }
                settled?;
                self.within_disk().await?;
                Ok(Some(format!(
                    "Installed, but the script ended with exit code {}. Check its last lines before you start the container.",
                    ended.code
                )))
            }
            End { .. } => Ok(settled.map(|()| None)?),
        }
    }

    /// Starts it as soon as the engine answers. `None` if it is running but not attached yet.
    async fn start(&self) -> Result<(Run, Option<Attached>), Failure> {
        loop {
            engine::answers(&self.context, &self.messages).await;
            match self.attempt().await {
                Ok(started) => return Ok(started),
                Err(Interruption::For(failure)) => return Err(failure),
                Err(Interruption::Away) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn attempt(&self) -> Result<(Run, Option<Attached>), Interruption> {
        let Self { context, place, spec, install, console, messages } = self;
        let say = Interruption::of(spec, "Docker refused to start the installer.");
        if engine::running(context, place).await.map_err(say)?.is_some() {
            let why =
                "The container runs in Docker, so its files are not changed. Stop it, then install it again.";
            return Err(why.to_owned().into());
        }
        if let Some(problem) = context.folder_problem().await {
            return Err(problem.into());
        }
        image::have(context, Need::Installer, &install.image, console, messages).await?;
        let _ = messages.send(Msg::Progress(Some(Progress::Preparing))).await;
        let (data, script, wipe) = (place.data.clone(), place.state.script(), install.wipe);
        let (text, disk_mib) = (install.script.clone(), spec.limits.disk_mib);
        let (common, own) = (context.clone(), place.clone());
        let ready = tokio::task::spawn_blocking(move || {
            if wipe {
                files::remove(&data)?;
                own.state.keep_memory(&Memory::new(false))?;
            }
            Root::open(&data, common.uid, common.gid)?;
            // Wiped files no longer count.
            super::install_disk::measure(&common, &own, disk_mib);
            super::limit_disk(&common, &own, disk_mib).map_err(io::Error::other)?;
            write_script(&script, &text)
        });
        ready
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("The installation can't be prepared: {error}"))?;
        let network = context.engine.network(spec, context.pool).await.map_err(say)?;
        context.guard(spec, &network).await?;
        let shape = Shape {
            spec,
            install: Some(install),
            env: environment(context, spec),
            data: &place.data,
            script: &place.state.script(),
            user: (0, 0),
            network,
            zone: zone::of(context, spec).await,
        };
        let name = context.engine.create(shape).await.map_err(say)?;
        let attached = context.engine.attach(&name).await.map_err(say)?;
        let run = engine::new_run(context, console, &name);
        let noted = run.clone();
        prepared(messages, |note| Msg::InstallerPrepared(noted, note)).await?;
        let started = match context.engine.start(&name).await {
            Err(RuntimeError::Away(_)) if engine::started(context, &name, messages).await => None,
            done => {
                done.map_err(say)?;
                Some(attached)
            }
        };
        let _ = messages.send(Msg::Progress(None)).await;
        Ok((run, started))
    }

    pub(super) async fn stay(&self, run: &Run, started: Option<Attached>) -> End {
        let monitor = ProcessMonitor {
            context: self.context.clone(),
            name: run.container.clone().unwrap_or_else(|| self.place.installer.clone()),
            console: self.console.clone(),
            kind: LineKind::Install,
            after_line: run.after_line,
            other_boot: run.boot_id != self.context.boot_id,
            done: None,
            messages: self.messages.clone(),
        };
        // An installer gets no input.
        let (_nobody, input) = mpsc::channel(1);
        monitor.run(started, input).await
    }

    /// Checks that the disk limit was not reached: a script that failed because of it exits with some code of its own.
    async fn within_disk(&self) -> Result<(), Failure> {
        let limit_mib = self.spec.limits.disk_mib;
        let (data, uid, gid) = (self.place.data.clone(), self.context.uid, self.context.gid);
        if limit_mib == 0 {
            return Ok(());
        }
        let used =
            tokio::task::spawn_blocking(move || Root::open(&data, uid, gid).map_or(0, |root| root.size()));
        let used = used.await.map_err(|error| error.to_string())?;
        let used_kib = used / 1024;
        let limit_kib = limit_mib.saturating_mul(1024);
        if used_kib.saturating_add(FULL_KIB) < limit_kib {
            return Ok(());
        }
        let usage = self.context.accounts.of(self.place.id, limit_mib);
        let trash = tokio::task::spawn_blocking(move || usage.trash()).await.unwrap_or(0);
        let why = format!(
            "The installation needs more disk than the container's limit of {limit_mib} MiB. Have the limit raised and install again."
        );
        Err(Failure::new(why, super::disk_full(used, limit_mib, trash)))
    }

    /// Removes everything that existed only for the installer, and gives the files back to the container's user.
    async fn settle(&self) -> Result<(), String> {
        discard(&self.context, &self.place).await;
        let (data, uid, gid) = (self.place.data.clone(), self.context.uid, self.context.gid);
        if !self.context.root {
            let Self { context, place, install, .. } = self;
            let given =
                context.engine.chown(place.id, &place.installer, &install.image, &data, (uid, gid)).await;
            return given.map_err(|error| {
                format!("The installed files can't be given to the container's user: {error}")
            });
        }
        let given = tokio::task::spawn_blocking(move || {
            ownership::chown(&data, uid, gid)?;
            // An installer may have opened the folder to everybody, or set bits that new files inherit.
            files::close(&data)
        });
        given
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("The installed files can't be given to the container's user: {error}"))
    }
}

/// Removes the installer's container and the script.
pub(super) async fn discard(context: &HostContext, place: &ContainerPaths) {
    if let Err(error) = context.engine.remove(place.id, Part::Installer).await {
        tracing::warn!(%error, id = %place.id, "removing the installer's container failed");
    }
    let script = place.state.script();
    let removed = tokio::task::spawn_blocking(move || files::remove(&script)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, id = %place.id, "deleting the installation script failed");
    }
}

/// Writes the script readable by root only. Most published scripts have CRLF line ends, with which a shell would fail.
fn write_script(folder: &Path, text: &str) -> io::Result<()> {
    files::remove(folder)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o700).open(folder.join("install.sh"))?;
    io::Write::write_all(&mut { file }, mend(text).as_bytes())
}

fn mend(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_gets_the_line_ends_that_a_shell_understands() {
        assert_eq!(mend("#!/bin/bash\r\necho a\recho b\n"), "#!/bin/bash\necho a\necho b\n");
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("install");
        write_script(&script, "x\r\n").unwrap();
        write_script(&script, "y\r\n").unwrap();
        assert_eq!(fs::read_to_string(script.join("install.sh")).unwrap(), "y\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&script).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
    }
}
