//! The end of processes from the supervisor's view.

use super::{
    install_disk::{self, Measured},
    monitor::End,
    supervisor::{Msg, Supervisor},
};
use raptor_model::{
    containers::lifecycle::{Ending, Input, Outcome, Phase},
    node::{Exit, Fault, Happening},
};
use tracing::Instrument;

/// Less free space than this below a disk limit counts as full, in bytes.
const ALMOST_FULL: u64 = 1024 * 1024;

impl Supervisor {
    pub(super) async fn exited(&mut self, end: End) {
        let Some(run) = self.run.take() else { return };
        self.cancel_delivery();
        self.killing = false;
        self.ended_after = run.after_line;
        self.last = Some(run);
        let End { ended, interrupted, by_hand } = end;
        let asked = self.life.phase == Phase::Stopping;
        let badly = ended.code != 0 || ended.out_of_memory;
        let (code, out_of_memory, at) = (ended.code, ended.out_of_memory, self.context.clock.now());
        // The state machine decides whether it is a crash.
        let exit = Exit { code, out_of_memory, crash: false, at };
        self.stdin = None;
        let fault = self.memory_fault(exit);
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
        // The disk usage is measured in the background: with many files that takes minutes, and the new state is reported now.
        self.unexplained = Some(exit).filter(|exit| !asked && !exit.out_of_memory && exit.code != 0);
        self.input(Input::Exited(ending)).await;
        self.look_for_disk();
    }

    /// The fault of a process that ran out of memory.
    fn memory_fault(&self, exit: Exit) -> Option<Fault> {
        let limit_mib = Some(self.spec.limits.memory_mib).filter(|limit| *limit > 0);
        exit.out_of_memory.then_some(Fault::OutOfMemory { limit_mib, details: None })
    }

    /// Measures in the background whether the disk was full when the process ended, if that may be the reason. One measurement
    /// at a time.
    fn look_for_disk(&mut self) {
        let disk_mib = self.spec.limits.disk_mib;
        let Some(exit) = self.unexplained.filter(|_| disk_mib > 0 && !self.measuring) else { return };
        self.measuring = true;
        let (context, place, messages) = (self.context.clone(), self.place.clone(), self.messages.clone());
        let stop = context.stop.clone();
        let measuring = async move {
            let measured =
                tokio::task::spawn_blocking(move || install_disk::measure(&context, &place, disk_mib)).await;
            let fault = measured.ok().and_then(|Measured { used, trash }| {
                let full = used.saturating_add(ALMOST_FULL) >= disk_mib.saturating_mul(1024 * 1024);
                full.then(|| super::disk_full(used, disk_mib, trash))
            });
            let _ = messages.send(Msg::Measured(exit, fault)).await;
        };
        let measuring = async move { stop.run_until_cancelled(measuring).await };
        self.context.tasks.spawn(measuring.in_current_span());
    }

    /// Reports the result of that measurement, unless the container was started or installed again in the meantime.
    pub(super) fn measured(&mut self, exit: Exit, fault: Option<Fault>) {
        self.measuring = false;
        match self.unexplained {
            Some(unexplained) if unexplained == exit => self.unexplained = None,
            // It was started in the meantime and has ended once more.
            Some(_) => return self.look_for_disk(),
            None => return,
        }
        let Some(fault) = fault else { return };
        self.status.send_modify(|status| status.fault = Some(Box::new(fault)));
        self.save();
        self.publish();
    }

    /// Writes to the console what the end of the process means, and reports it to the API.
    pub(super) fn report_end(&self, outcome: Outcome) {
        let (exit, news) = {
            let status = self.status.borrow();
            (status.last_exit, status.news_of(outcome))
        };
        if let Some(exit) = exit {
            self.context.say(&self.console, words(exit, outcome));
        }
        if let Some(Happening::Crashed { count, quarantined: true, .. }) = news {
            let text = format!(
                "It crashed {count} times in a row and is no longer restarted automatically. Start it to try again."
            );
            self.context.say(&self.console, text);
        }
        if let Some(news) = news {
            self.report(news);
        }
    }
}

fn words(exit: Exit, outcome: Outcome) -> String {
    let code = exit.code;
    match outcome {
        _ if exit.out_of_memory => format!("Stopped: it ran out of memory (exit code {code})."),
        Outcome::EndedByHand => format!(
            "Stopped: it was ended on the host with Docker's own command, not by Raptor (exit code {code}). It stays offline until it is started."
        ),
        Outcome::Interrupted | Outcome::Recovered => {
            "Stopped: it was interrupted with its host or engine.".into()
        }
        Outcome::Crashed => format!("The container crashed (exit code {code})."),
        Outcome::Stopped | Outcome::Finished => format!("Stopped: the process ended (exit code {code})."),
    }
}
