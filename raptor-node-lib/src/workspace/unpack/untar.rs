//! Extracting tar archives.

use super::{Fault, Target, blocks::Blocks, broken, names::Names, refused};
use crate::files::{FileError, FileResult, Time};
use raptor_model::node::names::escape;
use std::io::{self, Read};
use tar::EntryType as Type;

/// The reason for leaving out an entry with a damaged header.
const HEADER_DAMAGED: &str = "Its header is damaged. Unpacking continues at the next intact header.";

/// Where extraction begins.
#[derive(Clone, Copy)]
enum Start {
    /// At the beginning of the archive.
    Whole,
    /// At a header that was found after a damaged one.
    Found,
    /// The same, and the damaged part contained the name of the entry that was found.
    Nameless,
}

impl Target<'_> {
    /// `names`: how to decode names; `None` keeps their bytes. After a damaged header, extraction continues with the next valid
    /// one, as GNU tar does.
    pub(super) fn untar(&mut self, content: Box<dyn Read>, names: Option<Names>) -> FileResult<()> {
        let mut blocks = Blocks::new(content);
        let mut start = Start::Whole;
        loop {
            let Some(error) = self.untar_on(&mut blocks, names.as_ref(), start)? else { return Ok(()) };
            let why = match broken(error) {
                FileError::Invalid(why) => why,
                error => return Err(error),
            };
            if blocks.failed {
                return Err(self.ended(&why));
            }
            start = if blocks.describes_next() { Start::Nameless } else { Start::Found };
            if matches!(start, Start::Found) {
                self.settle(&blocks.name(), Err(refused(HEADER_DAMAGED)))?;
            }
            match blocks.skip_to_header(&mut self.bounds) {
                Ok(true) => {}
                Ok(false) => return Err(self.ended(&why)),
                Err(FileError::Invalid(why)) => return Err(self.ended(&why)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Extracts up to the end, or to a header that can't be read, whose error is returned.
    fn untar_on(
        &mut self,
        blocks: &mut Blocks,
        names: Option<&Names>,
        start: Start,
    ) -> FileResult<Option<io::Error>> {
        let mut archive = tar::Archive::new(blocks);
        // An apparent end may be part of the skipped entry's content.
        archive.set_ignore_zeros(!matches!(start, Start::Whole));
        let mut nameless = matches!(start, Start::Nameless);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Ok(Some(error)),
            };
            self.bounds.entry()?;
            let text = |bytes: &[u8]| match names {
                Some(names) => escape(names.decode(bytes).as_bytes()).into_owned(),
                None => escape(bytes).into_owned(),
            };
            let name = text(&entry.path_bytes());
            let unpacked = match std::mem::take(&mut nameless) {
                true => Err(refused("The header with its full name is damaged.")),
                false => self.tar_entry(&mut entry, &name, &text),
            };
            self.settle(&name, unpacked)?;
        }
        Ok(None)
    }

    fn tar_entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        name: &str,
        text: &impl Fn(&[u8]) -> String,
    ) -> Result<(), Fault> {
        let mode = entry.header().mode().unwrap_or(0o644);
        let modified = modified(entry);
        let link = entry.link_name_bytes().map(|target| text(&target)).unwrap_or_default();
        match entry.header().entry_type() {
            Type::Directory => self.folder(name, modified),
            kind @ (Type::Regular | Type::Continuous | Type::GNUSparse) => {
                let size = (kind != Type::GNUSparse).then(|| entry.size());
                self.file(name, mode, modified, &mut Whole { content: entry, left: size })
            }
            Type::Symlink => self.link(name, &link, modified),
            Type::Link => self.twin(name, &link),
            Type::XGlobalHeader => Ok(()),
            _ => Err(refused("It is a device or a pipe.")),
        }
    }
}

/// The modification time, in seconds or more precisely if the archive has it (pax).
fn modified<R: Read>(entry: &mut tar::Entry<'_, R>) -> Option<Time> {
    let pax = entry.pax_extensions().ok().flatten();
    let text = pax.and_then(|mut pairs| {
        pairs.find_map(|pair| {
            pair.ok().filter(|pair| pair.key_bytes() == b"mtime")?.value().ok().map(str::to_owned)
        })
    });
    let fine = text.and_then(|text| {
        let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let (seconds, part) = (seconds.parse::<i64>().ok()?, digits.parse::<u32>().ok()?);
        Some(match (text.starts_with('-'), part) {
            (_, 0) | (false, _) => Time { seconds, nanoseconds: part },
            (true, part) => Time { seconds: seconds.checked_sub(1)?, nanoseconds: 1_000_000_000 - part },
        })
    });
    let coarse = || {
        let seconds = i64::try_from(entry.header().mtime().ok()?).ok()?;
        Some(Time { seconds, nanoseconds: 0 })
    };
    fine.or_else(coarse)
}

/// Content that fails unless it is as long as the archive says.
struct Whole<'c, R> {
    content: &'c mut R,
    left: Option<u64>,
}

impl<R: Read> Read for Whole<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        if let Some(left) = &mut self.left {
            if read == 0 && *left > 0 && !buffer.is_empty() {
                return Err(FileError::Invalid("The archive is damaged: it ends too early.".into()).into());
            }
            *left = left.saturating_sub(read as u64);
        }
        Ok(read)
    }
}
