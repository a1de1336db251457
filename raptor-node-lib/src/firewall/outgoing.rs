//! The source address of a container's outgoing connections, if one was chosen for it.
//!
//! Such a container's network is created without the engine's masquerading. If our rule is missing, its packets leave with a
//! private source address and get no answer: it is offline rather than visible under the wrong address.

use super::rules::Names;
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};
use sysinfo::Networks;

/// A network and its outgoing address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outgoing {
    pub(crate) bridge: String,
    /// One of this host's addresses.
    pub(crate) ip: Ipv4Addr,
}

/// This host's addresses and the networks that they are in, by interface.
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

    /// The network behind a bridge, in the format of the tables.
    fn behind(&self, bridge: &str) -> Option<String> {
        let (_, ip, prefix) = self.0.iter().find(|(name, ..)| name == bridge)?;
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(*prefix))).unwrap_or(0);
        Some(format!("{}/{prefix}", Ipv4Addr::from(u32::from(*ip) & mask)))
    }
}

/// The rules of our chain in the table `nat`. A bridge that does not exist yet has none.
pub(super) fn from(names: &Names, outgoing: &[Outgoing], interfaces: &Interfaces) -> Vec<String> {
    let rule = |Outgoing { bridge, ip }: &Outgoing| {
        let network = interfaces.behind(bridge)?;
        Some(format!("-A {} -s {network} ! -o {bridge} -j SNAT --to-source {ip}", names.from))
    };
    outgoing.iter().filter_map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_is_there_gets_its_address() {
        let interfaces = Interfaces(vec![
            ("eth0".into(), Ipv4Addr::new(203, 0, 113, 7), 24),
            ("rpabc1200000001".into(), Ipv4Addr::new(10, 216, 0, 9), 29),
        ]);
        let outgoing = |bridge: &str| Outgoing { bridge: bridge.into(), ip: Ipv4Addr::new(203, 0, 113, 7) };
        let wanted = [outgoing("rpabc1200000001"), outgoing("rpabc1200000002")];
        assert_eq!(
            from(&Names::of("abc12"), &wanted, &interfaces),
            ["-A RAPTOR-FROM-abc12 -s 10.216.0.8/29 ! -o rpabc1200000001 -j SNAT --to-source 203.0.113.7"]
        );
        assert!(interfaces.has(Ipv4Addr::new(203, 0, 113, 7)));
        assert!(!interfaces.has(Ipv4Addr::new(203, 0, 113, 8)));
    }
}
