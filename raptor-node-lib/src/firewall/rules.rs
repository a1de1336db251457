//! The rules as text: what the chains hold, and what has to change for them to be in force.

use super::{Near, Reach, near};
use raptor_model::node::{PortBinding, Protocol};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::IpAddr,
};

/// Ports that one rule of `multiport` takes.
const PORTS_AT_ONCE: usize = 15;
/// Networks that nobody on the internet has: those of the host's neighbours, and the address of clouds' metadata.
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
/// Messages without which there is no IPv6 at all: who is the router, who is the neighbour (RFC 4861).
const NEIGHBOURS: [u8; 4] = [133, 134, 135, 136];

/// One of the two sets of tables.
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

/// What one daemon's interfaces and chains are called. Daemons that share a host leave each other's alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// What the names of its bridges begin with.
    pub(super) bridges: String,
    /// The chain of what is meant for the host itself.
    pub(super) host: String,
    /// The chain of what is passed on.
    pub(super) out: String,
    /// The chain, in the table `nat`, of what goes out under a chosen address.
    pub(super) from: String,
    /// The chain, in the table `nat`, of ports on the loopback that an owner's other containers ask for.
    pub(super) near: String,
    /// The chain, in the table `nat`, of their answers.
    pub(super) back: String,
}

impl Names {
    pub(super) fn of(mark: &str) -> Self {
        Self {
            bridges: format!("rp{mark}"),
            host: format!("RAPTOR-HOST-{mark}"),
            out: format!("RAPTOR-OUT-{mark}"),
            from: format!("RAPTOR-FROM-{mark}"),
            near: format!("RAPTOR-NEAR-{mark}"),
            back: format!("RAPTOR-BACK-{mark}"),
        }
    }

    /// The rule that leads from `chain` into one of ours, as the tables list it.
    fn jump(&self, chain: &str, to: &str) -> String {
        format!("{chain} -i {}+ -j {to}", self.bridges)
    }
}

/// What containers may reach.
pub(super) struct Open<'a> {
    /// By the administrator's word.
    pub(super) reach: &'a [Reach],
    /// The servers that the engine asks for names, from within the container.
    pub(super) resolvers: &'a [IpAddr],
    /// Ports that containers of this host publish: they are as open as to anybody outside.
    pub(super) ports: &'a [PortBinding],
    /// Ports on the loopback, for the containers of the same owner.
    pub(super) near: &'a [Near],
}

/// The lines that fill our chains, for `iptables-restore --noflush`.
pub(super) fn chains(names: &Names, family: Family, open: &Open<'_>) -> String {
    let (host, out) = (&names.host, &names.out);
    let mut text = format!(":{host} - [0:0]\n:{out} - [0:0]\n");
    if family == Family::V4 {
        // First: what follows leaves it to the engine, which keeps all its networks apart.
        text.push_str(&near::pass(names, open.near));
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
    // Which containers reach each other is the engine's to say: it keeps its networks apart.
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

/// Ports by address and protocol.
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

/// What the `filter` table holds, as `iptables-save` writes it.
pub(super) struct Table<'a>(&'a str);

impl<'a> Table<'a> {
    pub(super) fn new(saved: &'a str) -> Self {
        Self(saved)
    }

    fn has(&self, rule: &str) -> bool {
        self.0.lines().any(|line| line.strip_prefix("-A ") == Some(rule))
    }

    /// Rules in one chain.
    fn count(&self, chain: &str) -> usize {
        let begin = format!("-A {chain} ");
        self.0.lines().filter(|line| line.starts_with(&begin)).count()
    }

    /// Where what is passed on is met first: in the chain that the engine leaves to its users, else at the top.
    fn forward(&self) -> &'static str {
        if self.has("FORWARD -j DOCKER-USER") { "DOCKER-USER" } else { "FORWARD" }
    }

    /// Whether `chains` are there as they are, and are met.
    pub(super) fn is_complete(&self, names: &Names, chains: &str) -> bool {
        let whole = [&names.host, &names.out].iter().all(|chain| {
            let begin = format!("-A {chain} ");
            chains.lines().filter(|line| line.starts_with(&begin)).count() == self.count(chain)
        });
        whole && self.missing(names).is_empty()
    }

    /// The lines that lead into our chains where there are none.
    pub(super) fn missing(&self, names: &Names) -> String {
        [("INPUT", &names.host), (self.forward(), &names.out)]
            .into_iter()
            .filter(|(chain, to)| !self.has(&names.jump(chain, to)))
            .map(|(chain, to)| format!("-I {}\n", names.jump(chain, to)))
            .collect()
    }

    /// The marks of all daemons that have chains here.
    pub(super) fn marks(&self) -> BTreeSet<String> {
        let chains = self.0.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next());
        chains
            .filter_map(|chain| {
                chain.strip_prefix("RAPTOR-HOST-").or_else(|| chain.strip_prefix("RAPTOR-OUT-"))
            })
            .map(str::to_owned)
            .collect()
    }

    /// The lines that take one daemon's chains away, and nothing else.
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
        let open = Open { reach: &reach, resolvers: &resolvers, ports: &ports, near: &[] };
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
        let open = Open { reach: &[], resolvers: &[], ports: &[], near: &[] };
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
