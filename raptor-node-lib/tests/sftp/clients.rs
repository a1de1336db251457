//! Operations of real clients.

use crate::world::{PASSWORD, World, bounded, has, noise, run};
use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn openssh_does_all_that_it_can_do() {
    let world = World::new().await;
    let data = world.data();
    let own = world.own();
    let big = noise(40 * 1024 * 1024 + 12_345);
    fs::write(own.join("big"), &big).unwrap();
    world.sftp(&[], "put -p big\nget big back\nmkdir a\nmkdir a/b\nrename big a/b/moved\nls -l").await;
    assert_eq!(fs::read(own.join("back")).unwrap(), big);
    assert_eq!(fs::read(data.join("a/b/moved")).unwrap(), big);
    let sent = fs::metadata(own.join("big")).unwrap();
    let there = fs::metadata(data.join("a/b/moved")).unwrap();
    assert_eq!((sent.mtime(), sent.mode()), (there.mtime(), there.mode()), "-p keeps time and mode");

    world
        .sftp(&[], "cd a/b\nchmod 600 moved\nln moved hard\nln -s moved soft\nln -s /a/b/moved absolute")
        .await;
    assert_eq!(fs::metadata(data.join("a/b/moved")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(data.join("a/b/hard")).unwrap().nlink(), 2);
    assert_eq!(fs::read(data.join("a/b/absolute")).unwrap().len(), big.len(), "from the root it leads there");
    let listed = world.sftp(&[], "ls -la a/b\npwd\ndf /").await;
    assert!(listed.contains("lrwxrwxrwx") && listed.contains("-rw-------"), "{listed}");
    assert!(listed.contains("Remote working directory: /"), "{listed}");

    fs::write(own.join("new"), "new").unwrap();
    world.sftp(&[], "put new a/b/target\nput new a/b/other\nrename a/b/other a/b/target").await;
    assert!(!data.join("a/b/other").exists());
    world.sftp(&[], "copy a/b/moved a/b/copied").await;
    assert_eq!(fs::read(data.join("a/b/copied")).unwrap(), big);
    world.sftp(&["-f"], "put new synced\nrm synced\nrm a/b/*\nrmdir a/b\nrmdir a").await;
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_utf8_keep_their_bytes() {
    let world = World::new().await;
    let odd = |folder: PathBuf| folder.join(OsStr::from_bytes(b"caf\xe9 \\xE9"));
    fs::write(odd(world.own()), "text").unwrap();
    world.sftp(&[], b"put caf\xe9*\nmkdir \xff\nln -s \xe9 link").await;
    assert_eq!(fs::read(odd(world.data())).unwrap(), b"text");
    assert_eq!(fs::read_link(world.data().join("link")).unwrap().as_os_str().as_bytes(), b"\xe9");
    fs::remove_file(odd(world.own())).unwrap();
    world.sftp(&[], b"get caf\xe9*\nrename 'caf\xe9 \\xE9' \xff/plain\nls \xff").await;
    assert_eq!(fs::read(odd(world.own())).unwrap(), b"text");
    assert!(world.data().join(OsStr::from_bytes(b"\xff/plain")).exists());
    world.sftp(&[], b"rm \xff/plain\nrmdir \xff\nrm link").await;
    assert_eq!(fs::read_dir(world.data()).unwrap().count(), 0);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_was_broken_off_is_resumed() {
    let world = World::new().await;
    let whole = noise(3 * 1024 * 1024);
    fs::write(world.own().join("file"), &whole).unwrap();
    fs::create_dir_all(world.data()).unwrap();
    fs::write(world.data().join("file"), &whole[..1_000_000]).unwrap();
    fs::write(world.data().join("there"), &whole).unwrap();
    fs::write(world.own().join("there"), &whole[..777_777]).unwrap();
    world.sftp(&[], "reput file\nreget there").await;
    assert_eq!(fs::read(world.data().join("file")).unwrap(), whole);
    assert_eq!(fs::read(world.own().join("there")).unwrap(), whole);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_ahead_do_not_stall_a_large_file() {
    let world = World::new().await;
    world.sftp(&[], "mkdir x").await;
    let path = world.data().join("large");
    let file = fs::File::create(&path).unwrap();
    // A sparse file: only the transferred bytes matter.
    file.set_len(384 * 1024 * 1024).unwrap();
    for flags in [&["-R", "2000"][..], &["-R", "512", "-B", "32768"], &["-R", "2000", "-B", "4096"]] {
        let begun = Instant::now();
        world.sftp(flags, "get large").await;
        assert_eq!(fs::metadata(world.own().join("large")).unwrap().len(), 384 * 1024 * 1024);
        println!("get {flags:?}: {:?}", begun.elapsed());
        world.sftp(flags, "put large x/large").await;
        println!("get and put {flags:?}: {:?}", begun.elapsed());
    }
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_small_files_go_there_and_back() {
    let world = World::new().await;
    let many = world.own().join("many");
    fs::create_dir_all(&many).unwrap();
    for n in 0..2_000 {
        fs::write(many.join(format!("file{n:04}")), noise(4_096 + n)).unwrap();
    }
    world.sftp(&[], "put -r many\nget -r many back").await;
    for n in [0, 999, 1_999] {
        assert_eq!(fs::read(world.own().join(format!("back/file{n:04}"))).unwrap(), noise(4_096 + n));
    }
    assert_eq!(fs::read_dir(world.own().join("back")).unwrap().count(), 2_000);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_ten_thousand_is_listed_whole() {
    let world = World::new().await;
    world.sftp(&[], "mkdir full").await;
    for n in 0..10_000 {
        fs::write(world.data().join(format!("full/entry-{n:05}")), "").unwrap();
    }
    let listed = world.sftp(&[], "ls -1n full").await;
    let mut names: Vec<&str> = listed.lines().filter(|line| line.contains("entry-")).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 10_000);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scp_copies_both_ways() {
    let world = World::new().await;
    fs::create_dir_all(world.own().join("tree/below")).unwrap();
    fs::write(world.own().join("tree/below/file"), "text").unwrap();
    let scp = |args: Vec<String>| {
        let world = &world;
        async move {
            let mut command = Command::new("scp");
            command.args(world.options().await).args(["-s", "-P", &world.port.to_string()]);
            run(command.args(args).current_dir(world.own())).await;
        }
    };
    let there = format!("{}@127.0.0.1:", world.login());
    scp(vec!["-rp".into(), "tree".into(), there.clone()]).await;
    assert_eq!(fs::read_to_string(world.data().join("tree/below/file")).unwrap(), "text");
    scp(vec!["-r".into(), format!("{there}~/tree"), "back".into()]).await;
    assert_eq!(fs::read_to_string(world.own().join("back/below/file")).unwrap(), "text");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone_copies_checks_and_moves() {
    if !has("rclone") {
        return;
    }
    let world = World::new().await;
    let tree = world.own().join("tree");
    fs::create_dir_all(tree.join("below")).unwrap();
    for n in 0..50 {
        fs::write(tree.join(format!("below/{n}")), noise(10_000 * n)).unwrap();
    }
    let remote = format!(
        ":sftp,host=127.0.0.1,port={},user={},key_file={},shell_type=none:",
        world.port,
        world.login(),
        world.key().await.display()
    );
    let rclone = |args: Vec<String>| {
        let world = &world;
        async move {
            run(Command::new("rclone").args(args).current_dir(world.own()).env("HOME", world.own())).await
        }
    };
    rclone(vec!["copy".into(), "tree".into(), format!("{remote}up")]).await;
    rclone(vec!["check".into(), "--download".into(), "tree".into(), format!("{remote}up")]).await;
    let there = fs::metadata(world.data().join("up/below/7")).unwrap();
    assert_eq!(there.mtime(), fs::metadata(tree.join("below/7")).unwrap().mtime(), "times are kept");
    rclone(vec!["moveto".into(), format!("{remote}up/below/7"), format!("{remote}up/seven")]).await;
    assert!(world.data().join("up/seven").exists());
    rclone(vec!["copy".into(), format!("{remote}up"), "down".into()]).await;
    assert_eq!(fs::read(world.own().join("down/seven")).unwrap(), noise(70_000));
    let about = rclone(vec!["about".into(), remote.clone()]).await;
    assert!(String::from_utf8_lossy(&about.stdout).contains("Free"));
    rclone(vec!["purge".into(), format!("{remote}up")]).await;
    assert!(!world.data().join("up").exists());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lftp_mirrors_and_resumes() {
    if !has("lftp") {
        return;
    }
    let world = World::new().await;
    let tree = world.own().join("tree");
    fs::create_dir_all(tree.join("below")).unwrap();
    let whole = noise(2_000_000);
    fs::write(tree.join("below/file"), &whole).unwrap();
    let ssh = format!("ssh -a -x {}", world.options().await.join(" "));
    let script = |commands: &str| {
        format!(
            "set sftp:connect-program \"{ssh}\"; set net:max-retries 2; set cmd:fail-exit true; open -u {},x -p {} sftp://127.0.0.1; {commands}; bye",
            world.login(),
            world.port
        )
    };
    let lftp = |commands: &str| {
        let (script, own) = (script(commands), world.own());
        async move { run(Command::new("lftp").args(["-c", &script]).current_dir(&own).env("HOME", &own)).await }
    };
    lftp("mirror -R tree up").await;
    assert_eq!(fs::read(world.data().join("up/below/file")).unwrap(), whole);
    fs::write(world.own().join("part"), &whole[..900_000]).unwrap();
    lftp("get -c up/below/file -o part").await;
    assert_eq!(fs::read(world.own().join("part")).unwrap(), whole);
    let listed = lftp("cls -l up/below").await;
    assert!(String::from_utf8_lossy(&listed.stdout).contains("2000000"));
    lftp("rm -r up").await;
    assert!(!world.data().join("up").exists());
    world.host.shutdown().await;
}

/// Debian's Python, which has paramiko.
pub const PYTHON: &str = "/usr/bin/python3";

pub async fn has_paramiko() -> bool {
    let found = bounded(Command::new(PYTHON).args(["-c", "import paramiko"])).await.status.success();
    if !found {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "python3-paramiko is needed in CI");
        println!("SKIP: paramiko is not installed");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn paramiko_signs_in_by_password_and_moves_files() {
    if !has_paramiko().await {
        return;
    }
    let world = World::new().await;
    let script = r#"
import os, sys, paramiko
port, login, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", port, login, password, allow_agent=False, look_for_keys=False)
sftp = client.open_sftp()
data = os.urandom(5_000_000)
sftp.mkdir("a")
with sftp.open("a/file", "wb") as f:
    f.set_pipelined(True)
    f.write(data)
with sftp.open("a/file", "rb") as f:
    f.prefetch()
    assert f.read() == data
with sftp.open("a/file", "ab") as f:
    f.write(b"more")
assert sftp.stat("a/file").st_size == len(data) + 4
with sftp.open("a/file", "r+") as f:
    f.truncate(10)
assert sftp.stat("a/file").st_size == 10
sftp.symlink("file", "a/link")
assert sftp.readlink("a/link") == "file"
assert sftp.normalize("a/../a/./file") == "/a/file"
sftp.utime("a/file", (1, 1_000_000_000))
assert sftp.stat("a/file").st_mtime == 1_000_000_000
sftp.posix_rename("a/file", "a/link")
assert sftp.listdir("a") == ["link"]
try:
    sftp.open("missing")
except FileNotFoundError:
    pass
else:
    raise SystemExit("a missing file was opened")
"#;
    let port = world.port.to_string();
    run(Command::new(PYTHON).args(["-c", script, &port, &world.login(), PASSWORD])).await;
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paramiko_answers_one_prompt() {
    if !has_paramiko().await {
        return;
    }
    let world = World::new().await;
    let script = r#"
import sys, paramiko
port, login, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
asked = []
def attempt(*answers):
    # This client asks for the service anew with each attempt, which russh leaves unanswered: so each has its connection.
    transport = paramiko.Transport(("127.0.0.1", port))
    transport.start_client()
    def answer(title, instructions, prompts):
        asked.append(prompts)
        return list(answers)
    assert transport.auth_interactive(login, answer) == []
    return transport
for answers in [("wrong",), (), (password, password)]:
    try:
        attempt(*answers)
    except paramiko.AuthenticationException:
        continue
    raise SystemExit("a wrong answer was taken")
transport = attempt(password)
assert asked == [[("Password: ", False)]] * 4, asked
assert paramiko.SFTPClient.from_transport(transport).listdir("/") == []
transport.close()
"#;
    let port = world.port.to_string();
    run(Command::new(PYTHON).args(["-c", script, &port, &world.login(), PASSWORD])).await;
    // The wrong password, the right one, and the check whether it is still valid.
    assert_eq!(world.rules.lock().unwrap().questions, 3);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sshfs_mounts_it() {
    if !has("sshfs") || !has("fusermount3") {
        return;
    }
    let world = World::new().await;
    let mount = world.own().join("mount");
    fs::create_dir_all(&mount).unwrap();
    let mut command = Command::new("sshfs");
    command.args(["-p", &world.port.to_string()]).args(world.options().await);
    command.arg(format!("{}@127.0.0.1:/", world.login())).arg(&mount);
    let mounted = bounded(&mut command).await;
    if !mounted.status.success() {
        let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
        assert!(why.contains("fuse") || why.contains("mount"), "{why}");
        println!("SKIP: file systems of users' own can't be mounted here: {why}");
        return;
    }
    let used = mount.clone();
    let check = tokio::task::spawn_blocking(move || {
        fs::write(used.join("file"), noise(1_000_000)).unwrap();
        fs::create_dir(used.join("folder")).unwrap();
        fs::rename(used.join("file"), used.join("folder/file")).unwrap();
        symlink("folder/file", used.join("link")).unwrap();
        fs::set_permissions(used.join("folder/file"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(fs::read(used.join("link")).unwrap(), noise(1_000_000));
        assert_eq!(fs::read_dir(&used).unwrap().count(), 2);
    });
    let checked = tokio::time::timeout(Duration::from_secs(60), check).await;
    run(Command::new("fusermount3").arg("-u").arg(&mount)).await;
    checked.unwrap().unwrap();
    assert_eq!(fs::read(world.data().join("folder/file")).unwrap(), noise(1_000_000));
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_audit_finds_no_failure() {
    if !has("ssh-audit") {
        return;
    }
    let world = World::new().await;
    let audit =
        bounded(Command::new("ssh-audit").args(["-n", "-p", &world.port.to_string(), "127.0.0.1"])).await;
    let report = String::from_utf8_lossy(&audit.stdout);
    assert!(report.contains("ssh-ed25519"), "{report}");
    assert!(!report.contains("[fail]"), "{report}");
    world.host.shutdown().await;
}
