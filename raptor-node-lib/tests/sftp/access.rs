//! Who can sign in, what they may do, and how sessions end.

use crate::clients::{PYTHON, has_paramiko};
use crate::world::{PASSWORD, World, bounded, has, noise, soon};
use raptor_model::{
    authz::{ContainerPermission, ContainerSet},
    node::{HostAction, files::FileRequest},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Output, Stdio},
    time::{Duration, Instant},
};
use tokio::process::Command;

async fn by_password(world: &World, login: &str, password: &str) -> Output {
    let mut command = Command::new("sshpass");
    command.args(["-p", password, "sftp", "-P", &world.port.to_string()]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "PubkeyAuthentication=no",
        "NumberOfPasswordPrompts=1",
    ] {
        command.args(["-o", option]);
    }
    command.args(["-b", "/dev/null", &format!("{login}@127.0.0.1")]);
    // Batch mode disables prompts; sshpass answers one.
    command.args(["-o", "BatchMode=no"]);
    bounded(&mut command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_gets_in_and_nothing_else_does() {
    if !has("sshpass") {
        return;
    }
    let world = World::new().await;
    let login = world.login();
    let mut command = Command::new("sshpass");
    command.args(["-p", PASSWORD, "sftp", "-P", &world.port.to_string(), "-o", "StrictHostKeyChecking=no"]);
    command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "PubkeyAuthentication=no"]);
    command.arg(format!("{login}@127.0.0.1"));
    assert!(bounded(&mut command).await.status.success());
    for (login, password) in
        [(login.as_str(), "wrong"), ("steve", PASSWORD), ("steve.00000000", PASSWORD), ("", PASSWORD)]
    {
        assert!(!by_password(&world, login, password).await.status.success(), "{login:?} {password:?}");
    }
    world.rules.lock().unwrap().fingerprints.clear();
    let key = world.key().await;
    world.rules.lock().unwrap().fingerprints.clear();
    let refused = world.try_sftp(&[], "ls").await;
    assert!(!refused.status.success(), "a key that nobody added: {}", key.display());
    world.host.shutdown().await;
}

