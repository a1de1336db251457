//! Full and failing disks with the real programs.

use crate::{
    EGG,
    disk::Disk,
    faults::printing,
    own::Database,
    programs::{self, Api, docker, wait},
    support::{Answer, bodies},
    until,
};
use raptor_client::api::{
    Error,
    query::{ImportTemplate, ListContainerActivity, ListContainers, ListFiles, ListUsers},
    types::{
        ContainerId, ContainerUpdate, DaemonId, LiveState, NewContainer, OnExisting, Phase, PowerAction,
        TemplateId, UserId,
    },
};
use reqwest::StatusCode;
use serde_json::Value;
use std::{num::NonZeroU32, path::Path, time::Instant};

const PRINTING: &str = "sh -c 'echo \"[net] Map generated, starting game\"; i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.1; done'";

/// The codes for a full disk.
const FULL: &[&str] = &["storage_full"];
const FAILING: &[&str] = &["storage_read_only", "storage_failed"];

/// That it was done, or that the database's disk is named as what was in the way. Gives whether it was done.
fn done_or_said<T>(api: &Api, codes: &[&str], what: &str, call: impl Future<Output = Answer<T>>) -> bool {
    let problem = match wait(call) {
        Ok(_) => return true,
        Err(Error::ErrorResponse(problem)) => problem.into_inner(),
        Err(error) => panic!("{what}: {error:?}\n{}", api.log()),
    };
    assert_eq!(problem.status, 503, "{what}: {problem:?}\n{}", api.log());
    assert!(codes.contains(&problem.code.as_str()), "{what}: {problem:?}");
    let said = &problem.detail;
    assert!(said.contains("the database's disk") && said.contains("then try again"), "{what}: {said}");
    false
}

fn sign_in(api: &Api, codes: &[&str]) -> bool {
    done_or_said(api, codes, "signing in", (**api).sign_in(&bodies::login("admin")))
}

/// Writes until the database is full.
fn exhaust(api: &Api) {
    let mut egg: Value = serde_json::from_str(EGG).unwrap();
    egg["description"] = "long ".repeat(8_000).into();
    let both = ImportTemplate { on_existing: Some(OnExisting::KeepBoth), ..Default::default() };
    let import = |_| done_or_said(api, FULL, "an import", api.import_template(both, egg.to_string()));
    assert!((0..2_000).any(|number| !import(number)), "the disk is not full");
}

/// `raptor-api up` with containers and a user.
struct Live {
    api: Api,
    user: UserId,
    template: TemplateId,
    host: DaemonId,
}

impl Live {
    fn on(folder: &Path) -> Self {
        let mut api = Api::up_in(folder);
        api.sign_in();
        let (template, host, user) = (api.template(EGG), api.own_daemon(), user(&api));
        Self { api, user, template, host }
    }

    fn container(&mut self, name: &str) -> ContainerId {
        let draft = printing(self.template, self.host, PRINTING);
        let id = self.api.make(&NewContainer { name: name.into(), behaviour: None, ..draft });
        self.until("it runs", &id, |live| live.phase == Phase::Running);
        id
    }

    fn until(&self, what: &str, id: &ContainerId, met: impl Fn(&LiveState) -> bool) {
        until(what, || met(&self.api.done(self.api.get_container(id)).live).then_some(()));
    }

    /// Whether it was done; see [`done_or_said`].
    fn done<T>(&self, codes: &[&str], what: &str, call: impl Future<Output = Answer<T>>) -> bool {
        done_or_said(&self.api, codes, what, call)
    }

    fn power(&self, codes: &[&str], id: &ContainerId, action: PowerAction) {
        let what = action.to_string();
        let done = self.done(codes, &what, self.api.power_container(id, &bodies::power(action)));
        assert!(done, "{what} needs no room");
    }

    fn command(&self, codes: &[&str], id: &ContainerId) -> bool {
        self.done(codes, "a command", self.api.send_command(id, &bodies::command("save")))
    }

    fn rename(&self, codes: &[&str], id: &ContainerId) -> bool {
        self.done(codes, "a new name", self.api.update_container(id, &ContainerUpdate::new("Renamed")))
    }

