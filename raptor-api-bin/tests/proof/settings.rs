//! Settings and their effects.

use crate::{
    faults::{READY, printing},
    programs::{Api, docker, folder, program},
    until,
};
use raptor_client::api::types::{ContainerId, Phase};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
};

/// What Docker says of the container.
fn inspect(container: &ContainerId, format: &str) -> String {
    let name = format!("raptor-{container}");
    let output = Command::new("docker").args(["inspect", "--format", format, &name]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn what_the_file_env_sets_about_the_host_is_what_up_does() {
    if !docker() {
        return;
    }
    let folder = folder();
    let settings = "CONTAINER_SUBNETS=10.231.0.0/16\nCONTAINER_TIMEZONE='Europe/Berlin'\nCONTAINER_UID=1234\nCONTAINER_GID=1235\nCONTAINER_SUBNET=10.0.0.0/8\n";
    fs::write(folder.path().join(".env"), settings).unwrap();
    let mut api = Api::up_from(folder.path());
    api.sign_in();
    let said = api.log();
    assert!(
        said.contains("warning: .env sets CONTAINER_SUBNET, which is not a setting and is ignored. Did you mean CONTAINER_SUBNETS?"),
        "{said}"
    );
    assert!(folder.path().join("data/raptor.db").exists());
    let startup = format!("sh -c 'echo \"{READY}\"; read line'");
    let container = printing(api.template(crate::EGG), api.own_daemon(), &startup);
    let container = api.make(&container);
    api.phase(&container, Phase::Running);
    let address = inspect(
        &container,
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}{{.NetworkSettings.IPAddress}}",
    );
    assert!(address.starts_with("10.231."), "{address}");
    assert!(inspect(&container, "{{.Config.Env}}").contains("TZ=Europe/Berlin"));
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        assert_eq!(inspect(&container, "{{.Config.User}}"), "1234:1235");
    }
    // Before its host goes away: the network is the host's to remove.
    api.delete(&container);
    until("it is removed", || inspect(&container, "{{.Id}}").is_empty().then_some(()));
}

#[test]
fn commands_that_need_no_settings_look_at_none() {
    let folder = folder();
    fs::write(folder.path().join(".env"), "a line that nobody can read\n").unwrap();
    let env = [("API_ADDR", "nowhere"), ("DAEMON_ADDR", "nowhere"), ("CONTAINER_SUBNETS", "none")];
    let run = |prefix: &[&str], name: &str, args: &[&str]| {
        let path = program(name).display().to_string();
        let whole: Vec<&str> =
            prefix.iter().copied().chain([path.as_str()]).chain(args.iter().copied()).collect();
        let output =
            Command::new(whole[0]).args(&whole[1..]).envs(env).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{whole:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let key = run(&[], "raptor-api", &["key"]);
    assert!(key.trim().len() >= 32 && key != run(&[], "raptor-api", &["key"]), "{key}");
    for name in ["raptor-api", "raptor-daemon"] {
        assert!(run(&[], name, &["openapi"]).contains("\"openapi\": \"3.1"));
        assert!(run(&[], name, &["--version"]).starts_with(name));
        assert!(run(&[], name, &["--help"]).contains("Usage:"));
        // Their help does not list settings that they don't use.
        for args in [["openapi", "--help"], ["help", "openapi"]] {
            let help = run(&[], name, &args);
            assert!(help.contains("Usage:") && !help.contains("--outbound-allow"), "{help}");
        }
    }
    let help = run(&[], "raptor-daemon", &["setup", "--help"]);
    assert!(help.contains("--systemd") && !help.contains("--daemon-api-key"), "{help}");
    for setting in ["CONTAINER_SUBNETS", "SFTP_PORT", "ALLOWED_MOUNTS", "TRASH_RETENTION_DAYS", "DATA_DIR"] {
        assert!(run(&[], "raptor-api", &["up", "--help"]).contains(&format!("<{setting}>")), "{setting}");
    }
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // In a separate network namespace, so that the rules of this host stay.
        let told = run(&["unshare", "--net"], "raptor-daemon", &["remove-rules"]);
        assert!(told.contains("Daemons whose rules were removed: 0."), "{told}");
    } else {
        println!("SKIP: only root can change the firewall");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    for name in ["raptor-api", "raptor-daemon"] {
        let mut program = Command::new(program(name));
        let mut running =
            program.arg("openapi").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(running.stdout.take());
        let output = running.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
    }
}