/// OpenSSH's client with a program that enters the password at each prompt.
async fn typed(world: &World, password: &str, methods: &str) -> Output {
    let typist = world.own().join("typist");
    fs::write(&typist, format!("#!/bin/sh\necho \"$1\" >> prompts\necho '{password}'\n")).unwrap();
    fs::set_permissions(&typist, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("sftp");
    command.args(["-P", &world.port.to_string()]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "PubkeyAuthentication=no",
        "NumberOfPasswordPrompts=3",
        &format!("PreferredAuthentications={methods}"),
    ] {
        command.args(["-o", option]);
    }
    command.arg(format!("{}@127.0.0.1", world.login())).current_dir(world.own());
    bounded(command.env("SSH_ASKPASS", &typist).env("SSH_ASKPASS_REQUIRE", "force")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_password_gets_in_and_a_wrong_one_counts_once_however_often_it_is_sent() {
    let world = World::new().await;
    let asked = || std::mem::take(&mut world.rules.lock().unwrap().questions);
    let welcome = typed(&world, PASSWORD, "keyboard-interactive").await;
    assert!(welcome.status.success(), "{}", String::from_utf8_lossy(&welcome.stderr));
    let prompts = world.own().join("prompts");
    assert!(fs::read_to_string(&prompts).unwrap().trim_end().ends_with("Password:"));
    fs::remove_file(&prompts).unwrap();
    asked();
    assert!(!typed(&world, "wrong", "keyboard-interactive,password").await.status.success());
    assert!(fs::read_to_string(&prompts).unwrap().lines().count() >= 4, "three times there, then once here");
    assert_eq!(asked(), 1);
    assert!(!typed(&world, "wrong", "keyboard-interactive,password").await.status.success());
    assert_eq!(asked(), 1, "each connection is an attempt");
    world.host.shutdown().await;
}

/// Starts a download that never finishes by itself.
async fn endless(world: &World) -> tokio::process::Child {
    world.key().await;
    fs::create_dir_all(world.data()).unwrap();
    fs::File::create(world.data().join("endless")).unwrap().set_len(1 << 40).unwrap();
    let mut command = world.command(&["-l", "80000"]).await;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let own = world.own().join("endless");
    tokio::io::AsyncWriteExt::write_all(child.stdin.as_mut().unwrap(), b"get endless\n").await.unwrap();
    soon("the download has begun", || fs::metadata(&own).is_ok_and(|file| file.len() > 1 << 20)).await;
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_ends_cuts_a_transfer_within_a_second() {
    let world = World::new().await;
    let mut child = endless(&world).await;
    let begun = Instant::now();
    world.change(|rules| rules.granted = false).await;
    tokio::time::timeout(Duration::from_secs(1), child.wait()).await.expect("cut within a second").unwrap();
    println!("cut after {:?}", begun.elapsed());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_removed_and_an_epoch_that_has_passed_end_the_session() {
    let world = World::new().await;
    for end in 0..2 {
        let mut child = endless(&world).await;
        world
            .change(|rules| match end {
                0 => rules.grant.epoch += 1,
                _ => rules.fingerprints.clear(),
            })
            .await;
        tokio::time::timeout(Duration::from_secs(1), child.wait()).await.unwrap().unwrap();
        fs::remove_file(world.own().join("endless")).unwrap();
    }
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_looked_at_again_when_the_control_side_comes_back() {
    let mut world = World::new().await;
    let mut child = endless(&world).await;
    world.disconnect_control().await;
    world.rules.lock().unwrap().granted = false;
    let received = || fs::metadata(world.own().join("endless")).map_or(0, |file| file.len());
    let before = received();
    soon("it goes on while nobody says otherwise", || received() > before + (4 << 20)).await;
    assert!(child.try_wait().unwrap().is_none());
    world.connect_control().await;
    tokio::time::timeout(Duration::from_secs(1), child.wait()).await.unwrap().unwrap();
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_control_side_away_known_keys_work_and_passwords_do_not() {
    let mut world = World::new().await;
    world.key().await;
    world.disconnect_control().await;
    assert!(!world.try_sftp(&[], "ls").await.status.success(), "not known yet");
    world.connect_control().await;
    world.sftp(&[], "ls").await;
    world.disconnect_control().await;
    world.sftp(&[], "mkdir offline").await;
    if has("sshpass") {
        assert!(!by_password(&world, &world.login(), PASSWORD).await.status.success());
    }
    world.connect_control().await;
    let rules = world.rules.clone();
    soon("what was done meanwhile is told", || {
        let reports = &rules.lock().unwrap().reports;
        let told = |wanted: fn(&HostAction) -> bool| reports.iter().any(|report| wanted(&report.deed));
        told(|deed| matches!(deed, HostAction::SftpSignedInOffline))
            && told(|deed| matches!(deed, HostAction::SftpChanges { .. }))
    })
    .await;
    // The administrator disables cached keys.
    world.change(|rules| rules.grant.keep_seconds = 0).await;
    world.sftp(&[], "ls").await;
    world.disconnect_control().await;
    assert!(!world.try_sftp(&[], "ls").await.status.success());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_to_do_something_first_is_told_so_by_every_request() {
    if !has_paramiko().await {
        return;
    }
    let world = World::new().await;
    fs::create_dir_all(world.data()).unwrap();
    fs::write(world.data().join("file"), "text").unwrap();
    world.change(|rules| rules.grant.locked = Some("password_change_required: choose one.".into())).await;
    let client = bounded(Command::new(PYTHON).arg("-c").arg(format!(
        "import paramiko\n\
         t = paramiko.Transport(('127.0.0.1', {})); t.connect(username='{}', password='{PASSWORD}')\n\
         s = paramiko.SFTPClient.from_transport(t)\n\
         for ask in (lambda: s.listdir('/'), lambda: s.open('/file').read(), lambda: s.mkdir('/new'), lambda: s.normalize('.')):\n\
         \ttry: ask(); print('done')\n\
         \texcept IOError as error: print(error)\n",
        world.port,
        world.login(),
    )))
    .await;
    let said = String::from_utf8(client.stdout).unwrap();
    assert_eq!(said.matches("password_change_required").count(), 4, "{said}");
    assert!(!world.data().join("new").exists());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_needs_its_permission() {
    let world = World::new().await;
    fs::create_dir_all(world.data().join("folder")).unwrap();
    fs::write(world.data().join("file"), "text").unwrap();
    fs::write(world.own().join("new"), "new").unwrap();
    use ContainerPermission as P;
    let cases: [(&str, P); 9] = [
        ("get file", P::FileReadContent),
        ("ls", P::FileRead),
        ("put new made", P::FileCreate),
        ("mkdir made", P::FileCreate),
        ("put new file", P::FileUpdate),
        ("chmod 600 file", P::FileUpdate),
        ("rename file other", P::FileUpdate),
        ("rm file", P::FileDelete),
        ("rmdir folder", P::FileDelete),
    ];
    for (batch, permission) in cases {
        world.change(|rules| rules.grant.permissions = ContainerSet::ALL.without(permission)).await;
        let refused = world.try_sftp(&[], batch).await;
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        // Without permission to list, a client finds nothing to download.
        let said = why.contains("ermission denied") || why.contains("not found");
        // OpenSSH does not treat a folder that can't be listed as a failure.
        assert!((!refused.status.success() || batch == "ls") && said, "{batch}: {why}");
    }
    assert_eq!(fs::read_to_string(world.data().join("file")).unwrap(), "text");
    assert_eq!(fs::read_dir(world.data()).unwrap().count(), 2);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_session_loses_what_is_taken_from_it() {
    let world = World::new().await;
    world.key().await;
    fs::create_dir_all(world.data()).unwrap();
    let mut command = world.command(&[]).await;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    use tokio::io::AsyncWriteExt;
    input.write_all(b"mkdir first\n").await.unwrap();
    soon("the first folder", || world.data().join("first").exists()).await;
    let asked = world.rules.lock().unwrap().questions;
    world.change(|rules| rules.grant.read_only = true).await;
    soon("it was asked again", || world.rules.lock().unwrap().questions > asked).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    input.write_all(b"mkdir second\n").await.unwrap();
    drop(input);
    assert!(child.wait().await.unwrap().success(), "the session itself goes on");
    assert!(!world.data().join("second").exists());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_neither_seen_nor_touched() {
    let world = World::new().await;
    fs::create_dir_all(world.data()).unwrap();
    fs::write(world.data().join("secret.key"), "secret").unwrap();
    world.change(|rules| rules.grant.denied = vec!["*.key".into()]).await;
    assert!(!world.sftp(&[], "ls -la").await.contains("secret"));
    fs::write(world.own().join("new"), "new").unwrap();
    for batch in
        ["get secret.key", "put new secret.key", "rm secret.key", "rename secret.key x", "ln -s secret.key x"]
    {
        assert!(!world.try_sftp(&[], batch).await.status.success(), "{batch}");
    }
    assert_eq!(fs::read_to_string(world.data().join("secret.key")).unwrap(), "secret");
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_nowhere_outside() {
    let world = World::new().await;
    fs::create_dir_all(world.data()).unwrap();
    fs::write(world.folder.path().join("host-secret"), "secret").unwrap();
    std::os::unix::fs::symlink(world.folder.path(), world.data().join("out")).unwrap();
    std::os::unix::fs::symlink("../../host-secret", world.data().join("file")).unwrap();
    fs::write(world.own().join("new"), "new").unwrap();
    for batch in
        ["get out/host-secret", "get file", "put new out/x", "put new file", "cd out", "chmod 777 file"]
    {
        assert!(!world.try_sftp(&[], batch).await.status.success(), "{batch}");
    }
    assert_eq!(fs::read_to_string(world.folder.path().join("host-secret")).unwrap(), "secret");
    assert!(!world.folder.path().join("x").exists());
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_by_the_containers_own_path_leads_where_its_processes_go() {
    let world = World::new().await;
    fs::create_dir_all(world.data().join("shared")).unwrap();
    fs::write(world.data().join("shared/real"), "old").unwrap();
    std::os::unix::fs::symlink("/home/container/shared/real", world.data().join("file")).unwrap();
    std::os::unix::fs::symlink("/home/container/shared", world.data().join("folder")).unwrap();
    fs::write(world.own().join("new"), "new").unwrap();
    world.sftp(&[], "get file got\ncd folder\nget real\nput new file\ncd /\nput new file").await;
    assert_eq!(fs::read_to_string(world.own().join("got")).unwrap(), "old");
    assert_eq!(fs::read_to_string(world.data().join("shared/real")).unwrap(), "new");
    assert!(fs::symlink_metadata(world.data().join("file")).unwrap().is_symlink());
    world.host.shutdown().await;
}

/// Security case 35.
#[tokio::test(flavor = "multi_thread")]
async fn the_disk_limit_holds_however_it_is_written() {
    let world = World::limited(8).await;
    fs::write(world.own().join("large"), noise(12 << 20)).unwrap();
    fs::write(world.own().join("small"), noise(5 << 20)).unwrap();
    let refused = world.try_sftp(&[], "put large").await;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{why}");
    world.sftp(&[], "rm large\nput small").await;
    for batch in ["copy small copied", "put small other"] {
        assert!(!world.try_sftp(&[], batch).await.status.success(), "{batch}");
    }
    world.sftp(&[], "-rm copied\n-rm other").await;
    let used: u64 = fs::read_dir(world.data())
        .unwrap()
        .map(|entry| std::os::unix::fs::MetadataExt::blocks(&entry.unwrap().metadata().unwrap()) * 512)
        .sum();
    assert!(used <= 8 << 20, "{used}");
    let free = world.sftp(&[], "df /").await;
    assert!(free.contains("8192"), "the limit is the size of the disk: {free}");
    world.host.shutdown().await;
}

/// However full it is, existing files can be listed and removed, by SFTP and by the panel's requests.
#[tokio::test(flavor = "multi_thread")]
async fn past_the_disk_limit_files_are_listed_read_and_removed() {
    let world = World::limited(8).await;
    fs::write(world.own().join("big"), noise(3 << 20)).unwrap();
    fs::write(world.own().join("new"), noise(8_192)).unwrap();
    world.sftp(&[], "mkdir maps\nput new maps/one\nput big").await;
    world.limit(1).await;
    let listed = world.sftp(&[], "ls -l\nget maps/one\nrename maps/one maps/two").await;
    assert!(listed.contains("big"), "{listed}");
    let refused = world.try_sftp(&[], "put new").await;
    assert!(!refused.status.success());
    let exists = world.try_sftp(&[], "mkdir maps").await;
    assert!(!String::from_utf8_lossy(&exists.stderr).contains("limit"), "it is there already");

    let ask = |request| {
        let asked = raptor_model::node::files::Scoped { request, denied: Vec::new() };
        raptor_model::node::Handler::handle(&world.host, world.container, asked)
    };
    let paths = vec![raptor_model::node::FilePath::parse("big").unwrap()];
    ask(FileRequest::Trash { paths, by: "steve".into() }).await.unwrap();
    assert!(!world.try_sftp(&[], "put new").await.status.success(), "what is in the trash counts");
    ask(FileRequest::EmptyTrash { ids: None }).await.unwrap();
    world.sftp(&[], "put new\nrm maps/two\nrmdir maps").await;
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_told_in_batches() {
    let world = World::new().await;
    fs::write(world.own().join("new"), "12345").unwrap();
    world.sftp(&[], "mkdir a\nput new a/b\nput new a/b\nrename a/b a/c\nrm a/c\nrmdir a").await;
    let rules = world.rules.clone();
    soon("the report", || !rules.lock().unwrap().reports.is_empty()).await;
    let reports = rules.lock().unwrap().reports.clone();
    assert_eq!(reports.len(), 1, "one for the whole session");
    let HostAction::SftpChanges { written_bytes, changes, .. } = &reports[0].deed else { panic!() };
    assert_eq!(*written_bytes, 10);
    let told: Vec<String> = changes.iter().map(|change| format!("{} {}", change.kind, change.path)).collect();
    assert_eq!(told, ["create_folder /a", "delete /a/c", "delete_folder /a", "rename /a/b", "write /a/b"]);
    let waiting = world.folder.path().join("containers/.raptor/sftp/activity");
    soon("nothing waits any more", || fs::read_dir(&waiting).unwrap().count() == 0).await;
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_key_stays_and_is_told() {
    let world = World::new().await;
    let told = raptor_model::node::Node::system(&world.host).await.unwrap().sftp.unwrap();
    let scan = bounded(Command::new("ssh-keyscan").args(["-p", &world.port.to_string(), "127.0.0.1"])).await;
    let scanned = String::from_utf8_lossy(&scan.stdout).into_owned();
    assert!(scanned.contains(told.public_key.split_whitespace().nth(1).unwrap()), "{scanned}");
    let key = world.folder.path().join("containers/.raptor/sftp/host_ed25519");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said_and_stops_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = raptor_node_lib::Host::builder(folder.path())
        .sftp(taken.local_addr().unwrap())
        .build()
        .await
        .unwrap();
    let sftp = raptor_model::node::Node::system(&host).await.unwrap().sftp.unwrap();
    assert!(sftp.problem.unwrap().contains("SFTP_PORT"));
    host.shutdown().await;
}
