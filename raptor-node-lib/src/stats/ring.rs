//! A file with one ring per range. A step's position in its ring follows from its time, so the file has a fixed size and needs
//! no index; each step stores its own time.

use super::slot::{BYTES, Slot};
use raptor_model::node::StatsRange;
use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

/// The offset of a range's ring, in bytes.
fn begin(range: StatsRange) -> u64 {
    let before = StatsRange::ALL.iter().take_while(|other| **other != range);
    before.map(|range| u64::from(range.steps()) * BYTES as u64).sum()
}

fn place(range: StatsRange, step: i64) -> u64 {
    let index = step.rem_euclid(i64::from(range.steps())).unsigned_abs();
    begin(range) + index * BYTES as u64
}

/// Adds measurements to the steps that contain them, in the rings of all ranges.
///
/// # Errors
/// I/O errors, also if the folder doesn't exist.
pub(super) fn add(path: &Path, slots: &[Slot]) -> io::Result<()> {
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    for slot in slots {
        for range in StatsRange::ALL {
            let seconds = i64::from(range.step_seconds());
            let step = slot.start.div_euclid(seconds);
            let (at, start) = (place(range, step), step * seconds);
            let mut bytes = [0; BYTES];
            let there = file.read_exact_at(&mut bytes, at).ok().and_then(|()| Slot::read(&bytes));
            let merged = match there.filter(|there| there.start == start) {
                Some(mut there) => {
                    there.merge(slot);
                    there
                }
                None => slot.beginning(start),
            };
            file.write_all_at(&merged.bytes(), at)?;
        }
    }
    Ok(())
}

/// The steps of a range, starting with the one that begins at `from` (Unix time in seconds); `None` for steps without
/// measurements.
///
/// # Errors
/// I/O errors. A file that doesn't exist has no measurements.
pub(super) fn read(path: &Path, from: i64, range: StatsRange) -> io::Result<Vec<Option<Slot>>> {
    let steps = range.steps() as usize;
    let mut ring = vec![0; steps * BYTES];
    match File::open(path) {
        Ok(file) => read_at_most(&file, &mut ring, begin(range))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let seconds = i64::from(range.step_seconds());
    let first = from.div_euclid(seconds);
    let slot = |step: i64| {
        let offset = usize::try_from(place(range, step) - begin(range)).ok()?;
        let slot = Slot::read(ring.get(offset..)?)?;
        (slot.start == step * seconds).then_some(slot)
    };
    Ok((first..first + i64::from(range.steps())).map(slot).collect())
}

/// Reads as far as the file reaches; the rest was never written.
fn read_at_most(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read_at(bytes, at) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                bytes = bytes.get_mut(read..).unwrap_or_default();
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
