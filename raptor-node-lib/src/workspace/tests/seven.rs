//! 7z archives: those of the real program, and malicious ones.

use super::*;
use std::{
    process::Command,
    time::{Duration, Instant},
};

const COPY: &[u8] = &[1, 0x01, 0x00];

/// Whether 7-Zip is installed; if not, that is printed, and fails in CI.
fn program() -> bool {
    let there = Command::new("7z").output().is_ok();
    assert!(there || !std::env::var("CI").is_ok_and(|ci| ci == "true"), "7z is needed in CI");
    if !there {
        eprintln!("skipped: 7z (p7zip-full) is not installed");
    }
    there
}

/// An archive made by 7-Zip of a folder `game` with various content.
fn packed(world: &World, flags: &[&str]) -> Vec<u8> {
    let source = tempfile::tempdir().unwrap();
    let game = source.path().join("game");
    std::fs::create_dir_all(game.join("empty folder")).unwrap();
    std::fs::create_dir_all(game.join("world/region")).unwrap();
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    std::fs::write(game.join("server"), &program[..program.len().min(300_000)]).unwrap();
    std::fs::write(game.join("world/region/r.mca"), [7; 100_000]).unwrap();
    std::fs::write(game.join("ü name.txt"), "ü").unwrap();
    std::fs::write(game.join("empty.txt"), "").unwrap();
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xE9.txt".as_slice());
    std::fs::write(game.join::<&std::ffi::OsStr>(odd), "odd").unwrap();
    std::os::unix::fs::symlink("ü name.txt", game.join("link")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(game.join("server"), mode).unwrap();
    let archive = source.path().join("made.7z");
    let done =
        Command::new("7z").args(["a", "-snl", "-bd"]).args(flags).arg(&archive).arg(&game).output().unwrap();
    assert!(done.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&done.stdout));
    let bytes = std::fs::read(archive).unwrap();
    world.put("made.7z", &bytes);
    bytes
}

#[test]
fn what_7_zip_packs_is_unpacked() {
    if !program() {
        return;
    }
    let ways: [&[&str]; 15] = [
        &[],
        &["-ms=off"],
        &["-mx=9"],
        &["-mx=1", "-mmt=1"],
        &["-m0=lzma"],
        &["-m0=ppmd"],
        &["-m0=ppmd", "-mx=9", "-ms=off"],
        &["-m0=bzip2"],
        &["-m0=deflate"],
        &["-mx=0"],
        &["-mhc=off"],
        &["-mf=bcj2"],
        &["-mf=bcj2", "-m0=bzip2"],
        &["-mf=bcj", "-m0=lzma"],
        &["-mf=delta:4"],
    ];
    for flags in ways {
        let world = World::new();
        packed(&world, flags);
        world.extract("made.7z").unwrap_or_else(|error| panic!("{flags:?}: {error}"));
        assert_eq!(world.text("out/game/ü name.txt").as_deref(), Some("ü"), "{flags:?}");
        assert_eq!(world.text(r"out/game/caf\xE9.txt").as_deref(), Some("odd"), "{flags:?}");
        assert_eq!(world.text("out/game/empty.txt").as_deref(), Some(""), "{flags:?}");
        assert_eq!(world.workspace.root.stat(&path("out/game/world/region/r.mca")).unwrap().len, 100_000);
        assert_eq!(world.workspace.root.stat(&path("out/game/server")).unwrap().mode & 0o777, 0o755);
        assert_eq!(world.workspace.root.stat(&path("out/game/empty folder")).unwrap().kind, Kind::Folder);
        assert_eq!(world.workspace.root.read_link(&path("out/game/link")).unwrap(), "ü name.txt");
        assert!(world.extract("made.7z").is_err(), "nothing is replaced unless asked");
        let (archive, into) = (path("made.7z"), path("out"));
        let existing = Existing::Replace;
        world.run(FileTask::Extract { path: archive, into, existing, encoding: None }).unwrap();
    }
}

