//! The DNS servers that the engine queries for containers, from within their networks.

use std::{fs, net::IpAddr};

/// The DNS servers in the engine's configuration, else those of the host. Servers on the loopback address need no rule: the
/// engine queries them from outside of the container. Instead of systemd-resolved, the engine uses the servers behind it.
pub(super) fn of_the_engine() -> Vec<IpAddr> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut found = configured(&read("/etc/docker/daemon.json"));
    let host = named(&read("/etc/resolv.conf"));
    let behind = if host.iter().all(IpAddr::is_loopback) {
        named(&read("/run/systemd/resolve/resolv.conf"))
    } else {
        Vec::new()
    };
    found.extend(host.into_iter().chain(behind).filter(|address| !address.is_loopback()));
    found.dedup();
    found
}

/// The addresses in `resolv.conf` (resolv.conf(5)).
fn named(text: &str) -> Vec<IpAddr> {
    let addresses = text.lines().filter_map(|line| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        // iptables does not support the scope of a link-local address.
        address.split('%').next()?.parse().ok()
    });
    addresses.collect()
}

/// The addresses under the key `dns` in the engine's `daemon.json`.
fn configured(text: &str) -> Vec<IpAddr> {
    let Ok(settings) = serde_json::from_str::<serde_json::Value>(text) else { return Vec::new() };
    let servers = settings.get("dns").and_then(|servers| servers.as_array()).into_iter().flatten();
    servers.filter_map(|server| server.as_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_from_the_hosts_and_the_engines_configuration() {
        let host = "# made by hand\nsearch example.com\nnameserver 10.0.0.2\n nameserver\tfe80::1%eth0\nnameserver x\n";
        assert_eq!(named(host), ["10.0.0.2", "fe80::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(configured(r#"{"dns":["10.1.1.1",7]}"#), ["10.1.1.1".parse::<IpAddr>().unwrap()]);
        assert!(configured("").is_empty());
    }
}
