use super::*;
use std::fs;

const START: i64 = 1_800_000_000;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(START + second, 0).unwrap()
}

fn world() -> (tempfile::TempDir, ContainerId, History) {
    let folder = tempfile::tempdir().unwrap();
    let id = ContainerId::generate();
    fs::create_dir_all(folder.path().join(".raptor").join(id.to_string())).unwrap();
    let history = History::new(folder.path());
    (folder, id, history)
}

/// Adds a measurement every second from `from` to `to`, with `cpu` and 1,000 received bytes per second.
fn run(history: &History, id: ContainerId, from: i64, to: i64, cpu: impl Fn(i64) -> f64) {
    for second in from..=to {
        let stats = Stats {
            cpu_percent: cpu(second),
            memory_bytes: 1 << 30,
            network_rx_bytes: u64::try_from(second * 1_000).unwrap(),
            ..Stats::default()
        };
        history.note(id, at(second), &stats);
        if second % 10 == 0 {
            history.flush();
        }
    }
    history.flush();
}

fn known(series: &[Option<f64>]) -> Vec<f64> {
    series.iter().flatten().copied().collect()
}

#[test]
fn a_step_has_the_least_the_mean_and_the_most() {
    let (_folder, id, history) = world();
    run(&history, id, 0, 119, |second| (second % 10) as f64);
    let hour = history.read(Some(id), at(119), StatsRange::Hour).unwrap();
    assert_eq!(hour.cpu_percent.avg.len(), 360);
    assert_eq!(known(&hour.cpu_percent.min)[1..], [0.0; 11]);
    assert_eq!(known(&hour.cpu_percent.avg)[1..], [4.5; 11]);
    assert_eq!(known(&hour.cpu_percent.max)[1..], [9.0; 11]);
    assert_eq!(known(&hour.network_rx_bytes_per_second.avg), [1_000.0; 12]);
    assert_eq!(known(&hour.memory_bytes.max), [f64::from(1 << 30); 12]);
    let day = history.read(Some(id), at(119), StatsRange::Day).unwrap();
    assert_eq!(known(&day.cpu_percent.max), [9.0, 9.0]);
    assert_eq!(day.from.timestamp() % 60, 0);
}

#[test]
fn the_time_in_which_nothing_ran_is_a_gap() {
    let (_folder, id, history) = world();
    run(&history, id, 0, 59, |_| 1.0);
    history.pause(|_| false);
    run(&history, id, 1_200, 1_259, |_| 1.0);
    let hour = history.read(Some(id), at(1_259), StatsRange::Hour).unwrap();
    let measured: Vec<usize> = (0..360).filter(|i| hour.cpu_percent.avg[*i].is_some()).collect();
    assert_eq!(measured.len(), 12);
    assert_eq!(measured[6] - measured[5], 115);
    assert_eq!(known(&hour.network_rx_bytes_per_second.max), [1_000.0; 12], "no rate leaps over the gap");
}

#[test]
fn a_restart_in_the_middle_of_a_step_loses_nothing_that_was_written() {
    let (folder, id, history) = world();
    run(&history, id, 0, 300, |_| 10.0);
    let history = History::new(folder.path());
    run(&history, id, 301, 599, |_| 30.0);
    let week = history.read(Some(id), at(599), StatsRange::Week).unwrap();
    let avg = known(&week.cpu_percent.avg);
    assert_eq!(avg.len(), 1);
    assert!((avg[0] - 20.0).abs() < 0.2, "{avg:?}");
}

#[test]
fn a_ring_stays_as_large_as_it_is_and_forgets_the_oldest() {
    let (folder, id, history) = world();
    let path = folder.path().join(".raptor").join(id.to_string()).join("stats.ring");
    let stats = |_| Stats { cpu_percent: 5.0, ..Stats::default() };
    // Two weeks with a measurement every ten seconds.
    for second in (0..14 * 86_400).step_by(10) {
        history.note(id, at(second), &stats(second));
        if second % 600 == 0 {
            history.flush();
        }
    }
    history.flush();
    let now = at(14 * 86_400 - 1);
    assert!(fs::metadata(path).unwrap().len() <= (360 + 1_440 + 1_008) * slot::BYTES as u64);
    for range in StatsRange::ALL {
        let read = history.read(Some(id), now, range).unwrap();
        assert_eq!(known(&read.cpu_percent.avg).len(), range.steps() as usize, "{range:?}");
        let later = history.read(Some(id), now + chrono::Duration::days(8), range).unwrap();
        assert!(known(&later.cpu_percent.avg).is_empty(), "what is older than the range is not shown");
    }
}

#[test]
fn a_slot_that_was_half_written_is_a_gap_and_is_written_anew() {
    let (folder, id, history) = world();
    run(&history, id, 0, 5, |_| 1.0);
    let path = folder.path().join(".raptor").join(id.to_string()).join("stats.ring");
    let mut bytes = fs::read(&path).unwrap();
    bytes.iter_mut().filter(|byte| **byte != 0).take(3).for_each(|byte| *byte ^= 0xff);
    fs::write(&path, bytes).unwrap();
    let hour = history.read(Some(id), at(5), StatsRange::Hour).unwrap();
    assert!(known(&hour.cpu_percent.avg).is_empty());
    run(&history, id, 6, 9, |_| 2.0);
    let hour = history.read(Some(id), at(9), StatsRange::Hour).unwrap();
    assert_eq!(known(&hour.cpu_percent.avg), [2.0]);
}

#[test]
fn what_was_removed_is_not_made_again() {
    let (folder, id, history) = world();
    run(&history, id, 0, 5, |_| 1.0);
    history.note(id, at(6), &Stats::default());
    let state = folder.path().join(".raptor").join(id.to_string());
    fs::remove_dir_all(&state).unwrap();
    history.flush();
    assert!(!state.exists());
    let hour = history.read(Some(id), at(6), StatsRange::Hour).unwrap();
    assert!(known(&hour.cpu_percent.avg).is_empty());
}
