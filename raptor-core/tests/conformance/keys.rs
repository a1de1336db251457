//! `APP_KEY` and `JWT_SECRET`: a process with different ones does not start, and there are commands that change them.

use crate::world::{World, count, on_both, run, until};
use raptor_core::{
    Error, Raptor,
    auth::{Origin, seal::Sealer},
    authz::{Actor, actions},
    clock::Clock,
    id::MailId,
    keys::{Rotation, rotate_app_key, rotate_jwt_secret},
    roles::Builtin,
    store::Store,
};
use sqlx::{Pool, Sqlite};

const KEY: &str = "app key";
const NEW: &str = "a new key";

async fn start(world: &World, app_key: &str, jwt_secret: Option<&str>) -> Result<Raptor, Error> {
    let mut builder = Raptor::builder(app_key)
        .database_url(&world.url)
        .bcrypt_cost(4)
        .clock(world.clock.clone())
        .connector(std::sync::Arc::new({
            let hosts = world.hosts.clone();
            move |daemon, _| hosts.connect(daemon)
        }));
    if let Some(secret) = jwt_secret {
        builder = builder.jwt_secret(secret);
    }
    builder.build().await
}

/// Asserts that it does not start, and returns the code and the message.
async fn refused(world: &World, app_key: &str, jwt_secret: Option<&str>) -> (String, String) {
    let error = start(world, app_key, jwt_secret).await.err().unwrap();
    (error.code().to_owned(), error.to_string())
}

/// Starts, and stops again.
async fn starts(world: &World, app_key: &str, jwt_secret: Option<&str>) {
    let raptor = start(world, app_key, jwt_secret).await.unwrap();
    raptor.shutdown().await;
    closed(world, raptor).await;
}

/// Waits until nothing in this process has the SQLite file open.
async fn closed(world: &World, raptor: Raptor) {
    drop(raptor);
    if world.url.starts_with("sqlite") {
        until("the database is let go", async || Store::open(&world.url).await.is_ok()).await;
    }
}

/// The world with its Raptor stopped.
async fn stopped(mut world: World) -> World {
    let idle = Raptor::builder(KEY).bcrypt_cost(4).build().await.unwrap();
    let raptor = std::mem::replace(&mut world.raptor, idle);
    raptor.shutdown().await;
    closed(&world, raptor).await;
    world
}

async fn rotate(world: &World, former: Option<&str>, to: &str, lost: bool) -> Result<Rotation, Error> {
    let store = Store::open_for_maintenance(&world.url).await?;
    let done = rotate_app_key(&store, &Clock::System, former, to, None, lost).await;
    store.close().await;
    done
}

