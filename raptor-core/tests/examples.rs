//! The examples do what they show.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::PathBuf, process::Command};

/// Cargo builds the examples beside the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples").join(name)
}

#[test]
fn the_embedding_example_runs_a_container() {
    let ran = Command::new(example("embed")).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("Trains runs at 0.0.0.0:25565") && said.contains("steve> server_info"), "{said}");
    assert!(said.trim_end().ends_with("is offline again"), "{said}");
}

#[test]
fn the_example_with_docker_runs_a_container() {
    if std::env::var_os("RAPTOR_TEST_DOCKER").is_none() {
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "RAPTOR_TEST_DOCKER is needed in CI");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let egg = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/eggs/openttd.json");
    let mut docker = Command::new(example("docker"));
    let ran = docker.arg(folder.path()).args([egg, "~raptor-test/openttd:1"]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("is running") && said.trim_end().ends_with("is offline again"), "{said}");
}