#[test]
fn of_an_encrypted_archive_that_is_said() {
    if !program() {
        return;
    }
    for flags in [&["-psecret"][..], &["-psecret", "-mhe=on"]] {
        let world = World::new();
        packed(&world, flags);
        let refused = world.extract("made.7z").unwrap_err().to_string();
        assert!(refused.contains("encrypted"), "{flags:?}: {refused}");
        assert!(world.workspace.root.entries(&path("out")).unwrap().next().is_none());
    }
}

/// A number in its longest encoding.
fn number(number: u64) -> Vec<u8> {
    [&[0xFF], &number.to_le_bytes()[..]].concat()
}

pub(super) fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

fn archive(packed: &[u8], header: &[u8]) -> Vec<u8> {
    let (offset, size) = (packed.len() as u64, header.len() as u64);
    let fields = [&offset.to_le_bytes()[..], &size.to_le_bytes(), &checksum(header)].concat();
    [b"7z\xBC\xAF\x27\x1C\x00\x04", &checksum(&fields)[..], &fields, packed, header].concat()
}

/// The part of a header that describes one block with this many files of known sizes.
fn streams(coders: &[u8], sizes: &[u64], packed: u64, files: &[u64]) -> Vec<u8> {
    let mut header = [&[0x04, 0x06][..], &number(0), &number(1), &[0x09], &number(packed), &[0x00]].concat();
    header.extend([&[0x07, 0x0B][..], &number(1), &[0x00], coders, &[0x0C]].concat());
    header.extend(sizes.iter().flat_map(|size| number(*size)));
    header.extend([&[0x00, 0x08, 0x0D][..], &number(files.len() as u64), &[0x09]].concat());
    header.extend(files.iter().skip(1).flat_map(|size| number(*size)));
    header.extend([0x00, 0x00]);
    header
}

/// An archive of uncompressed files with a name, attributes and content.
pub(super) fn stored(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let content: Vec<u8> = files.iter().flat_map(|(_, _, content)| content.to_vec()).collect();
    // The size of the last file is implied.
    let mut sizes: Vec<_> = files.iter().map(|(_, _, content)| content.len() as u64).collect();
    sizes.rotate_right(1);
    let total = content.len() as u64;
    let mut header = [&[0x01], &*streams(COPY, &[total], total, &sizes)].concat();
    header.extend(named(files.len() as u64, files.iter().map(|(name, ..)| *name)));
    header.extend([&[0x15], &*number(2 + 4 * files.len() as u64), &[1, 0]].concat());
    header.extend(files.iter().flat_map(|(_, attributes, _)| attributes.to_le_bytes()));
    header.extend([0x00, 0x00]);
    archive(&content, &header)
}

/// The part of a header with the number and names of files, without its end.
fn named<'n>(count: u64, names: impl Iterator<Item = &'n str>) -> Vec<u8> {
    let names: Vec<u8> =
        names.flat_map(|name| name.encode_utf16().chain([0])).flat_map(u16::to_le_bytes).collect();
    [&[0x05], &*number(count), &[0x11], &number(names.len() as u64 + 1), &[0], &names].concat()
}

const fn unix(mode: u32) -> u32 {
    mode << 16 | 0x8000
}

#[test]
fn what_is_stored_by_hand_is_read() {
    let world = World::new();
    let names = [("a", 0, &b"one"[..]), ("b/c", unix(0o100_600), b"three"), (r"d\e", 0x20, b"")];
    world.put("a.7z", &stored(&names));
    world.extract("a.7z").unwrap();
    let texts = ["out/a", "out/b/c", "out/d/e"].map(|name| world.text(name));
    assert_eq!(texts.each_ref().map(Option::as_deref), [Some("one"), Some("three"), Some("")]);
}