/// Stores one of each kind of encrypted secret.
async fn seal_one_of_each(world: &World) {
    world.daemon("one", "30000").await;
    let permit = world.raptor.authz().allow::<actions::SaveRegistry>(&Actor::System).unwrap();
    world.raptor.registries().save(permit, "registry.example.com", "raptor", "secret").await.unwrap();
    let id = MailId::generate();
    let sealed = Sealer::new(KEY).unwrap().seal(id.as_uuid().as_bytes(), "{}").unwrap();
    let insert =
        "INSERT INTO mails (id, kind, recipient, sealed, attempts, run_after, expires_at, created_at)
                  VALUES ($1, 'test', 'steve@example.com', $2, 0, $3, $3, $3)";
    let at = world.clock.now() + chrono::TimeDelta::days(300);
    if world.url.starts_with("sqlite") {
        let pool: Pool<Sqlite> = Pool::connect(&world.url).await.unwrap();
        sqlx::query(insert).bind(id.as_uuid()).bind(sealed).bind(at).execute(&pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
        sqlx::query(insert).bind(id.as_uuid()).bind(sealed).bind(at).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

#[tokio::test]
async fn a_raptor_with_another_key_does_not_start_and_says_what_to_do() {
    on_both(|world| async move {
        let world = stopped(world).await;
        let (code, message) = refused(&world, NEW, None).await;
        assert_eq!(code, "app_key_changed");
        assert!(message.contains("OLD_APP_KEY") && message.contains("raptor-api rotate-key"), "{message}");
        let (code, message) = refused(&world, KEY, Some("another secret")).await;
        assert_eq!(code, "jwt_secret_changed");
        assert!(message.contains("JWT_SECRET") && message.contains("rotate-jwt-secret"), "{message}");
        starts(&world, KEY, None).await;
        // The default can also be given explicitly.
        starts(&world, KEY, Some(KEY)).await;
    })
    .await;
}

#[tokio::test]
async fn a_database_of_before_takes_the_key_that_opens_its_secrets_and_no_other() {
    on_both(|world| async move {
        seal_one_of_each(&world).await;
        let world = stopped(world).await;
        run(&world, "DELETE FROM key_canaries").await;
        assert_eq!(refused(&world, NEW, None).await.0, "app_key_changed");
        assert_eq!(count(&world, "SELECT COUNT(*) FROM key_canaries").await, 0);
        starts(&world, KEY, None).await;
        assert_eq!(count(&world, "SELECT COUNT(*) FROM key_canaries").await, 2);
    })
    .await;
}

#[tokio::test]
async fn everything_sealed_is_sealed_anew_at_once_and_it_may_be_done_again() {
    on_both(|world| async move {
        seal_one_of_each(&world).await;
        world.user("steve", Builtin::User).await;
        world.signed_in("steve").await;
        let columns = if world.url.starts_with("sqlite") {
            "SELECT COUNT(*) FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND c.name LIKE '%sealed%'"
        } else {
            "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'public' AND column_name LIKE '%sealed%'"
        };
        assert_eq!(count(&world, columns).await, 3, "a new one has to be rotated too, in store/keys.rs");
        let world = stopped(world).await;
        let done = rotate(&world, Some(KEY), NEW, false).await.unwrap();
        assert_eq!((done.resealed, done.kept, done.sessions_ended), (3, 0, 1));
        assert_eq!(done.lost, Vec::<String>::new());
        let again = rotate(&world, Some(KEY), NEW, false).await.unwrap();
        assert_eq!((again.resealed, again.kept, again.sessions_ended), (0, 3, 0));
        let noted = "SELECT COUNT(*) FROM activity WHERE action = 'keys.app_key_changed'";
        assert_eq!(count(&world, noted).await, 1);
        assert_eq!(refused(&world, KEY, None).await.0, "app_key_changed");
        starts(&world, NEW, None).await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_key_changes_nothing_before_its_loss_is_accepted_and_may_turn_up_later() {
    on_both(|world| async move {
        seal_one_of_each(&world).await;
        let world = stopped(world).await;
        for former in [None, Some("a wrong one")] {
            let error = rotate(&world, former, NEW, false).await.unwrap_err();
            assert_eq!(error.code(), "secrets_lost");
            let message = error.to_string();
            for lost in ["daemon \"one\"", "registry registry.example.com", "steve@example.com", "--lost"] {
                assert!(message.contains(lost), "{message}");
            }
        }
        starts(&world, KEY, None).await;
        let done = rotate(&world, None, NEW, true).await.unwrap();
        assert_eq!((done.resealed, done.lost.len()), (0, 3));
        starts(&world, NEW, None).await;
        assert_eq!(rotate(&world, Some(KEY), NEW, false).await.unwrap().resealed, 3);
        starts(&world, NEW, None).await;
    })
    .await;
}

#[tokio::test]
async fn keys_are_not_changed_beside_a_running_raptor() {
    on_both(|world| async move {
        let error = rotate(&world, Some(KEY), NEW, false).await.unwrap_err();
        let expected = if world.url.starts_with("sqlite") { "database_unavailable" } else { "api_running" };
        assert_eq!(error.code(), expected, "{error}");
        let world = stopped(world).await;
        rotate(&world, Some(KEY), NEW, false).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn another_jwt_secret_ends_every_session() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        let (token, _) = world.signed_in("steve").await;
        let world = stopped(world).await;
        let store = Store::open_for_maintenance(&world.url).await.unwrap();
        let wrong = rotate_jwt_secret(&store, &Clock::System, NEW, Some("a secret")).await.unwrap_err();
        assert_eq!(wrong.code(), "app_key_changed");
        assert_eq!(rotate_jwt_secret(&store, &Clock::System, KEY, Some("a secret")).await.unwrap(), 1);
        assert_eq!(rotate_jwt_secret(&store, &Clock::System, KEY, Some("a secret")).await.unwrap(), 0);
        store.close().await;
        drop(store);
        assert_eq!(refused(&world, KEY, None).await.0, "jwt_secret_changed");
        let raptor = start(&world, KEY, Some("a secret")).await.unwrap();
        let error = raptor.auth().authenticate(&token, &Origin::default()).await.unwrap_err();
        assert_eq!(error.code(), "unauthenticated");
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_jwt_secret_that_is_removed_ends_sessions_and_is_recorded() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        world.signed_in("steve").await;
        let world = stopped(world).await;
        let store = Store::open_for_maintenance(&world.url).await.unwrap();
        rotate_jwt_secret(&store, &Clock::System, KEY, Some("a secret")).await.unwrap();
        store.close().await;
        drop(store);
        let noted = "SELECT COUNT(*) FROM activity WHERE action = 'keys.jwt_secret_changed'";
        assert_eq!(count(&world, noted).await, 1);
        // With the same APP_KEY and without JWT_SECRET.
        rotate(&world, Some(KEY), KEY, false).await.unwrap();
        assert_eq!(count(&world, noted).await, 2);
        assert_eq!(
            count(&world, "SELECT COUNT(*) FROM activity WHERE action = 'keys.app_key_changed'").await,
            0
        );
        rotate(&world, Some(KEY), KEY, false).await.unwrap();
        assert_eq!(count(&world, noted).await, 2, "nothing was changed");
        starts(&world, KEY, None).await;
    })
    .await;
}

#[tokio::test]
async fn the_key_of_the_own_host_keeps_no_old_database_from_starting() {
    on_both(|world| async move {
        world.daemon("one", "30000").await;
        let world = stopped(world).await;
        run(&world, "UPDATE daemons SET local = (1 = 1)").await;
        run(&world, "DELETE FROM key_canaries").await;
        starts(&world, NEW, None).await;
        assert_eq!(refused(&world, KEY, None).await.0, "app_key_changed");
    })
    .await;
}

#[tokio::test]
async fn beside_a_running_raptor_maintenance_migrates_nothing() {
    on_both(|world| async move {
        let all = "SELECT COUNT(*) FROM _sqlx_migrations";
        let before = count(&world, all).await;
        // As an older program leaves it: without the latest migration.
        run(
            &world,
            "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)",
        )
        .await;
        let error = Store::open_for_maintenance(&world.url).await.err().unwrap();
        if world.url.starts_with("sqlite") {
            assert!(error.to_string().contains("Another Raptor uses"), "{error}");
        } else {
            assert_eq!(error.code(), "api_running", "{error}");
        }
        assert_eq!(count(&world, all).await, before - 1);
    })
    .await;
}

#[tokio::test]
async fn a_running_raptor_is_found_by_whatever_name_its_connections_have() {
    on_both(|world| async move {
        if world.url.starts_with("sqlite") {
            return;
        }
        let world = stopped(world).await;
        // PostgreSQL keeps 63 characters, of which maintenance connections leave 51, and only ASCII.
        let names = [51, 52, 63, 64, 90].map(|length| "n".repeat(length)).into_iter();
        for name in names.chain(["caf%C3%A9".to_owned(), "%C3%A9".repeat(40)]) {
            let url = format!("{}?application_name={name}", world.url);
            let raptor = Raptor::builder(KEY).database_url(&url).bcrypt_cost(4).build().await.unwrap();
            let error = Store::open_for_maintenance(&url).await.err().unwrap();
            assert_eq!(error.code(), "api_running", "{name}: {error}");
            raptor.shutdown().await;
            // Its own connections don't count as those of an API.
            let store = Store::open_for_maintenance(&url).await.unwrap();
            rotate_app_key(&store, &Clock::System, None, KEY, None, false).await.unwrap();
            store.close().await;
        }
    })
    .await;
}
