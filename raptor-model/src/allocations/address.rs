//! Parsing addresses of hosts as people write them.

use crate::{Error, Result};
use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// Most addresses listed in an error.
const NAMED: usize = 8;

/// Parses an address or a network in CIDR notation. IPv6 addresses may be in brackets; IPv4-mapped ones are converted
/// (`::ffff:127.0.0.1` becomes `127.0.0.1`).
///
/// # Errors
/// [`Error::Invalid`] at `ip`, also for networks of more than 1,024 addresses and for addresses that nothing can listen on.
pub fn parse_ips(text: &str) -> Result<Vec<IpAddr>> {
    let text = text.trim();
    let wrong = || {
        let examples = "203.0.113.5 or 2001:db8::5, or a network like 203.0.113.0/29";
        Error::invalid("ip", format!("Use an address like {examples}.")).because("address")
    };
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let unscoped = bare.split_once('%').map_or(bare, |(address, _)| address);
    let ips: BTreeSet<IpAddr> = if let Ok(ip) = unscoped.parse::<IpAddr>() {
        [ip.to_canonical()].into()
    } else {
        let network = text.parse::<IpNet>().map_err(|_| wrong())?;
        if network.max_prefix_len() - network.prefix_len() > 10 {
            return Err(Error::invalid(
                "ip",
                "This network has more than 1,024 addresses. Use a smaller one.",
            )
            .because("network_size")
            .with("max", 1_024));
        }
        network.hosts().map(|ip| ip.to_canonical()).collect()
    };
    if ips.iter().any(|ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())) {
        let why = "Addresses that begin with fe80: are valid on one link only, and Docker can't publish ports on them. Use another \
                   address of the host, or ::.";
        return Err(Error::invalid("ip", why).because("address_link_local"));
    }
    if unscoped != bare {
        return Err(wrong());
    }
    let unusable = |ip: &IpAddr| {
        ip.is_multicast()
            || matches!(ip, IpAddr::V4(ip) if ip.is_broadcast() || (ip.octets()[0] == 0 && !ip.is_unspecified()))
    };
    if ips.iter().any(unusable) {
        return Err(Error::invalid("ip", "Nothing can listen on this address. Use one of the host's own.")
            .because("address_unusable"));
    }
    Ok(ips.into_iter().collect())
}

/// Checks that the host has these addresses and its daemon allows them. `has`: the host's own addresses, empty if unknown;
/// `given`: those of `AVAILABLE_IPS`, where `0.0.0.0` and `::` stand for all of them.
///
/// # Errors
/// [`Error::Invalid`] at `ip` with the addresses that can be used.
pub fn check_reach(ips: &[IpAddr], host: &str, has: &[IpAddr], given: &[IpAddr]) -> Result<()> {
    let all_given = given.is_empty() || given.iter().any(IpAddr::is_unspecified);
    let on_host = |ip: &IpAddr| {
        has.is_empty()
            || ip.is_unspecified()
            || has.contains(ip)
            || matches!(ip, IpAddr::V4(ip) if ip.is_loopback())
    };
    if let Some(ip) = ips.iter().find(|ip| !on_host(ip)) {
        let own = list(has.iter().filter(|ip| !ip.is_loopback() && !is_link_local(ip)));
        let why = format!(
            "{host} has no address {ip}. It has {own}; 0.0.0.0 stands for all of IPv4, :: for all of IPv6."
        );
        return Err(Error::invalid("ip", why)
            .because("address_not_on_host")
            .with("host", host)
            .with("ip", ip.to_string())
            .with("addresses", own));
    }
    if let Some(ip) = ips.iter().find(|ip| !all_given && !given.contains(ip)) {
        let allowed = list(given.iter());
        let why = format!("{host} allows only {allowed} (AVAILABLE_IPS), not {ip}.");
        return Err(Error::invalid("ip", why)
            .because("address_not_allowed")
            .with("host", host)
            .with("ip", ip.to_string())
            .with("addresses", allowed));
    }
    Ok(())
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn list<'i>(ips: impl Iterator<Item = &'i IpAddr>) -> String {
    let all: Vec<String> = ips.map(ToString::to_string).collect();
    match all.len() {
        0 => "no others".into(),
        count if count > NAMED => format!("{} and {} more", all[..NAMED].join(", "), count - NAMED),
        _ => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        let ips = parse_ips(text).unwrap();
        assert_eq!(ips.len(), 1, "{text}");
        ips[0].to_string()
    }

    #[test]
    fn networks_are_bounded() {
        assert_eq!(parse_ips("203.0.113.0/30").unwrap().len(), 2);
        for bad in ["10.0.0.0/8", "x", "2001:db8::/64", "1.2.3", ""] {
            assert!(parse_ips(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spellings_of_one_ipv6_address_are_one_address() {
        for text in ["::1", "[::1]", "0:0:0:0:0:0:0:1", " [0::1] "] {
            assert_eq!(one(text), "::1", "{text}");
        }
        for text in ["::ffff:127.0.0.1", "[::ffff:127.0.0.1]", "::ffff:7f00:1", "127.0.0.1"] {
            assert_eq!(one(text), "127.0.0.1", "{text}");
        }
        assert_eq!(one("2001:DB8::05"), "2001:db8::5");
    }

    #[test]
    fn addresses_that_nothing_can_listen_on_are_refused() {
        for bad in [
            "fe80::1",
            "fe80::1%eth0",
            "[fe80::1%eth0]",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
            "0.0.0.1",
            "2001:db8::1%eth0",
            "[::1",
        ] {
            let refused = parse_ips(bad).unwrap_err();
            assert_eq!(refused.code(), "invalid", "{bad}: {refused}");
        }
        assert!(parse_ips("fe80::1").unwrap_err().to_string().contains("one link only"));
    }

    #[test]
    fn an_address_that_the_host_lacks_is_refused_with_those_that_it_has() {
        let has: Vec<IpAddr> =
            ["127.0.0.1", "203.0.113.5", "2001:db8::5", "fe80::5"].map(|ip| ip.parse().unwrap()).into();
        let any = ["0.0.0.0".parse().unwrap()];
        let check = |ip: &str, given: &[IpAddr]| check_reach(&[ip.parse().unwrap()], "one", &has, given);
        for ip in ["0.0.0.0", "::", "203.0.113.5", "2001:db8::5", "127.0.0.1", "127.0.0.7"] {
            assert!(check(ip, &any).is_ok(), "{ip}");
        }
        let refused = check("10.99.99.99", &any).unwrap_err().to_string();
        assert_eq!(
            refused,
            "one has no address 10.99.99.99. It has 203.0.113.5, 2001:db8::5; 0.0.0.0 stands for all of IPv4, :: for all of IPv6."
        );
        let given = ["203.0.113.5".parse().unwrap()];
        assert!(check("203.0.113.5", &given).is_ok());
        assert!(check("0.0.0.0", &given).unwrap_err().to_string().contains("allows only 203.0.113.5"));
        assert!(
            check_reach(&["10.99.99.99".parse().unwrap()], "one", &[], &any).is_ok(),
            "a host that does not say"
        );
    }
}
