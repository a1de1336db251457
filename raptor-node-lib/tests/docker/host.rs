//! Containers are isolated from their host.

use crate::world::{ECHO, PATIENCE, World, docker, docker_output, spec};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{ContainerSpec, Node, PortBinding, PowerAction, Protocol},
};
use raptor_node_lib::Host;
use std::{
    io::Write,
    net::{Ipv4Addr, TcpListener},
    process::Command,
    thread,
    time::Duration,
};

/// Reads an address, and prints what the server there sent, or `nothing`.
const VISIT: &str = "sh -c 'echo ready; while read address port; do nc -w 2 $address $port </dev/null >said 2>&1; \
    grep -q welcome said && echo \"$address $port: welcome\" || echo \"$address $port: nothing\"; done'";
/// Serves on its own port 38431.
const SERVE: &str = "sh -c 'echo ready; while true; do echo welcome | nc -l -p 38431; done'";

async fn started(startup: &str, change: impl FnOnce(&mut ContainerSpec)) -> World {
    let world = World::new(startup, change).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world
}

/// Whether the container reaches a server.
async fn reaches(world: &World, address: &str, port: u16) -> bool {
    let asked = world.host.console(world.id, None, 1).await.unwrap().last().map_or(0, |line| line.seq);
    world.host.command(world.id, &format!("{address} {port}"), "").await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let lines = world.host.console(world.id, Some(asked), 1_000).await.unwrap();
        let answer = lines.iter().find_map(|line| line.text.strip_prefix(&format!("{address} {port}: ")));
        if let Some(answer) = answer {
            return answer == "welcome";
        }
        assert!(tokio::time::Instant::now() < deadline, "{}", world.transcript().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Starts a service of the host on all its addresses, and returns its port.
fn service() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            let _ = (&visitor).write_all(b"welcome\n");
        }
    });
    port
}

fn gateway(world: &World) -> String {
    docker_output(&[
        "network",
        "inspect",
        "--format",
        "{{range .IPAM.Config}}{{.Gateway}}{{end}}",
        &format!("raptor-{}", world.id),
    ])
}

