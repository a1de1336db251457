//! Ports and port ranges.

use crate::{Error, Result};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// A set of ports, as people write it: `25565, 25570-25580`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Parses ports and ranges.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let wrong =
            |part: &str| {
                Error::invalid(
                field,
                format!(
                    "{part:?} is not a port. Use ports of 1 to 65535 and ranges, such as 25565, 25570-25580."
                ),
            ).because("ports").with("text", part)
            };
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let mut ranges = Vec::new();
        // Allows spaces in ranges: `25570 - 25580`.
        let text = text.split('-').map(str::trim).collect::<Vec<_>>().join("-");
        for part in text.split([',', ' ', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = port(first).zip(port(last)).filter(|(first, last)| first <= last);
            let (first, last) = range.ok_or_else(|| wrong(part))?;
            ranges.push(first..=last);
        }
        if ranges.is_empty() {
            return Err(wrong(&text));
        }
        Ok(Self(ranges))
    }

    /// The ranges, in the order in which they were written.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u16>] {
        &self.0
    }

    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

/// Parses ports and ranges into single ports, without duplicates.
///
/// # Errors
/// [`Error::Invalid`] at `ports`.
pub fn parse_ports(text: &str) -> Result<Vec<u16>> {
    let ports: BTreeSet<u16> = Ports::parse("ports", text)?.0.into_iter().flatten().collect();
    Ok(ports.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges_are_read_once_each() {
        assert_eq!(parse_ports("25565, 25570-25572,25571").unwrap(), [25565, 25570, 25571, 25572]);
        assert_eq!(
            parse_ports("1004 - 1006, 1010 -1011\n1020- 1021").unwrap(),
            [1004, 1005, 1006, 1010, 1011, 1020, 1021]
        );
        for bad in ["", "0", "65536", "9-8", "a", "1-", "1 -", "- 1", "1 - 2 - 3", " - "] {
            assert_eq!(parse_ports(bad).unwrap_err().code(), "invalid", "{bad:?}");
        }
        let ports = Ports::parse("ports", "25565-25600 27015").unwrap();
        assert!(ports.contains(25565) && ports.contains(25600) && ports.contains(27015));
        assert!(!ports.contains(25601) && !ports.contains(27014));
        let many: Vec<String> = (0..500).map(|n| (20_000 + 2 * n).to_string()).collect();
        assert_eq!(parse_ports(&many.join(",")).unwrap().len(), 500, "as many as somebody names");
    }
}