    /// What can be read: containers, a console, files.
    fn read(&self, id: &ContainerId, containers: usize) {
        let api = &self.api;
        let all = api.done(api.list_containers(ListContainers::default())).items;
        assert_eq!(all.len(), containers);
        api.done(api.get_console(id, None, Some(10)));
        api.done(api.list_files(id, ListFiles::default()));
    }
}

/// Number of warnings in the log about the database's disk.
fn blamed(api: &Api) -> usize {
    api.log().lines().filter(|line| line.contains("WARN") && line.contains("the database's disk")).count()
}

fn user(api: &Api) -> UserId {
    api.done(api.create_user(&bodies::a_user("steve", api.user_role()))).id
}

#[test]
fn while_the_disk_is_full_people_sign_in_read_stop_and_delete_and_then_everything_works_without_a_restart() {
    let Some(disk) = Disk::new(64).filter(|_| docker()) else { return };
    let folder = disk.root().join("data");
    let mut live = Live::on(&folder);
    let (first, second) = (live.container("First"), live.container("Second"));
    disk.fill();

    assert!(sign_in(&live.api, FULL), "the room that the database keeps is for this");
    live.read(&first, 2);
    let api = &live.api;
    let refused = api.refused(api.write_file(&first, None, "big", "x".repeat(1 << 20)));
    assert_eq!((refused.status, refused.code.as_str()), (409, "disk_full"), "{refused:?}");

    live.power(FULL, &first, PowerAction::Stop);
    live.until("it is stopped", &first, |live| live.phase == Phase::Offline);
    assert!(live.done(FULL, "deleting", api.delete_container(&first, None)), "deleting needs no room");
    let status = |answer: Answer<_>| answer.err().and_then(|error| error.status());
    until("it is gone", || {
        (status(wait(api.get_container(&first))) == Some(StatusCode::NOT_FOUND)).then_some(())
    });
    assert!(live.done(FULL, "deleting a user", api.delete_user(&live.user)));

    exhaust(&live.api);
    disk.fill();
    sign_in(&live.api, FULL);
    live.rename(FULL, &second);
    assert!(live.command(FULL, &second), "it was sent");
    live.power(FULL, &second, PowerAction::Stop);
    live.until("it is stopped", &second, |live| live.phase == Phase::Offline);
    live.power(FULL, &second, PowerAction::Start);
    live.until("it is started", &second, |live| live.phase != Phase::Offline);

    disk.make_room();
    live.api.sign_in();
    until("what was done is in the activity", || {
        let query = ListContainerActivity { limit: NonZeroU32::new(100), ..Default::default() };
        let page = live.api.done(live.api.list_container_activity(&second, query));
        let done: Vec<String> = page.items.iter().map(|item| item.action.to_string()).collect();
        let wanted = ["container.power.stop", "container.power.start", "container.command"];
        wanted.iter().all(|wanted| done.iter().any(|done| done == wanted)).then_some(())
    });
    let third = live.container("Third");
    live.power(FULL, &third, PowerAction::Kill);
    live.until("it is killed", &third, |live| live.phase == Phase::Offline);
    live.api.delete(&third);
    assert!(!live.api.log().contains("a request failed"), "{}", live.api.log());

    live.api.restart();
    live.api.sign_in();
    live.until("it still runs", &second, |live| live.phase != Phase::Offline);
    live.api.stop();
    assert_eq!(integrity(&folder.join("raptor.db")), "ok");
}

fn integrity(database: &Path) -> String {
    let url = format!("sqlite://{}", database.display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let said = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
        pool.close().await;
        said
    })
}

