//! How archives and copies treat times, names, hard links and existing files.

use super::*;
use encoding_rs::{GBK, SHIFT_JIS};
use std::process::Command;

/// 2001-09-09T01:46:40Z.
const LONG_AGO: i64 = 1_000_000_000;

impl World {
    fn age(&self, at: &str) {
        let time = crate::files::Time { seconds: LONG_AGO, nanoseconds: 0 };
        self.workspace.root.set_times(&path(at), time, time, false).unwrap();
    }

    fn modified(&self, at: &str) -> i64 {
        self.workspace.root.lstat(&path(at)).unwrap().modified.seconds
    }

    /// A folder with a file, a link and a subfolder, all with old timestamps.
    fn old(&self) {
        self.put("world/region/r.dat", &[7; 1_000]);
        self.workspace.root.symlink("region/r.dat", &path("world/link")).unwrap();
        for at in ["world/region/r.dat", "world/link", "world/region", "world"] {
            self.age(at);
        }
    }

    fn is_old(&self, below: &str, how: &str) {
        for at in ["world/region/r.dat", "world/region", "world"] {
            assert_eq!(self.modified(&format!("{below}/{at}")), LONG_AGO, "{how}: {at}");
        }
    }

    fn names(&self, at: &str) -> Vec<String> {
        let mut names: Vec<_> =
            self.workspace.root.entries(&path(at)).unwrap().map(|entry| entry.unwrap().name).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn times_outlive_an_archive_of_every_format_a_download_and_a_copy() {
    use ArchiveFormat as F;
    for format in [F::Zip, F::Tar, F::TarGz, F::TarXz, F::TarBz2, F::TarZst] {
        let world = World::new();
        world.old();
        let archive = format!("w.{}", format.extension());
        world.run(FileTask::Archive { paths: vec![path("world")], to: path(&archive), format }).unwrap();
        world.extract(&archive).unwrap();
        world.is_old("out", &archive);
        assert_eq!(world.modified("out/world/link"), LONG_AGO, "{archive}");
        let download = world.read(FileRead::Archive { paths: vec![path("world")], format }).await;
        let again = World::new();
        again.put(&archive, &download);
        again.extract(&archive).unwrap();
        again.is_old("out", "a download");
    }
    let world = World::new();
    world.old();
    world.workspace.root.create_dir(&path("copies"), 0o755).unwrap();
    let copies = vec![FileMove { from: path("world"), to: path("copies/world") }];
    world.run(FileTask::Copy { copies }).unwrap();
    world.is_old("copies", "a copy");
    assert_eq!(world.modified("copies/world/link"), LONG_AGO);
}

#[test]
fn times_by_other_programs_are_read() {
    for (program, args) in [
        ("7z", &["a", "-bso0", "a.7z", "world"][..]),
        ("7z", &["a", "-bso0", "-tzip", "-mtc=on", "a.zip", "world"]),
        ("tar", &["--format=pax", "-cf", "a.tar", "world"]),
        ("zip", &["-qr", "a.zip", "world"]),
    ] {
        let world = World::new();
        world.old();
        let data = world.folder.path().join("data");
        let made = Command::new(program).args(args).current_dir(&data).env("TZ", "UTC").output();
        if made.is_err() {
            println!("SKIP: {program} is not installed");
            continue;
        }
        assert!(made.unwrap().status.success());
        let archive = args.iter().find(|arg| arg.starts_with("a.")).unwrap();
        world.extract(archive).unwrap();
        world.is_old("out", &format!("{program} {archive}"));
    }
}

#[test]
fn a_zip_without_times_of_unix_is_read_by_its_clock() {
    let world = World::new();
    let clock = zip::DateTime::from_date_and_time(2001, 9, 9, 1, 46, 40).unwrap();
    let options = zip::write::SimpleFileOptions::default().last_modified_time(clock);
    world.put("a.zip", &zip_of(&[(b"old.txt", b"x")], options));
    world.extract("a.zip").unwrap();
    assert_eq!(world.modified("out/old.txt"), LONG_AGO);
}

fn zip_of(entries: &[(&[u8], &[u8])], options: zip::write::SimpleFileOptions) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file_with_options(options.name(name)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Entries with type, name, link target and content.
fn tar_of(entries: &[(tar::EntryType, &str, &str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (kind, name, target, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_hard_link_in_a_tar_becomes_a_copy_and_a_bad_entry_stops_nothing() {
    use tar::EntryType as T;
    let world = World::new();
    std::fs::write(world.folder.path().join("secret"), "key").unwrap();
    let tar = tar_of(&[
        (T::Regular, "f", "", b"text"),
        (T::Link, "hard", "f", b""),
        (T::Char, "device", "", b""),
        (T::Fifo, "pipe", "", b""),
        (T::Link, "lost", "nothing", b""),
        (T::Link, "stolen", "../../secret", b""),
        (T::Link, "stolen2", "/etc/passwd", b""),
        (T::Symlink, "out", "../../secret", b""),
        (T::Regular, "../slip", "", b"x"),
        (T::Regular, "last", "", b"last"),
    ]);
    world.put("a.tar", &tar);
    let left = world.unpack("a.tar", Existing::Skip, None).unwrap();
    assert_eq!(world.text("out/hard").as_deref(), Some("text"));
    assert_eq!(world.text("out/last").as_deref(), Some("last"), "what comes after is unpacked");
    assert_eq!(world.names("out"), ["f", "hard", "last"]);
    let names: Vec<_> = left.iter().map(|left| left.name.as_str()).collect();
    assert_eq!(names, ["device", "pipe", "lost", "stolen", "stolen2", "out", "../slip"]);
    assert!(left[0].why.contains("device") && left[6].why.contains("outside the folder"), "{left:?}");
    assert_eq!(world.names(""), ["a.tar", "out"]);
}

#[test]
fn gnu_tar_writes_files_with_two_names_as_hard_links() {
    let world = World::new();
    world.put("jdk/a", b"same");
    world.workspace.root.hard_link(&path("jdk/a"), &path("jdk/b")).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-czf", "a.tgz", "jdk"]).current_dir(world.folder.path().join("data"));
    assert!(tar.status().unwrap().success());
    world.extract("a.tgz").unwrap();
    assert_eq!(
        (world.text("out/jdk/a"), world.text("out/jdk/b")),
        (Some("same".into()), Some("same".into()))
    );
}

#[test]
fn files_that_are_there_are_skipped_replaced_or_kept_beside() {
    for archive in ["a.zip", "a.tar"] {
        for existing in [Existing::Skip, Existing::Replace, Existing::KeepBoth] {
            let world = World::new();
            world.put("server.cfg", b"new");
            world.put("world/level.dat", b"new");
            let format = ArchiveFormat::of_name(archive).unwrap();
            let paths = vec![path("server.cfg"), path("world")];
            world.run(FileTask::Archive { paths, to: path(archive), format }).unwrap();
            world.put("out/server.cfg", b"old");
            let left = world.unpack(archive, existing, None).unwrap();
            let (there, beside) = (world.text("out/server.cfg").unwrap(), world.text("out/server (1).cfg"));
            let wanted = match existing {
                Existing::Skip => ("old", None, 1),
                Existing::Replace => ("new", None, 0),
                Existing::KeepBoth => ("old", Some("new"), 0),
            };
            assert_eq!((there.as_str(), beside.as_deref(), left.len()), wanted, "{archive} {existing:?}");
            assert_eq!(world.text("out/world/level.dat").as_deref(), Some("new"), "folders are one");
        }
    }
}

#[test]
fn files_of_one_name_in_an_archive_are_kept_beside_up_to_a_thousand_times() {
    use tar::EntryType as T;
    let world = World::new();
    world.put("a.tar", &tar_of(&vec![(T::Regular, "f", "", &b"x"[..]); 1_003]));
    let left = world.unpack("a.tar", Existing::KeepBoth, None).unwrap();
    assert_eq!((left.len(), world.names("out").len()), (2, 1_001));
    assert_eq!(world.text("out/f (1000)").as_deref(), Some("x"));
}

#[test]
fn another_name_of_a_file_that_was_left_out_is_left_out_too() {
    use tar::EntryType as T;
    let world = World::new();
    world.put("a.tar", &tar_of(&[(T::Regular, "f", "", b"new"), (T::Link, "hard", "f", b"")]));
    world.put("out/f", b"old");
    let left = world.unpack("a.tar", Existing::Skip, None).unwrap();
    assert_eq!((left.len(), world.names("out")), (2, vec!["f".to_owned()]));
    world.unpack("a.tar", Existing::KeepBoth, None).unwrap();
    assert_eq!(world.text("out/hard").as_deref(), Some("new"), "not the one that was there");
}

#[test]
fn a_single_compressed_file_is_unpacked_under_its_name() {
    type Pack = fn(&[u8]) -> Vec<u8>;
    let pack: [(&str, Pack); 4] = [
        ("gz", |text| {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text).unwrap();
            packed.finish().unwrap()
        }),
        ("bz2", |text| {
            let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            packed.write_all(text).unwrap();
            packed.finish().unwrap()
        }),
        ("xz", |text| {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut packed = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            packed.write_all(text).unwrap();
            packed.finish().unwrap()
        }),
        ("zst", |text| zstd::encode_all(text, 1).unwrap()),
    ];
    for (end, pack) in pack {
        let world = World::new();
        let archive = format!("2026-11-29.log.{end}");
        let whole = pack(b"the log\n");
        world.put(&archive, &whole);
        world.age(&archive);
        world.extract(&archive).unwrap();
        assert_eq!(world.text("out/2026-11-29.log").as_deref(), Some("the log\n"), "{end}");
        assert_eq!(world.modified("out/2026-11-29.log"), LONG_AGO);
        assert!(world.extract(&archive).is_err(), "nothing is replaced unless asked");
        world.put(&archive, &whole[..whole.len() / 2]);
        assert!(world.unpack(&archive, Existing::Replace, None).is_err(), "{end}: half a file is none");
        assert_eq!(world.text("out/2026-11-29.log").as_deref(), Some("the log\n"), "{end}");
    }
}

#[test]
fn deflate64_is_unpacked() {
    let world = World::new();
    let text: String =
        (0..20_000).map(|number| format!("line {number} {}\n", number * 7919 % 1000)).collect();
    world.put("big.txt", text.as_bytes());
    let made = Command::new("7z")
        .args(["a", "-bso0", "-tzip", "-mm=Deflate64", "a.zip", "big.txt"])
        .current_dir(world.folder.path().join("data"))
        .status();
    if made.is_err() {
        println!("SKIP: 7z is not installed");
        return;
    }
    world.extract("a.zip").unwrap();
    assert_eq!(world.text("out/big.txt").as_deref(), Some(text.as_str()));
}

#[test]
fn what_one_entry_of_a_zip_is_packed_with_that_is_not_known_stops_no_other() {
    let world = World::new();
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = zip_of(&[(b"a", b"a"), (b"odd", b"odd"), (b"z", b"z")], stored);
    // Both headers of the second entry name an unsupported compression method.
    let second = |mark: &[u8]| zip.windows(4).enumerate().filter(|(_, four)| *four == mark).nth(1).unwrap().0;
    let (local, central) = (second(b"PK\x03\x04"), second(b"PK\x01\x02"));
    (zip[local + 8], zip[central + 10]) = (97, 97);
    world.put("a.zip", &zip);
    let left = world.unpack("a.zip", Existing::Skip, None).unwrap();
    assert_eq!((left.len(), left[0].name.as_str()), (1, "odd"));
    assert_eq!(world.names("out"), ["a", "z"]);
}

#[test]
fn a_damaged_entry_of_a_zip_is_left_out_whole() {
    let world = World::new();
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = zip_of(&[(b"bad", b"contents"), (b"good", b"good")], stored);
    let at = zip.windows(8).position(|eight| eight == b"contents").unwrap();
    zip[at] = b'C';
    world.put("a.zip", &zip);
    let left = world.unpack("a.zip", Existing::Skip, None).unwrap();
    assert_eq!((left.len(), left[0].name.as_str()), (1, "bad"));
    assert_eq!(world.names("out"), ["good"]);
}

#[test]
fn a_tar_that_was_cut_leaves_no_cut_file() {
    let world = World::new();
    let tar = tar_of(&[
        (tar::EntryType::Regular, "whole", "", b"whole"),
        (tar::EntryType::Regular, "cut", "", &[7; 4_000]),
    ]);
    world.put("a.tar", &tar[..1_024 + 512 + 2_000]);
    assert!(world.unpack("a.tar", Existing::Skip, None).is_err());
    assert_eq!(world.names("out"), ["whole"]);
}

#[test]
fn at_the_limit_no_cut_file_is_left_under_its_full_name() {
    for archive in ["zeros.zip", "zeros.tar.gz"] {
        let world = World::limited(4 << 20);
        world.put("small", b"small");
        std::fs::write(world.folder.path().join("data/zeros"), vec![0; 16 << 20]).unwrap();
        let format = ArchiveFormat::of_name(archive).unwrap();
        let paths = vec![path("small"), path("zeros")];
        world.run(FileTask::Archive { paths, to: path(archive), format }).unwrap();
        std::fs::remove_file(world.folder.path().join("data/zeros")).unwrap();
        let refused = world.unpack(archive, Existing::Skip, None);
        assert!(matches!(refused, Err(FileError::OverLimit { .. })), "{refused:?}");
        assert_eq!(world.names("out"), ["small"], "{archive}");
        let uploads = world.folder.path().join("kept/uploads");
        assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0, "nor anywhere else");
    }
}

#[test]
fn names_in_other_code_pages_are_recognised_or_chosen() {
    let plain = zip::write::SimpleFileOptions::default();
    let world = World::new();
    let names = ["存档/世界.txt", "配置文件.properties", "中文名.dat"];
    let raw: Vec<_> = names.iter().map(|name| GBK.encode(name).0.into_owned()).collect();
    let entries: Vec<_> = raw.iter().map(|name| (name.as_slice(), &b"x"[..])).collect();
    world.put("gbk.zip", &zip_of(&entries, plain));
    world.extract("gbk.zip").unwrap();
    for name in names {
        assert_eq!(world.text(&format!("out/{name}")).as_deref(), Some("x"), "{name}");
    }

    // The second byte of this character is a backslash in ASCII.
    let world = World::new();
    let raw = SHIFT_JIS.encode("ソ.txt").0.into_owned();
    world.put("sjis.zip", &zip_of(&[(&raw, b"x")], plain));
    world.unpack("sjis.zip", Existing::Skip, Some("shift_jis")).unwrap();
    assert_eq!(world.names("out"), ["ソ.txt"]);
    let world = World::new();
    world.put("dos.zip", &zip_of(&[(b"caf\x82.txt", b"x")], plain));
    world.unpack("dos.zip", Existing::Skip, Some("cp437")).unwrap();
    assert_eq!(world.names("out"), ["café.txt"]);
    let refused = world.unpack("dos.zip", Existing::Skip, Some("klingon"));
    assert!(matches!(refused, Err(FileError::Invalid(_))), "{refused:?}");
}

#[test]
fn a_backslash_in_a_name_comes_back_from_every_format() {
    for format in [ArchiveFormat::Zip, ArchiveFormat::TarGz] {
        let world = World::new();
        world.put(r"d/a\b.txt", b"x");
        world.put(r"d/caf\xE9.txt", b"odd");
        let archive = format!("a.{}", format.extension());
        world.run(FileTask::Archive { paths: vec![path("d")], to: path(&archive), format }).unwrap();
        world.extract(&archive).unwrap();
        assert_eq!(world.names("out/d"), [r"a\b.txt", r"caf\xE9.txt"], "{archive}");
    }
    // Windows uses it as a separator.
    let world = World::new();
    world.put("w.zip", &zip_of(&[(br"folder\file.txt", b"x")], zip::write::SimpleFileOptions::default()));
    world.extract("w.zip").unwrap();
    assert_eq!(world.text("out/folder/file.txt").as_deref(), Some("x"));
}

#[tokio::test]
async fn what_was_left_out_is_in_the_operations_result() {
    use tar::EntryType as T;
    let world = World::new();
    world.put("a.tar", &tar_of(&[(T::Fifo, "pipe", "", b""), (T::Regular, "f", "", b"x")]));
    let task = FileTask::Extract {
        path: path("a.tar"),
        into: path("out"),
        existing: Existing::Skip,
        encoding: None,
    };
    world.workspace.start(task, "ann").unwrap();
    while world.workspace.operations_shown()[0].state == OperationState::Running {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let shown = world.workspace.operations_shown().remove(0);
    assert_eq!((shown.state, shown.left_out_count, shown.done_files), (OperationState::Done, 1, 2));
    assert_eq!(shown.left_out[0].name, "pipe");
}

/// The offset of a tar entry's header.
fn header_at(tar: &[u8], name: &str) -> usize {
    tar.chunks(512).position(|block| block.starts_with(name.as_bytes())).unwrap() * 512
}

#[test]
fn after_a_damaged_header_a_tar_is_unpacked_on_from_the_next_whole_one_however_it_is_packed() {
    use tar::EntryType as T;
    let mut tar = tar_of(&[
        (T::Regular, "first", "", b"first"),
        (T::Regular, "bad", "", &[0; 2_000]),
        (T::Regular, "third", "", &[7; 3_000]),
        (T::Directory, "folder/", "", b""),
        (T::Regular, "folder/last", "", b"last"),
    ]);
    let bad = header_at(&tar, "bad");
    tar[bad + 124] ^= 1;
    let gz = {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(&tar).unwrap();
        out.finish().unwrap()
    };
    for (archive, bytes) in [("a.tar", tar), ("a.tar.gz", gz)] {
        let world = World::new();
        world.put(archive, &bytes);
        let left = world.unpack(archive, Existing::Skip, None).unwrap();
        assert_eq!(left.len(), 1, "{archive}: {left:?}");
        assert_eq!(left[0].name, "bad");
        assert!(left[0].why.contains("header is damaged"), "{}", left[0].why);
        assert_eq!(world.names("out"), ["first", "folder", "third"], "{archive}");
        assert_eq!(world.text("out/folder/last").as_deref(), Some("last"), "{archive}");
    }
}

#[test]
fn a_file_whose_long_name_is_damaged_is_not_unpacked_under_a_part_of_it() {
    for pax in [false, true] {
        let long = format!("{}.dat", "long".repeat(40));
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        if pax {
            tar.append_pax_extensions([("path", long.as_bytes())]).unwrap();
            tar.append_data(&mut header, "long", &b"x"[..]).unwrap();
        } else {
            tar.append_data(&mut header, &long, &b"x"[..]).unwrap();
        }
        tar.append_data(&mut header, "next", &b"y"[..]).unwrap();
        let mut tar = tar.into_inner().unwrap();
        tar[136] ^= 1;
        let world = World::new();
        world.put("a.tar", &tar);
        let left = world.unpack("a.tar", Existing::Skip, None).unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].why.contains("name is damaged"), "{}", left[0].why);
        assert_eq!(world.names("out"), ["next"], "pax: {pax}");
    }
}

#[test]
fn where_nothing_more_of_a_tar_can_be_read_it_says_what_was_unpacked_and_what_was_not() {
    use tar::EntryType as T;
    let noise: Vec<u8> =
        (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let tar = tar_of(&[
        (T::Regular, "first", "", b"first"),
        (T::Regular, "second", "", b"second"),
        (T::Regular, "noise", "", &noise),
        (T::Regular, "last", "", b"last"),
    ]);
    let said = |archive: &str, bytes: &[u8]| {
        let world = World::new();
        world.put(archive, bytes);
        let progress = Progress::default();
        let task = FileTask::Extract {
            path: path(archive),
            into: path("out"),
            existing: Existing::Skip,
            encoding: None,
        };
        let refused = world.workspace.run(task, &progress).unwrap_err();
        assert!(matches!(refused, FileError::Invalid(_)), "{refused:?}");
        assert_eq!(world.names("out"), ["first", "second"], "{archive}");
        (refused.to_string(), progress.left_out().0)
    };
    let stays = r#"2 files and folders, up to "second", were unpacked and stay; what follows in the archive was not."#;
    let (cut, left) = said("cut.tar", &tar[..tar.len() - 100_000]);
    assert!(cut.contains("ends too early") && cut.contains(stays), "{cut}");
    assert_eq!(left[0].name, "noise");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&tar).unwrap();
    let gz = gz.finish().unwrap();
    let (cut, left) = said("cut.tar.gz", &gz[..gz.len() / 2]);
    assert!(cut.contains("damaged") && cut.contains(stays), "{cut}");
    assert_eq!(left[0].name, "noise");
    // The archive's last header.
    let mut tar = tar_of(&[
        (T::Regular, "first", "", b""),
        (T::Regular, "second", "", b""),
        (T::Regular, "bad", "", b""),
    ]);
    let bad = header_at(&tar, "bad");
    tar[bad + 124] ^= 1;
    let (ended, left) = said("a.tar", &tar);
    assert!(ended.contains(stays), "{ended}");
    assert_eq!(left[0].name, "bad");
    let world = World::new();
    world.put("no.tar", &noise);
    let refused = world.unpack("no.tar", Existing::Skip, None).unwrap_err().to_string();
    assert!(refused.contains("damaged") && refused.contains("Nothing was unpacked."), "{refused}");
}
