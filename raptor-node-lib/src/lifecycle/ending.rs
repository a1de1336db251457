//! How processes end, as their supervisor sees it.

use super::{
    attend::End,
    install_disk::{self, Measured},
    supervisor::Supervisor,
};
use raptor_model::{
    containers::lifecycle::{Ending, Input, Phase},
    node::{Crashes, Exit, Fault, Happening},
};

/// How much room below a disk limit counts as none, in bytes.
const ALMOST_FULL: u64 = 1024 * 1024;

impl Supervisor {
    pub(super) async fn exited(&mut self, end: End) {
        let Some(run) = self.run.take() else { return };
        self.end_errand();
        self.killing = false;
        self.ended_after = run.after_line;
        self.last = Some(run);
        let End { ended, interrupted, by_hand } = end;
        let asked = self.life.phase == Phase::Stopping;
        let badly = ended.code != 0 || ended.out_of_memory;
        let policy = self.spec.policy;
        let crash = !asked
            && !interrupted
            && !by_hand
            && policy.detect_crashes
            && (badly || policy.clean_exit_is_crash);
        let exit =
            Exit { code: ended.code, out_of_memory: ended.out_of_memory, crash, at: self.ground.clock.now() };
        self.stdin = None;
        let fault = self.fault_of(exit, asked).await;
        self.status.send_modify(|status| {
            (status.last_exit, status.started_at, status.process_revision) = (Some(exit), None, None);
            if let Some(fault) = fault {
                status.fault = Some(Box::new(fault));
            }
        });
        self.console.set_partial("");
        let ending = match (interrupted, badly) {
            _ if by_hand => Ending::ByHand,
            (true, _) => Ending::Interrupted,
            (false, true) => Ending::Badly,
            (false, false) => Ending::Clean,
        };
        self.ground.say(&self.console, words(exit, (!asked).then_some(ending)));
        if !asked && !crash && !interrupted {
            self.tell_api(Happening::Ended { exit, by_hand });
        }
        self.input(Input::Exited(ending)).await;
        if !asked && interrupted && self.life.phase == Phase::Starting {
            self.tell_api(Happening::Recovered);
        }
    }

    /// What can be mended of how a process ended: it ran out of memory, or of disk where the kernel keeps the limit.
    async fn fault_of(&self, exit: Exit, asked: bool) -> Option<Fault> {
        let limits = &self.spec.limits;
        if exit.out_of_memory {
            let limit_mib = Some(limits.memory_mib).filter(|limit| *limit > 0);
            return Some(Fault::OutOfMemory { limit_mib, details: None });
        }
        if asked || exit.code == 0 || limits.disk_mib == 0 {
            return None;
        }
        let (ground, place, disk_mib) = (self.ground.clone(), self.place.clone(), limits.disk_mib);
        let measured =
            tokio::task::spawn_blocking(move || install_disk::measure(&ground, &place, disk_mib)).await;
        let Measured { used, trash } = measured.ok()?;
        let full = used.saturating_add(ALMOST_FULL) >= disk_mib.saturating_mul(1024 * 1024);
        full.then(|| super::disk_full(used, disk_mib, trash))
    }

    pub(super) fn report_crash(&self) {
        let (exit, crashes) = {
            let status = self.status.borrow();
            (status.last_exit, status.crashes.clone())
        };
        let (Some(exit), Some(Crashes { count, quarantined, lines, .. })) = (exit, crashes) else { return };
        if quarantined {
            let text = format!(
                "It crashed {count} times in a row and is no longer started by itself. Start it to try again."
            );
            self.ground.say(&self.console, text);
        }
        self.tell_api(Happening::Crashed { exit, count, quarantined, lines });
    }
}

/// `ending`: how it ended where nobody had asked for it.
fn words(exit: Exit, ending: Option<Ending>) -> String {
    let code = exit.code;
    match exit {
        Exit { out_of_memory: true, .. } => format!("Stopped: it ran out of memory (exit code {code})."),
        _ if ending == Some(Ending::ByHand) => format!(
            "Stopped: it was ended on the host with Docker's own command, not by Raptor (exit code {code}). It stays offline until it is started."
        ),
        _ if ending == Some(Ending::Interrupted) => {
            "Stopped: it was interrupted with its host or engine.".into()
        }
        Exit { crash: true, .. } => format!("The container crashed (exit code {code})."),
        _ => format!("Stopped: the process ended (exit code {code})."),
    }
}
