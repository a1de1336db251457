//! The rules as text: the content of the chains, and the changes that put them into effect.

use super::{LoopbackForward, Reach, loopback};
use raptor_model::node::{PortBinding, Protocol};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::IpAddr,
};

/// Most ports per `multiport` match.
const PORTS_AT_ONCE: usize = 15;
/// Networks that are not on the public internet: private ones, and the metadata address of clouds.
const PRIVATE_V4: [&str; 9] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "240.0.0.0/4",
];
const PRIVATE_V6: [&str; 2] = ["fc00::/7", "fe80::/10"];
/// ICMPv6 types without which IPv6 does not work: router and neighbour discovery (RFC 4861).
const NEIGHBOURS: [u8; 4] = [133, 134, 135, 136];

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }
}

/// The names of a daemon's interfaces and chains, distinct for each daemon on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The prefix of its bridges' names.
    pub(super) bridges: String,
    /// The chain for packets to the host itself.
    pub(super) host: String,
    /// The chain for forwarded packets.
    pub(super) out: String,
    /// The chain in the table `nat` for outgoing addresses.
    pub(super) from: String,
    /// The chain in the table `nat` for loopback ports that the owner's other containers use.
    pub(super) loopback: String,
    /// The chain in the table `nat` for their answers.
    pub(super) back: String,
}

impl Names {
    pub(super) fn of(mark: &str) -> Self {
        Self {
            bridges: format!("rp{mark}"),
            host: format!("RAPTOR-HOST-{mark}"),
            out: format!("RAPTOR-OUT-{mark}"),
            from: format!("RAPTOR-FROM-{mark}"),
            loopback: format!("RAPTOR-NEAR-{mark}"),
            back: format!("RAPTOR-BACK-{mark}"),
        }
    }

    /// The rule that jumps from `chain` to one of ours, in the format of the tables.
    fn jump(&self, chain: &str, to: &str) -> String {
        format!("{chain} -i {}+ -j {to}", self.bridges)
    }
}

/// What containers may reach.
pub(super) struct Open<'a> {
    /// Opened by the administrator.
    pub(super) reach: &'a [Reach],
    /// DNS servers that the engine queries from within the container's network.
    pub(super) resolvers: &'a [IpAddr],
    /// Ports published by containers of this host, which are as open as to anybody outside.
    pub(super) ports: &'a [PortBinding],
    /// Ports on the loopback address, for other containers of the same owner.
    pub(super) loopback: &'a [LoopbackForward],
}

/// The lines that fill our chains, for `iptables-restore --noflush`.
pub(super) fn chains(names: &Names, family: Family, open: &Open<'_>) -> String {
    let (host, out) = (&names.host, &names.out);
    let mut text = format!(":{host} - [0:0]\n:{out} - [0:0]\n");
    if family == Family::V4 {
        // First, because the rules after it leave traffic between containers to the engine, which isolates all its networks.
        text.push_str(&loopback::accept_rules(names, open.loopback));
    }
    let mut add = |rule: String| {
        let _ = writeln!(text, "-A {rule}");
    };
    for chain in [host, out] {
        add(format!("{chain} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"));
        if family == Family::V6 {
            for kind in NEIGHBOURS {
                add(format!("{chain} -p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j RETURN"));
            }
        }
    }
    // The engine decides which containers reach each other: it isolates its networks.
    add(format!("{out} -o {}+ -j RETURN", names.bridges));
    for chain in [host, out] {
        for resolver in open.resolvers.iter().filter(|resolver| family.has(**resolver)) {
            for protocol in ["udp", "tcp"] {
                add(format!("{chain} -d {resolver} -p {protocol} -m {protocol} --dport 53 -j RETURN"));
            }
        }
        for reach in open.reach {
            let to = match reach.network {
                Some((address, _)) if !family.has(address) => continue,
                Some((address, prefix)) => format!(" -d {address}/{prefix}"),
                None if chain == out => continue,
                None => String::new(),
            };
            match reach.port {
                None => add(format!("{chain}{to} -j RETURN")),
                Some(port) => {
                    for protocol in ["tcp", "udp"] {
                        add(format!("{chain}{to} -p {protocol} -m {protocol} --dport {port} -j RETURN"));
                    }
                }
            }
        }
    }
    for ((address, protocol), ports) in published(family, open.ports) {
        let to = if address.is_unspecified() { String::new() } else { format!(" -d {address}") };
        for ports in ports.into_iter().collect::<Vec<_>>().chunks(PORTS_AT_ONCE) {
            let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            add(format!("{host}{to} -p {protocol} -m multiport --dports {ports} -j RETURN"));
        }
    }
    add(format!("{host} -j REJECT"));
    let private: &[&str] = if family == Family::V4 { &PRIVATE_V4 } else { &PRIVATE_V6 };
    for network in private {
        add(format!("{out} -d {network} -j REJECT"));
    }
    text
}

