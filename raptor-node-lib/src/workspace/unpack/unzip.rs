//! Extracting zip archives.

use super::{super::pack::zip_error, Fault, MAX_TARGET, PIECE, Target, broken, damage, names::Names};
use crate::files::{File, FileResult, Time};
use chrono::NaiveDate;
use raptor_model::node::names::escape;
use std::io::{BufReader, Read};
use zip::{ExtraField, System, read::ZipFile};

/// Seconds between 1601, the epoch of Windows, and 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

impl Target<'_> {
    /// `names`: how to decode names that aren't UTF-8; detected if `None`.
    pub(super) fn unzip(&mut self, file: File, names: Option<Names>) -> FileResult<()> {
        // Each entry is located separately.
        self.solid = false;
        let mut archive = zip::ZipArchive::new(BufReader::with_capacity(PIECE, file)).map_err(zip_error)?;
        let chosen = names.is_some();
        let names = names.unwrap_or_else(|| {
            let all: Vec<_> = archive.file_names_raw().collect();
            Names::recognised(all.iter().copied())
        });
        for index in 0..archive.len() {
            self.bounds.entry()?;
            let shown = archive.name_for_index(index).and_then(Result::ok).unwrap_or_default().into_owned();
            let (name, unpacked) = match archive.by_index(index) {
                Ok(mut entry) => {
                    let name = name_of(&entry, &names, chosen);
                    let unpacked = self.zip_entry(&mut entry, &name);
                    (name, unpacked)
                }
                Err(error) => (shown, Err(Fault::from(zip_error(error)))),
            };
            self.settle(&name, unpacked)?;
        }
        Ok(())
    }

    fn zip_entry<R: Read>(&mut self, entry: &mut ZipFile<'_, R>, name: &str) -> Result<(), Fault> {
        let (mode, modified) = (entry.unix_mode().unwrap_or(0o644), modified(entry));
        if entry.is_dir() || name.ends_with('/') {
            return self.folder(name, modified);
        }
        if entry.is_symlink() {
            let mut target = Vec::new();
            (&mut *entry).take(MAX_TARGET).read_to_end(&mut target).map_err(|error| damage(broken(error)))?;
            return self.link(name, &escape(&target), modified);
        }
        self.file(name, mode, modified, entry)
    }
}

/// The name of an entry. If it was created on Unix, which shows in its Unix timestamps, names are bytes and a backslash is an
/// ordinary character. Others may use backslashes as separators.
fn name_of<R: Read>(entry: &ZipFile<'_, R>, names: &Names, chosen: bool) -> String {
    let raw = entry.name_raw();
    let noted = entry.extra_data_fields().any(|field| matches!(field, ExtraField::ExtendedTimestamp(_)));
    let of_unix = entry.system() == System::Unix && noted;
    match std::str::from_utf8(raw) {
        Ok(_) if of_unix => escape(raw).into_owned(),
        Ok(text) => escape(text.replace('\\', "/").as_bytes()).into_owned(),
        Err(_) if of_unix && !chosen => escape(raw).into_owned(),
        Err(_) => escape(names.decode(raw).replace('\\', "/").as_bytes()).into_owned(),
    }
}

/// The modification time from Unix or Windows fields, else the DOS timestamp, which has no time zone and is taken for UTC.
fn modified<R: Read>(entry: &ZipFile<'_, R>) -> Option<Time> {
    let noted = entry.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(times) => {
            Some(Time { seconds: i64::from(times.mod_time()?), nanoseconds: 0 })
        }
        _ => None,
    });
    let windows = || {
        entry.extra_data_fields().find_map(|field| match field {
            ExtraField::Ntfs(times) => from_windows(times.mtime()),
            _ => None,
        })
    };
    noted.or_else(windows).or_else(|| {
        let clock = entry.last_modified()?;
        let day = NaiveDate::from_ymd_opt(clock.year().into(), clock.month().into(), clock.day().into())?;
        let at = day.and_hms_opt(clock.hour().into(), clock.minute().into(), clock.second().into())?;
        Some(Time { seconds: at.and_utc().timestamp(), nanoseconds: 0 })
    })
}

/// Converts from units of 100 ns since 1601.
pub(in super::super) fn from_windows(steps: u64) -> Option<Time> {
    let seconds = i64::try_from(steps / 10_000_000).ok()?.checked_sub(WINDOWS_EPOCH)?;
    Some(Time { seconds, nanoseconds: u32::try_from(steps % 10_000_000).ok()? * 100 })
}
