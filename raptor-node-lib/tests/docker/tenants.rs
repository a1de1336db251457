//! Tenants are isolated from one another and from the host, and leave nothing behind.

use crate::world::{ECHO, World, docker, docker_output};
use raptor_model::{
    containers::{Mount, Network, lifecycle::Phase},
    id::UserId,
    node::{InstallSpec, Node, PortBinding, PowerAction, Protocol},
};

/// Serves on port 5000 and prints its address.
const SERVE: &str = "sh -c 'hostname -i; echo ready; while true; do echo served | nc -l -p 5000; done'";

async fn started(startup: &str, change: impl FnOnce(&mut raptor_model::node::ContainerSpec)) -> World {
    let world = World::new(startup, change).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world
}

fn address(world: &World) -> String {
    world.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
}

/// Whether a process in `from` can reach `address`.
fn reaches(from: &World, address: &str) -> bool {
    let command = format!("echo x | nc -w 2 {address} 5000");
    let output = std::process::Command::new("docker")
        .args(["exec", &format!("raptor-{}", from.id), "sh", "-c", &command])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).contains("served")
}

#[tokio::test]
async fn containers_reach_each_other_only_where_their_owner_says_so() {
    if !docker() {
        return;
    }
    let (one, other) = (started(SERVE, |_| {}).await, started(SERVE, |_| {}).await);
    assert!(reaches(&one, "127.0.0.1"), "the server serves");
    assert!(!reaches(&one, &address(&other)));
    assert!(!reaches(&other, &address(&one)));

    let owner = UserId::generate();
    let shared = |spec: &mut raptor_model::node::ContainerSpec| {
        (spec.owner, spec.network) = (Some(owner), Network::Owner);
    };
    let first = started(SERVE, shared).await;
    let mut spec = crate::world::spec(SERVE);
    shared(&mut spec);
    let id = spec.id;
    first.host.declare(spec).await.unwrap();
    first.host.power(id, PowerAction::Start, "").await.unwrap();
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    while !reaches(&first, &format!("raptor-{id}")) {
        assert!(tokio::time::Instant::now() < deadline, "two of one owner do not find each other");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(!reaches(&one, &address(&first)));
    first.host.remove(id).await.unwrap();
    let network = first.inspect("{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}");
    first.host.remove(first.id).await.unwrap();
    let left =
        docker_output(&["network", "ls", "--format", "{{.Name}}", "--filter", &format!("name={network}")]);
    assert_eq!(left, "", "the last one takes the owner's network with it");
}

#[tokio::test]
async fn a_port_is_passed_on_for_the_protocols_that_were_chosen_and_on_ipv6_too() {
    if !docker() {
        return;
    }
    let port = |ip: std::net::IpAddr, port, protocol| PortBinding { ip, port, protocol, primary: false };
    let world = started(ECHO, |spec| {
        spec.ports = vec![
            port([127, 0, 0, 1].into(), 38_421, Protocol::Tcp),
            port([127, 0, 0, 1].into(), 38_422, Protocol::Udp),
            port(std::net::Ipv6Addr::LOCALHOST.into(), 38_423, Protocol::Tcp),
        ];
    })
    .await;
    let ports = world.inspect("{{json .HostConfig.PortBindings}}");
    assert!(ports.contains("38421/tcp") && !ports.contains("38421/udp"), "{ports}");
    assert!(ports.contains("38422/udp") && !ports.contains("38422/tcp"), "{ports}");
    std::net::TcpStream::connect(("127.0.0.1", 38_421)).unwrap();
    std::net::TcpStream::connect(("::1", 38_423)).unwrap();
}

#[tokio::test]
async fn limits_change_while_it_runs() {
    if !docker() {
        return;
    }
    let world = started(ECHO, |_| {}).await;
    let before = world.inspect("{{.State.StartedAt}}");
    world
        .change(|spec| {
            spec.limits.memory_mib = 128;
            spec.limits.cpu_percent = 50;
            spec.limits.pids = 99;
        })
        .await;
    let limits = world.inspect("{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} {{.HostConfig.PidsLimit}}");
    assert_eq!(limits, format!("{} 50000 99", 128 * 1024 * 1024 / 100 * 115));
    assert_eq!(world.inspect("{{.State.StartedAt}}"), before, "it was not restarted");
    world.line("apply from now on").await;
    world.change(|spec| spec.limits.memory_mib = 0).await;
    let status = world.until("there", |_| true).await;
    assert!(status.pending.is_none() || status.pending.unwrap().contains("next start"));
}

#[tokio::test]
async fn a_folder_of_the_host_is_mounted_only_where_the_daemon_allows_it() {
    if !docker() {
        return;
    }
    let mount = |source: String| Mount { source, target: "/maps".into(), read_only: true };
    let world = World::new("sh -c 'cat /maps/name; echo $TZ ready; read line'", |spec| {
        spec.mounts = vec![mount("/etc".into())];
        spec.timezone = Some("Europe/Berlin".into());
        spec.labels.insert("team".into(), "blue".into());
    })
    .await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.until("refused", |status| status.problem.is_some()).await;
    assert!(status.problem.unwrap().contains("ALLOWED_MOUNTS"));
    let shared = world.base.parent().unwrap().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("name"), "the maps\n").unwrap();
    world.change(|spec| spec.mounts = vec![mount(shared.display().to_string())]).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.line("the maps").await;
    world.line("Europe/Berlin ready").await;
    assert_eq!(world.inspect("{{.Config.Labels.team}}"), "blue");
}

