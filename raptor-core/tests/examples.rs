//! The examples do what they show.
use std::process::Command;

#[test]
fn the_embedding_example_runs_a_container() {
    // Cargo builds the examples beside the tests.
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples/embed");
    let ran = Command::new(example).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("Trains runs at 0.0.0.0:25565") && said.contains("steve> server_info"), "{said}");
}
