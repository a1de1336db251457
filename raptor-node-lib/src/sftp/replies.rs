//! Encoding replies of SFTP version 3.

use super::wire::{Attributes, EXTENSIONS, MODE, OWNER, SIZE, StatusCode, TIMES};
use bytes::{BufMut, Bytes, BytesMut};
use raptor_model::node::names;

/// A reply being encoded.
pub(super) struct Reply(BytesMut);

impl Reply {
    fn new(kind: u8, room: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(5 + room);
        bytes.put_u32(0);
        bytes.put_u8(kind);
        Self(bytes)
    }

    /// Its current length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn put_u32(&mut self, value: u32) {
        self.0.put_u32(value);
    }

    pub(super) fn put_u64(&mut self, value: u64) {
        self.0.put_u64(value);
    }

    pub(super) fn put_text(&mut self, text: &str) {
        self.put_bytes(text.as_bytes());
    }

    /// Appends a name, a path, or a line that contains one, as raw bytes.
    pub(super) fn put_name(&mut self, name: &str) {
        self.put_bytes(&names::unescape(name));
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.0.put_u32(u32::try_from(bytes.len()).unwrap_or(0));
        self.0.put_slice(bytes);
    }

    pub(super) fn put_attributes(&mut self, attributes: &Attributes) {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        self.0.put_u32(
            flag(attributes.size.is_some(), SIZE)
                | flag(attributes.owner.is_some(), OWNER)
                | flag(attributes.mode.is_some(), MODE)
                | flag(attributes.times.is_some(), TIMES),
        );
        if let Some(size) = attributes.size {
            self.0.put_u64(size);
        }
        if let Some((user, group)) = attributes.owner {
            self.0.put_u32(user);
            self.0.put_u32(group);
        }
        if let Some(mode) = attributes.mode {
            self.0.put_u32(mode);
        }
        if let Some((accessed, modified)) = attributes.times {
            self.0.put_u32(accessed);
            self.0.put_u32(modified);
        }
    }

    /// The packet, including its length field.
    pub(super) fn finish(mut self) -> Bytes {
        let length = u32::try_from(self.0.len().saturating_sub(4)).unwrap_or(0);
        if let Some(head) = self.0.get_mut(..4) {
            head.copy_from_slice(&length.to_be_bytes());
        }
        self.0.freeze()
    }
}

pub(super) fn version() -> Bytes {
    let mut reply = Reply::new(2, 512);
    reply.put_u32(3);
    for (name, version) in EXTENSIONS {
        reply.put_text(name);
        reply.put_text(version);
    }
    reply.finish()
}

pub(super) fn status(id: u32, code: StatusCode, message: &str) -> Bytes {
    let mut reply = Reply::new(101, 18 + message.len());
    reply.put_u32(id);
    reply.put_u32(code as u32);
    reply.put_text(message);
    reply.put_text("en");
    reply.finish()
}

pub(super) fn handle(id: u32, handle: u32) -> Bytes {
    let mut reply = Reply::new(102, 12);
    reply.put_u32(id);
    reply.put_u32(4);
    reply.put_u32(handle);
    reply.finish()
}

/// File data, which `fill` reads directly into the packet; `None` if it reads nothing.
pub(super) fn data<E>(
    id: u32,
    length: usize,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
) -> Result<Option<Bytes>, E> {
    const HEAD: usize = 13;
    let mut packet = Vec::with_capacity(HEAD + length);
    packet.resize(HEAD, 0);
    let read = fill(&mut packet)?;
    if read == 0 {
        return Ok(None);
    }
    let read = u32::try_from(read).unwrap_or(0);
    let mut head = packet.get_mut(..HEAD).unwrap_or_default();
    head.put_u32(read.saturating_add(9));
    head.put_u8(103);
    head.put_u32(id);
    head.put_u32(read);
    Ok(Some(packet.into()))
}

/// The beginning of a list of names, whose length [`count_names`] fills in.
pub(super) fn names(id: u32) -> Reply {
    let mut reply = Reply::new(104, 1_024);
    reply.put_u32(id);
    reply.put_u32(0);
    reply
}

/// Completes a list of names.
pub(super) fn count_names(mut reply: Reply, count: u32) -> Bytes {
    if let Some(place) = reply.0.get_mut(9..13) {
        place.copy_from_slice(&count.to_be_bytes());
    }
    reply.finish()
}

/// A list with a single name.
pub(super) fn name(id: u32, name: &str) -> Bytes {
    let mut reply = names(id);
    reply.put_name(name);
    reply.put_name(name);
    reply.put_attributes(&Attributes::default());
    count_names(reply, 1)
}

pub(super) fn attributes(id: u32, attributes: &Attributes) -> Bytes {
    let mut reply = Reply::new(105, 36);
    reply.put_u32(id);
    reply.put_attributes(attributes);
    reply.finish()
}

/// The reply to an extended request that consists of numbers.
pub(super) fn numbers(id: u32, numbers: &[u64]) -> Bytes {
    let mut reply = Reply::new(201, 4 + numbers.len() * 8);
    reply.put_u32(id);
    for number in numbers {
        reply.put_u64(*number);
    }
    reply.finish()
}
