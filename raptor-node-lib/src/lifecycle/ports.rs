//! Explaining why a port could not be published, and what to do.

use super::failure::Failure;
use raptor_model::node::{Fault, PortBinding};

/// How engines report a port that another container publishes.
const BY_CONTAINER: &str = "port is already allocated";
/// How they report a port that another program listens on.
const BY_PROGRAM: &str = "address already in use";
/// How they report an address that the host does not have.
const NO_ADDRESS: &str = "cannot assign requested address";

/// Whether the engine reports that a port is used by somebody else.
pub(super) fn is_in_use(why: &str) -> bool {
    let text = why.to_ascii_lowercase();
    text.contains(BY_CONTAINER) || text.contains(BY_PROGRAM)
}

/// The sentence for people and the way to fix it, if the engine's message is about one of these ports.
pub(super) fn explain(ports: &[PortBinding], details: &str) -> Option<Failure> {
    let text = details.to_ascii_lowercase();
    let said = |words: &str| text.contains(words);
    if !(said(BY_CONTAINER) || said(BY_PROGRAM) || said(NO_ADDRESS)) {
        return None;
    }
    let port = mentioned(ports, details)?;
    let (ip, port, details) = (port.ip, port.port, details.to_owned());
    if said(NO_ADDRESS) {
        let why = format!("This host has no address {ip}. Give the container another allocation.");
        return Some(Failure::new(why, Fault::NoSuchAddress { ip, port, details }));
    }
    let by = if said(BY_CONTAINER) { "another container" } else { "another program" };
    let why = format!("Port {port} is used by {by} on this host. Stop it, or use another port.");
    Some(Failure::new(why, Fault::PortInUse { ip, port, details }))
}

/// The port that the engine's message mentions with its address, or else without.
fn mentioned<'p>(ports: &'p [PortBinding], why: &str) -> Option<&'p PortBinding> {
    let with_address =
        |port: &&PortBinding| names(why, &std::net::SocketAddr::new(port.ip, port.port).to_string());
    let alone = |port: &&PortBinding| names(why, &format!(":{}", port.port));
    ports.iter().find(with_address).or_else(|| ports.iter().find(alone))
}

/// Whether `why` contains `text` without a digit after it: `:2556` is not in `:25565`.
fn names(why: &str, text: &str) -> bool {
    why.match_indices(text)
        .any(|(at, _)| !why[at + text.len()..].starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use raptor_model::node::Protocol;

    fn port(ip: &str, port: u16) -> PortBinding {
        PortBinding { ip: ip.parse().unwrap(), port, protocol: Protocol::Both, primary: false }
    }

    #[test]
    fn a_port_that_is_in_use_is_said_in_words_and_the_engines_are_kept() {
        let ports =
            [port("0.0.0.0", 2556), port("0.0.0.0", 25565), port("10.99.99.99", 24111), port("::", 24112)];
        let start = "The container can't be started: driver failed programming external connectivity on endpoint raptor-1 (4c8b): ";
        let cases = [
            (
                "Bind for 0.0.0.0:25565 failed: port is already allocated",
                "Port 25565 is used by another container",
            ),
            (
                "Error starting userland proxy: listen tcp4 0.0.0.0:25565: bind: address already in use",
                "Port 25565 is used by another program",
            ),
            (
                "failed to bind host port for 0.0.0.0:25565:172.17.0.2:25565/tcp: address already in use",
                "Port 25565 is",
            ),
            (
                "cannot listen on the TCP port: listen tcp4 :2556: bind: address already in use",
                "Port 2556 is",
            ),
            (
                "Bind for [::]:24112 failed: port is already allocated",
                "Port 24112 is used by another container",
            ),
            (
                "Bind for :::24112 failed: port is already allocated",
                "Port 24112 is used by another container",
            ),
        ];
        for (raw, said) in cases {
            let Failure { why, fault } = explain(&ports, &format!("{start}{raw}")).unwrap();
            assert!(why.starts_with(said) && why.ends_with("use another port."), "{raw}: {why}");
            let Some(Fault::PortInUse { details, .. }) = fault else { panic!("{raw}: {fault:?}") };
            assert!(details.ends_with(raw));
        }
        let raw = "Error starting userland proxy: listen tcp4 10.99.99.99:24111: bind: cannot assign requested address";
        let Failure { why, fault } = explain(&ports, &format!("{start}{raw}")).unwrap();
        assert_eq!(why, "This host has no address 10.99.99.99. Give the container another allocation.");
        assert!(matches!(fault, Some(Fault::NoSuchAddress { port: 24111, .. })));
    }

    #[test]
    fn what_is_about_none_of_its_ports_is_left_to_others() {
        let ports = [port("0.0.0.0", 25565)];
        for why in ["no such image", "Bind for 0.0.0.0:2556 failed: port is already allocated"] {
            assert_eq!(explain(&ports, why), None);
        }
    }
}
