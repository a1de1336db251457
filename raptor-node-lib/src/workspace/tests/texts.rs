//! Text files in any encoding: nothing changes but what was typed.

use super::*;
use raptor_model::{
    node::{TextFile, TextRead, TextWrite},
    text::{Encoding, LineEnd, LineEnds},
};

fn named(name: &str) -> Encoding {
    Encoding::named(name).unwrap()
}

fn asked(at: &str) -> TextRead {
    TextRead { path: path(at), version: None, unpack: false, encoding: None, tail_bytes: None }
}

impl World {
    fn bytes(&self, at: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join("data").join(at)).unwrap()
    }

    fn open(&self, at: &str) -> TextFile {
        self.workspace.read_text(asked(at)).unwrap()
    }

    async fn save_text(&self, how: TextWrite, text: String) -> FileResult<FileAnswer> {
        let workspace = self.workspace.clone();
        let body = stream::iter([Ok(Bytes::from(text))]).boxed();
        tokio::task::spawn_blocking(move || workspace.write(FileWrite::Text { text: how }, body))
            .await
            .unwrap()
    }

    /// Opens a file, edits its text as a browser's editor represents it, and saves it.
    async fn edit(&self, at: &str, change: impl Fn(String) -> String) -> FileResult<FileAnswer> {
        let TextFile { file, text, encoding, .. } = self.open(at);
        let text = change(text.replace("\r\n", "\n").replace('\r', "\n"));
        self.save_text(how(file, encoding), text).await
    }
}

fn how(file: FileInfo, encoding: Encoding) -> TextWrite {
    TextWrite {
        path: file.path,
        etag: Some(file.etag),
        read_as: encoding,
        encoding,
        line_end: None,
        byte_order_mark: None,
        by: "ann".into(),
    }
}

#[tokio::test]
async fn saving_adds_what_was_typed_and_nothing_else() {
    let world = World::new();
    let gb18030 = "# 服务器配置\r\nmotd=欢迎 ".to_owned();
    let gb18030 = [&*named("GBK").encode(&gb18030).unwrap(), b"\x94\x39\xfc\x36"].concat();
    let files: &[(&str, &[u8])] = &[
        // motd=café §a, port=1 in Latin-1 with CRLF.
        ("latin1", b"motd=caf\xe9 \xa7a\r\nport=1\r\n"),
        ("crlf", b"a\r\nb\r\n"),
        ("mark", b"\xef\xbb\xbfkey=1\n"),
        ("mixed", b"a\r\nb\nc\rd\r\n"),
        ("no-last-end", b"a\r\nb"),
        ("old-mac", b"a\rb\r"),
        ("utf8-with-a-broken-byte", b"Gr\xc3\xbc\xc3\x9fe \xc3\xa4\xc3\xb6 \xff\n"),
        ("gb18030", &gb18030),
    ];
    for (name, bytes) in files {
        world.put(name, bytes);
        world.edit(name, |text| text + "Z").await.unwrap();
        assert_eq!(world.bytes(name), [*bytes, b"Z"].concat(), "{name}");
        world.edit(name, |text| format!("Z{text}")).await.unwrap();
        let mark = if *name == "mark" { 3 } else { 0 };
        assert_eq!(world.bytes(name), [&bytes[..mark], b"Z", &bytes[mark..], b"Z"].concat(), "{name}");
    }
    for (name, encoding, mark) in [
        ("wide", Encoding::UTF_16LE, true),
        ("wide-big", Encoding::UTF_16BE, true),
        ("wide-bare", Encoding::UTF_16LE, false),
        ("wide-big-bare", Encoding::UTF_16BE, false),
    ] {
        let text = "[Server]\r\nName=Grüße 服务器\r\n";
        let mark = if mark { encoding.mark() } else { b"" };
        let bytes = [mark, &encoding.encode(text).unwrap()].concat();
        world.put(name, &bytes);
        let opened = world.open(name);
        assert_eq!(
            (opened.text.as_str(), opened.encoding, opened.line_ends),
            (text, encoding, LineEnds::Crlf)
        );
        assert_eq!(opened.byte_order_mark, !mark.is_empty(), "{name}");
        world.edit(name, |text| text + "Z").await.unwrap();
        assert_eq!(world.bytes(name), [&*bytes, &encoding.encode("Z").unwrap()].concat(), "{name}");
    }
}

#[tokio::test]
async fn a_character_that_the_encoding_lacks_leaves_the_file_as_it_was() {
    let world = World::new();
    world.put("a.cfg", b"caf\xe9\n");
    let refused = world.edit("a.cfg", |text| text + "服务器").await;
    assert!(
        matches!(refused, Err(FileError::Lacking(why)) if why.contains('服') && why.contains("windows-1252"))
    );
    assert_eq!(world.bytes("a.cfg"), b"caf\xe9\n");

    let file = world.open("a.cfg").file;
    let utf8 = TextWrite { encoding: Encoding::UTF_8, ..how(file, Encoding::WINDOWS_1252) };
    world.save_text(utf8, "café\n服务器".into()).await.unwrap();
    assert_eq!(world.bytes("a.cfg"), "café\n服务器".as_bytes());
    let versions = world.workspace.versions(&path("a.cfg")).unwrap();
    let version = TextRead { version: Some(versions[0].id), ..asked("a.cfg") };
    assert_eq!(world.workspace.read_text(version).unwrap().text, "café\n");
}

