//! Databases that refuse to write: because of the value, or because they are full, read-only or of the wrong kind.

use crate::world::{World, fresh_postgres, link_to, on_both, see, until};
use raptor_core::{
    Error, Raptor,
    auth::Origin,
    authz::{
        Actor,
        actions::{InstallContainer, ReadContainerActivity, SendCommand, StartContainer, StopContainer},
    },
    containers::{lifecycle::Phase, service::NewContainer},
    id::ContainerId,
    live::LinkState,
    node::Node,
    paging::PageRequest,
    roles::Builtin,
    store::Store,
};

async fn running(world: &World) -> ContainerId {
    let template = world.template().await.id;
    let new = NewContainer { start: true, ..NewContainer::new("Trains", template) };
    let owner = world.user("steve", Builtin::User).await.id;
    let id = world.container(NewContainer { owner_id: Some(owner), ..new }).await.unwrap();
    phase(world, id, Phase::Running).await;
    id
}

async fn phase(world: &World, id: ContainerId, phase: Phase) {
    until("it is in that phase", || async {
        see(&world.raptor, &Actor::System, id).await.is_ok_and(|seen| seen.summary.live.phase == phase)
    })
    .await;
}

async fn actions(raptor: &Raptor, id: ContainerId) -> Vec<(String, serde_json::Value)> {
    let permit = raptor.authz().permit::<ReadContainerActivity>(&Actor::System, id).await.unwrap();
    let page = PageRequest { limit: 100, ..PageRequest::default() };
    let page = raptor.containers().activity(permit, &page).await.unwrap();
    page.items.into_iter().map(|activity| (activity.action, activity.detail)).collect()
}

