//! Ports that are published on the host's loopback alone, for the containers of the same owner.
//!
//! A game behind a proxy has its allocation on 127.0.0.1, where nobody outside reaches it. A container finds the host at its
//! network's gateway, not at 127.0.0.1: what it sends there to such a port is passed on to the container that has it, where both
//! are of one owner. Nobody else's packets meet the rules, which name the bridge that they come from.

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

/// A container's network as the host has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Net {
    /// Its bridge.
    pub(crate) bridge: String,
    /// The host's address in it.
    pub(crate) gateway: Ipv4Addr,
}

/// A port that is passed on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Near {
    /// Where it is asked for.
    from: Net,
    /// The bridge of the container that has it.
    to: String,
    /// The container's own address.
    ip: Ipv4Addr,
    port: u16,
    /// `tcp` or `udp`.
    protocol: &'static str,
}

/// Whether a container has a port that only the host itself reaches.
pub(crate) fn is_near(spec: &ContainerSpec) -> bool {
    spec.ports.iter().any(|port| matches!(port.ip, IpAddr::V4(ip) if ip.is_loopback()))
}

/// Who reaches which of `specs`. `nets`: the network of each, where it is there; `ips`: the address of each that runs.
pub(crate) fn between(
    specs: &[ContainerSpec],
    nets: &HashMap<ContainerId, Net>,
    ips: &HashMap<ContainerId, Ipv4Addr>,
) -> Vec<Near> {
    // Those without an owner are nobody's neighbours.
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
                    // Of one port on several loopback addresses, the lowest address has it.
                    ports.entry((*protocol, port.port, address)).or_insert((&net.bridge, *ip));
                }
            }
        }
    }
    let mut near = Vec::new();
    for (asking, ports) in owners.into_values() {
        let mut taken = BTreeSet::new();
        for ((protocol, port, _), (to, ip)) in ports {
            if !taken.insert((protocol, port)) {
                continue;
            }
            near.extend(asking.iter().map(|from| Near {
                from: (*from).clone(),
                to: to.clone(),
                ip,
                port,
                protocol,
            }));
        }
    }
    near
}

fn protocols(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Both => &["tcp", "udp"],
        Protocol::Tcp => &["tcp"],
        Protocol::Udp => &["udp"],
    }
}

/// What fills the chain of the table `nat` that sends them there, as `iptables-save` writes it.
pub(super) fn there(names: &Names, near: &[Near]) -> Vec<String> {
    let rule = |Near { from, ip, port, protocol, .. }: &Near| {
        let Net { bridge, gateway } = from;
        format!(
            "-A {} -d {gateway}/32 -i {bridge} -p {protocol} -m {protocol} --dport {port} -j DNAT --to-destination {ip}:{port}",
            names.near
        )
    };
    near.iter().map(rule).collect()
}

/// What fills the chain of the table `nat` that has the answers come back through the host: within one bridge they would not.
pub(super) fn back(names: &Names, near: &[Near]) -> Vec<String> {
    let within = near.iter().filter(|near| near.from.bridge == near.to);
    let rule = |Near { to, ip, port, protocol, .. }: &Near| {
        format!(
            "-A {} -d {ip}/32 -o {to} -p {protocol} -m conntrack --ctstate DNAT -m {protocol} --dport {port} -j MASQUERADE",
            names.back
        )
    };
    within.map(rule).collect()
}

/// Lets them pass, there and back: the engine keeps its networks apart.
pub(super) fn pass(names: &Names, near: &[Near]) -> String {
    let mut text = String::new();
    for Near { from: Net { bridge, gateway }, to, ip, port, protocol } in near {
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
        let near = between(&specs, &nets, &ips);
        let names = Names::of("abc12");
        let mut rules = there(&names, &near);
        rules.sort();
        assert_eq!(
            rules,
            ["0", "1"].map(|n| ["tcp", "udp"].map(|protocol| format!(
                "-A RAPTOR-NEAR-abc12 -d 10.216.{n}.1/32 -i rpabc120000000{n} -p {protocol} -m {protocol} --dport 25566 -j DNAT --to-destination 10.216.0.2:25566"
            ))).concat()
        );
        assert_eq!(back(&names, &near).len(), 2, "only within one network answers need help");
        assert_eq!(pass(&names, &near).lines().count(), 8);
        assert!(!pass(&names, &near).contains("10.216.2."), "not to, not from a stranger");
    }
}