#[test]
fn a_7z_archive_leaves_nothing_outside() {
    let cases = [
        ("../escaped", 0, ""),
        ("..\\escaped", 0, ""),
        ("a/../../escaped", 0, ""),
        ("link", unix(0o120_777), "/etc/passwd"),
        ("link", unix(0o120_777), "../../escaped"),
        ("link", 0x400, "C:\\Windows"),
        ("device", unix(0o020_666), ""),
        ("disk", unix(0o060_666), ""),
        ("pipe", unix(0o010_666), ""),
        ("socket", unix(0o140_666), ""),
        ("folder", unix(0o040_755), "content"),
        ("", 0, "nameless"),
        ("nul\0inside", 0, ""),
    ];
    for (name, attributes, content) in cases {
        let world = World::new();
        world.put("a.7z", &stored(&[(name, attributes, content.as_bytes())]));
        assert!(world.extract("a.7z").is_err(), "{name:?} {attributes:x}");
        assert!(!world.folder.path().join("escaped").exists());
        assert!(!world.folder.path().join("data/escaped").exists());
        assert!(world.workspace.root.entries(&path("out")).unwrap().next().is_none(), "{name:?}");
    }
    // Absolute paths start at the folder, as everywhere; a drive letter is an ordinary name.
    let world = World::new();
    world.put("a.7z", &stored(&[("/etc/passwd", 0, b"x"), ("C:\\autoexec.bat", unix(0o104_777), b"y")]));
    world.extract("a.7z").unwrap();
    assert_eq!(world.text("out/etc/passwd").as_deref(), Some("x"));
    assert_eq!(
        world.workspace.root.stat(&path("out/C:/autoexec.bat")).unwrap().mode & 0o7000,
        0,
        "no setuid"
    );
}

#[test]
fn no_link_on_the_way_leads_a_7z_archive_out() {
    let world = World::new();
    world.put("a.7z", &stored(&[("way", unix(0o120_777), b".."), ("way/way/escaped", 0, b"x")]));
    let _ = world.extract("a.7z");
    assert!(!world.folder.path().join("escaped").exists());
}

/// An LZMA2 stream that expands to this many MiB of zeros, in independent chunks.
pub(super) fn zeros(mib: usize) -> Vec<u8> {
    let mut writer = lzma_rust2::Lzma2Writer::new(Vec::new(), lzma_rust2::Lzma2Options::with_preset(0));
    writer.write_all(&vec![0; 1 << 20]).unwrap();
    let piece = writer.finish().unwrap();
    let mut stream = piece[..piece.len() - 1].repeat(mib);
    stream.push(0);
    stream
}

/// An archive with a file named `zeros` in one block that is compressed with `coders`.
pub(super) fn one_file(coders: &[u8], sizes: &[u64], packed: &[u8]) -> Vec<u8> {
    let streams = streams(coders, sizes, packed.len() as u64, &[0]);
    archive(packed, &[&[0x01], &*streams, &named(1, ["zeros"].into_iter()), &[0, 0]].concat())
}

pub(super) const fn lzma2(dictionary: u8) -> [u8; 5] {
    [1, 0x21, 0x21, 1, dictionary]
}

#[test]
fn a_7z_bomb_is_defused() {
    let world = World::new();
    world.put("honest.7z", &one_file(&lzma2(18), &[4 << 20], &zeros(4)));
    world.extract("honest.7z").unwrap();
    assert_eq!(world.workspace.root.stat(&path("out/zeros")).unwrap().len, 4 << 20);
    world.workspace.root.remove_file(&path("out/zeros")).unwrap();

    world.put("bomb.7z", &one_file(&lzma2(18), &[1 << 30], &zeros(1_024)));
    assert!(matches!(world.extract("bomb.7z"), Err(FileError::TooMuch(_))));
    assert!(world.workspace.root.size() < 1 << 29);
}

