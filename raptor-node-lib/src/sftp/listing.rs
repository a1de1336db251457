//! A file's attributes as SFTP represents them.

use super::wire::Attributes;
use crate::files::{Kind, Stat};
use chrono::{DateTime, Months, Utc};

/// The file type bits of a mode.
const fn type_bits(kind: Kind) -> u32 {
    match kind {
        Kind::File => 0o100_000,
        Kind::Folder => 0o040_000,
        Kind::Symlink => 0o120_000,
        // `Kind` is no more specific; a named pipe is the most likely.
        Kind::Special => 0o010_000,
    }
}

pub(super) fn attributes(stat: &Stat) -> Attributes {
    let seconds = |seconds: i64| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
    Attributes {
        size: Some(stat.len),
        owner: Some((stat.uid, stat.gid)),
        mode: Some(type_bits(stat.kind) | stat.mode),
        times: Some((seconds(stat.accessed.seconds), seconds(stat.modified.seconds))),
    }
}

/// The line that `ls -l` would show, in the format of OpenSSH's server; times are in UTC.
pub(super) fn long_name(name: &str, stat: &Stat, now: DateTime<Utc>) -> String {
    let kind = match stat.kind {
        Kind::File => '-',
        Kind::Folder => 'd',
        Kind::Symlink => 'l',
        Kind::Special => 'p',
    };
    let bit = |bit: u32, letter: char| if stat.mode & bit != 0 { letter } else { '-' };
    let modified = DateTime::from_timestamp(stat.modified.seconds, 0).unwrap_or_default();
    let half_a_year_ago = now.checked_sub_months(Months::new(6)).unwrap_or_default();
    let recent = modified <= now && modified > half_a_year_ago;
    let time = modified.format(if recent { "%b %e %H:%M" } else { "%b %e  %Y" });
    format!(
        "{kind}{}{}{}{}{}{}{}{}{} {:>3} {:<8} {:<8} {:>8} {time} {name}",
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        bit(0o100, 'x'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        bit(0o010, 'x'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        bit(0o001, 'x'),
        stat.links,
        stat.uid,
        stat.gid,
        stat.len,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Time;

    #[test]
    fn lines_are_those_of_ls() {
        let time = |seconds| Time { seconds, nanoseconds: 0 };
        let stat = Stat {
            kind: Kind::Symlink,
            len: 12,
            blocks: 0,
            mode: 0o754,
            uid: 988,
            gid: 988,
            links: 1,
            inode: 1,
            device: 1,
            modified: time(1_800_000_000),
            accessed: time(0),
        };
        let now = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let line = "lrwxr-xr--   1 988      988            12 Jan 15 08:00 a b";
        assert_eq!(long_name("a b", &stat, now(1_800_000_100)), line);
        let line = "lrwxr-xr--   1 988      988            12 Jan 15  2027 a b";
        assert_eq!(long_name("a b", &stat, now(1_900_000_000)), line, "longer ago: the year");
        assert_eq!(long_name("a b", &stat, now(1_700_000_000)), line, "in the future: the year");
        assert_eq!(attributes(&stat).mode, Some(0o120_754));
    }
}
