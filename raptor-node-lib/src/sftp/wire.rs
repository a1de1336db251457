//! SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions (its PROTOCOL file, section 4).
//!
//! `russh_sftp::protocol` has these packets too, but copies written data and replaces invalid UTF-8 in paths, so that a client
//! would create a file with another name than requested. Here data stays in the buffer in which it arrived, and names may be
//! any bytes, held as strings in the notation of [`names`].

use bytes::{Buf, Bytes};
use raptor_model::node::names;
pub(super) use russh_sftp::protocol::{OpenFlags, StatusCode};

/// The longest accepted packet, in bytes: OpenSSH's limit.
pub(super) const MAX_PACKET: usize = 256 * 1024;
/// The most data per read or write, in bytes, so that the rest of the packet still fits.
pub(super) const MAX_DATA: u32 = 255 * 1024;

/// A packet that can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// It ends too early.
    #[error("the packet is too short")]
    Short,
    /// An unknown request type.
    #[error("unknown request")]
    Unknown,
}

/// The attributes that a client sets on a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
    /// Times of the last access and modification, in seconds since 1970-01-01 UTC.
    pub(super) times: Option<(u32, u32)>,
}

pub(super) const SIZE: u32 = 1;
pub(super) const OWNER: u32 = 2;
pub(super) const MODE: u32 = 4;
pub(super) const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

/// A client's request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    Open {
        path: String,
        flags: u32,
        attributes: Attributes,
    },
    Close {
        handle: Bytes,
    },
    Read {
        handle: Bytes,
        offset: u64,
        length: u32,
    },
    Write {
        handle: Bytes,
        offset: u64,
        data: Bytes,
    },
    Lstat {
        path: String,
    },
    Fstat {
        handle: Bytes,
    },
    SetStat {
        path: String,
        attributes: Attributes,
    },
    FsetStat {
        handle: Bytes,
        attributes: Attributes,
    },
    OpenDir {
        path: String,
    },
    ReadDir {
        handle: Bytes,
    },
    Remove {
        path: String,
    },
    MakeDir {
        path: String,
        attributes: Attributes,
    },
    RemoveDir {
        path: String,
    },
    RealPath {
        path: String,
    },
    Stat {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    ReadLink {
        path: String,
    },
    /// In OpenSSH's order, which all clients have adopted: target first.
    Symlink {
        target: String,
        link: String,
    },
    PosixRename {
        from: String,
        to: String,
    },
    StatVfs {
        path: String,
    },
    FstatVfs {
        handle: Bytes,
    },
    HardLink {
        from: String,
        to: String,
    },
    Fsync {
        handle: Bytes,
    },
    LsetStat {
        path: String,
        attributes: Attributes,
    },
    Limits,
    ExpandPath {
        path: String,
    },
    CopyData {
        from: Bytes,
        from_offset: u64,
        length: u64,
        to: Bytes,
        to_offset: u64,
    },
    HomeDirectory,
}

/// The supported extensions and their versions.
pub(super) const EXTENSIONS: &[(&str, &str)] = &[
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("home-directory", "1"),
];

/// The type of a session's first packet.
pub(super) const INIT: u8 = 1;

/// Splits a packet (without its length field) into type, number and body. The first packet of a session has no number.
pub(super) fn open(mut packet: Bytes) -> Result<(u8, u32, Bytes), Malformed> {
    let kind = packet.try_get_u8().map_err(|_| Malformed::Short)?;
    let id = packet.try_get_u32().map_err(|_| Malformed::Short)?;
    Ok((kind, id, packet))
}

