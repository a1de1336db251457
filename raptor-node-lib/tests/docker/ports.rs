//! Ports that something else on the host uses, and addresses that the host does not have.

use crate::world::{ECHO, World, docker};
use raptor_model::{
    containers::lifecycle::Phase,
    node::{Fault, Node, PortBinding, PowerAction, Protocol},
};
use std::net::{IpAddr, Ipv4Addr, TcpListener};

/// A port that nothing listens on.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn binding(ip: impl Into<IpAddr>, port: u16) -> PortBinding {
    PortBinding { ip: ip.into(), port, protocol: Protocol::Both, primary: true }
}

/// Starts it, waits until that has failed, and returns the problem and the fault code.
async fn failed(world: &World) -> (String, Option<Fault>) {
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status =
        world.until("failed", |status| status.phase == Phase::Offline && status.problem.is_some()).await;
    (status.problem.unwrap(), status.fault.map(|fault| *fault))
}

#[tokio::test]
async fn a_port_of_another_program_is_said_in_words_until_it_can_be_had() {
    if !docker() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut world = World::new(ECHO, |spec| spec.ports = vec![binding(Ipv4Addr::LOCALHOST, port)]).await;
    let (problem, fault) = failed(&world).await;
    assert_eq!(
        problem,
        format!("Port {port} is used by another program on this host. Stop it, or use another port.")
    );
    let Some(Fault::PortInUse { ip, port: named, details }) = fault.clone() else { panic!("{fault:?}") };
    assert_eq!((ip, named), (Ipv4Addr::LOCALHOST.into(), port));
    assert!(details.contains("already in use"), "{details}");
    world.line(&details).await;
    world.restart_daemon().await;
    let kept = world.until("kept", |status| status.problem.is_some()).await;
    assert_eq!(kept.fault.map(|fault| *fault), fault, "also by the next daemon");
    drop(listener);
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let status = world.phase(Phase::Running).await;
    assert_eq!((status.problem, status.fault), (None, None));
}

#[tokio::test]
async fn a_port_of_another_container_and_an_address_that_the_host_lacks_are_said_in_words() {
    if !docker() {
        return;
    }
    let port = free();
    let bound = |spec: &mut raptor_model::node::ContainerSpec| {
        spec.ports = vec![binding(Ipv4Addr::LOCALHOST, port)];
    };
    let first = World::new(ECHO, bound).await;
    first.host.power(first.id, PowerAction::Start, "").await.unwrap();
    first.phase(Phase::Running).await;
    let second = World::new(ECHO, bound).await;
    let (problem, fault) = failed(&second).await;
    assert_eq!(
        problem,
        format!("Port {port} is used by another container on this host. Stop it, or use another port.")
    );
    assert!(matches!(fault, Some(Fault::PortInUse { port: named, .. }) if named == port), "{fault:?}");

    let nowhere = Ipv4Addr::new(10, 99, 99, 99);
    let addresses = first.host.system().await.unwrap().addresses;
    assert!(
        addresses.contains(&Ipv4Addr::LOCALHOST.into()) && !addresses.contains(&nowhere.into()),
        "{addresses:?}"
    );
    let third = World::new(ECHO, |spec| spec.ports = vec![binding(nowhere, port)]).await;
    let (problem, fault) = failed(&third).await;
    assert_eq!(problem, "This host has no address 10.99.99.99. Give the container another allocation.");
    assert!(matches!(fault, Some(Fault::NoSuchAddress { .. })), "{fault:?}");
}

#[tokio::test]
async fn a_host_says_which_declaration_a_process_was_made_from_also_after_the_daemons_restart() {
    if !docker() {
        return;
    }
    let mut world = World::new(ECHO, |spec| spec.ports = vec![binding(Ipv4Addr::LOCALHOST, free())]).await;
    assert_eq!(world.phase(Phase::Offline).await.process_revision, None);
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    world.change(|spec| spec.ports.clear()).await;
    let status = world.until("declared anew", |status| status.revision == 2).await;
    assert_eq!(status.process_revision, Some(1), "it still publishes its port");
    world.restart_daemon().await;
    assert_eq!(world.phase(Phase::Running).await.process_revision, Some(1));
    world.host.power(world.id, PowerAction::Restart, "").await.unwrap();
    world
        .until("restarted", |status| status.phase == Phase::Running && status.process_revision == Some(2))
        .await;
    world.host.power(world.id, PowerAction::Stop, "").await.unwrap();
    assert_eq!(world.phase(Phase::Offline).await.process_revision, None);
}

#[tokio::test]
async fn a_port_that_is_let_go_of_a_moment_after_the_start_is_waited_for() {
    if !docker() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::new(ECHO, |spec| spec.ports = vec![binding(Ipv4Addr::LOCALHOST, port)]).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.line("One of its ports is still in use. Trying once more in a moment.").await;
    drop(listener);
    let status = world.phase(Phase::Running).await;
    assert_eq!((status.problem, status.fault), (None, None));
}
