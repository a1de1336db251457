//! Private addresses that containers may reach.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A private destination that containers may reach: `10.0.0.5`, `10.0.0.0/24`, `10.0.0.5:3306`, `[fd00::5]:3306`, or
/// `host:3306` for a port on any of this host's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The first address and the prefix length; `None` for the host itself.
    pub network: Option<(IpAddr, u8)>,
    /// The port, for TCP and UDP; `None` for all ports.
    pub port: Option<u16>,
}

const ALLOWED: &str =
    "use addresses, networks or the word host, optionally with a port: 10.0.0.5:3306, 10.0.1.0/24, host:3306";

impl FromStr for Reach {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (place, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((place, "")) => (place, None),
            Some((place, port)) => (place, Some(port.strip_prefix(':').ok_or(ALLOWED)?)),
            // More than one colon is a bare IPv6 address.
            None => match text.split_once(':') {
                Some((place, port)) if !port.contains(':') => (place, Some(port)),
                _ => (text, None),
            },
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(ALLOWED)).transpose()?;
        if place == "host" {
            // Opening all ports of the host would defeat the purpose of the rules.
            return port.map(|port| Self { network: None, port: Some(port) }).ok_or(ALLOWED);
        }
        let (address, prefix) =
            place.split_once('/').map_or((place, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| ALLOWED)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| ALLOWED)?;
        if prefix > bits {
            return Err(ALLOWED);
        }
        Ok(Self { network: Some((masked(address, prefix), prefix)), port })
    }
}

/// The first address of the network that contains `address`.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_every_form_and_others_refused() {
        let place = |text: &str| Reach::from_str(text).map(|reach| (reach.network, reach.port));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(place("10.0.0.5"), Ok((Some((ip("10.0.0.5"), 32)), None)));
        assert_eq!(place(" 10.0.0.5:3306"), Ok((Some((ip("10.0.0.5"), 32)), Some(3306))));
        assert_eq!(place("10.0.1.7/24"), Ok((Some((ip("10.0.1.0"), 24)), None)));
        assert_eq!(place("0.0.0.0/0"), Ok((Some((ip("0.0.0.0"), 0)), None)));
        assert_eq!(place("fd00::5"), Ok((Some((ip("fd00::5"), 128)), None)));
        assert_eq!(place("[fd00::5]:53"), Ok((Some((ip("fd00::5"), 128)), Some(53))));
        assert_eq!(place("[fd00::/8]"), Ok((Some((ip("fd00::"), 8)), None)));
        assert_eq!(place("host:3306"), Ok((None, Some(3306))));
        for wrong in ["", "host", "host:0", "10.0.0.0/33", "database:3306", "10.0.0.5:x", "[fd00::5]3306"] {
            assert_eq!(place(wrong), Err(ALLOWED), "{wrong}");
        }
    }
}
