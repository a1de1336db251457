//! `raptor-daemon setup`, as the line that the panel shows runs it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

const KEY: &str = "rd_0123456789abcdef0123456789abcdef";

/// Runs it with these lines on standard input.
fn setup(folder: &Path, flags: &[&str], lines: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_raptor-daemon"));
    program.arg("setup").arg("--folder").arg(folder).args(flags);
    program.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = program.spawn().unwrap();
    // A program that refuses at once does not read to the end.
    let _ = running.stdin.take().unwrap().write_all(lines.as_bytes());
    running.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_the_panel_shows_is_written_where_only_its_owner_reads_it() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("raptor/daemon");
    let output = setup(&folder, &[], &format!("DAEMON_API_KEY={KEY}\nDAEMON_ADDR=0.0.0.0:8081\n"));
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains(KEY));
    let file = folder.join(".env");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!("DAEMON_ADDR=0.0.0.0:8081\nDAEMON_API_KEY={KEY}\n")
    );
}

#[test]
fn a_new_key_replaces_the_old_one_and_leaves_everything_else() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("daemon");
    fs::create_dir(&folder).unwrap();
    let file = folder.join(".env");
    fs::write(&file, "# ours\nDAEMON_API_KEY=rd_old_old_old_old\nSFTP_PORT=2022\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = setup(&folder, &[], &format!("DAEMON_API_KEY={KEY}\n"));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("# ours\nDAEMON_API_KEY={KEY}\nSFTP_PORT=2022\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "not as open as it was");
}

#[test]
fn lines_that_are_no_settings_are_refused_in_words_and_nothing_is_written() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("daemon");
    for (lines, words) in [
        ("", "No settings came on standard input"),
        ("DAEMON_ADDR=0.0.0.0:8080\n", "DAEMON_API_KEY is missing"),
        ("DAEMON_API_KEY=short\n", "Copy the whole key"),
        (&format!("DAEMON_API_KEY={KEY}\nDAEMON_ADDR=nowhere\n"), "DAEMON_ADDR is \"nowhere\""),
        ("COLOUR=blue\n", "COLOUR is not a setting of the daemon"),
        ("hello\n", "Line 1 is not a setting"),
        ("\n# ours\n\nDAEMON_ADDR=0.0.0.0:8080\nhello\n", "Line 5 is not a setting"),
        // One that is cut would be good up to there.
        (&format!("DAEMON_API_KEY={KEY}\n{}", "#\n".repeat(40_000)), "More than 64 KiB"),
        (&format!("DAEMON_API_KEY={KEY}\n#{}é\n", " ".repeat(64 * 1024)), "More than 64 KiB"),
        (&format!("DAEMON_API_KEY={KEY} $(reboot)\n"), "has a space, quote"),
    ] {
        let output = setup(&folder, &[], lines);
        assert!(!output.status.success(), "{lines}");
        assert!(said(&output).contains(words), "{lines}: {}", said(&output));
        assert!(!said(&output).contains(KEY), "{lines}");
        assert!(!folder.exists());
    }
}

#[test]
fn a_unit_for_systemd_names_this_program_and_is_never_overwritten() {
    let base = tempfile::tempdir().unwrap();
    let (folder, units) = (base.path().join("daemon"), base.path().join("units"));
    fs::create_dir(&units).unwrap();
    let lines = format!("DAEMON_API_KEY={KEY}\n");
    let flags = ["--systemd", "--units", units.to_str().unwrap()];
    let output = setup(&folder, &flags, &lines);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("systemctl enable raptor-daemon && systemctl restart raptor-daemon"));
    let unit = fs::read_to_string(units.join("raptor-daemon.service")).unwrap();
    assert!(unit.contains(&format!("ExecStart={}\n", env!("CARGO_BIN_EXE_raptor-daemon"))), "{unit}");
    assert!(unit.contains(&format!("WorkingDirectory={}\n", folder.display())), "{unit}");
    fs::write(units.join("raptor-daemon.service"), "ours").unwrap();
    let output = setup(&folder, &flags, &lines);
    assert!(output.status.success() && said(&output).contains("stays as it is"), "{}", said(&output));
    assert_eq!(fs::read_to_string(units.join("raptor-daemon.service")).unwrap(), "ours");
}
