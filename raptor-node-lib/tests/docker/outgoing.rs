//! The source address of a container's connections, as a server outside the host sees it.

use crate::world::{ECHO, World, docker};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{Node, PowerAction},
};
use std::{
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
};

/// The server's address; the host has two in the same network (TEST-NET-2, RFC 5737).
const SERVER: &str = "198.51.100.130";
const HOST: &str = "198.51.100.129";
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 131);
/// Answers each connection with the address that it comes from.
const SERVE: &str = "
import socket
server = socket.create_server(('198.51.100.130', 5000))
print('ready', flush=True)
while True:
    peer, address = server.accept()
    peer.sendall(address[0].encode())
    peer.close()
";

/// Another host, in a network namespace: it sees the traffic that leaves this one.
struct Outside {
    name: String,
    server: Child,
}

impl Outside {
    fn new() -> Self {
        let name = format!("raptor-{}", std::process::id());
        let (here, there) = (format!("rt{}", std::process::id()), format!("ro{}", std::process::id()));
        ip(&["netns", "add", &name]);
        ip(&["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &name]);
        for address in [HOST.to_owned(), SECOND.to_string()] {
            ip(&["address", "add", &format!("{address}/29"), "dev", &here]);
        }
        ip(&["link", "set", &here, "up"]);
        ip(&["-n", &name, "address", "add", &format!("{SERVER}/29"), "dev", &there]);
        ip(&["-n", &name, "link", "set", &there, "up"]);
        let mut server = Command::new("ip")
            .args(["netns", "exec", &name, "python3", "-c", SERVE])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut ready).unwrap();
        Self { name, server }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        // This also deletes the pair of interfaces.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

fn ip(args: &[&str]) {
    assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
}

/// The address that the server sees for a container.
fn seen(world: &World) -> String {
    let command = format!("nc -w 3 {SERVER} 5000 </dev/null");
    let name = format!("raptor-{}", world.id);
    let output = Command::new("docker").args(["exec", &name, "sh", "-c", &command]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn started(outgoing: Option<Ipv4Addr>) -> World {
    let world = World::new(ECHO, |spec| spec.outgoing_ip = outgoing).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world
}

async fn restarted(world: &World) {
    world.host.power(world.id, PowerAction::Restart, "").await.unwrap();
    world.until("restarted", |status| status.phase == Phase::Starting).await;
    world.phase(Phase::Running).await;
}

#[tokio::test]
async fn connections_come_from_the_address_that_was_chosen_and_from_no_other() {
    if !docker() {
        return;
    }
    let outside = Outside::new();
    let (chosen, other) = (started(Some(SECOND)).await, started(None).await);
    assert_eq!(seen(&other), HOST);
    assert_eq!(seen(&chosen), SECOND.to_string());

    // Flushed rules are restored, and in between nothing leaves with another address.
    let rules =
        |args: &[&str]| Command::new("iptables").args(["--wait", "-t", "nat"]).args(args).output().unwrap();
    let listed = String::from_utf8(rules(&["-S", "POSTROUTING"]).stdout).unwrap();
    let jump = listed.lines().find(|line| line.contains("RAPTOR-FROM-")).expect("our chain is met");
    let removed: Vec<_> = jump.split(' ').skip(1).collect();
    rules(&[&["-D"], removed.as_slice()].concat());
    assert_eq!(seen(&chosen), "");
    chosen.change(|spec| spec.limits.pids = 99).await;
    restarted(&chosen).await;
    assert_eq!(seen(&chosen), SECOND.to_string());

    chosen.change(|spec| spec.outgoing_ip = None).await;
    restarted(&chosen).await;
    assert_eq!(seen(&chosen), HOST);
    drop(outside);
}

#[tokio::test]
async fn an_address_that_the_host_does_not_have_is_refused_at_the_start() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |spec| spec.outgoing_ip = Some(Ipv4Addr::new(192, 0, 2, 77))).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.until("refused", |status| status.problem.is_some()).await;
    assert!(status.problem.unwrap().contains("192.0.2.77"));
}