#[tokio::test]
async fn a_time_zone_holds_in_images_that_know_none_for_the_process_and_its_installer() {
    if !docker() {
        return;
    }
    let script =
        "echo installer $(date -d 2026-01-01T00:00:00Z '+%H:%M %Z' 2>/dev/null || date -u); date '+%z'";
    let world = World::new(
        "sh -c 'test -e /etc/localtime || echo no zones; date +zone=%z=%Z; echo ready; read line'",
        |spec| {
            spec.timezone = Some("Asia/Tokyo".into());
            spec.install = Some(InstallSpec {
                number: 1,
                image: spec.image.clone(),
                entrypoint: "sh".into(),
                script: script.into(),
                wipe: false,
                start: true,
                timeout_ms: 60_000,
                strict: true,
            });
        },
    )
    .await;
    world.line("+0900").await;
    world.line("zone=+0900=JST").await;
}

#[tokio::test]
async fn a_folder_to_be_mounted_that_is_missing_is_said_as_such() {
    if !docker() {
        return;
    }
    let world = World::new(ECHO, |_| {}).await;
    let shared = world.base.parent().unwrap().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let source = world.base.join("../shared/maps").display().to_string();
    let source = source.replace("/containers/../", "/");
    let mount = Mount { source: source.clone(), target: "/maps".into(), read_only: true };
    world.change(|spec| spec.mounts = vec![mount]).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let problem = world.until("refused", |status| status.problem.is_some()).await.problem.unwrap();
    assert!(problem.contains(&source) && problem.contains("does not exist on this host"), "{problem}");
    std::fs::create_dir(&source).unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
}

#[tokio::test]
async fn what_belongs_to_nothing_is_removed_when_the_daemon_returns_and_others_things_stay() {
    if !docker() {
        return;
    }
    let mut world = started(ECHO, |_| {}).await;
    let other = started(ECHO, |_| {}).await;
    let gone = crate::world::spec(ECHO);
    let id = gone.id;
    world.host.declare(gone).await.unwrap();
    world.host.power(id, PowerAction::Start, "").await.unwrap();
    let name = format!("raptor-{id}");
    let exists = || !docker_output(&["ps", "-aq", "--filter", &format!("name={name}")]).is_empty();
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    while !exists() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    world.engine_says("{{.State.Running}}", &name, "true").await;
    world.host.shutdown().await;
    // As after a removal that a crash interrupted: state and files are gone, the container is not.
    std::fs::remove_dir_all(world.base.join(".raptor").join(id.to_string())).unwrap();
    std::fs::remove_dir_all(world.base.join(id.to_string())).unwrap();
    world.restart_daemon().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(exists(), "what runs stays");
    world.host.shutdown().await;
    docker_output(&["stop", "-t", "0", &name]);
    world.restart_daemon().await;
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    while exists() {
        assert!(tokio::time::Instant::now() < deadline, "an orphan stays");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(other.until("there", |_| true).await.phase, Phase::Running);
    assert_eq!(other.inspect("{{.State.Running}}"), "true");
    assert_eq!(world.until("there", |_| true).await.phase, Phase::Running);
}