#[test]
fn on_a_disk_that_has_become_read_only_people_read_and_stop_the_log_warns_once_a_minute_and_after_a_repair_everything_works()
 {
    let Some(mut disk) = Disk::new(64).filter(|_| docker()) else { return };
    let folder = disk.root().join("data");
    let mut live = Live::on(&folder);
    let first = live.container("First");
    let begun = Instant::now();
    disk.fail();

    sign_in(&live.api, FAILING);
    live.read(&first, 1);
    for _ in 0..20 {
        assert!(live.command(FAILING, &first), "what reached the container is not told as failed");
    }
    assert!(!live.rename(FAILING, &first));
    assert!(!live.done(FAILING, "deleting a user", live.api.delete_user(&live.user)));
    live.power(FAILING, &first, PowerAction::Stop);
    live.until("it is stopped", &first, |live| live.phase == Phase::Offline);
    assert!(!live.api.log().contains("a request failed"), "{}", live.api.log());
    // One a minute for each code: that the disk fails, and that it is read-only afterwards.
    let most = FAILING.len() * (1 + begun.elapsed().as_secs() as usize / 60);
    let warnings = blamed(&live.api);
    assert!((1..=most).contains(&warnings), "{warnings} warnings: {}", live.api.log());

    live.api.stop();
    disk.mend();
    live.api.start_again();
    live.api.sign_in();
    live.api.done(live.api.get_user(&live.user));
    live.until("it is offline", &first, |live| live.phase == Phase::Offline);
    live.power(FAILING, &first, PowerAction::Start);
    live.until("it is started", &first, |live| live.phase != Phase::Offline);
}

#[test]
fn a_postgresql_whose_disk_is_full_answers_503_and_afterwards_everything_works_without_a_restart() {
    let Some(disk) = Disk::new(48).filter(|_| crate::own::possible()) else { return };
    let mut database = Database::new();
    database.revive();
    let mut api = Api::serve(&database.on(&disk.root()));
    api.sign_in();
    let user = user(&api);
    disk.fill();
    exhaust(&api);
    sign_in(&api, FULL);
    assert_eq!(api.done(api.list_users(ListUsers::default())).items.len(), 2);
    // The server writes a new row for the old one, but needs no new block for the row's end.
    done_or_said(&api, FULL, "deleting a user", api.delete_user(&user));
    disk.make_room();
    api.sign_in();
    let role = api.done(api.create_role(&bodies::a_role("Helper", &[]))).id;
    api.done(api.delete_role(&role));
    assert!(!api.log().contains("a request failed"), "{}", api.log());
}

#[test]
fn a_start_on_a_full_or_read_only_disk_says_so_and_what_mends_it() {
    let Some(disk) = Disk::new(64) else { return };
    let (data, database) = (disk.root().join("data"), disk.root().join("raptor.db"));
    let refusals = |said: &str, mends: &str| {
        let data = data.display().to_string();
        let sqlite = format!("sqlite://{}", database.display());
        let key = "an application key of some length";
        let api = [("API_ADDR", "127.0.0.1:0"), ("APP_KEY", key), ("DATABASE_URL", &sqlite)];
        let daemon = [
            ("DAEMON_ADDR", "127.0.0.1:0"),
            ("DAEMON_API_KEY", "rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV"),
            ("SFTP_BASE_PATH", &data),
        ];
        for (program, command, env) in [
            ("raptor-api", "up", &[("API_ADDR", "127.0.0.1:0"), ("DATA_DIR", &data)][..]),
            ("raptor-api", "serve", &api[..]),
            ("raptor-daemon", "serve", &daemon[..]),
        ] {
            let words = programs::refusal_of(program, command, env);
            let named = words.contains(&data) || words.contains(&sqlite["sqlite://".len()..]);
            assert!(named && words.contains(said) && words.contains(mends), "{program} {command}: {words}");
            assert!(!words.contains("may write to"), "{program} {command}: {words}");
        }
    };
    disk.fill();
    refusals("disk is full", "Free some space there");
    disk.make_room();
    // With everything in place as well.
    let mut api = Api::up_in(&data);
    api.sign_in();
    drop(api);
    let api = Api::serve_with(vec![("DATABASE_URL", format!("sqlite://{}", database.display()))]);
    drop(api);
    disk.fill();
    refusals("disk is full", "Free some space there");
    disk.make_room();
    disk.forbid_writing();
    refusals("read-only", "mount it for writing");
}
