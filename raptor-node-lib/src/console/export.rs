//! Exporting a console as a text file, produced while it is sent.

use super::{Chunk, Console, segment::Mark};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::{StreamExt, stream};
use raptor_model::{
    console::written,
    node::{ConsoleExport, Download},
};
use std::{
    io::{self, Write},
    sync::Arc,
};

/// Lines read at a time.
const LINES: usize = 1_024;

struct Export {
    console: Arc<Console>,
    how: ConsoleExport,
    after: u64,
    /// The newest line at the start of the export, so that a console with constant output has an end.
    until: u64,
    mark: Option<Mark>,
    packer: Option<GzEncoder<Vec<u8>>>,
    ended: bool,
}

/// The console's current content as text.
pub fn export(console: Arc<Console>, how: ConsoleExport) -> Download {
    let packer = how.gzip.then(|| GzEncoder::new(Vec::new(), Compression::default()));
    let until = console.newest();
    let export = Export { console, how, after: 0, until, mark: None, packer, ended: false };
    let pieces = stream::try_unfold(export, |mut export| async move {
        let read = tokio::task::spawn_blocking(move || {
            let piece = export.piece()?;
            Ok::<_, io::Error>(piece.map(|piece| (piece, export)))
        });
        read.await.map_err(io::Error::other)?
    });
    pieces.boxed()
}

impl Export {
    /// The next chunk; `None` at the end. Blocking.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while !self.ended {
            let mut text = String::new();
            match self.console.piece(self.after, LINES, &mut self.mark) {
                Chunk::Nothing => self.ended = true,
                Chunk::Gap(next) => {
                    // Lines from before the export started don't count as missing.
                    if self.after > 0 {
                        text = format!(
                            "--- lines {} to {} are no longer available ---\n",
                            self.after + 1,
                            next - 1
                        );
                    }
                    self.after = next - 1;
                }
                Chunk::Lines(lines) => {
                    let wanted = lines.iter().take_while(|line| line.seq <= self.until);
                    text = wanted.map(|line| written(line, &self.how)).collect();
                    self.after = lines.last().map_or(self.until, |line| line.seq);
                }
            }
            self.ended |= self.after >= self.until;
            let bytes = self.packed(text.into_bytes())?;
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
        Ok(None)
    }

    fn packed(&mut self, text: Vec<u8>) -> io::Result<Vec<u8>> {
        let Some(mut packer) = self.packer.take() else { return Ok(text) };
        packer.write_all(&text)?;
        if self.ended {
            return packer.finish();
        }
        let packed = std::mem::take(packer.get_mut());
        self.packer = Some(packer);
        Ok(packed)
    }
}
