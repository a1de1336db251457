//! Ports published on the host's loopback address only, for other containers of the same owner.
//!
//! A game server behind a proxy has its allocation on 127.0.0.1, where nobody outside can reach it. Containers see the host as
//! their network's gateway, not as 127.0.0.1: what they send to such a port there is forwarded to the container that publishes
//! it, if both have the same owner. The rules name the bridge that packets come from, so they never match anybody else's.

use super::rules::Names;
use raptor_model::{
    id::{ContainerId, UserId},
    node::{ContainerSpec, Protocol},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    net::{IpAddr, Ipv4Addr},
};

/// The host's side of a container's network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Net {
    pub(crate) bridge: String,
    /// The host's address in it.
    pub(crate) gateway: Ipv4Addr,
}

/// A forwarded port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LoopbackForward {
    /// The network from which it is reachable.
    from: Net,
    /// The bridge of the container that publishes it.
    to: String,
    /// That container's own address.
    ip: Ipv4Addr,
    port: u16,
    /// `tcp` or `udp`.
    protocol: &'static str,
}

/// Whether a container publishes a port on the loopback address only.
pub(crate) fn has_loopback_port(spec: &ContainerSpec) -> bool {
    spec.ports.iter().any(|port| matches!(port.ip, IpAddr::V4(ip) if ip.is_loopback()))
}

/// Which of `specs` can reach each other. `nets`: the network of each that has one; `ips`: the address of each that is running.
pub(crate) fn loopback_forwards(
    specs: &[ContainerSpec],
    nets: &HashMap<ContainerId, Net>,
    ips: &HashMap<ContainerId, Ipv4Addr>,
) -> Vec<LoopbackForward> {
    // Containers without a known owner have no neighbours.
    let whose = |spec: &ContainerSpec| -> (Option<UserId>, Option<ContainerId>) {
        (spec.owner, spec.owner.is_none().then_some(spec.id))
    };
    let mut owners: BTreeMap<_, (BTreeSet<&Net>, BTreeMap<_, _>)> = BTreeMap::new();
    for spec in specs {
        let (asking, ports) = owners.entry(whose(spec)).or_default();
        let Some(net) = nets.get(&spec.id) else { continue };
        asking.insert(net);
        let Some(ip) = ips.get(&spec.id) else { continue };
        for port in &spec.ports {
            let IpAddr::V4(address) = port.ip else { continue };
            if address.is_loopback() {
                for protocol in protocols(port.protocol) {
                    // If a port is published on several loopback addresses, the lowest address wins.
                    ports.entry((*protocol, port.port, address)).or_insert((&net.bridge, *ip));
                }
            }
        }
    }
    let mut loopback = Vec::new();
    for (asking, ports) in owners.into_values() {
        let mut taken = BTreeSet::new();
        for ((protocol, port, _), (to, ip)) in ports {
            if !taken.insert((protocol, port)) {
                continue;
            }
            loopback.extend(asking.iter().map(|from| LoopbackForward {
                from: (*from).clone(),
                to: to.clone(),
                ip,
                port,
                protocol,
            }));
        }
    }
    loopback
}

fn protocols(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Both => &["tcp", "udp"],
        Protocol::Tcp => &["tcp"],
        Protocol::Udp => &["udp"],
    }
}

/// The rules of the `nat` chain that forwards them, in the format of `iptables-save`.
pub(super) fn forward_rules(names: &Names, loopback: &[LoopbackForward]) -> Vec<String> {
    let rule = |LoopbackForward { from, ip, port, protocol, .. }: &LoopbackForward| {
        let Net { bridge, gateway } = from;
        format!(
            "-A {} -d {gateway}/32 -i {bridge} -p {protocol} -m {protocol} --dport {port} -j DNAT --to-destination {ip}:{port}",
            names.loopback
        )
    };
    loopback.iter().map(rule).collect()
}