#[test]
fn a_header_gets_no_more_memory_than_an_honest_one() {
    let names = |count, names: &[&str]| {
        let head = [&[0x01], &*streams(COPY, &[1], 1, &[0])].concat();
        archive(b"x", &[&*head, &named(count, names.iter().copied()), &[0, 0]].concat())
    };
    // Two compression methods in a row.
    let chain = [&[2_u8][..], &lzma2(18)[1..], &lzma2(18)[1..], &number(0), &number(1)].concat();
    let lzma = |size: u32| [&[1, 0x23, 3, 1, 1, 5, 0x5D][..], &size.to_le_bytes()].concat();
    let ppmd = |size: u32| [&[1, 0x23, 3, 4, 1, 5, 6][..], &size.to_le_bytes()].concat();
    let huge_header = {
        let fields = [&[0; 8][..], &(1_u64 << 40).to_le_bytes(), &[0; 4]].concat();
        [b"7z\xBC\xAF\x27\x1C\x00\x04", &checksum(&fields)[..], &fields].concat()
    };
    let cases = [
        ("files", names(u64::MAX, &[])),
        ("more files than there are", names(100_000, &["a"])),
        ("LZMA2", one_file(&lzma2(40), &[1], &[0])),
        ("LZMA2 of 384 MiB", one_file(&lzma2(33), &[1], &[0])),
        ("LZMA", one_file(&lzma(u32::MAX), &[1], &[0; 9])),
        ("PPMd", one_file(&ppmd(0x4000_0000), &[1], &[0; 9])),
        ("a chain", one_file(&chain, &[1, 1], &[0])),
        ("a packed header", archive(&[0], &[&[0x17], &streams(&lzma2(40), &[1], 1, &[0])[1..]].concat())),
        (
            "a packed header's size",
            archive(&[0], &[&[0x17], &streams(COPY, &[1 << 40], 1, &[0])[1..]].concat()),
        ),
        ("blocks", archive(b"", &[&[0x01, 0x04, 0x07, 0x0B][..], &number(1 << 40)].concat())),
        ("streams", archive(b"", &[&[0x01, 0x04, 0x06, 0][..], &number(1 << 40)].concat())),
        ("a header", huge_header),
    ];
    for (what, bytes) in cases {
        let world = World::new();
        world.put("a.7z", &bytes);
        let began = Instant::now();
        let refused = world.extract("a.7z");
        let refused = refused.err().unwrap_or_else(|| panic!("{what} is taken"));
        assert!(matches!(refused, FileError::TooMuch(_) | FileError::Invalid(_)), "{what}: {refused:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
    }
}

#[test]
fn unpacking_7z_keeps_to_the_limit_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let usage = Arc::new(crate::files::Usage::new(1 << 20));
    let root = Root::with_usage(&folder.path().join("data"), 0, 0, usage).unwrap();
    let workspace = Workspace::open(root, &folder.path().join("kept"), Clock::System, Arc::default());
    let world = World { folder, workspace };
    world.put("a.7z", &one_file(&lzma2(18), &[4 << 20], &zeros(4)));
    assert!(matches!(world.extract("a.7z"), Err(FileError::OverLimit { .. })));
    assert!(world.workspace.root.size() <= 1 << 20);

    let progress = Progress::default();
    progress.cancel.cancel();
    let task =
        FileTask::Extract { path: path("a.7z"), into: path("b"), existing: Existing::Skip, encoding: None };
    assert!(matches!(world.workspace.run(task, &progress), Err(FileError::Cancelled)));
}

#[test]
fn a_7z_archive_is_kept_from_what_is_denied() {
    let world = World::new();
    let denied = crate::files::Denied::new(&["*.key"]);
    let theirs = Workspace { root: world.workspace.root.denying(&denied), ..world.workspace.clone() };
    world.put("a.7z", &stored(&[("new.key", 0, b"x")]));
    let (path, into, progress) = (path("a.7z"), FilePath::ROOT, Progress::default());
    theirs
        .run(FileTask::Extract { path, into, existing: Existing::Replace, encoding: None }, &progress)
        .unwrap();
    assert_eq!(progress.left_out().0[0].name, "new.key");
    assert_eq!(world.text("new.key"), None);
}

#[test]
fn half_a_7z_archive_is_refused_wherever_it_ends() {
    if !program() {
        return;
    }
    let bytes = packed(&World::new(), &["-mhc=off"]);
    for length in (0..bytes.len()).step_by(bytes.len() / 60).chain(0..64) {
        let world = World::new();
        world.put("half.7z", &bytes[..length]);
        assert!(matches!(world.extract("half.7z"), Err(FileError::Invalid(_))), "{length}");
    }
}

#[test]
fn nothing_that_is_hostile_takes_a_gigabyte() {
    let tests = [
        "tests::seven::a_header_gets_no_more_memory_than_an_honest_one",
        "tests::seven::a_7z_bomb_is_defused",
    ];
    for test in tests {
        let program = std::env::current_exe().unwrap();
        let name = format!("workspace::{test}");
        let run = Command::new("prlimit")
            .arg(format!("--as={}", 1 << 30))
            .arg(program)
            .args(["--exact", &name])
            .output();
        let run = run.unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }
}