#[tokio::test]
async fn a_text_is_converted_when_somebody_says_so() {
    let world = World::new();
    world.put("a.txt", b"\xef\xbb\xbfa\nb\xc3\xa9\n");
    let read = |world: &World| how(world.open("a.txt").file, world.open("a.txt").encoding);
    let crlf = TextWrite { line_end: Some(LineEnd::Crlf), byte_order_mark: Some(false), ..read(&world) };
    world.save_text(crlf, "a\nbé\n".into()).await.unwrap();
    assert_eq!(world.bytes("a.txt"), b"a\r\nb\xc3\xa9\r\n");
    let wide = TextWrite { encoding: Encoding::UTF_16LE, ..read(&world) };
    world.save_text(wide, "a\nbé\n".into()).await.unwrap();
    assert_eq!(world.bytes("a.txt"), b"\xff\xfea\0\r\0\n\0b\0\xe9\0\r\0\n\0");
    let latin = TextWrite { encoding: named("latin1"), ..read(&world) };
    world.save_text(latin, "a\nbé\n".into()).await.unwrap();
    assert_eq!(world.bytes("a.txt"), b"a\r\nb\xe9\r\n");
}

#[tokio::test]
async fn a_text_that_somebody_else_changed_meanwhile_is_not_replaced() {
    let world = World::new();
    world.put("a.txt", b"one\n");
    let seen = how(world.open("a.txt").file, Encoding::UTF_8);
    world.put("a.txt", b"theirs, and longer\n");
    assert!(matches!(world.save_text(seen, "mine".into()).await, Err(FileError::Changed)));
    assert_eq!(world.bytes("a.txt"), b"theirs, and longer\n");
}

#[tokio::test]
async fn what_is_no_text_is_said_to_be_none() {
    let world = World::new();
    world.put("level.dat", b"\x0a\0\0\x0a\0\x04Data");
    assert!(matches!(world.workspace.read_text(asked("level.dat")), Err(FileError::NotText)));
    // Somebody may know better.
    let anyway = TextRead { encoding: Some(Encoding::WINDOWS_1252), ..asked("level.dat") };
    assert!(world.workspace.read_text(anyway).is_ok());
}

#[tokio::test]
async fn the_end_of_a_log_that_is_too_large_can_be_read() {
    let world = World::new();
    let line = |i: usize| format!("{i:07} joueur connect\u{e9}\n");
    let text: String = (0..900_000).map(line).collect();
    let log = named("latin1").encode(&text).unwrap();
    world.put("latest.log", &log);
    assert!(matches!(world.workspace.read_text(asked("latest.log")), Err(FileError::TooMuch(_))));
    let tail =
        world.workspace.read_text(TextRead { tail_bytes: Some(1_000_000), ..asked("latest.log") }).unwrap();
    assert!(tail.text.ends_with(&line(899_999)) && tail.text.len() > 900_000);
    assert_eq!(tail.encoding, Encoding::WINDOWS_1252);
    // It begins where a line does.
    let first = tail.text.lines().next().unwrap();
    assert_eq!(format!("{first}\n"), line(tail.start_byte as usize / line(0).chars().count()));
    assert_eq!(tail.start_byte as usize % line(0).chars().count(), 0);

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&log).unwrap();
    world.put("old.log.gz", &packed.finish().unwrap());
    let unpacked = TextRead { unpack: true, tail_bytes: Some(1_000_000), ..asked("old.log.gz") };
    assert_eq!(world.workspace.read_text(unpacked).unwrap().text, tail.text);
}

#[tokio::test]
async fn a_compressed_log_that_is_damaged_is_said_to_be() {
    let world = World::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&b"a line of a log\n".repeat(1_000)).unwrap();
    let packed = packed.finish().unwrap();
    for (name, bytes) in
        [("cut.gz", &packed[..packed.len() - 20]), ("none.gz", b""), ("other.gz", b"no gzip")]
    {
        world.put(name, bytes);
        let damaged = |refused: FileError| {
            assert!(
                matches!(&refused, FileError::Invalid(why) if why.contains("damaged")),
                "{name}: {refused}"
            );
        };
        damaged(world.workspace.read_text(TextRead { unpack: true, ..asked(name) }).unwrap_err());
        damaged(world.workspace.read(FileRead::Unpacked { path: path(name) }).err().unwrap());
    }
}

#[tokio::test]
async fn text_is_found_in_files_of_any_encoding() {
    let world = World::new();
    let text = "# 服务器配置文件\nmotd=欢迎来到我们的游戏服务器，祝你玩得开心\n";
    for name in ["UTF-8", "GBK", "UTF-16LE", "UTF-16BE"] {
        world.put(&format!("{name}.cfg"), &named(name).encode(text).unwrap());
    }
    let marked = [Encoding::UTF_16LE.mark(), &Encoding::UTF_16LE.encode(text).unwrap()].concat();
    world.put("marked.cfg", &marked);
    let hits = world.workspace.search(&path(""), None, Some("游戏")).unwrap().items;
    let mut found: Vec<_> = hits.iter().map(|hit| (hit.file.name.as_str(), hit.line.unwrap())).collect();
    found.sort_unstable();
    // Without a mark, so few letters of ASCII leave open whether it is text at all.
    let all = ["GBK.cfg", "UTF-8.cfg", "marked.cfg"].map(|name| (name, 2));
    assert!(all.iter().all(|one| found.contains(one)), "{found:?}");
}

#[tokio::test]
async fn a_text_of_too_many_lines_is_refused_before_it_takes_memory_and_stays_as_it_is() {
    let world = World::new();
    world.put("list", b"1\n");
    let TextFile { file, encoding, .. } = world.open("list");
    let refused = world.save_text(how(file, encoding), "\n".repeat(1_000_001)).await.unwrap_err();
    assert!(matches!(&refused, FileError::TooMuch(why) if why.contains("1,000,000 lines")), "{refused}");
    assert_eq!(world.bytes("list"), b"1\n");
}
