//! Databases of older commits with rows in every table (`fixtures/old/README.md`): each is migrated, and nothing is lost.

use crate::world::{PASSWORD, fresh_postgres, link_to, see, until};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_core::{
    Builder, Error, Raptor,
    auth::Origin,
    authz::{
        Actor, ContainerPermission, ContainerSet, Permission, SystemSet,
        actions::{
            ImportTemplate, ListDaemons, ListRegistries, ListTemplates, ReadAccess, ReadFiles, ReadTemplate,
            RestartContainer, StartContainer,
        },
    },
    clock::Clock,
    id::{ContainerId, DaemonId},
    images::ImageStanding,
    node::{NodeError, Redacted, SftpAnswer, SftpProof, SftpQuestion},
    paging::PageRequest,
    store::Store,
    templates::{OriginKind, origin::sha256, service::Outcome},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The commits with fixtures.
const COMMITS: [&str; 1] = ["6dd9d24"];

/// Columns that a migration rewrites on purpose. All others must be unchanged.
const REWRITTEN: [(&str, &str); 3] = [
    // Access of the level `user` keeps its permissions as `custom`.
    ("container_access", "level"),
    ("container_access", "permissions"),
    // The former default of 24 hours becomes 0.
    ("daemons", "sftp_offline_hours"),
];

/// Columns that a migration moves elsewhere. Separate tests check that their contents are kept.
const MOVED: [(&str, &str); 1] = [("containers", "stop_timeout_ms")];

/// A database of an older Raptor.
struct Old {
    url: String,
    /// The answers of that Raptor's API.
    said: Value,
    _folder: Option<tempfile::TempDir>,
}

/// Every row of every table as text, without rewritten columns.
type Rows = BTreeMap<String, Vec<String>>;

impl Old {
    async fn sqlite(commit: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("raptor.db").display());
        let pool = sqlx::SqlitePool::connect(&format!("{url}?mode=rwc")).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(read(commit, "sqlite.sql"))).execute(&pool).await.unwrap();
        pool.close().await;
        Self { url, said: said(commit, "sqlite.json"), _folder: Some(folder) }
    }

    async fn postgres(commit: &str, server: &str) -> Self {
        let url = fresh_postgres(server).await;
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(read(commit, "postgres.sql"))).execute(&pool).await.unwrap();
        pool.close().await;
        Self { url, said: said(commit, "postgres.json"), _folder: None }
    }

    /// All rows, with the columns in `shape`, or all columns if it is `None`.
    async fn rows(
        &self,
        shape: Option<&BTreeMap<String, Vec<String>>>,
    ) -> (BTreeMap<String, Vec<String>>, Rows) {
        let shape = match shape {
            Some(shape) => shape.clone(),
            None => self.shape().await,
        };
        let mut rows = Rows::new();
        for (table, columns) in &shape {
            rows.insert(table.clone(), self.texts(table, columns).await);
        }
        (shape, rows)
    }

    async fn shape(&self) -> BTreeMap<String, Vec<String>> {
        let sqlite = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations' ORDER BY 1, 2";
        let postgres = "SELECT table_name::text, column_name::text FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' ORDER BY 1, 2";
        let columns: Vec<(String, String)> = if self.url.starts_with("sqlite") {
            let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
            sqlx::query_as(sqlite).fetch_all(&pool).await.unwrap()
        } else {
            let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
            sqlx::query_as(postgres).fetch_all(&pool).await.unwrap()
        };
        let mut shape = BTreeMap::<String, Vec<String>>::new();
        for (table, column) in columns {
            if !REWRITTEN.iter().chain(&MOVED).any(|known| *known == (table.as_str(), column.as_str())) {
                shape.entry(table).or_default().push(column);
            }
        }
        shape
    }

    async fn texts(&self, table: &str, columns: &[String]) -> Vec<String> {
        let sqlite = self.url.starts_with("sqlite");
        let text = |column: &String| match sqlite {
            true => format!("quote(\"{column}\")"),
            false => format!("coalesce(\"{column}\"::text, 'NULL')"),
        };
        let whole = columns.iter().map(text).collect::<Vec<_>>().join(" || ' | ' || ");
        let query = sqlx::AssertSqlSafe(format!("SELECT {whole} FROM {table} ORDER BY 1"));
        if sqlite {
            let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
            sqlx::query_scalar(query).fetch_all(&pool).await.unwrap()
        } else {
            let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
            sqlx::query_scalar(query).fetch_all(&pool).await.unwrap()
        }
    }

    /// Runs a statement on it.
    async fn run(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        if self.url.starts_with("sqlite") {
            let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
            sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            pool.close().await;
        } else {
            let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
            sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            pool.close().await;
        }
    }

    /// The current Raptor on it, an hour later, with all hosts away.
    async fn raptor(&self) -> Raptor {
        self.raptor_with(|builder| builder).await
    }

    async fn raptor_with(&self, change: impl FnOnce(Builder) -> Builder) -> Raptor {
        let made_at: DateTime<Utc> = self.said["made_at"].as_str().unwrap().parse().unwrap();
        let builder = Raptor::builder(self.said["app_key"].as_str().unwrap())
            .database_url(&self.url)
            .bcrypt_cost(4)
            .clock(Clock::manual(made_at + TimeDelta::hours(1)))
            .connector(Arc::new(|_, _| Err(NodeError::Unreachable("It is away.".into()))));
        change(builder).build().await.unwrap()
    }

    fn containers(&self) -> impl Iterator<Item = (&str, ContainerId)> {
        self.said["containers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, id)| (name.as_str(), id.as_str().unwrap().parse().unwrap()))
    }

    fn daemon(&self, name: &str) -> DaemonId {
        self.said["daemons"][name]["id"].as_str().unwrap().parse().unwrap()
    }
}

