//! Turning a process's output into console lines.

use super::{HostContext, supervisor::Msg};
use crate::console::{Console, Decoder};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use raptor_model::{node::LineKind, templates::DoneRules, text::Encoding};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Output without a newline is shown after this time.
const PROMPT_AFTER: Duration = Duration::from_millis(50);

/// The end of the console, for recognising what it already has when output is replayed.
///
/// An engine that is killed may have delivered lines that it had not stored yet. In its log, other lines follow in their place,
/// so counting bytes is not enough: the last lines are compared.
#[derive(Debug, Default)]
pub(super) struct ReplayFilter {
    /// The offset of these lines in the run's output.
    pub(super) from: u64,
    lines: VecDeque<(String, u64)>,
    /// Whether one of them was replayed.
    met: bool,
}

impl ReplayFilter {
    /// The newest output after line `after_line`.
    pub(super) fn of(console: &Console, after_line: u64) -> Self {
        let (from, lines) = console.output_since(after_line);
        Self { from, lines: lines.into(), met: false }
    }

    /// The lines that the console does not have yet.
    fn without(&mut self, mut lines: Vec<(String, u64)>) -> Vec<(String, u64)> {
        lines.retain(|line| {
            let Some(known) = self.lines.front() else { return true };
            if known == line {
                self.lines.pop_front();
                self.met = true;
                return false;
            }
            // From the first difference on, all lines are new. If no line matches, only the byte count can tell.
            let new = self.met || self.lines.back().is_none_or(|last| line.1 > last.1);
            if new {
                self.lines.clear();
            }
            new
        });
        lines
    }
}

/// Where the output goes.
pub(super) struct OutputReader {
    pub(super) context: Arc<HostContext>,
    pub(super) console: Arc<Console>,
    pub(super) kind: LineKind,
    pub(super) known: ReplayFilter,
    pub(super) done: Option<DoneRules>,
    pub(super) messages: mpsc::Sender<Msg>,
}

impl OutputReader {
    /// Adds output to the console until it ends, and looks for the line that says that the process is ready. Returns the text
    /// after the last newline.
    pub(super) async fn read(self, mut output: BoxStream<'static, Bytes>) -> Option<(String, u64)> {
        let Self { context, console, kind, mut known, mut done, messages } = self;
        let mut decoder = Decoder::at(known.from);
        let mut unshown = false;
        loop {
            let chunk = match unshown {
                false => output.next().await,
                true => match tokio::time::timeout(PROMPT_AFTER, output.next()).await {
                    Ok(chunk) => chunk,
                    Err(_) => {
                        console.set_partial(&decoder.partial());
                        unshown = false;
                        continue;
                    }
                },
            };
            let Some(chunk) = chunk else { break };
            // An installer runs in an image of its own, whose tools write UTF-8.
            let installs = kind == LineKind::Install;
            decoder.read_as(if installs { Encoding::UTF_8 } else { console.encoding() });
            let lines = decoder.feed(&chunk);
            let ready = done.as_ref().is_some_and(|done| lines.iter().any(|(line, _)| done.matches(line)));
            let lines = known.without(lines);
            if !lines.is_empty() {
                console.set_partial("");
            }
            console.output(context.clock.now(), kind, lines);
            if ready {
                done = None;
                let _ = messages.send(Msg::Ready).await;
            }
            unshown = decoder.has_partial();
        }
        console.set_partial("");
        decoder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<(String, u64)> {
        let mut bytes = 100;
        let line = |text: &&str| {
            bytes += text.len() as u64 + 1;
            ((*text).to_owned(), bytes)
        };
        texts.iter().map(line).collect()
    }

    fn new_of(known: &[&str], again: &[&str], pieces: usize) -> Vec<String> {
        let mut known = ReplayFilter { from: 100, lines: lines(known).into(), met: false };
        let again = lines(again);
        let pieces = again.chunks(pieces).map(<[_]>::to_vec);
        pieces.flat_map(|piece| known.without(piece)).map(|(text, _)| text).collect()
    }

    #[test]
    fn what_comes_again_is_left_out_and_what_differs_is_new() {
        for pieces in 1..5 {
            assert_eq!(new_of(&["1", "2", "3"], &["1", "2", "3", "4"], pieces), ["4"]);
            // The engine had not stored the third line when it was killed.
            assert_eq!(new_of(&["1", "2", "3"], &["1", "2", "4", "5"], pieces), ["4", "5"]);
            assert_eq!(new_of(&["1", "2", "3"], &["1", "2", "44", "5"], pieces), ["44", "5"]);
            assert_eq!(new_of(&[], &["1", "2"], pieces), ["1", "2"]);
            // No line matches, so the byte count decides.
            assert_eq!(new_of(&["1", "2"], &["a", "b", "c"], pieces), ["c"]);
        }
    }
}
