//! Malicious or broken peers. Whatever they send, the host keeps running and serves the next one.

use crate::world::{PASSWORD, World, noise};
use bytes::{BufMut, BytesMut};
use russh::{ChannelMsg, client};
use std::{sync::Arc, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpStream};

struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;
    async fn check_server_key(
        &mut self,
        _: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

type Channel = russh::Channel<client::Msg>;

/// Signs in and opens a channel with the SFTP subsystem.
async fn channel(world: &World) -> (client::Handle<Trusting>, Channel) {
    let config = Arc::new(client::Config::default());
    let mut handle = client::connect(config, ("127.0.0.1", world.port), Trusting).await.unwrap();
    assert!(handle.authenticate_password(world.login(), PASSWORD).await.unwrap().success());
    let channel = handle.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    (handle, channel)
}

/// Asserts that another client is served.
async fn still_serves(world: &World) {
    let (_handle, mut channel) = channel(world).await;
    channel.data(&[0, 0, 0, 5, 1, 0, 0, 0, 3][..]).await.unwrap();
    let answered = async {
        while let Some(message) = channel.wait().await {
            if let ChannelMsg::Data { data } = message {
                assert_eq!(data.get(4), Some(&2), "a version");
                return;
            }
        }
        panic!("no answer");
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap();
}

/// A pseudo-random number generator with a fixed seed.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (bound.max(1) as u64)).unwrap()
    }
}

/// Security case 42.
#[tokio::test(flavor = "multi_thread")]
async fn rubbish_before_and_during_the_handshake_harms_nobody() {
    let world = World::new().await;
    let mut rng = Rng(42);
    for round in 0..60 {
        let mut stream = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
        let rubbish = noise(1 + rng.below(2_000));
        if round % 3 > 0 {
            let _ = stream.write_all(b"SSH-2.0-Test\r\n").await;
        }
        if round % 3 == 2 {
            // The header of a packet with all kinds of wrong lengths.
            let length = [0_u32, 1, 4, 5, 35_001, u32::MAX][rng.below(6)];
            let _ = stream.write_all(&length.to_be_bytes()).await;
            let _ = stream.write_all(&[0, 20]).await;
        }
        let _ = stream.write_all(&rubbish).await;
        drop(stream);
    }
    still_serves(&world).await;
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_packet_is_answered_or_ends_its_own_session_only() {
    let world = World::new().await;
    let mut rng = Rng(7);
    let deadline = std::time::Instant::now() + Duration::from_secs(8);
    let mut rounds = 0;
    while std::time::Instant::now() < deadline {
        rounds += 1;
        let (_handle, mut channel) = channel(&world).await;
        channel.data(&[0, 0, 0, 5, 1, 0, 0, 0, 3][..]).await.unwrap();
        for _ in 0..200 {
            if channel.data(&packet(&mut rng)[..]).await.is_err() {
                break;
            }
            while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, channel.wait()).await {}
        }
        still_serves(&world).await;
    }
    println!("{rounds} sessions of 200 packets");
    let outside = std::fs::read_dir(world.folder.path()).unwrap().count();
    assert_eq!(outside, 1, "nothing was made beside the containers' folder");
    world.host.shutdown().await;
}

/// An almost valid packet: some type, some fields, sometimes truncated or with a wrong length.
fn packet(rng: &mut Rng) -> Vec<u8> {
    let kinds =
        [3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 200, 200, 0, 1, 2, 101, 255];
    let words = [
        "",
        "/",
        ".",
        "..",
        "../../etc/passwd",
        "a",
        "a/b",
        "posix-rename@openssh.com",
        "statvfs@openssh.com",
        "hardlink@openssh.com",
        "copy-data",
        "limits@openssh.com",
        "expand-path@openssh.com",
        "lsetstat@openssh.com",
        "\0",
        "~root",
        "\u{fffd}",
        "\0\0\0\u{1}",
        "\0\0\0\u{2}",
    ];
    let mut body = BytesMut::new();
    body.put_u8(kinds[rng.below(kinds.len())]);
    body.put_u32(u32::try_from(rng.below(1 << 16)).unwrap());
    for _ in 0..rng.below(6) {
        match rng.below(5) {
            0 => body.put_u32(u32::try_from(rng.below(64)).unwrap()),
            1 => body.put_u64([0, 1, u64::MAX, u64::from(u32::MAX), 1 << 40][rng.below(5)]),
            2 => body.put_slice(&noise(rng.below(40))),
            _ => {
                let word = words[rng.below(words.len())];
                let lie = if rng.below(12) == 0 { 1_000_000 } else { 0 };
                body.put_u32(u32::try_from(word.len() + lie).unwrap());
                body.put_slice(word.as_bytes());
            }
        }
    }
    if rng.below(8) == 0 {
        body.truncate(rng.below(body.len()));
    }
    let length = match rng.below(200) {
        0 => 0,
        1 => u32::MAX,
        _ => u32::try_from(body.len()).unwrap(),
    };
    [&length.to_be_bytes()[..], &body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_nothing_holds_no_memory_and_nobody_up() {
    let world = World::new().await;
    std::fs::create_dir_all(world.data()).unwrap();
    std::fs::File::create(world.data().join("large")).unwrap().set_len(1 << 32).unwrap();
    let (_handle, channel) = channel(&world).await;
    channel.data(&[0, 0, 0, 5, 1, 0, 0, 0, 3][..]).await.unwrap();
    let mut open = BytesMut::new();
    open.put_u8(3);
    open.put_u32(1);
    open.put_u32(5);
    open.put_slice(b"large");
    open.put_u32(1);
    open.put_u32(0);
    channel.data(&framed(&open)[..]).await.unwrap();
    // Requests for 5 GiB, without reading any reply.
    for number in 0..20_000_u64 {
        let mut read = BytesMut::new();
        read.put_u8(5);
        read.put_u32(2);
        read.put_slice(&[0, 0, 0, 4, 0, 0, 0, 1]);
        read.put_u64(number * 261_120);
        read.put_u32(261_120);
        let sent = tokio::time::timeout(Duration::from_millis(500), channel.data(&framed(&read)[..])).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 600 * 1024, "{kib} KiB in client and server together");
    still_serves(&world).await;
    world.host.shutdown().await;
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}