/// The offset of a content in an archive that stores it uncompressed.
fn place_of(archive: &[u8], content: &[u8]) -> usize {
    archive.windows(content.len()).position(|window| window == content).unwrap()
}

#[test]
fn a_damaged_entry_of_a_7z_archive_is_left_out_whole_and_the_others_are_unpacked() {
    if !program() {
        return;
    }
    // Each file in a block of its own, and all files in one block. Uncompressed, so that the damage is limited to one entry.
    for flags in [&["-ms=off", "-mx=0"][..], &["-ms=on", "-mx=0"]] {
        let world = World::new();
        let mut bytes = packed(&world, flags);
        let at = place_of(&bytes, &[7; 50_000]);
        bytes[at + 100] = 8;
        world.put("made.7z", &bytes);
        let left = world.unpack("made.7z", Existing::Skip, None).unwrap();
        let names: Vec<_> = left.iter().map(|left| left.name.as_str()).collect();
        assert_eq!(names, ["game/world/region/r.mca"], "{flags:?}");
        assert!(left[0].why.contains("checksum"), "{}", left[0].why);
        assert_eq!(world.text("out/game/ü name.txt").as_deref(), Some("ü"), "{flags:?}");
        assert_eq!(world.text("out/game/empty.txt").as_deref(), Some(""), "{flags:?}");
        assert_eq!(
            world.workspace.root.stat(&path("out/game/server")).unwrap().kind,
            Kind::File,
            "{flags:?}"
        );
        assert!(world.workspace.root.stat(&path("out/game/world/region/r.mca")).is_err());
    }
}

#[test]
fn after_damage_in_one_block_of_a_7z_archive_the_other_blocks_are_unpacked_and_what_was_not_is_named() {
    if !program() {
        return;
    }
    let whole = World::new();
    packed(&whole, &["-ms=off"]);
    whole.extract("made.7z").unwrap();
    let all = count(&whole, "out");
    for place in [100, 1_000, 20_000] {
        let world = World::new();
        let mut bytes = packed(&world, &["-ms=off"]);
        bytes[place..place + 16].fill(0xA5);
        world.put("made.7z", &bytes);
        let left = world.unpack("made.7z", Existing::Skip, None).unwrap();
        assert!(!left.is_empty() && left.iter().all(|left| left.why.contains("damaged")), "{left:?}");
        assert_eq!(count(&world, "out") + left.len(), all, "at {place}: {left:?}");
        assert_eq!(world.text("out/game/empty.txt").as_deref(), Some(""));
    }
}

fn count(world: &World, at: &str) -> usize {
    let walk = world.workspace.root.walk(&path(at)).unwrap();
    walk.filter(|step| step.stat.kind != Kind::Folder).count()
}

#[test]
fn in_a_7z_archive_that_is_one_block_what_comes_before_the_damage_stays_and_the_rest_is_named() {
    if !program() {
        return;
    }
    let whole = World::new();
    packed(&whole, &["-ms=on"]);
    whole.extract("made.7z").unwrap();
    let all = count(&whole, "out");
    let world = World::new();
    let mut bytes = packed(&world, &["-ms=on"]);
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xA5);
    world.put("made.7z", &bytes);
    let left = world.unpack("made.7z", Existing::Skip, None).unwrap();
    assert!(left.iter().any(|left| left.name == "game/server"), "{left:?}");
    assert_eq!(count(&world, "out") + left.len(), all, "{left:?}");
}

#[test]
fn where_nothing_of_a_7z_archive_is_whole_that_is_said() {
    let world = World::new();
    let mut packed = zeros(4);
    packed[40..80].fill(0xA5);
    world.put("a.7z", &one_file(&lzma2(18), &[4 << 20], &packed));
    let refused = world.unpack("a.7z", Existing::Skip, None).unwrap_err().to_string();
    assert!(refused.contains("damaged") && refused.contains("Nothing was unpacked."), "{refused}");
    assert!(world.workspace.root.entries(&path("out")).unwrap().next().is_none());
}
