//! The address that a container's connections to the outside come from, where one was chosen for it.
//!
//! The network of such a container is made without the engine's own translation of addresses. Where our rule is missing, its
//! packets leave as they are and nothing comes back: it is silent rather than seen under another address.

use super::rules::Names;
use std::{
    collections::BTreeSet,
    fmt::Write,
    io,
    net::{IpAddr, Ipv4Addr},
};
use sysinfo::Networks;

/// One network and its address towards the outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outgoing {
    /// The network's bridge.
    pub(crate) bridge: String,
    /// An address of this host.
    pub(crate) ip: Ipv4Addr,
}

/// Addresses of this host and of the networks that it is in, by interface.
pub(super) struct Interfaces(Vec<(String, Ipv4Addr, u8)>);

impl Interfaces {
    pub(super) fn read() -> io::Result<Self> {
        let networks = Networks::new_with_refreshed_list().map_err(io::Error::other)?;
        let mut all = Vec::new();
        for (name, data) in &networks {
            for network in data.ip_networks() {
                if let IpAddr::V4(ip) = network.addr {
                    all.push((name.to_string_lossy().into_owned(), ip, network.prefix));
                }
            }
        }
        Ok(Self(all))
    }

    pub(super) fn has(&self, ip: Ipv4Addr) -> bool {
        self.0.iter().any(|(_, own, _)| *own == ip)
    }

    /// The network behind a bridge, as the tables write it.
    fn behind(&self, bridge: &str) -> Option<String> {
        let (_, ip, prefix) = self.0.iter().find(|(name, ..)| name == bridge)?;
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(*prefix))).unwrap_or(0);
        Some(format!("{}/{prefix}", Ipv4Addr::from(u32::from(*ip) & mask)))
    }
}

/// The lines that fill our chain of the table `nat`. Those whose bridge does not exist have nothing to say yet.
fn chain(names: &Names, outgoing: &[Outgoing], interfaces: &Interfaces) -> String {
    let name = &names.from;
    let mut text = format!(":{name} - [0:0]\n");
    for Outgoing { bridge, ip } in outgoing {
        if let Some(network) = interfaces.behind(bridge) {
            let _ = writeln!(text, "-A {name} -s {network} ! -o {bridge} -j SNAT --to-source {ip}");
        }
    }
    text
}

/// What has to change in the table `nat`, given as `iptables-save` writes it, for `outgoing` to hold and nothing else of ours to
/// be there. `used`: whether any bridge of the daemon with this mark is there.
pub(super) fn change(
    saved: &str,
    names: &Names,
    outgoing: &[Outgoing],
    interfaces: &Interfaces,
    used: impl Fn(&str) -> bool,
) -> String {
    let mut text = String::new();
    let own = &names.from;
    for chain in chains(saved) {
        let mark = chain.trim_start_matches("RAPTOR-FROM-");
        let needed = if chain == *own { !outgoing.is_empty() } else { used(mark) };
        if !needed {
            text.push_str(&removal(saved, &chain));
        }
    }
    if outgoing.is_empty() {
        return text;
    }
    let wanted = chain(names, outgoing, interfaces);
    let begin = format!("-A {own} ");
    let rules = |text: &str| -> BTreeSet<String> {
        text.lines().filter(|line| line.starts_with(&begin)).map(str::to_owned).collect()
    };
    let there = saved.lines().any(|line| line.starts_with(&format!(":{own} ")));
    if !there || rules(saved) != rules(&wanted) {
        text.push_str(&wanted);
    }
    if !saved.lines().any(|line| line == format!("-A POSTROUTING -j {own}")) {
        let _ = writeln!(text, "-I POSTROUTING -j {own}");
    }
    text
}

/// The lines that take away the chains of all daemons.
pub(super) fn removal_of_all(saved: &str) -> String {
    chains(saved).iter().map(|chain| removal(saved, chain)).collect()
}

fn chains(saved: &str) -> BTreeSet<String> {
    let names = saved.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next());
    names.filter(|name| name.starts_with("RAPTOR-FROM-")).map(str::to_owned).collect()
}

fn removal(saved: &str, chain: &str) -> String {
    let leads = format!(" -j {chain}");
    let rules =
        saved.lines().filter_map(|line| line.strip_prefix("-A ")).filter(|rule| rule.ends_with(&leads));
    let mut text: String = rules.map(|rule| format!("-D {rule}\n")).collect();
    let _ = writeln!(text, "-F {chain}\n-X {chain}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces() -> Interfaces {
        Interfaces(vec![
            ("eth0".into(), Ipv4Addr::new(203, 0, 113, 7), 24),
            ("rpabc1200000001".into(), Ipv4Addr::new(10, 216, 0, 9), 29),
        ])
    }

    fn outgoing(bridge: &str) -> Outgoing {
        Outgoing { bridge: bridge.into(), ip: Ipv4Addr::new(203, 0, 113, 7) }
    }

    const RULE: &str =
        "-A RAPTOR-FROM-abc12 -s 10.216.0.8/29 ! -o rpabc1200000001 -j SNAT --to-source 203.0.113.7";

    #[test]
    fn a_network_gets_its_rule_once_and_keeps_it() {
        let names = Names::of("abc12");
        let wanted = [outgoing("rpabc1200000001"), outgoing("rpabc1200000002")];
        let first = change("*nat\n", &names, &wanted, &interfaces(), |_| true);
        assert_eq!(
            first,
            format!(":RAPTOR-FROM-abc12 - [0:0]\n{RULE}\n-I POSTROUTING -j RAPTOR-FROM-abc12\n")
        );
        let saved =
            format!("*nat\n:RAPTOR-FROM-abc12 - [0:0]\n-A POSTROUTING -j RAPTOR-FROM-abc12\n{RULE}\n");
        assert_eq!(change(&saved, &names, &wanted, &interfaces(), |_| true), "");
        let other = saved.replace("203.0.113.7", "203.0.113.8");
        assert!(change(&other, &names, &wanted, &interfaces(), |_| true).contains(RULE));
        let bypassed = saved.replace("-A POSTROUTING -j RAPTOR-FROM-abc12\n", "");
        assert_eq!(
            change(&bypassed, &names, &wanted, &interfaces(), |_| true),
            "-I POSTROUTING -j RAPTOR-FROM-abc12\n"
        );
    }

    #[test]
    fn what_is_needed_no_more_goes_and_what_is_not_ours_stays() {
        let names = Names::of("abc12");
        let saved = "*nat\n:RAPTOR-FROM-abc12 - [0:0]\n:RAPTOR-FROM-old00 - [0:0]\n:RAPTOR-FROM-new00 - [0:0]\n\
            -A POSTROUTING -j RAPTOR-FROM-abc12\n-A POSTROUTING -j RAPTOR-FROM-old00\n-A POSTROUTING -o eth0 -j MASQUERADE\n";
        let text = change(saved, &names, &[], &interfaces(), |mark| mark == "new00");
        assert_eq!(
            text,
            "-D POSTROUTING -j RAPTOR-FROM-abc12\n-F RAPTOR-FROM-abc12\n-X RAPTOR-FROM-abc12\n\
             -D POSTROUTING -j RAPTOR-FROM-old00\n-F RAPTOR-FROM-old00\n-X RAPTOR-FROM-old00\n"
        );
        assert_eq!(removal_of_all(saved).matches("-X ").count(), 3);
        assert!(interfaces().has(Ipv4Addr::new(203, 0, 113, 7)));
        assert!(!interfaces().has(Ipv4Addr::new(203, 0, 113, 8)));
    }
}
