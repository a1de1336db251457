use super::*;
use chrono::TimeDelta;
use futures_util::TryStreamExt;
use raptor_model::node::{ConsoleExport, ConsoleFound, ConsoleSearch};
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
};

const SEGMENT: u64 = 1024 * 1024;
const SEGMENTS: u64 = 32;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn open(folder: &tempfile::TempDir) -> Arc<Console> {
    Arc::new(Console::open(folder.path()).unwrap())
}

fn fill(console: &Console, lines: usize) {
    let before = console.newest();
    for hundred in 0..lines / 100 {
        let line = |n| (format!("line {} {}", before + (hundred * 100 + n) as u64 + 1, "x".repeat(85)), 0);
        console.output(at(), LineKind::Output, (0..100).map(line).collect());
    }
}

async fn read_all(console: &Arc<Console>) -> (Vec<u64>, Vec<u64>) {
    let (mut numbers, mut gaps) = (Vec::new(), Vec::new());
    let mut follower = console.follow(Since::After(0));
    while let Some(frame) = follower.ready().await {
        match frame {
            LiveFrame::Lines { lines } => numbers.extend(lines.iter().map(|line| line.seq)),
            LiveFrame::Gap { next, .. } => gaps.push(next),
            other => unreachable!("{other:?}"),
        }
    }
    (numbers, gaps)
}

fn sought(text: &str) -> ConsoleSearch {
    ConsoleSearch { text: Some(text.into()), limit: 100, ..ConsoleSearch::default() }
}

fn numbers(found: &ConsoleFound) -> Vec<u64> {
    found.hits.iter().map(|hit| hit.seq).collect()
}

#[tokio::test]
async fn a_quiet_console_keeps_little_in_memory_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let console = open(&folder);
    fill(&console, 20_000);
    console.output(at(), LineKind::Output, vec![("the last".into(), 4_711)]);
    assert!(matches!(console.log().spot(18_000, 1), NextLines::Lines(_)));
    console.settle(at());
    assert!(matches!(console.log().spot(18_000, 1), NextLines::Lines(_)), "it is news yet");
    console.settle(at() + TimeDelta::seconds(1));
    assert!(matches!(console.log().spot(18_000, 1), NextLines::File(_)));
    assert!(matches!(console.log().spot(19_800, 1), NextLines::Lines(_)));
    assert_eq!(console.output_since(0).1.last(), Some(&("the last".to_owned(), 4_711)));
    let (numbers, gaps) = read_all(&console).await;
    assert_eq!((numbers, gaps), ((1..=20_001).collect(), Vec::new()));
}

#[tokio::test]
async fn numbers_go_on_after_a_restart_and_nothing_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(&folder), 20_000);
    let console = open(&folder);
    fill(&console, 1_000);
    let (numbers, gaps) = read_all(&console).await;
    assert_eq!(numbers, (1..=21_000).collect::<Vec<_>>());
    assert!(gaps.is_empty());
}

#[tokio::test]
async fn what_is_kept_no_more_is_said_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let console = open(&folder);
    fill(&console, 250_000);
    let (numbers, gaps) = read_all(&console).await;
    assert_eq!(gaps.len(), 1);
    assert_eq!(numbers, (gaps[0]..=250_000).collect::<Vec<_>>());
    let size: u64 =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size <= SEGMENT * (SEGMENTS + 2));
    // A page that begins in a gap has the oldest existing lines.
    assert_eq!(console.page(Some(0), 3).iter().map(|line| line.seq).collect::<Vec<_>>()[0], gaps[0]);
}

#[test]
fn the_newest_output_is_known_whatever_was_said_since_and_however_often_the_daemon_began() {
    let folder = tempfile::tempdir().unwrap();
    let line = |number: u64| (format!("tick {number}"), number * 10);
    open(&folder).output(at(), LineKind::Output, (1..=3).map(line).collect());
    for _ in 0..3 {
        open(&folder).say(at(), LineKind::Daemon, "Connected.");
    }
    let console = open(&folder);
    assert_eq!(console.output_since(0), (0, (1..=3).map(line).collect()));
    assert_eq!(console.output_since(1), (0, (2..=3).map(line).collect()));
    assert_eq!(console.output_since(3), (0, Vec::new()));
    // Of long output, only the end is compared.
    let long = |number: u64| (format!("{number}{}", "x".repeat(1_000)), number * 1_002);
    console.output(at(), LineKind::Output, (1..=1_000).map(long).collect());
    let (from, lines) = console.output_since(6);
    assert_eq!(lines.last(), Some(&long(1_000)));
    assert_eq!((lines.len(), from), (49, 951 * 1_002));
    assert_eq!(open(&folder).output_since(6), (from, lines));
}