fn read(commit: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/old");
    let path: PathBuf = folder.join(commit).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn said(commit: &str, name: &str) -> Value {
    serde_json::from_str(&read(commit, name)).unwrap()
}

async fn on_both<F: Future<Output = ()>>(promise: impl Fn(Old) -> F) {
    for commit in COMMITS {
        promise(Old::sqlite(commit).await).await;
        match std::env::var("RAPTOR_TEST_PG") {
            Ok(server) => promise(Old::postgres(commit, &server).await).await,
            Err(_) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
                panic!("RAPTOR_TEST_PG is needed in CI")
            }
            Err(_) => println!("SKIP: PostgreSQL, RAPTOR_TEST_PG is not set"),
        }
    }
}

async fn signed_in(raptor: &Raptor, username: &str) -> Result<Actor, Error> {
    let signed_in = raptor.auth().sign_in(username, PASSWORD.into(), Origin::default()).await?;
    Ok(signed_in.actor)
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn set(permissions: ContainerSet) -> BTreeSet<String> {
    permissions.members().map(|permission| permission.name().to_owned()).collect()
}

#[tokio::test]
async fn an_old_database_is_migrated_and_no_row_of_it_is_lost_or_changed() {
    on_both(|old| async move {
        let (shape, before) = old.rows(None).await;
        assert!(before.len() >= 16, "{:?}", before.keys());
        let filled = ["users", "containers", "container_access", "ssh_keys", "mails", "jobs", "activity"];
        assert!(filled.iter().all(|table| !before[*table].is_empty()));
        Store::open(&old.url).await.unwrap().close().await;
        let (_, after) = old.rows(Some(&shape)).await;
        for (table, rows) in &before {
            let now: BTreeSet<&String> = after[table].iter().collect();
            let lost: Vec<&String> = rows.iter().filter(|row| !now.contains(row)).collect();
            assert!(lost.is_empty(), "{table} no longer has {lost:#?}");
            assert!(after[table].len() >= rows.len(), "{table} has fewer rows");
        }
        if old.url.starts_with("sqlite") {
            let pool = sqlx::SqlitePool::connect(&old.url).await.unwrap();
            let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&pool).await.unwrap();
            assert_eq!(broken.len(), 0, "references that lead nowhere");
            let whole: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
            assert_eq!(whole, "ok");
        }
    })
    .await;
}