/// Decodes a request's body.
pub(super) fn request(kind: u8, body: Bytes) -> Result<Request, Malformed> {
    let mut r = Reader(body);
    Ok(match kind {
        3 => Request::Open { path: r.text()?, flags: r.u32()?, attributes: r.attributes()? },
        4 => Request::Close { handle: r.bytes()? },
        5 => Request::Read { handle: r.bytes()?, offset: r.u64()?, length: r.u32()? },
        6 => Request::Write { handle: r.bytes()?, offset: r.u64()?, data: r.bytes()? },
        7 => Request::Lstat { path: r.text()? },
        8 => Request::Fstat { handle: r.bytes()? },
        9 => Request::SetStat { path: r.text()?, attributes: r.attributes()? },
        10 => Request::FsetStat { handle: r.bytes()?, attributes: r.attributes()? },
        11 => Request::OpenDir { path: r.text()? },
        12 => Request::ReadDir { handle: r.bytes()? },
        13 => Request::Remove { path: r.text()? },
        14 => Request::MakeDir { path: r.text()?, attributes: r.attributes()? },
        15 => Request::RemoveDir { path: r.text()? },
        16 => Request::RealPath { path: r.text()? },
        17 => Request::Stat { path: r.text()? },
        18 => Request::Rename { from: r.text()?, to: r.text()? },
        19 => Request::ReadLink { path: r.text()? },
        20 => Request::Symlink { target: r.text()?, link: r.text()? },
        200 => extended(&mut r)?,
        _ => return Err(Malformed::Unknown),
    })
}

fn extended(r: &mut Reader) -> Result<Request, Malformed> {
    Ok(match r.text()?.as_str() {
        "posix-rename@openssh.com" => Request::PosixRename { from: r.text()?, to: r.text()? },
        "statvfs@openssh.com" => Request::StatVfs { path: r.text()? },
        "fstatvfs@openssh.com" => Request::FstatVfs { handle: r.bytes()? },
        "hardlink@openssh.com" => Request::HardLink { from: r.text()?, to: r.text()? },
        "fsync@openssh.com" => Request::Fsync { handle: r.bytes()? },
        "lsetstat@openssh.com" => Request::LsetStat { path: r.text()?, attributes: r.attributes()? },
        "limits@openssh.com" => Request::Limits,
        "expand-path@openssh.com" => Request::ExpandPath { path: r.text()? },
        "copy-data" => Request::CopyData {
            from: r.bytes()?,
            from_offset: r.u64()?,
            length: r.u64()?,
            to: r.bytes()?,
            to_offset: r.u64()?,
        },
        "home-directory" => {
            r.text()?;
            Request::HomeDirectory
        }
        _ => return Err(Malformed::Unknown),
    })
}

struct Reader(Bytes);

impl Reader {
    fn u32(&mut self) -> Result<u32, Malformed> {
        self.0.try_get_u32().map_err(|_| Malformed::Short)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.0.try_get_u64().map_err(|_| Malformed::Short)
    }

    fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.u32()? as usize;
        if self.0.remaining() < length {
            return Err(Malformed::Short);
        }
        Ok(self.0.split_to(length))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        Ok(names::escape(&self.bytes()?).into_owned())
    }

    fn attributes(&mut self) -> Result<Attributes, Malformed> {
        // Some clients omit them if nothing is set.
        if !self.0.has_remaining() {
            return Ok(Attributes::default());
        }
        let flags = self.u32()?;
        let has = |flag: u32| flags & flag != 0;
        let attributes = Attributes {
            size: if has(SIZE) { Some(self.u64()?) } else { None },
            owner: if has(OWNER) { Some((self.u32()?, self.u32()?)) } else { None },
            mode: if has(MODE) { Some(self.u32()?) } else { None },
            times: if has(TIMES) { Some((self.u32()?, self.u32()?)) } else { None },
        };
        if has(EXTENDED) {
            for _ in 0..self.u32()? {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::replies::*, *};
    use russh_sftp::protocol::{FileAttributes, Open, Packet, SetStat, Symlink, Write};

    /// What this module reads from a packet that an independent implementation encoded.
    fn read(packet: Packet) -> Request {
        let mut bytes = Bytes::try_from(packet).unwrap();
        let length = bytes.get_u32();
        assert_eq!(length as usize, bytes.len());
        let (kind, id, body) = open(bytes).unwrap();
        assert_eq!(id, 7);
        request(kind, body).unwrap()
    }

    #[test]
    fn packets_of_another_implementation_are_read() {
        let mut attrs = FileAttributes::empty();
        (attrs.size, attrs.permissions) = (Some(9), Some(0o644));
        (attrs.atime, attrs.mtime) = (Some(1), Some(2));
        let attributes = Attributes { size: Some(9), owner: None, mode: Some(0o644), times: Some((1, 2)) };
        let pflags = OpenFlags::WRITE | OpenFlags::CREATE;
        let packet = Open { id: 7, filename: "a/b".into(), pflags, attrs: attrs.clone() };
        assert_eq!(
            read(Packet::Open(packet)),
            Request::Open { path: "a/b".into(), flags: 2 | 8, attributes }
        );
        let packet = SetStat { id: 7, path: "ä".into(), attrs };
        assert_eq!(read(Packet::SetStat(packet)), Request::SetStat { path: "ä".into(), attributes });
        let packet = Write { id: 7, handle: "hand".into(), offset: 1 << 40, data: vec![1, 2, 3] };
        let data = Bytes::from_static(&[1, 2, 3]);
        assert_eq!(
            read(Packet::Write(packet)),
            Request::Write { handle: Bytes::from_static(b"hand"), offset: 1 << 40, data }
        );
        let packet = Symlink { id: 7, linkpath: "first".into(), targetpath: "second".into() };
        assert_eq!(
            read(Packet::Symlink(packet)),
            Request::Symlink { target: "first".into(), link: "second".into() },
            "the first one is where it leads, as OpenSSH sends it"
        );
    }

    #[test]
    fn replies_are_read_by_another_implementation() {
        let parse = |mut bytes: Bytes| {
            assert_eq!(bytes.get_u32() as usize, bytes.len());
            Packet::try_from(&mut bytes).unwrap()
        };
        assert!(matches!(parse(version()), Packet::Version(version)
            if version.version == 3 && version.extensions.len() == EXTENSIONS.len()));
        assert!(matches!(parse(status(7, StatusCode::NoSuchFile, "gone")), Packet::Status(status)
            if status.id == 7 && status.status_code == StatusCode::NoSuchFile && status.error_message == "gone"));
        let filled = data(7, 10, |buffer| {
            buffer.extend_from_slice(b"abc");
            Ok::<_, ()>(3)
        });
        assert!(
            matches!(parse(filled.unwrap().unwrap()), Packet::Data(data) if data.id == 7 && data.data == b"abc")
        );
        let told =
            Attributes { size: Some(1 << 40), owner: Some((3, 4)), mode: Some(5), times: Some((6, 7)) };
        let Packet::Attrs(read) = parse(attributes(7, &told)) else { panic!() };
        assert_eq!((read.attrs.size, read.attrs.uid, read.attrs.gid), (Some(1 << 40), Some(3), Some(4)));
        assert_eq!((read.attrs.permissions, read.attrs.atime, read.attrs.mtime), (Some(5), Some(6), Some(7)));
        assert!(matches!(parse(name(7, "x")), Packet::Name(name) if name.files[0].filename == "x"));
    }

    #[test]
    fn no_bytes_make_it_panic_and_names_are_any_bytes() {
        let mut state = 1_u64;
        for _ in 0..200_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let bytes = state.to_le_bytes();
            let body = Bytes::copy_from_slice(&bytes[..(bytes[0] % 9) as usize]);
            let _ = request(bytes[1] % 24, body.clone());
            let _ = request(200, body);
        }
        let body = Bytes::from_static(&[0, 0, 0, 1, 0xff]);
        assert_eq!(request(13, body), Ok(Request::Remove { path: r"\xFF".into() }));
        assert_eq!(request(77, Bytes::new()), Err(Malformed::Unknown));
    }
}