/// Runs statements on the database on a separate connection.
async fn sql(url: &str, text: &str) {
    let text = sqlx::AssertSqlSafe(text.to_owned());
    if url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(url).await.unwrap();
        sqlx::raw_sql(text).execute(&pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(url).await.unwrap();
        sqlx::raw_sql(text).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

#[tokio::test]
async fn a_nul_byte_before_a_crash_is_written_down_with_a_sign_in_its_place() {
    on_both(|world| async move {
        let daemon = world.daemon("one", "30000-30001").await.id;
        let id = running(&world).await;
        let host = world.hosts.of("one");
        host.crash(id, 3, ["tick".into(), "a\0b".into()]).unwrap();
        until("the crash is written down", || async {
            actions(&world.raptor, id).await.iter().any(|(action, _)| action == "container.crashed")
        })
        .await;
        let crash =
            actions(&world.raptor, id).await.into_iter().find(|(action, _)| action == "container.crashed");
        assert_eq!(crash.unwrap().1["lines"], serde_json::json!(["tick", "a\u{fffd}b"]));
        assert_eq!(link_to(&world.raptor, daemon).await.unwrap().state, LinkState::Online);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_the_database_refuses_for_good_is_put_aside_and_the_next_ones_are_taken() {
    on_both(|world| async move {
        let daemon = world.daemon("one", "30000-30001").await.id;
        let id = running(&world).await;
        let refuse = if world.url.starts_with("sqlite") {
            "CREATE TRIGGER refuse BEFORE INSERT ON activity WHEN NEW.action = 'container.crashed'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        } else {
            "ALTER TABLE activity ADD CHECK (action <> 'container.crashed')"
        };
        sql(&world.url, refuse).await;
        // The next reported event is second, whatever the container does in the meantime.
        world.hosts.of("one").crash(id, 3, ["last words".into()]).unwrap();
        let installed = async || {
            let actions = actions(&world.raptor, id).await;
            actions.iter().filter(|(action, _)| action == "container.installed").count()
        };
        let before = installed().await;
        let permit = world.raptor.authz().permit::<InstallContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().install(permit, false, true).await.unwrap();
        until("what came after it is written down", async || installed().await > before).await;
        assert!(!actions(&world.raptor, id).await.iter().any(|(action, _)| action == "container.crashed"));
        assert_eq!(link_to(&world.raptor, daemon).await.unwrap().state, LinkState::Online);
    })
    .await;
}

#[tokio::test]
async fn a_command_with_nul_is_refused_with_its_field_and_reaches_no_host() {
    on_both(|world| async move {
        world.daemon("one", "30000-30001").await;
        let id = running(&world).await;
        let permit = world.raptor.authz().permit::<SendCommand>(&Actor::System, id).await.unwrap();
        let refused = world.raptor.containers().command(permit, "say a\0b").await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field, .. } if field == "command"), "{refused}");
        let lines = world.hosts.of("one").console(id, None, 100).await.unwrap();
        assert!(!lines.iter().any(|line| line.text.contains("say")));
    })
    .await;
}

#[tokio::test]
async fn what_was_done_while_the_database_was_read_only_is_no_failure_and_written_down_later() {
    let Ok(server) = std::env::var("RAPTOR_TEST_PG") else { return };
    let world = World::on(fresh_postgres(&server).await).await;
    world.daemon("one", "30000-30001").await;
    let id = running(&world).await;
    let name = world.url.rsplit_once('/').unwrap().1.to_owned();
    // As after a failover: existing connections are cut, and new ones are read-only.
    let switch = |read_only: &str| {
        format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = {read_only};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid();"
        )
    };
    sql(&server, &switch("on")).await;
    let origin = || Origin::default();
    until("it says that the database is read-only", || async {
        let refused = world.raptor.auth().sign_in("steve", crate::world::PASSWORD.into(), origin()).await;
        refused.err().is_some_and(|error| error.code() == "storage_read_only")
    })
    .await;
    let (authz, containers) = (world.raptor.authz(), world.raptor.containers());
    let permit = authz.permit::<StopContainer>(&Actor::System, id).await.unwrap();
    containers.stop(permit).await.unwrap();
    phase(&world, id, Phase::Offline).await;
    let permit = authz.permit::<StartContainer>(&Actor::System, id).await.unwrap();
    containers.start(permit).await.unwrap();
    phase(&world, id, Phase::Running).await;
    let permit = authz.permit::<SendCommand>(&Actor::System, id).await.unwrap();
    containers.command(permit, "save").await.unwrap();
    assert_eq!(
        actions(&world.raptor, id).await.iter().filter(|(action, _)| action.contains("power")).count(),
        0
    );
    sql(&server, &switch("off")).await;
    until("it is written down", || async {
        let read = authz.permit::<ReadContainerActivity>(&Actor::System, id).await;
        let Ok(permit) = read else { return false };
        let page = PageRequest { limit: 100, ..PageRequest::default() };
        let Ok(page) = containers.activity(permit, &page).await else { return false };
        let done: Vec<String> = page.items.into_iter().map(|activity| activity.action).collect();
        ["container.power.stop", "container.power.start", "container.command"]
            .iter()
            .all(|action| done.iter().filter(|done| done == action).count() == 1)
    })
    .await;
    world.raptor.shutdown().await;
}

async fn refusal(url: &str, connections: Option<u32>) -> String {
    Store::open_with(url, connections).await.err().unwrap().to_string()
}

#[tokio::test]
async fn a_postgresql_that_raptor_can_not_use_is_refused_with_what_mends_it() {
    let Ok(server) = std::env::var("RAPTOR_TEST_PG") else { return };
    let latin = format!("raptor_test_latin_{}", std::process::id());
    sql(&server, &format!("DROP DATABASE IF EXISTS {latin}")).await;
    sql(
        &server,
        &format!("CREATE DATABASE {latin} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"),
    )
    .await;
    let base = server.rsplit_once('/').unwrap().0;
    let said = refusal(&format!("{base}/{latin}"), None).await;
    assert!(said.contains("LATIN1") && said.contains("ENCODING 'UTF8' TEMPLATE template0"), "{said}");
    sql(&server, &format!("DROP DATABASE {latin}")).await;

    let url = fresh_postgres(&server).await;
    let said = refusal(&url, Some(5_000)).await;
    assert!(said.contains("DATABASE_POOL is 5000") && said.contains("max_connections"), "{said}");

    let role = format!("raptor_test_weak_{}", std::process::id());
    sql(&server, &format!("DROP ROLE IF EXISTS {role}")).await;
    sql(&server, &format!("CREATE ROLE {role} LOGIN PASSWORD 'weak'")).await;
    let mut weak = url::Url::parse(&url).unwrap();
    weak.set_username(&role).unwrap();
    weak.set_password(Some("weak")).unwrap();
    let said = refusal(weak.as_str(), None).await;
    assert!(said.contains(&format!("GRANT USAGE, CREATE ON SCHEMA public TO \"{role}\";")), "{said}");
    sql(&url, &format!("GRANT USAGE, CREATE ON SCHEMA public TO \"{role}\"")).await;
    Store::open(weak.as_str()).await.unwrap().close().await;
    sql(&url, &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_small_postgresql_is_not_asked_for_more_connections_than_it_has() {
    let Ok(server) = std::env::var("RAPTOR_TEST_PG") else { return };
    let url = fresh_postgres(&server).await;
    let name = url.rsplit_once('/').unwrap().1;
    sql(&server, &format!("ALTER DATABASE {name} CONNECTION LIMIT 7")).await;
    // Superusers can exceed the limit, so the open connections are counted.
    let raptor = Raptor::builder("app key").database_url(&url).bcrypt_cost(4).build().await.unwrap();
    let asked = (0..60).map(|_| {
        let raptor = raptor.clone();
        tokio::spawn(async move { raptor.roles().builtin(Builtin::User).await })
    });
    for answer in futures_util::future::join_all(asked).await {
        answer.unwrap().unwrap();
    }
    let pool = sqlx::PgPool::connect(&server).await.unwrap();
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = $1")
        .bind(name)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!((1..=3).contains(&open), "{open} connections, of 7 that the server admits");
    raptor.shutdown().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_in_words_that_help() {
    on_both(|world| async move {
        world.raptor.shutdown().await;
        let time = if world.url.starts_with("sqlite") { "CURRENT_TIMESTAMP" } else { "now()" };
        let blob = if world.url.starts_with("sqlite") { "x'00'" } else { "'\\x00'" };
        let insert = format!(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
             VALUES (9999, 'later', {time}, TRUE, {blob}, 0)"
        );
        drop(world.raptor);
        sql(&world.url, &insert).await;
        let said = refusal(&world.url, None).await;
        assert!(said.contains("made by a newer Raptor (it has migration 9999)"), "{said}");
        assert!(said.contains("restore the copy"), "{said}");
    })
    .await;
}