#[tokio::test]
async fn a_line_cut_short_by_a_crash_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).output(at(), LineKind::Output, vec![("one".into(), 4)]);
    let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    File::options().append(true).open(file).unwrap().write_all(b"{\"seq\":2,\"at").unwrap();
    let console = open(&folder);
    assert_eq!(console.output_since(0), (0, vec![("one".into(), 4)]));
    console.output(at(), LineKind::Output, vec![("two".into(), 8)]);
    assert_eq!(read_all(&console).await.0, [1, 2]);
    assert_eq!(numbers(&console.search(&sought("o")).unwrap()), [2, 1]);
}

#[tokio::test]
async fn many_starts_of_the_daemon_cost_no_history() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..100 {
        fill(&open(&folder), 100);
    }
    assert_eq!(read_all(&open(&folder)).await, ((1..=10_000).collect(), Vec::new()));
}

#[tokio::test]
async fn a_first_line_cut_short_does_not_spoil_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{:020}.jsonl", 1)), "{\"seq\":1,\"at").unwrap();
    let console = open(&folder);
    console.say(at(), LineKind::Output, "whole");
    assert_eq!(numbers(&console.search(&sought("whole")).unwrap()), [1]);
    assert_eq!(read_all(&open(&folder)).await.0, [1]);
}

#[tokio::test]
async fn every_page_of_a_search_joins_the_one_before_in_both_orders() {
    let folder = tempfile::tempdir().unwrap();
    let console = open(&folder);
    fill(&console, 60_000);
    for oldest_first in [false, true] {
        let mut wanted = ConsoleSearch { oldest_first, limit: 7, ..sought("7777 ") };
        let mut all = Vec::new();
        loop {
            let found = console.search(&wanted).unwrap();
            assert!(found.hits.len() <= 7);
            assert_eq!((found.oldest, found.newest), (1, 60_000));
            all.extend(numbers(&found));
            wanted.cursor = found.next;
            if wanted.cursor.is_none() {
                break;
            }
        }
        if !oldest_first {
            all.reverse();
        }
        assert_eq!(all, [7_777, 17_777, 27_777, 37_777, 47_777, 57_777]);
    }
}

#[tokio::test]
async fn a_pattern_that_would_take_others_forever_takes_time_in_proportion() {
    let folder = tempfile::tempdir().unwrap();
    let console = open(&folder);
    console.say(at(), LineKind::Output, "a".repeat(30_000));
    let evil = ConsoleSearch { regex: true, ..sought("(a+)+$|(a|aa)*b") };
    assert_eq!(numbers(&console.search(&evil).unwrap()), [1]);
    assert!(console.search(&ConsoleSearch { regex: true, ..sought("(") }).is_err());
}

#[tokio::test]
async fn a_download_is_what_was_kept_when_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let console = open(&folder);
    fill(&console, 10_000);
    let mut plain = export(console.clone(), ConsoleExport::default());
    let mut text = plain.try_next().await.unwrap().unwrap().to_vec();
    fill(&console, 10_000);
    while let Some(piece) = plain.try_next().await.unwrap() {
        assert!(piece.len() < 512 * 1024, "a piece of {} bytes", piece.len());
        text.extend(piece);
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), 10_000);
    assert!(text.lines().enumerate().all(|(i, line)| line.starts_with(&format!("line {} ", i + 1))));
}