#[tokio::test]
async fn every_container_of_an_old_database_keeps_the_time_that_it_is_given_to_stop() {
    on_both(|old| async move {
        old.run("UPDATE containers SET stop_timeout_ms = 1000 + 7 * number").await;
        let raptor = old.raptor().await;
        let mut seen = 0;
        for (name, id) in old.containers() {
            let view = see(&raptor, &Actor::System, id).await.unwrap();
            assert_eq!(view.stop_timeout_ms, 1000 + 7 * view.summary.number, "{name}");
            assert!(view.summary.damaged.is_empty(), "{name}");
            seen += 1;
        }
        assert!(seen >= 4);
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn everybody_signs_in_to_an_old_database_with_the_old_password_and_has_the_same_rights() {
    on_both(|old| async move {
        let raptor = old.raptor().await;
        for (username, had) in old.said["people"].as_object().unwrap() {
            if username == "sina" {
                assert!(signed_in(&raptor, username).await.is_err(), "who was suspended still is");
                continue;
            }
            let actor = signed_in(&raptor, username).await.unwrap();
            let had_system: Vec<String> = serde_json::from_value(had["permissions"].clone()).unwrap();
            let everything = had_system.contains(&"*".to_owned());
            let (had_system, system) = (SystemSet::parse(&had_system).unwrap(), actor.grants());
            assert!(system.includes(had_system), "{username} has lost rights: {system:?}");
            assert!(everything || had_system.includes(system), "{username} has gained rights: {system:?}");
            for (name, id) in old.containers() {
                let now = see(&raptor, &actor, id).await.ok().map(|seen| seen.summary.permissions);
                let had = had["containers"].get(name).map(names);
                let now = now.map(set);
                // Users with all permissions also have those that were added since.
                if had.as_ref().is_some_and(|had| had.contains("container.delete")) {
                    assert!(now.as_ref().unwrap().is_superset(had.as_ref().unwrap()), "{username}, {name}");
                } else {
                    assert_eq!(now, had, "{username}, {name}");
                }
            }
        }
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn the_permits_of_an_old_database_are_those_of_before_and_files_kept_from_somebody_stay_kept() {
    on_both(|old| async move {
        let raptor = old.raptor().await;
        let admin = signed_in(&raptor, "admin").await.unwrap();
        for (name, id) in old.containers() {
            let permit = raptor.authz().permit::<ReadAccess>(&admin, id).await.unwrap();
            let access = raptor.containers().access(permit).await.unwrap().items;
            let said = old.said["access"][name].as_array().unwrap();
            assert_eq!(access.len(), said.len(), "{name}");
            for entry in said.iter().filter(|entry| entry["level"] != "owner") {
                let username = entry["user"].as_str().unwrap();
                let now = access.iter().find(|now| now.user.username == username).unwrap();
                assert_eq!(
                    now.denied_files,
                    serde_json::from_value::<Vec<String>>(entry["denied_files"].clone()).unwrap()
                );
                assert!(
                    set(now.permissions).is_superset(&names(&entry["permissions"])),
                    "{username}, {name}"
                );
            }
        }
        let lobby = old.containers().find(|(name, _)| *name == "lobby").unwrap().1;
        let reads = |username| {
            let raptor = raptor.clone();
            async move {
                let actor = signed_in(&raptor, username).await.unwrap();
                let permit = raptor.authz().permit::<ReadFiles>(&actor, lobby).await;
                permit.ok().map(|permit| permit.denied_files().to_vec())
            }
        };
        assert_eq!(reads("ulf").await, Some(vec![]), "the level `user` read files");
        assert_eq!(reads("ursula").await.unwrap(), ["*.key", "private/"]);
        assert_eq!(reads("dora").await.unwrap(), ["*.txt"]);
        assert_eq!(reads("stranger").await, None);
        let carl = signed_in(&raptor, "carl").await.unwrap();
        assert!(
            raptor.authz().permit::<RestartContainer>(&carl, lobby).await.is_err(),
            "carl may only start"
        );
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn containers_of_an_old_database_keep_the_images_that_they_have() {
    on_both(|old| async move {
        // As an administrator of that commit could set it, without a check.
        let odd = "registry.example.com/Odd/Image";
        let lobby = old.containers().find(|(name, _)| *name == "lobby").unwrap().1;
        let change = format!("UPDATE containers SET image = '{odd}' WHERE name_key = 'lobby'");
        old.run(&change).await;
        let raptor = old.raptor().await;
        for (name, id) in old.containers() {
            let seen = see(&raptor, &Actor::System, id).await.unwrap();
            let (wanted, by) = match id == lobby {
                true => (ImageStanding::Chosen, Some("")),
                false => (ImageStanding::Template, None),
            };
            assert_eq!((seen.image_standing, seen.image_allowed_by.as_deref()), (wanted, by), "{name}");
        }
        let paula = signed_in(&raptor, "paula").await.unwrap();
        assert_eq!(see(&raptor, &paula, lobby).await.unwrap().summary.image, odd);
        // The only obstacle is that the host is away.
        let permit = raptor.authz().permit::<StartContainer>(&paula, lobby).await.unwrap();
        let away = raptor.containers().start(permit).await.unwrap_err();
        assert!(matches!(away, Error::Unavailable { .. }), "{away}");
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn keys_secrets_and_settings_of_an_old_database_still_work() {
    on_both(|old| async move {
        let raptor = old.raptor().await;
        let (admin, paula) =
            (signed_in(&raptor, "admin").await.unwrap(), signed_in(&raptor, "paula").await.unwrap());
        let keys = raptor.ssh_keys().list(&paula).await.unwrap();
        assert_eq!((keys.len(), keys[0].name.as_str()), (1, "laptop"));
        let key = old.said["keys"]["paula"].as_str().unwrap().rsplit_once(' ').unwrap().0;
        assert!(keys[0].public_key.starts_with(key));
        let lobby = old.containers().find(|(name, _)| *name == "lobby").unwrap().1;
        let ask = async |proof| {
            let login = format!("paula.{}", lobby.short());
            let question = SftpQuestion::SignIn { login, proof, ip: "192.0.2.9".parse().unwrap() };
            crate::world::ask(&raptor, old.daemon("one"), question).await
        };
        let by_key = ask(SftpProof::Key { fingerprint: keys[0].fingerprint.clone(), proven: true }).await;
        assert!(matches!(by_key, SftpAnswer::Granted { .. }), "{by_key:?}");
        let by_password = ask(SftpProof::Password { password: Redacted::new(PASSWORD) }).await;
        let SftpAnswer::Granted { grant } = by_password else { panic!("{by_password:?}") };
        assert!(grant.permissions.contains(ContainerPermission::FileDelete), "paula owns the lobby");

        let permit = raptor.authz().allow::<ListDaemons>(&admin).unwrap();
        let daemons = raptor.daemons().list(permit).await.unwrap();
        let hours = |name: &str| {
            daemons.iter().find(|one| one.daemon.name == name).unwrap().daemon.sftp_offline_hours
        };
        assert_eq!((hours("two"), hours("three")), (72, 0), "what was chosen stays");
        assert_ne!(daemons.len(), 0);
        for (name, id) in ["one", "two", "three"].map(|name| (name, old.daemon(name))) {
            let daemon = &daemons.iter().find(|one| one.daemon.id == id).unwrap().daemon;
            assert_eq!((daemon.name.as_str(), daemon.sftp_read_only), (name, name == "two"));
            // The link reports if a key can't be decrypted with APP_KEY.
            let state = link_to(&raptor, id).await.unwrap().message.unwrap_or_default();
            assert!(!state.contains("APP_KEY"), "{name}: {state}");
        }
        let permit = raptor.authz().allow::<ListRegistries>(&admin).unwrap();
        let registries = raptor.registries().list(permit).await.unwrap();
        assert_eq!(registries[0].host, "registry.example.com");
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn templates_of_an_old_database_have_no_origin_and_learn_it_at_the_next_import() {
    on_both(|old| async move {
        let raptor = old.raptor().await;
        let permit = raptor.authz().allow::<ListTemplates>(&Actor::System).unwrap();
        let templates = raptor.templates().list(permit, None, &PageRequest::default()).await.unwrap().items;
        assert!(!templates.is_empty());
        for template in templates {
            assert_eq!(template.origin, None);
            let permit = raptor.authz().permit::<ReadTemplate>(&Actor::System, template.id).await.unwrap();
            let file = raptor.templates().export_own(permit).unwrap().to_string();
            let permit = raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
            let again = raptor.templates().import(permit, file.as_bytes()).await.unwrap();
            assert_eq!((again.outcome, again.template.id), (Outcome::Unchanged, template.id));
            let permit = raptor.authz().permit::<ReadTemplate>(&Actor::System, template.id).await.unwrap();
            let now = raptor.templates().get(permit);
            let origin = now.origin.clone().unwrap();
            assert_eq!((origin.kind, origin.sha256), (OriginKind::File, sha256(file.as_bytes())));
            assert_eq!(raptor_core::templates::service::StoredTemplate { origin: None, ..now }, template);
        }
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn templates_of_an_old_database_are_checked_where_their_files_say_that_they_are_published() {
    on_both(|old| async move {
        // Not a public address, so that nothing is fetched; `document` is text on SQLite and JSON on PostgreSQL.
        let (open, close) = match old.url.starts_with("sqlite") {
            true => ("json_set(document, '$.update_url', '", "')"),
            false => ("jsonb_set(document::jsonb, '{update_url}', '\"", "\"')"),
        };
        for (key, address) in
            [("echo", "https://10.0.0.1/echo.json"), ("openttd", "http://10.0.0.1/openttd.json")]
        {
            old.run(&format!(
                "UPDATE templates SET document = {open}{address}{close} WHERE name_key = '{key}'"
            ))
            .await;
        }
        let day = std::time::Duration::from_secs(86_400);
        // Twice, as after a restart.
        for checked in [1, 0] {
            let raptor = old.raptor_with(|builder| builder.source_checks(Some(day))).await;
            let addresses = ["name_key".to_owned(), "source_address".to_owned()];
            until("the address is written down", async || {
                let rows = old.texts("templates", &addresses).await;
                rows.iter().filter(|row| row.contains("https://10.0.0.1/echo.json")).count() == 1
            })
            .await;
            let rows = old.texts("templates", &addresses).await;
            assert!(rows.iter().all(|row| row.contains("echo") || row.ends_with("NULL")), "{rows:?}");
            let mut looked = 0;
            while raptor.check_next_source(day).await.unwrap() {
                looked += 1;
            }
            assert_eq!(looked, checked);
            raptor.shutdown().await;
        }
    })
    .await;
}
