//! `up` by an unprivileged user who is in the group docker.

use crate::{
    programs::{Api, docker},
    support::bodies,
    until,
};
use raptor_client::api::{
    query::ListFiles,
    types::{FilePath, InstallState, NewContainer, NewLimits, PathList, Phase},
};
use serde_json::json;

const UID: u32 = 4711;

fn egg() -> String {
    let startup = "sh -c 'echo own > own.txt; echo more >> installed.txt; id -u; echo ready; read line'";
    let script = "#!/bin/sh\nid -u\nmkdir /mnt/server/deep\necho by root > /mnt/server/installed.txt\necho x > /mnt/server/deep/x";
    let mut egg = bodies::egg("Writer", "~raptor-test/busybox:1", startup);
    egg["config"] =
        json!({ "files": "{}", "startup": "{\"done\": \"ready\"}", "logs": "{}", "stop": "stop" });
    egg["scripts"] = bodies::egg_installation(script, "~raptor-test/busybox:1");
    egg.to_string()
}

#[test]
fn up_as_a_member_of_the_group_docker_runs_containers_that_can_write_their_files() {
    if !docker() {
        return;
    }
    let Some(mut api) = Api::up_in_group_docker(UID) else { return };
    assert!(api.log().contains("containers run as user 4711"), "{}", api.log());
    api.sign_in();
    // The daemon's page says the same as the startup message.
    until("the host says as whom its containers run", || {
        let note = api.done(api.get_daemon(&api.own_daemon())).system?.user_note?;
        assert!(note.contains("containers run as user 4711") && api.log().contains(&note), "{note}");
        Some(())
    });
    let mut new = NewContainer { start: Some(true), ..bodies::a_container("Writer", api.template(&egg())) };
    new.limits = Some(NewLimits { cpu_percent: Some(0), disk_mib: Some(0), ..bodies::small() });
    let id = api.make(&new);
    let said = || {
        let page = api.done(api.get_console(&id, None, None));
        page.lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    until("it runs, or why not is said", || {
        let container = api.done(api.get_container(&id));
        let failed = container.installation.state == InstallState::Failed;
        assert!(!failed, "{container:?}\n{:?}", said());
        (container.live.phase == Phase::Running).then_some(())
    });
    let said = said();
    assert!(said.contains(&"4711".to_owned()), "the container runs as whoever runs Raptor: {said:?}");
    assert!(said.contains(&"0".to_owned()), "the installer is root: {said:?}");
    // The panel writes what the installer and the container made, and reads all of it.
    let read = |path: &str| String::from_utf8(api.bytes(api.read_file(&id, path, None, None))).unwrap();
    assert_eq!((read("/own.txt").as_str(), read("/installed.txt").as_str()), ("own\n", "by root\nmore\n"));
    let total = || {
        let root = ListFiles { path: Some("/"), ..Default::default() };
        api.done(api.list_files(&id, root)).total
    };
    assert_eq!(total(), 3);
    api.done(api.discard_files(&id, &PathList { paths: vec![FilePath("/deep".into())] }));
    assert_eq!(total(), 2);
    api.delete(&id);
    until("it is gone from the host", || {
        let left =
            std::process::Command::new("docker").args(["inspect", &format!("raptor-{id}")]).output().unwrap();
        (!left.status.success()).then_some(())
    });
}