/// Published ports by address and protocol.
fn published(family: Family, ports: &[PortBinding]) -> BTreeMap<(IpAddr, &'static str), BTreeSet<u16>> {
    let mut published: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
    for port in ports.iter().filter(|port| family.has(port.ip)) {
        let protocols: &[&str] = match port.protocol {
            Protocol::Both => &["tcp", "udp"],
            Protocol::Tcp => &["tcp"],
            Protocol::Udp => &["udp"],
        };
        for protocol in protocols {
            published.entry((port.ip, *protocol)).or_default().insert(port.port);
        }
    }
    published
}

/// The `filter` table in the format of `iptables-save`.
pub(super) struct Table<'a>(&'a str);

impl<'a> Table<'a> {
    pub(super) fn new(saved: &'a str) -> Self {
        Self(saved)
    }

    fn has(&self, rule: &str) -> bool {
        self.0.lines().any(|line| line.strip_prefix("-A ") == Some(rule))
    }

    /// The number of rules in a chain.
    fn count(&self, chain: &str) -> usize {
        let begin = format!("-A {chain} ");
        self.0.lines().filter(|line| line.starts_with(&begin)).count()
    }

    /// The first chain for forwarded packets: the engine's `DOCKER-USER` chain for users' rules, else `FORWARD`.
    fn forward(&self) -> &'static str {
        if self.has("FORWARD -j DOCKER-USER") { "DOCKER-USER" } else { "FORWARD" }
    }

    /// Whether `chains` exist as given and are jumped to first.
    pub(super) fn is_complete(&self, names: &Names, chains: &str) -> bool {
        let whole = [&names.host, &names.out].iter().all(|chain| {
            let begin = format!("-A {chain} ");
            chains.lines().filter(|line| line.starts_with(&begin)).count() == self.count(chain)
        });
        whole && self.missing(names).is_empty()
    }

    /// The missing jumps to our chains.
    pub(super) fn missing(&self, names: &Names) -> String {
        [("INPUT", &names.host), (self.forward(), &names.out)]
            .into_iter()
            .filter(|(chain, to)| !self.has(&names.jump(chain, to)))
            .map(|(chain, to)| format!("-I {}\n", names.jump(chain, to)))
            .collect()
    }

    /// The marks of all daemons with chains in this table.
    pub(super) fn marks(&self) -> BTreeSet<String> {
        let chains = self.0.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next());
        chains
            .filter_map(|chain| {
                chain.strip_prefix("RAPTOR-HOST-").or_else(|| chain.strip_prefix("RAPTOR-OUT-"))
            })
            .map(str::to_owned)
            .collect()
    }

    /// The lines that remove one daemon's chains, and nothing else.
    pub(super) fn removal(&self, names: &Names) -> String {
        let mut text = String::new();
        let chains = [&names.host, &names.out];
        let leads = |rule: &&str| chains.iter().any(|chain| rule.ends_with(&format!(" -j {chain}")));
        for rule in self.0.lines().filter_map(|line| line.strip_prefix("-A ")).filter(leads) {
            let _ = writeln!(text, "-D {rule}");
        }
        for chain in chains {
            if self.0.lines().any(|line| line.starts_with(&format!(":{chain} "))) {
                let _ = writeln!(text, "-F {chain}\n-X {chain}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n\
        :RAPTOR-HOST-old00 - [0:0]\n:RAPTOR-OUT-old00 - [0:0]\n-A INPUT -p tcp -j ACCEPT\n\
        -A INPUT -i rpold00+ -j RAPTOR-HOST-old00\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\n\
        -A RAPTOR-HOST-old00 -j REJECT --reject-with icmp-port-unreachable\nCOMMIT\n";

    fn port(ip: &str, port: u16, protocol: Protocol) -> PortBinding {
        PortBinding { ip: ip.parse().unwrap(), port, protocol, primary: false }
    }

    #[test]
    fn the_host_is_closed_but_for_names_published_ports_and_what_was_allowed() {
        let reach = ["10.0.0.5:3306", "host:8080", "[fd00::5]"].map(|text| text.parse().unwrap());
        let ports: Vec<_> = (0..16).map(|n| port("0.0.0.0", 25_565 + n, Protocol::Tcp)).collect();
        let resolvers = ["10.9.9.9".parse().unwrap(), "fd00::53".parse().unwrap()];
        let open = Open { reach: &reach, resolvers: &resolvers, ports: &ports, loopback: &[] };
        let text = chains(&Names::of("abc12"), Family::V4, &open);
        for rule in [
            "-A RAPTOR-HOST-abc12 -d 10.9.9.9 -p udp -m udp --dport 53 -j RETURN",
            "-A RAPTOR-OUT-abc12 -d 10.9.9.9 -p tcp -m tcp --dport 53 -j RETURN",
            "-A RAPTOR-OUT-abc12 -d 10.0.0.5/32 -p tcp -m tcp --dport 3306 -j RETURN",
            "-A RAPTOR-HOST-abc12 -p tcp -m tcp --dport 8080 -j RETURN",
            "-A RAPTOR-HOST-abc12 -p tcp -m multiport --dports 25580 -j RETURN",
            "-A RAPTOR-OUT-abc12 -d 169.254.0.0/16 -j REJECT",
        ] {
            assert!(text.lines().any(|line| line == rule), "{rule}\n{text}");
        }
        assert!(
            !text.contains("fd00") && !text.contains("RAPTOR-OUT-abc12 -p tcp -m tcp --dport 8080"),
            "{text}"
        );
        let rejects = text.find("RAPTOR-HOST-abc12 -j REJECT").unwrap();
        assert!(text.rfind("RAPTOR-HOST-abc12").unwrap() <= rejects, "nothing comes after the refusal");
        let six = chains(&Names::of("abc12"), Family::V6, &open);
        assert!(six.contains("-d fd00::5/128 -j RETURN") && six.contains("--icmpv6-type 135"), "{six}");
    }

    #[test]
    fn only_what_is_missing_is_put_in_and_only_what_is_ours_taken_out() {
        let table = Table::new(SAVED);
        let names = Names::of("new00");
        assert_eq!(
            table.missing(&names),
            "-I INPUT -i rpnew00+ -j RAPTOR-HOST-new00\n-I DOCKER-USER -i rpnew00+ -j RAPTOR-OUT-new00\n"
        );
        assert_eq!(table.marks().into_iter().collect::<Vec<_>>(), ["old00"]);
        assert_eq!(
            table.removal(&Names::of("old00")),
            "-D INPUT -i rpold00+ -j RAPTOR-HOST-old00\n-F RAPTOR-HOST-old00\n-X RAPTOR-HOST-old00\n\
             -F RAPTOR-OUT-old00\n-X RAPTOR-OUT-old00\n"
        );
        assert_eq!(table.removal(&names), "");
        let without_docker = Table::new("*filter\n:FORWARD ACCEPT [0:0]\n");
        assert!(without_docker.missing(&names).contains("-I FORWARD -i rpnew00+"));
    }

    #[test]
    fn chains_that_lost_a_rule_are_not_complete() {
        let names = Names::of("abc12");
        let open = Open { reach: &[], resolvers: &[], ports: &[], loopback: &[] };
        let text = chains(&names, Family::V4, &open);
        let saved = format!(
            "-A FORWARD -j DOCKER-USER\n-A INPUT -i rpabc12+ -j RAPTOR-HOST-abc12\n-A DOCKER-USER -i rpabc12+ -j RAPTOR-OUT-abc12\n{text}"
        );
        assert!(Table::new(&saved).is_complete(&names, &text));
        let lost = saved.replace("-A RAPTOR-HOST-abc12 -j REJECT\n", "");
        assert!(!Table::new(&lost).is_complete(&names, &text));
        let bypassed = saved.replace("-A INPUT -i rpabc12+ -j RAPTOR-HOST-abc12\n", "");
        assert!(!Table::new(&bypassed).is_complete(&names, &text));
    }
}
