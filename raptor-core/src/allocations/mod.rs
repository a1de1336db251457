//! Allocations: the ip:port pairs that containers are given.

#[cfg(feature = "store")]
pub mod service;

use crate::{
    Error, Result,
    id::{AllocationId, ContainerId, DaemonId},
    node::Protocol,
};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// Allocations that one request makes at most.
pub const MAX_AT_ONCE: usize = 20_000;

/// One ip:port of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Its id.
    pub id: AllocationId,
    /// Its small stable number.
    pub number: i64,
    /// Whose host it is on.
    pub daemon_id: DaemonId,
    /// The address.
    pub ip: String,
    /// The port.
    pub port: u16,
    /// Which protocols of it are passed on.
    pub protocol: Protocol,
    /// What people see in place of the address.
    pub alias: Option<String>,
    /// For those who manage it.
    pub note: Option<String>,
    /// The container that has it.
    pub container: Option<(ContainerId, String)>,
    /// Whether it is that container's first address.
    pub primary: bool,
}

/// Reads an address or a network in CIDR notation.
///
/// # Errors
/// [`Error::Invalid`] at `ip`, also for networks of more than 1,024 addresses.
pub fn parse_ips(text: &str) -> Result<Vec<IpAddr>> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(vec![ip.to_canonical()]);
    }
    let network = text.parse::<IpNet>().map_err(|_| {
        Error::invalid("ip", "Use an address like 203.0.113.5 or a network like 203.0.113.0/29.")
    })?;
    let bits = network.max_prefix_len() - network.prefix_len();
    if bits > 10 {
        return Err(Error::invalid("ip", "This network has more than 1,024 addresses. Use a smaller one."));
    }
    Ok(network.hosts().collect())
}

/// Reads ports and ranges: `25565, 25570-25580`.
///
/// # Errors
/// [`Error::Invalid`] at `ports`.
pub fn parse_ports(text: &str) -> Result<Vec<u16>> {
    let wrong = |part: &str| {
        Error::invalid(
            "ports",
            format!("{part:?} is no port. Use ports of 1 to 65535 and ranges, such as 25565, 25570-25580."),
        )
    };
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let mut ports = BTreeSet::new();
    for part in text.split([',', ' ', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('-') {
            None => {
                ports.insert(port(part).ok_or_else(|| wrong(part))?);
            }
            Some((first, last)) => {
                let (first, last) = port(first)
                    .zip(port(last))
                    .filter(|(first, last)| first <= last)
                    .ok_or_else(|| wrong(part))?;
                ports.extend(first..=last);
            }
        }
    }
    if ports.is_empty() {
        return Err(wrong(text));
    }
    Ok(ports.into_iter().collect())
}

/// Checks an alias or a note: empty is none.
///
/// # Errors
/// [`Error::Invalid`] at `field`.
pub fn check_text(field: &str, text: Option<String>) -> Result<Option<String>> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match &text {
        Some(text) if text.chars().count() > 191 || text.chars().any(char::is_control) => {
            Err(Error::invalid(field, "Use at most 191 characters."))
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges_are_read_once_each() {
        assert_eq!(parse_ports("25565, 25570-25572,25571").unwrap(), [25565, 25570, 25571, 25572]);
        for bad in ["", "0", "65536", "9-8", "a", "1-"] {
            assert_eq!(parse_ports(bad).unwrap_err().code(), "invalid", "{bad:?}");
        }
    }

    #[test]
    fn networks_are_bounded() {
        assert_eq!(parse_ips("203.0.113.0/30").unwrap().len(), 2);
        assert_eq!(parse_ips("::1").unwrap().len(), 1);
        for bad in ["10.0.0.0/8", "x", "2001:db8::/64", "1.2.3"] {
            assert!(parse_ips(bad).is_err(), "{bad}");
        }
    }
}
