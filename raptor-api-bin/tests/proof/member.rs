//! `up` by an unprivileged user who is in the group docker.

use crate::{
    programs::{Api, docker},
    text, until,
};
use serde_json::{Value, json};

const UID: u32 = 4711;

fn egg() -> String {
    let egg = json!({
        "meta": { "version": "PTDL_v2" }, "name": "Writer", "author": "a@b.example",
        "startup": "sh -c 'echo own > own.txt; echo more >> installed.txt; id -u; echo ready; read line'",
        "docker_images": { "x": "~raptor-test/busybox:1" }, "file_denylist": [], "variables": [],
        "config": { "files": "{}", "startup": "{\"done\": \"ready\"}", "logs": "{}", "stop": "stop" },
        "scripts": { "installation": {
            "script": "#!/bin/sh\nid -u\nmkdir /mnt/server/deep\necho by root > /mnt/server/installed.txt\necho x > /mnt/server/deep/x",
            "container": "~raptor-test/busybox:1", "entrypoint": "sh" } },
    });
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
        let id = api.get("/daemons")["items"][0]["id"].clone();
        let note = api.get(&format!("/daemons/{}", text(&id)))["system"]["user_note"].clone();
        let note = note.as_str()?;
        assert!(note.contains("containers run as user 4711") && api.log().contains(note), "{note}");
        Some(())
    });
    let template = api.post_bytes("/templates/import", &egg(), 201);
    let template = text(&template["template"]["id"]).to_owned();
    let limits = json!({ "memory_mib": 64, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 0, "pids": 64, "io_weight": 500 });
    let new = json!({ "name": "Writer", "template_id": template, "limits": limits, "allocation_count": 0, "start": true });
    let id = text(&api.post("/containers", new, 201)["id"]).to_owned();
    api.containers.push(id.clone());
    let at = |path: &str| format!("/containers/{id}{path}");
    until("it runs, or why not is said", || {
        let container = api.get(&at(""));
        let failed = container["installation"]["state"] == "failed";
        assert!(!failed, "{container}\n{}", api.get(&at("/console")));
        (container["live"]["phase"] == "running").then_some(())
    });
    let lines = api.get(&at("/console"));
    let said: Vec<&str> = lines["lines"].as_array().unwrap().iter().map(|line| text(&line["text"])).collect();
    assert!(said.contains(&"4711"), "the container runs as whoever runs Raptor: {said:?}");
    assert!(said.contains(&"0"), "the installer is root: {said:?}");
    // The panel can write and read all files that the installer and the container created.
    let read =
        |path: &str| String::from_utf8(api.bytes(&at(&format!("/files/content?path={path}")))).unwrap();
    assert_eq!((read("/own.txt").as_str(), read("/installed.txt").as_str()), ("own\n", "by root\nmore\n"));
    let listed = api.get(&at("/files?path=/"));
    assert_eq!(listed["total"].as_u64(), Some(3), "{listed}");
    api.post(&at("/files/trash"), json!({ "paths": ["/deep"] }), 200);
    let left: Value = api.get(&at("/files?path=/"));
    assert_eq!(left["total"].as_u64(), Some(2), "{left}");
    api.delete(&at(""));
    until("it is gone from the host", || {
        let left =
            std::process::Command::new("docker").args(["inspect", &format!("raptor-{id}")]).output().unwrap();
        (!left.status.success()).then_some(())
    });
}