/// The rules of the `nat` chain that routes the answers back through the host, which within one bridge they would bypass.
pub(super) fn return_rules(names: &Names, loopback: &[LoopbackForward]) -> Vec<String> {
    let within = loopback.iter().filter(|loopback| loopback.from.bridge == loopback.to);
    let rule = |LoopbackForward { to, ip, port, protocol, .. }: &LoopbackForward| {
        format!(
            "-A {} -d {ip}/32 -o {to} -p {protocol} -m conntrack --ctstate DNAT -m {protocol} --dport {port} -j MASQUERADE",
            names.back
        )
    };
    within.map(rule).collect()
}

/// Rules that let them pass in both directions, since the engine isolates its networks.
pub(super) fn accept_rules(names: &Names, loopback: &[LoopbackForward]) -> String {
    let mut text = String::new();
    for LoopbackForward { from: Net { bridge, gateway }, to, ip, port, protocol } in loopback {
        let asked = format!("-m conntrack --ctorigdst {gateway}");
        let _ = writeln!(
            text,
            "-A {out} -d {ip}/32 -i {bridge} -o {to} -p {protocol} -m {protocol} --dport {port} {asked} -j ACCEPT\n\
             -A {out} -s {ip}/32 -i {to} -o {bridge} -p {protocol} -m {protocol} --sport {port} {asked} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            out = names.out
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use raptor_model::node::PortBinding;

    fn spec(owner: Option<UserId>, ip: [u8; 4], port: u16, protocol: Protocol) -> ContainerSpec {
        let spec = serde_json::json!({
            "id": ContainerId::generate(), "revision": 1, "name": "", "image": "", "startup": "", "environment": {},
            "limits": raptor_model::containers::Limits::default(), "ports": [], "done": [], "strip_ansi": false,
            "stop": { "type": "docker" }, "stop_timeout_ms": 1, "config_files": [], "suspended": false, "owner": owner,
        });
        let mut spec: ContainerSpec = serde_json::from_value(spec).unwrap();
        spec.ports = vec![PortBinding { ip: ip.into(), port, protocol, primary: true }];
        spec
    }

    #[test]
    fn only_an_owners_own_containers_are_led_to_a_port_on_the_loopback() {
        let (steve, alex) = (Some(UserId::generate()), Some(UserId::generate()));
        let back_end = spec(steve, [127, 0, 0, 1], 25_566, Protocol::Both);
        let proxy = spec(steve, [0, 0, 0, 0], 25_565, Protocol::Tcp);
        let (stranger, nobodys) =
            (spec(alex, [0, 0, 0, 0], 25_567, Protocol::Tcp), spec(None, [0, 0, 0, 0], 1, Protocol::Tcp));
        let specs = [back_end, proxy, stranger, nobodys];
        let net = |n: u8| Net { bridge: format!("rpabc12{n:08}"), gateway: Ipv4Addr::new(10, 216, n, 1) };
        let nets: HashMap<_, _> = specs.iter().zip(0..).map(|(spec, n)| (spec.id, net(n))).collect();
        let ips: HashMap<_, _> =
            specs.iter().zip(0..).map(|(spec, n)| (spec.id, Ipv4Addr::new(10, 216, n, 2))).collect();
        let loopback = loopback_forwards(&specs, &nets, &ips);
        let names = Names::of("abc12");
        let mut rules = forward_rules(&names, &loopback);
        rules.sort();
        assert_eq!(
            rules,
            ["0", "1"].map(|n| ["tcp", "udp"].map(|protocol| format!(
                "-A RAPTOR-NEAR-abc12 -d 10.216.{n}.1/32 -i rpabc120000000{n} -p {protocol} -m {protocol} --dport 25566 -j DNAT --to-destination 10.216.0.2:25566"
            ))).concat()
        );
        assert_eq!(return_rules(&names, &loopback).len(), 2, "only within one network answers need help");
        assert_eq!(accept_rules(&names, &loopback).lines().count(), 8);
        assert!(!accept_rules(&names, &loopback).contains("10.216.2."), "not to, not from a stranger");
    }
}
