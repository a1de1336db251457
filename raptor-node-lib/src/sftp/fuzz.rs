//! Arbitrary input from clients: framing, packets and requests. Targets for `cargo bolero test`, and short tests.

use super::{
    handler::ChannelHandler,
    input::Framer,
    journal::{Journal, Spool},
    live::Live,
    wire,
};
use crate::{
    files::{Root, Usage},
    fuzz::briefly,
    link::Link,
};
use bytes::{BufMut, Bytes};
use raptor_model::{
    authz::ContainerSet,
    clock::Clock,
    id::{ContainerId, UserId},
    node::SftpGrant,
};
use std::{net::IpAddr, path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;

#[test]
fn whatever_comes_the_same_packets_are_found_however_it_is_cut() {
    briefly(bolero::check!()).for_each(|bytes: &[u8]| {
        let Some((cut, stream)) = bytes.split_first() else { return };
        let found = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut framer, mut found) = (Framer::default(), Vec::new());
            for mut piece in pieces {
                loop {
                    match framer.take(&mut piece) {
                        Ok(Some(packet)) => found.push(packet),
                        Ok(None) => break,
                        Err(_) => return (found, true),
                    }
                }
            }
            (found, false)
        };
        let whole = found(&mut std::iter::once(stream));
        assert_eq!(found(&mut stream.chunks(usize::from(*cut) + 1)), whole);
        for packet in whole.0 {
            if let Ok((kind, _, body)) = wire::open(packet) {
                let _ = wire::request(kind, body);
            }
        }
    });
}

/// A session with all rights in `folder/data`, except for `*.key`.
fn handler(folder: &Path) -> ChannelHandler {
    let ip = IpAddr::from([127, 0, 0, 1]);
    let (user_id, container_id) = (UserId::generate(), ContainerId::generate());
    let grant = SftpGrant {
        user_id,
        username: "ann".into(),
        container_id,
        permissions: ContainerSet::ALL,
        denied: vec!["*.key".into()],
        read_only: false,
        epoch: 0,
        keep_seconds: 0,
        locked: None,
    };
    let spool = Spool::open(folder.join("spool"), Arc::new(Link::default())).unwrap();
    let journal = Journal::new(Arc::new(spool), Clock::System, (user_id, container_id), ip);
    let session = (ip, CancellationToken::new(), 0);
    let live = Live::new(&grant, ("ann.box".into(), None), journal, session);
    let usage = Arc::new(Usage::new(1 << 20));
    let root = Root::with_usage(&folder.join("data"), 0, 0, usage).unwrap();
    ChannelHandler::new(root, Arc::new(live), Clock::System)
}

/// Names with a special meaning, to mix with random ones.
const NAMES: [&[u8]; 16] = [
    b"/",
    b".",
    b"..",
    b"a",
    b"/a/b",
    b"../a",
    b"a/../../out",
    b"b.key",
    b"b",
    b"link",
    b"link/a",
    b"caf\xE9",
    b"~",
    b"/etc/passwd",
    b"../../../../../../etc/passwd",
    b"\\x2E\\x2E/x",
];
const KINDS: [u8; 20] = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 200, 1];
const EXTENSIONS: [&str; 11] = [
    "posix-rename@openssh.com",
    "statvfs@openssh.com",
    "fstatvfs@openssh.com",
    "hardlink@openssh.com",
    "fsync@openssh.com",
    "lsetstat@openssh.com",
    "limits@openssh.com",
    "expand-path@openssh.com",
    "copy-data",
    "home-directory",
    "nonsense",
];

/// Random bytes that decide what is sent.
struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn put_name(&mut self, body: &mut Vec<u8>) {
        let name = match self.next() {
            // Handles are consecutive numbers.
            choice @ 0..64 => (choice as u32 % 8).to_be_bytes().to_vec(),
            choice @ 64..240 => NAMES[choice % NAMES.len()].to_vec(),
            choice => {
                let (name, rest) = self.0.split_at(self.0.len().min(choice - 240));
                self.0 = rest;
                name.to_vec()
            }
        };
        body.put_u32(u32::try_from(name.len()).unwrap());
        body.put_slice(&name);
    }

    fn request(&mut self) -> (u8, Bytes) {
        let kind = KINDS[self.next() % KINDS.len()];
        let mut body = Vec::new();
        if kind == 200 {
            let name = EXTENSIONS[self.next() % EXTENSIONS.len()];
            body.put_u32(u32::try_from(name.len()).unwrap());
            body.put_slice(name.as_bytes());
        }
        self.put_name(&mut body);
        for _ in 0..self.next() % 6 {
            match self.next() % 4 {
                0 => self.put_name(&mut body),
                1 => body.put_u32(u32::try_from(self.next()).unwrap() & 0x3F),
                2 => body.put_u64(1 << (self.next() % 64)),
                _ => body.put_u32(1 << (self.next() % 32)),
            }
        }
        (kind, Bytes::from(body))
    }
}

#[test]
fn whatever_a_client_asks_it_gets_a_reply_and_nothing_outside() {
    briefly(bolero::check!()).with_max_len(512).for_each(|bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("b.key"), "secret").unwrap();
        std::fs::write(data.join("b"), "b").unwrap();
        std::fs::write(folder.path().join("out"), "outside").unwrap();
        std::os::unix::fs::symlink("..", data.join("link")).unwrap();
        let mut handler = handler(folder.path());
        assert!(handler.serve(wire::INIT, 3, Bytes::new()).is_some());
        let mut choices = Choices(bytes);
        for id in 0..64 {
            if choices.0.is_empty() {
                break;
            }
            let (kind, body) = choices.request();
            if let Some(reply) = handler.serve(kind, id, body) {
                assert!(reply.len() <= wire::MAX_PACKET + 64);
                assert!(!reply.windows(6).any(|part| part == b"secret"), "what is denied was read");
                assert!(!reply.windows(7).any(|part| part == b"outside"), "what is outside was read");
            }
        }
        drop(handler);
        assert_eq!(std::fs::read(folder.path().join("out")).unwrap(), b"outside");
        assert_eq!(std::fs::read(data.join("b.key")).unwrap(), b"secret");
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 3, "nothing was made beside the folder");
    });
}
