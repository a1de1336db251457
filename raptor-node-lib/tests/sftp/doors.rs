//! Signing in: many connections, old clients, and mistyped passwords.

use crate::world::{PASSWORD, World, bounded};
use std::{net::SocketAddr, os::unix::fs::PermissionsExt, process::Output};
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
    process::Command,
};

/// A connection from this address that never sends anything.
async fn idle(world: &World, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(SocketAddr::from(([127, 0, 0, 1], world.port))).await.unwrap()
}

/// Waits until the server has closed it.
async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), reading).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_make_room_the_oldest_first_and_those_who_have_signed_in_stay() {
    let world = World::new().await;
    std::fs::create_dir_all(world.data()).unwrap();
    std::fs::write(world.data().join("there.txt"), "here").unwrap();
    // A signed-in session, which is used again afterwards.
    let mut session = world.command(&["-b", "-"]).await;
    session.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut session = session.spawn().unwrap();
    let (mut asks, mut answers) = (session.stdin.take().unwrap(), session.stdout.take().unwrap());
    tokio::io::AsyncWriteExt::write_all(&mut asks, b"ls\n").await.unwrap();
    let mut heard = String::new();
    while !heard.contains("there.txt") {
        let mut piece = [0; 256];
        let read = answers.read(&mut piece).await.unwrap();
        assert!(read > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    // More connections than one address may have: its own oldest ones are closed.
    let mut first = idle(&world, "127.0.0.2").await;
    let mut others = Vec::new();
    for _ in 0..64 {
        others.push(idle(&world, "127.0.0.2").await);
    }
    is_closed(&mut first).await;
    // More connections than allowed in total, from other addresses.
    for address in 3..12 {
        for _ in 0..64 {
            others.push(idle(&world, &format!("127.0.0.{address}")).await);
        }
    }
    is_closed(&mut others[0]).await;
    world.sftp(&[], "ls\n").await;
    tokio::io::AsyncWriteExt::write_all(&mut asks, b"ls\n").await.unwrap();
    drop(asks);
    assert!(session.wait().await.unwrap().success());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_brings_as_many_as_it_wants() {
    let exempt = vec!["127.0.0.9".parse::<std::net::IpAddr>().unwrap().into()];
    let world = World::made(0, |builder| builder.exempt(exempt)).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(idle(&world, "127.0.0.9").await);
    }
    let mut greeting = [0; 4];
    held[0].read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"SSH-");
    let greeted = held[0].try_read(&mut [0; 64]).unwrap();
    assert!(greeted > 0, "the rest of the greeting, and no end");
    world.host.shutdown().await;
}

/// Runs OpenSSH's client with one algorithm of each kind.
async fn with(world: &World, kex: &str) -> Output {
    let flags = [
        "-o",
        &format!("KexAlgorithms={kex}"),
        "-o",
        "HostKeyAlgorithms=rsa-sha2-256",
        "-o",
        "Ciphers=aes128-ctr",
        "-o",
        "MACs=hmac-sha2-256",
    ];
    world.try_sftp(&flags, "ls\n").await
}

const OLD: [&str; 4] =
    ["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group14-sha256"];

#[tokio::test(flavor = "multi_thread")]
async fn old_clients_are_let_in_only_where_that_was_chosen() {
    let world = World::new().await;
    for kex in OLD {
        assert!(!with(&world, kex).await.status.success(), "{kex}");
    }
    assert!(!world.folder.path().join("containers/.raptor/sftp/host_rsa").exists());
    world.host.shutdown().await;
    let world = World::made(0, |builder| builder.old_sftp_clients(true)).await;
    for kex in OLD {
        let output = with(&world, kex).await;
        assert!(output.status.success(), "{kex}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // SHA-1 is not among them, and current clients are served as before.
    assert!(!with(&world, "diffie-hellman-group14-sha1").await.status.success());
    world.sftp(&[], "ls\n").await;
    let key = world.folder.path().join("containers/.raptor/sftp/host_rsa");
    assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_password_is_corrected_on_the_same_connection() {
    let world = World::new().await;
    for method in ["password", "keyboard-interactive"] {
        // Two wrong passwords, then the right one.
        let typed = world.own().join(format!("typed-{method}"));
        let script = format!(
            "#!/bin/sh\necho x >> {typed}\n[ $(wc -l < {typed}) -gt 2 ] && echo '{PASSWORD}' || echo wrong$(wc -l < {typed})\n",
            typed = typed.display()
        );
        let ask = world.own().join(format!("ask-{method}"));
        std::fs::write(&ask, script).unwrap();
        std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("sftp");
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "PubkeyAuthentication=no",
            "NumberOfPasswordPrompts=3",
            &format!("PreferredAuthentications={method}"),
        ] {
            command.args(["-o", option]);
        }
        command.args(["-P", &world.port.to_string(), &format!("{}@127.0.0.1", world.login())]);
        command.env("SSH_ASKPASS", &ask).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
        command.stdin(std::process::Stdio::null()).current_dir(world.own());
        let output = bounded(&mut command).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{method}: {said}");
        assert_eq!(std::fs::read_to_string(&typed).unwrap().lines().count(), 3, "{method}");
        assert_eq!(
            said.matches("Permission denied, please try again").count(),
            if method == "password" { 2 } else { 0 },
            "{said}"
        );
    }
    world.host.shutdown().await;
}