fn rules() -> Vec<String> {
    let output = Command::new("iptables-save").args(["-t", "filter"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The chain that this world's host created for traffic to the host itself.
fn chain(world: &World) -> String {
    let instance = std::fs::read_to_string(world.base.join(".raptor/instance")).unwrap();
    format!("RAPTOR-HOST-{}", &instance[instance.len() - 5..])
}

/// Whether rules can be set here; prints a message if the test is skipped.
async fn kept(world: &World) -> bool {
    let isolation = world.host.system().await.unwrap().isolation.unwrap();
    if !isolation.kept {
        println!("SKIP: {}", isolation.note);
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "the rules are needed in CI");
    }
    isolation.kept
}

#[tokio::test]
async fn a_container_reaches_no_service_of_its_host_but_names_and_published_ports() {
    if !docker() {
        return;
    }
    let mut visitor = started(VISIT, |_| {}).await;
    if !kept(&visitor).await {
        return;
    }
    let port = service();
    assert_eq!(std::net::TcpStream::connect(("127.0.0.1", port)).map(drop).ok(), Some(()), "it serves");
    let gateway = gateway(&visitor);
    assert!(!reaches(&visitor, &gateway, port).await, "the host through the bridge's gateway");
    assert!(!reaches(&visitor, "172.17.0.1", port).await, "the host through another bridge's gateway");
    let address = Command::new("hostname").arg("-I").output().unwrap();
    let address = String::from_utf8(address.stdout).unwrap().split(' ').next().unwrap().to_owned();
    assert!(!reaches(&visitor, &address, port).await, "the host through its own address {address}");

    let published =
        PortBinding { ip: [0, 0, 0, 0].into(), port: 38_431, protocol: Protocol::Tcp, primary: true };
    // Another container of the same daemon: its published ports can be reached as from outside.
    let mut server = crate::world::spec(SERVE);
    server.ports = vec![published];
    let id = server.id;
    visitor.host.declare(server).await.unwrap();
    visitor.host.power(id, PowerAction::Start, "").await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !reaches(&visitor, &gateway, 38_431).await {
        assert!(tokio::time::Instant::now() < deadline, "a published port is closed\n{:#?}", rules());
    }
    let inside = docker_output(&[
        "inspect",
        "--format",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        &format!("raptor-{id}"),
    ]);
    assert!(!reaches(&visitor, &inside, 38_431).await, "its own address is not published");
    visitor.host.remove(id).await.unwrap();

    // Destinations that the administrator allows can be reached.
    visitor.host.shutdown().await;
    let reach = vec![format!("host:{port}").parse().unwrap()];
    visitor.host = Host::builder(&visitor.base).reach(reach).build().await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !reaches(&visitor, &gateway, port).await {
        assert!(tokio::time::Instant::now() < deadline, "what was opened is closed\n{:#?}", rules());
    }

    // The engine's DNS servers may have private addresses: queries come from inside the container's network.
    let asked = docker_output(&[
        "exec",
        &format!("raptor-{}", visitor.id),
        "sh",
        "-c",
        "nslookup does-not-exist.invalid 2>&1 || true",
    ]);
    assert!(asked.contains("NXDOMAIN") || asked.contains("can't find"), "{asked}");
    assert!(!asked.contains("timed out"), "{asked}");
}

#[tokio::test]
async fn rules_come_back_when_others_lose_them_and_go_with_the_last_network() {
    if !docker() {
        return;
    }
    let world = started(ECHO, |_| {}).await;
    if !kept(&world).await {
        return;
    }
    let chain = chain(&world);
    let others = |rules: Vec<String>| -> Vec<_> {
        rules.into_iter().filter(|rule| rule.starts_with("-A INPUT") && !rule.contains("RAPTOR")).collect()
    };
    let before = others(rules());
    let jump =
        rules().into_iter().find(|rule| rule.starts_with("-A INPUT") && rule.contains(&chain)).unwrap();
    let delete: Vec<_> = jump.replacen("-A", "-D", 1).split(' ').map(str::to_owned).collect();
    // As after a reload of the host's own rules.
    assert!(Command::new("iptables").arg("-w").args(&delete).status().unwrap().success());
    assert!(Command::new("iptables").args(["-w", "-F", &chain]).status().unwrap().success());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let whole = |rules: &[String]| {
        rules.contains(&jump)
            && rules
                .iter()
                .any(|rule| *rule == format!("-A {chain} -j REJECT --reject-with icmp-port-unreachable"))
    };
    while !whole(&rules()) {
        assert!(tokio::time::Instant::now() < deadline, "the rules are lost\n{:#?}", rules());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rules().iter().filter(|rule| **rule == jump).count(), 1, "once");
    world.host.remove(world.id).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while rules().iter().any(|rule| rule.contains(&chain)) {
        assert!(tokio::time::Instant::now() < deadline, "rules stay");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(others(rules()), before, "nobody else's rule was touched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_that_is_removed_while_it_is_declared_leaves_nothing_once_it_is_removed_again() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    for _ in 0..50 {
        let spec = spec(ECHO);
        let id = spec.id;
        let (declaring, removing) = (world.host.clone(), world.host.clone());
        let declared = tokio::spawn(async move { declaring.declare(spec).await });
        let removed = tokio::spawn(async move { removing.remove(id).await });
        // The removal may come first; the one that follows the declaration finds everything.
        let _ = declared.await.unwrap();
        removed.await.unwrap().unwrap();
        world.host.remove(id).await.unwrap();
        assert!(!world.base.join(format!(".raptor/{id}")).exists());
        assert!(world.host.containers().await.unwrap().iter().all(|status| status.id != id));
    }
}

#[tokio::test]
async fn what_is_left_of_a_container_that_nobody_supervises_is_removed_when_that_is_asked_for() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    let spec = spec(ECHO);
    let state = world.base.join(format!(".raptor/{}", spec.id));
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("spec.json"), serde_json::to_vec(&spec).unwrap()).unwrap();
    world.host.remove(spec.id).await.unwrap();
    assert!(!state.exists());
}

/// Where [`Neighbour`] serves.
const NEIGHBOUR: &str = "10.213.77.2";
const NEIGHBOURS_PORT: u16 = 38_433;

/// Another machine in a private network of the host.
struct Neighbour(std::process::Child);

impl Neighbour {
    /// None where this process may not make networks, which is said.
    fn new() -> Option<Self> {
        let script = format!(
            "set -e; ip netns add raptor-test; ip link add rptest0 type veth peer name rptest1 netns raptor-test; \
             ip addr add 10.213.77.1/24 dev rptest0; ip link set rptest0 up; \
             ip -n raptor-test addr add {NEIGHBOUR}/24 dev rptest1; ip -n raptor-test link set rptest1 up; \
             ip -n raptor-test link set lo up"
        );
        let made = Command::new("sh").args(["-c", &script]).output().unwrap();
        if !made.status.success() {
            println!("SKIP: {}", String::from_utf8_lossy(&made.stderr));
            assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "networks are needed in CI");
            undo();
            return None;
        }
        let own = std::env::current_exe().unwrap();
        let serving = Command::new("ip")
            .args(["netns", "exec", "raptor-test"])
            .arg(own)
            .args(["--ignored", "--exact", "host::a_neighbour_serves"])
            .spawn()
            .unwrap();
        Some(Self(serving))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        undo();
    }
}

fn undo() {
    let _ = Command::new("ip").args(["link", "del", "rptest0"]).output();
    let _ = Command::new("ip").args(["netns", "del", "raptor-test"]).output();
}

#[test]
#[ignore = "the next test runs it in a network of its own"]
fn a_neighbour_serves() {
    for visitor in TcpListener::bind((Ipv4Addr::UNSPECIFIED, NEIGHBOURS_PORT)).unwrap().incoming().flatten() {
        let _ = (&visitor).write_all(b"welcome\n");
    }
}

#[tokio::test]
async fn a_container_reaches_no_other_machine_of_its_hosts_private_network_but_what_was_opened() {
    if !docker() {
        return;
    }
    let mut visitor = started(VISIT, |_| {}).await;
    if !kept(&visitor).await {
        return;
    }
    let Some(_neighbour) = Neighbour::new() else { return };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while std::net::TcpStream::connect((NEIGHBOUR, NEIGHBOURS_PORT)).is_err() {
        assert!(tokio::time::Instant::now() < deadline, "it serves the host itself");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!reaches(&visitor, NEIGHBOUR, NEIGHBOURS_PORT).await, "a private address that is not the host's");
    visitor.host.shutdown().await;
    let reach = vec![format!("{NEIGHBOUR}:{NEIGHBOURS_PORT}").parse().unwrap()];
    visitor.host = Host::builder(&visitor.base).reach(reach).build().await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !reaches(&visitor, NEIGHBOUR, NEIGHBOURS_PORT).await {
        assert!(tokio::time::Instant::now() < deadline, "what was opened is closed\n{:#?}", rules());
    }
}
