//! Back ends on 127.0.0.1 for the proxy of the same owner, as guides for networks of Minecraft servers recommend.

use crate::world::{PATIENCE, World, docker, docker_output, installed, spec};
use raptor_model::{
    containers::Network,
    id::{ContainerId, UserId},
    node::{ContainerSpec, Node, PortBinding, PowerAction, Protocol},
    templates::{ConfigEdit, ConfigFile, ConfigParser},
};
use raptor_node_lib::Host;
use std::{path::Path, process::Command, time::Duration};

/// Answers TCP connections with its host name.
const SERVE: &str = "sh -c 'echo ready; while true; do hostname | nc -l -p 38451; done'";
const PORT: u16 = 38_451;
/// Answers UDP packets, in the network namespace of a container.
const SERVE_UDP: &str = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 38451, Proto => 'udp') or die $!; \
    $| = 1; print \"bound\\n\"; while ($s->recv(my $m, 99)) { $s->send(\"heard $m\") }";
const ASK_UDP: &str = "use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => 38451, Proto => 'udp'); \
    $s->send('ping'); my $r = ''; eval { local $SIG{ALRM} = sub { die }; alarm 2; $s->recv($r, 99) }; print $r";

/// A container on `host`, running.
async fn place(
    host: &Host,
    base: &Path,
    owner: UserId,
    change: impl FnOnce(&mut ContainerSpec),
) -> ContainerId {
    let mut spec = spec(SERVE);
    spec.owner = Some(owner);
    let value = serde_json::json!("{{config.docker.interface}}");
    let edit = ConfigEdit { key: "address".into(), if_value: None, value };
    spec.config_files = vec![ConfigFile {
        path: "proxy.properties".into(),
        parser: ConfigParser::Properties,
        edits: vec![edit],
    }];
    change(&mut spec);
    let id = spec.id;
    host.declare(spec).await.unwrap();
    host.power(id, PowerAction::Start, "").await.unwrap();
    let file = base.join(id.to_string()).join("proxy.properties");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !file.exists() || pid(id).is_none() {
        assert!(tokio::time::Instant::now() < deadline, "{id} does not run");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    id
}

fn pid(id: ContainerId) -> Option<String> {
    let output = Command::new("docker")
        .args(["inspect", "--format", "{{.State.Pid}}", &format!("raptor-{id}")])
        .output()
        .unwrap();
    let pid = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    (output.status.success() && pid != "0").then_some(pid)
}

/// The value of the template's placeholder in the container's configuration file.
fn interface(base: &Path, id: ContainerId) -> String {
    let text = std::fs::read_to_string(base.join(id.to_string()).join("proxy.properties")).unwrap();
    text.trim().strip_prefix("address=").unwrap().to_owned()
}

/// The answers that a process in the container gets at its interface, over TCP and over UDP.
fn asks(base: &Path, from: ContainerId) -> (String, String) {
    let (address, pid) = (interface(base, from), pid(from).unwrap());
    let run = |command: &[&str]| {
        let output =
            Command::new("nsenter").args(["--net", "--target", &pid]).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let tcp = format!("nc -w 2 {address} {PORT} </dev/null");
    let tcp = docker_output(&["exec", &format!("raptor-{from}"), "sh", "-c", &format!("{tcp}; true")]);
    (tcp.lines().last().unwrap_or_default().to_owned(), run(&["perl", "-e", ASK_UDP, &address]))
}

struct Udp(std::process::Child);

impl Udp {
    fn serve(id: ContainerId) -> Self {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &pid(id).unwrap(), "perl", "-e", SERVE_UDP]);
        Self(command.stdout(std::process::Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn an_allocation_on_the_loopback_is_reached_by_its_owners_other_containers_and_by_nobody_elses() {
    if !docker() || !installed("/usr/bin/nsenter") || !installed("/usr/bin/perl") {
        return;
    }
    let world = World::new(SERVE, |_| {}).await;
    if !world.host.system().await.unwrap().isolation.unwrap().kept {
        println!("SKIP: rules can't be set");
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "the rules are needed in CI");
        return;
    }
    let (host, base) = (&world.host, &world.base);
    let (steve, alex) = (UserId::generate(), UserId::generate());
    let near = |spec: &mut ContainerSpec| {
        let ip = std::net::Ipv4Addr::LOCALHOST.into();
        spec.ports = vec![PortBinding { ip, port: PORT, protocol: Protocol::Both, primary: true }];
    };
    let shared = |spec: &mut ContainerSpec| spec.network = Network::Owner;
    for in_one_network in [false, true] {
        let back_end = place(host, base, steve, |spec| {
            near(spec);
            if in_one_network {
                shared(spec);
            }
        })
        .await;
        let udp = Udp::serve(back_end);
        let (alone, together) =
            (place(host, base, steve, |_| {}).await, place(host, base, steve, shared).await);
        let strangers = [place(host, base, alex, |_| {}).await, place(host, base, alex, shared).await];
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for proxy in [alone, together] {
            let mut heard = asks(base, proxy);
            while heard != (back_end.short(), "heard ping".to_owned()) {
                assert!(
                    tokio::time::Instant::now() < deadline,
                    "{heard:?} (one network: {in_one_network})\n{}",
                    rules()
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
                heard = asks(base, proxy);
            }
        }
        for stranger in strangers {
            assert_eq!(asks(base, stranger), (String::new(), String::new()), "another owner's");
            // Nor through the address that its neighbours use.
            let address = interface(base, alone);
            let tried = format!("nc -w 2 {address} {PORT} </dev/null; true");
            assert_eq!(docker_output(&["exec", &format!("raptor-{stranger}"), "sh", "-c", &tried]), "");
        }
        drop(udp);
        for id in [back_end, alone, together].into_iter().chain(strangers) {
            host.remove(id).await.unwrap();
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while rules().contains(&format!("dport {PORT} ")) {
            assert!(tokio::time::Instant::now() < deadline, "rules stay\n{}", rules());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Our rules, of both tables.
fn rules() -> String {
    let table = |table: &str| {
        let output = Command::new("iptables-save").args(["-t", table]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let all = table("nat") + &table("filter");
    all.lines().filter(|line| line.contains("RAPTOR-")).map(|line| format!("{line}\n")).collect()
}