#[tokio::test]
async fn a_compressed_download_unpacks_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let console = open(&folder);
    fill(&console, 5_000);
    let how = |gzip| ConsoleExport { gzip, timestamps: true, ..ConsoleExport::default() };
    let all = async |how| {
        let pieces: Vec<bytes::Bytes> = export(console.clone(), how).try_collect().await.unwrap();
        pieces.concat()
    };
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*all(how(true)).await).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, all(how(false)).await);
    assert!(unpacked.starts_with(b"2027-01-15T08:00:00.000Z line 1 "));
}

#[tokio::test]
async fn an_empty_console_is_an_empty_download_and_no_hits() {
    let folder = tempfile::tempdir().unwrap();
    let console = open(&folder);
    let pieces: Vec<bytes::Bytes> =
        export(console.clone(), ConsoleExport::default()).try_collect().await.unwrap();
    assert!(pieces.is_empty());
    assert_eq!(console.search(&sought("")).unwrap(), ConsoleFound::default());
}

/// A console on a disk with this many free bytes.
struct FullDisk {
    mount: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl FullDisk {
    /// `None` if this user can't mount, which is printed.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path().join("disk");
        fs::create_dir(&mount).unwrap();
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(&mount);
        if !command.output().is_ok_and(|output| output.status.success()) {
            println!("SKIP: a disk of its own needs root");
            return None;
        }
        Some(Self { mount, _folder: folder })
    }

    fn fill(&self) {
        let mut filler = File::create(self.mount.join("filler")).unwrap();
        while filler.write_all(&[0; 512]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.mount.join("filler")).unwrap();
    }

    fn console(&self) -> Arc<Console> {
        Arc::new(Console::open(&self.mount.join("console")).unwrap())
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.mount).output();
    }
}

/// One output line of ten bytes for each number.
fn ticks(console: &Console, numbers: std::ops::Range<u64>) {
    for number in numbers {
        console.output(at(), LineKind::Output, vec![(format!("tick {number:04}"), (number + 1) * 10)]);
    }
}

#[tokio::test]
async fn lines_that_a_full_disk_did_not_take_are_written_when_there_is_room() {
    let Some(disk) = FullDisk::new() else { return };
    let console = disk.console();
    ticks(&console, 0..10);
    disk.fill();
    ticks(&console, 10..200);
    disk.free();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    ticks(&console, 200..210);
    let again = disk.console();
    assert_eq!(read_all(&again).await, ((1..=210).collect(), vec![]));
    let (from, known) = again.output_since(0);
    assert_eq!((from, known.len()), (0, 210));
}

#[tokio::test]
async fn lines_that_are_missing_after_a_full_disk_are_marked_and_none_comes_twice() {
    let Some(disk) = FullDisk::new() else { return };
    let console = disk.console();
    ticks(&console, 0..10);
    disk.fill();
    // More than the console keeps in memory.
    for round in 0..100 {
        console.output(at(), LineKind::Output, vec![("x".repeat(10_000), 100 + (round + 1) * 10_000)]);
    }
    disk.free();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    console.output(at(), LineKind::Output, vec![("after".into(), 2_000_000)]);
    let (numbers, gaps) = read_all(&disk.console()).await;
    assert_eq!(gaps.len(), 1, "{numbers:?}");
    let expected: Vec<u64> = (1..=10).chain(gaps[0]..=111).collect();
    assert_eq!(numbers, expected);
    // The process's output is read from after the hole again, so that nothing before it is repeated.
    let (from, known) = disk.console().output_since(0);
    assert!(from > 100, "{from}");
    assert_eq!(known.last().unwrap(), &("after".to_owned(), 2_000_000));
}

#[tokio::test]
async fn a_hole_in_an_older_file_is_told_as_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    ticks(&open(&folder), 0..40);
    let path = folder.path().join(format!("{:020}.jsonl", 1));
    let text = fs::read_to_string(&path).unwrap();
    // As left by older versions: lines 8 to 14 missing, one of them cut short.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.drain(7..13);
    lines[7].truncate(20);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let console = open(&folder);
    assert_eq!(read_all(&console).await, ((1..=7).chain(15..=40).collect(), vec![15]));
    assert_eq!(console.page(Some(0), 100).len(), 33);
    let (from, known) = console.output_since(0);
    assert_eq!((from, known.len()), (150, 25), "what comes again is compared with what has no hole");
}
