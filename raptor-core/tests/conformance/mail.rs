//! Mail, over a real SMTP server.

use crate::{
    mailserver::{MailServer, token},
    world::{PASSWORD, World, on_both, until, wanted},
};
use raptor_core::{
    Error, Raptor,
    activity::ActivityFilter,
    auth::{Origin, service::AccountChange},
    authz::{Actor, ContainerSet, actions},
    containers::{Level, service::NewContainer},
    id::UserId,
    keys::rotate_app_key,
    mail::{
        service::{Mail, MailCounts},
        smtp::{Security, Smtp, SmtpSettings},
    },
    paging::PageRequest,
    roles::Builtin,
    store::Store,
    users::{User, UserChange},
};
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// What invalidates a link; nothing in the first case, which is the control.
const CASES: [&str; 5] = ["good", "hour", "address", "password", "suspended"];
const NEW: &str = "battery staple";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS laptop";

fn smtp(server: &MailServer) -> Smtp {
    let settings = SmtpSettings {
        host: "127.0.0.1".into(),
        port: server.port,
        security: Security::None,
        authorities: None,
        login: None,
        from: "Raptor <raptor@example.com>".into(),
    };
    Smtp::new(settings).unwrap()
}

/// Another Raptor on the same database, which sends mail through `server`.
async fn replica(world: &World, server: &MailServer) -> Raptor {
    Raptor::builder("app key")
        .database_url(&world.url)
        .bcrypt_cost(4)
        .clock(world.clock.clone())
        .mail(Arc::new(smtp(server)), "https://panel.example.com/")
        .build()
        .await
        .unwrap()
}

/// The same world with a Raptor that sends mail through `server`.
async fn serve(world: &mut World, server: &MailServer) -> Raptor {
    // Only one process can use SQLite, so the previous Raptor must be gone.
    let idle = Raptor::builder("app key").bcrypt_cost(4).build().await.unwrap();
    std::mem::replace(&mut world.raptor, idle).shutdown().await;
    replica(world, server).await
}

async fn wait(server: &MailServer, to: &str, count: usize) -> Vec<Value> {
    until("the mail arrives", || async { server.taken(to).len() >= count }).await;
    server.taken(to)
}

async fn link(server: &MailServer, to: &str) -> String {
    token(&wait(server, to, 1).await[0])
}

fn from(last: u8) -> Origin {
    Origin { ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))), user_agent: None }
}

async fn complete(raptor: &Raptor, token: &str) -> Result<(), Error> {
    raptor.auth().reset_password(token, NEW.into(), &from(1)).await
}

#[track_caller]
fn is_dead(result: Result<(), Error>) {
    assert!(matches!(&result, Err(Error::Invalid { field, .. }) if field == "token"), "{result:?}");
}

async fn change(raptor: &Raptor, user: &User, email: &str, suspended: bool) {
    let permit = raptor.authz().permit::<actions::UpdateUser>(&Actor::System, user.id).await.unwrap();
    let change = UserChange {
        username: user.username.clone(),
        email: email.into(),
        name: None,
        role_id: user.role_id,
        suspended,
    };
    raptor.users().update(permit, change).await.unwrap();
}

async fn mails(raptor: &Raptor, only_unsent: bool) -> Vec<Mail> {
    let permit = raptor.authz().allow::<actions::ReadMail>(&Actor::System).unwrap();
    raptor.mail().list(permit, only_unsent, &PageRequest::default()).await.unwrap().items
}

async fn counts(raptor: &Raptor) -> MailCounts {
    let permit = raptor.authz().allow::<actions::ReadMail>(&Actor::System).unwrap();
    raptor.mail().state(permit).await.unwrap().counts
}

async fn idle(raptor: &Raptor) {
    until("nothing waits", || async { counts(raptor).await.waiting == 0 }).await;
}

/// The number of rows with an encrypted body, and whether `text` appears in any.
async fn sealed(world: &World, text: &str) -> (usize, bool) {
    const QUERY: &str = "SELECT sealed FROM mails WHERE sealed IS NOT NULL";
    let rows: Vec<Vec<u8>> = if world.url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(&world.url).await.unwrap();
        sqlx::query_scalar(QUERY).fetch_all(&pool).await.unwrap()
    } else {
        let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
        sqlx::query_scalar(QUERY).fetch_all(&pool).await.unwrap()
    };
    let holds = |row: &Vec<u8>| row.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    (rows.len(), rows.iter().any(holds))
}

#[tokio::test]
async fn a_link_sets_a_new_password_once_and_ends_all_sessions() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        let user = world.user("steve", Builtin::User).await;
        let raptor = serve(&mut world, &server).await;
        let auth = raptor.auth();
        let session = auth.sign_in("steve", PASSWORD.into(), from(2)).await.unwrap();
        auth.request_reset("STEVE", &from(1)).await.unwrap();
        let token = link(&server, "steve@example.com").await;

        complete(&raptor, &token).await.unwrap();
        is_dead(complete(&raptor, &token).await);
        assert!(auth.authenticate(&session.token, &from(2)).await.is_err());
        assert!(auth.sign_in("steve", PASSWORD.into(), from(2)).await.is_err());
        auth.sign_in("steve", NEW.into(), from(2)).await.unwrap();
        let notice = &wait(&server, "steve@example.com", 2).await[1];
        assert_eq!(notice["subject"], "Your Raptor password was changed");
        assert!(notice["text"].as_str().unwrap().contains("192.0.2.1"), "{notice}");

        let permit = raptor.authz().allow::<actions::ReadActivity>(&Actor::System).unwrap();
        let filter = ActivityFilter { search: Some("password_reset".into()), ..ActivityFilter::default() };
        let rows = raptor.activity().list(permit, &filter, &PageRequest::default()).await.unwrap().items;
        let found: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.subject_id, row.ip)).collect();
        let (id, ip) = (Some(user.id.as_uuid()), from(1).ip);
        assert_eq!(found, [("account.password_reset", id, ip), ("account.password_reset_asked", id, ip)]);
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn of_many_who_come_with_one_link_one_succeeds() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        world.user("steve", Builtin::User).await;
        let raptor = serve(&mut world, &server).await;
        raptor.auth().request_reset("steve", &from(1)).await.unwrap();
        let token = link(&server, "steve@example.com").await;
        let mut tries = tokio::task::JoinSet::new();
        for n in 0..8 {
            let (raptor, token) = (raptor.clone(), token.clone());
            tries.spawn(
                async move { raptor.auth().reset_password(&token, format!("{NEW} {n}"), &from(n)).await },
            );
        }
        let ended = tries.join_all().await;
        assert_eq!(ended.iter().filter(|end| end.is_ok()).count(), 1, "{ended:?}");
        ended.into_iter().filter(Result::is_err).for_each(is_dead);
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_link_dies_after_an_hour_with_the_address_with_a_new_password_and_with_suspension() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        for case in CASES {
            world.user(case, Builtin::User).await;
        }
        let raptor = serve(&mut world, &server).await;
        for (n, case) in CASES.into_iter().enumerate() {
            let user = raptor.auth().sign_in(case, PASSWORD.into(), from(9)).await.unwrap();
            raptor.auth().request_reset(case, &from(u8::try_from(n).unwrap())).await.unwrap();
            let token = link(&server, &user.user.email).await;
            match case {
                "good" => {
                    world.clock.advance(chrono::TimeDelta::minutes(59));
                    complete(&raptor, &token).await.unwrap();
                    continue;
                }
                "hour" => world.clock.advance(chrono::TimeDelta::minutes(61)),
                "address" => change(&raptor, &user.user, "new@example.com", false).await,
                "password" => {
                    let auth = raptor.auth();
                    auth.change_password(&user.actor, PASSWORD.into(), NEW.into()).await.unwrap();
                }
                _ => change(&raptor, &user.user, &user.user.email, true).await,
            }
            is_dead(complete(&raptor, &token).await);
        }
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn an_unknown_and_a_suspended_user_get_the_same_answer_and_no_mail_and_leave_no_trace() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        let steve = world.user("steve", Builtin::User).await;
        world.user("bob", Builtin::User).await;
        let raptor = serve(&mut world, &server).await;
        change(&raptor, &steve, &steve.email, true).await;
        for login in ["steve", "nobody", "nobody@example.com", "bob"] {
            raptor.auth().request_reset(login, &from(1)).await.unwrap();
        }
        link(&server, "bob@example.com").await;
        idle(&raptor).await;
        assert!(
            server.taken("steve@example.com").is_empty() && server.taken("nobody@example.com").is_empty()
        );
        let known: Vec<_> = mails(&raptor, false).await.into_iter().map(|mail| mail.recipient).collect();
        assert_eq!(known, [Some("bob@example.com".to_owned())]);
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_mail_outlives_a_server_that_is_away_and_a_restart_and_is_unreadable_meanwhile() {
    on_both(|mut world| async move {
        let Some(mut server) = MailServer::start() else { return };
        world.user("steve", Builtin::User).await;
        server.stop();
        let raptor = serve(&mut world, &server).await;
        raptor.auth().request_reset("steve", &from(1)).await.unwrap();
        until("it was tried", || async { counts(&raptor).await.last_error.is_some() }).await;
        let waiting = &mails(&raptor, true).await[0];
        assert!(waiting.last_error.as_ref().unwrap().contains("refused"), "{waiting:?}");
        assert!(waiting.next_try_at.is_some() && waiting.given_up_at.is_none(), "{waiting:?}");
        assert_eq!(sealed(&world, "steve").await, (1, false), "what is to be said is encrypted");
        raptor.shutdown().await;
        drop(raptor);

        server.resume(&[]);
        let raptor = replica(&world, &server).await;
        world.clock.advance(chrono::TimeDelta::minutes(11));
        let token = link(&server, "steve@example.com").await;
        complete(&raptor, &token).await.unwrap();
        idle(&raptor).await;
        assert_eq!(sealed(&world, "steve").await, (0, false), "what was said is forgotten");
        let counts = counts(&raptor).await;
        assert!(counts.last_sent_at.is_some() && counts.last_error.is_none(), "{counts:?}");
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_floods_a_mailbox_or_keeps_its_owner_from_signing_in() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        world.user("steve", Builtin::User).await;
        let raptor = serve(&mut world, &server).await;
        for login in ["steve", "nobody"] {
            for _ in 0..3 {
                raptor.auth().request_reset(login, &from(1)).await.unwrap();
            }
            let refused = raptor.auth().request_reset(login, &from(1)).await.unwrap_err();
            assert_eq!(refused.code(), "throttled");
        }
        for n in 10..30 {
            raptor.auth().request_reset("steve", &from(n)).await.unwrap();
        }
        idle(&raptor).await;
        assert_eq!(
            server.taken("steve@example.com").len(),
            3,
            "three in an hour, wherever they are asked for"
        );
        for _ in 0..10 {
            raptor.auth().sign_in("steve", PASSWORD.into(), from(1)).await.unwrap();
        }
        world.clock.advance(chrono::TimeDelta::minutes(61));
        raptor.auth().request_reset("steve@example.com", &from(40)).await.unwrap();
        wait(&server, "steve@example.com", 4).await;
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn two_replicas_send_each_mail_once() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        for n in 0..30 {
            world.user(&format!("user{n}"), Builtin::User).await;
        }
        let raptor = serve(&mut world, &server).await;
        let second = if raptor.shares_database() { replica(&world, &server).await } else { raptor.clone() };
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..30_u8 {
            let raptor = if n % 2 == 0 { raptor.clone() } else { second.clone() };
            asked.spawn(async move { raptor.auth().request_reset(&format!("user{n}"), &from(n)).await });
        }
        asked.join_all().await.into_iter().collect::<Result<Vec<()>, _>>().unwrap();
        idle(&raptor).await;
        let taken: Vec<_> = (0..30).map(|n| server.taken(&format!("user{n}@example.com")).len()).collect();
        assert_eq!(taken, [1; 30]);
        assert!(mails(&raptor, false).await.iter().all(|mail| mail.attempts == 1));
        second.shutdown().await;
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up_at_once_and_what_never_goes_after_days() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        for name in ["gone", "later"] {
            world.user(name, Builtin::User).await;
        }
        let raptor = serve(&mut world, &server).await;
        for name in ["gone", "later"] {
            let user = raptor.auth().sign_in(name, PASSWORD.into(), from(1)).await.unwrap();
            raptor.auth().change_password(&user.actor, PASSWORD.into(), NEW.into()).await.unwrap();
        }
        let of = async |name: &str| {
            let mails = mails(&raptor, true).await;
            mails.into_iter().find(|mail| mail.recipient.as_ref().unwrap().starts_with(name)).unwrap()
        };
        until("one is given up", || async { of("gone").await.given_up_at.is_some() }).await;
        let gone = of("gone").await;
        assert_eq!(gone.attempts, 1);
        assert!(gone.last_error.as_ref().unwrap().contains("no such mailbox"), "{gone:?}");
        let waits = async || {
            let later = of("later").await;
            later.attempts > 0 && later.next_try_at > Some(world.clock.now())
        };
        for hours in [1, 25, 71] {
            until("it is tried and waits", &waits).await;
            world.clock.advance(chrono::TimeDelta::hours(hours));
        }
        until("it is given up", || async { of("later").await.given_up_at.is_some() }).await;
        let later = of("later").await;
        assert!(later.last_error.as_ref().unwrap().contains("451"), "{later:?}");
        let counts = counts(&raptor).await;
        assert_eq!((counts.waiting, counts.given_up), (0, 2));
        assert!(counts.last_error.unwrap().message.contains("451"));
        assert_eq!(sealed(&world, "").await.0, 0);
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn users_are_told_what_happens_to_their_account() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        let steve = world.user("steve", Builtin::User).await;
        let raptor = serve(&mut world, &server).await;
        let signed_in = raptor.auth().sign_in("steve", PASSWORD.into(), from(7)).await.unwrap();
        let actor = raptor.auth().authenticate(&signed_in.token, &from(7)).await.unwrap();
        raptor.ssh_keys().add(&actor, None, KEY).await.unwrap();
        let permit = raptor.authz().permit::<actions::UpdateUser>(&Actor::System, steve.id).await.unwrap();
        raptor.users().set_password(permit, NEW.into(), false).await.unwrap();
        let new = AccountChange { username: "steve".into(), email: "new@example.com".into(), name: None };
        let actor = raptor.auth().sign_in("steve", NEW.into(), from(7)).await.unwrap().actor;
        raptor.auth().update_account(&actor, new, Some(NEW.into())).await.unwrap();
        idle(&raptor).await;

        let mails = server.taken("steve@example.com");
        let mail = |subject: &str| mails.iter().find(|mail| mail["subject"] == subject).unwrap();
        assert_eq!(mails.len(), 3, "{mails:?}");
        let key = mail("An SSH key was added to your Raptor account");
        let text = key["text"].as_str().unwrap();
        assert!(text.contains("SHA256:") && text.contains("laptop") && text.contains("192.0.2.7"), "{text}");
        assert!(key["html"].as_str().unwrap().contains("https://panel.example.com/account"));
        assert_eq!(
            (&key["automatic"], &key["from"]),
            (&"auto-generated".into(), &"Raptor <raptor@example.com>".into())
        );
        let password = mail("Your Raptor password was changed")["text"].as_str().unwrap();
        assert!(password.contains("an administrator"), "{password}");
        mail("The e-mail address of your Raptor account was changed");
        assert!(server.taken("new@example.com").is_empty());
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn whoever_is_given_access_is_told_unless_they_want_not() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        let owner = world.user("owner", Builtin::User).await;
        for name in ["steve", "quiet"] {
            world.user(name, Builtin::User).await;
        }
        let daemon = world.daemon("away", "25565").await;
        let template = world.template().await;
        let new = NewContainer {
            owner_id: Some(owner.id),
            daemon_id: Some(daemon.id),
            ..NewContainer::new("<b>Trains</b>", template.id)
        };
        let container = world.container(new).await.unwrap();
        let raptor = serve(&mut world, &server).await;
        let actor = |id: UserId| {
            let raptor = raptor.clone();
            async move { raptor.auth().vouch(id, &from(1)).await.unwrap() }
        };
        let quiet = raptor.auth().sign_in("quiet", PASSWORD.into(), from(1)).await.unwrap().actor;
        raptor.mail().set_access_notices(&quiet, false).await.unwrap();
        assert!(!raptor.mail().access_notices(&quiet).await.unwrap());
        for name in ["steve", "quiet", "steve"] {
            let owner = actor(owner.id).await;
            let permit = raptor.authz().permit::<actions::GrantAccess>(&owner, container).await.unwrap();
            let none = ContainerSet::NONE;
            raptor.containers().grant(permit, name, wanted(Level::User, none)).await.unwrap();
        }
        idle(&raptor).await;
        let mails = server.taken("steve@example.com");
        assert_eq!(mails.len(), 1, "access that was there is no news: {mails:?}");
        assert_eq!(mails[0]["subject"], "You were given access to <b>Trains</b>");
        assert!(mails[0]["text"].as_str().unwrap().contains("owner gave you access"));
        let html = mails[0]["html"].as_str().unwrap();
        assert!(html.contains(&format!("https://panel.example.com/containers/{container}")), "{html}");
        assert!(!html.contains("<b>Trains"), "{html}");
        assert!(server.taken("quiet@example.com").is_empty());
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_test_message_says_what_the_server_says() {
    on_both(|mut world| async move {
        let Some(server) = MailServer::start() else { return };
        for name in ["root", "gone"] {
            world.user(name, Builtin::Admin).await;
        }
        world.user("steve", Builtin::User).await;
        let raptor = serve(&mut world, &server).await;
        let test = async |name: &str| {
            let actor = raptor.auth().sign_in(name, PASSWORD.into(), from(1)).await.unwrap().actor;
            let permit = raptor.authz().allow::<actions::TestMail>(&actor)?;
            raptor.mail().test(permit).await
        };
        assert_eq!(test("steve").await.unwrap_err().code(), "forbidden");
        assert_eq!(test("root").await.unwrap(), "root@example.com");
        assert_eq!(server.taken("root@example.com").len(), 1);
        let refused = test("gone").await.unwrap_err();
        assert!(refused.code() == "mail_failed" && refused.to_string().contains("550"), "{refused}");
        let counts = counts(&raptor).await;
        assert!(counts.last_sent_at.is_some());
        let permit = raptor.authz().allow::<actions::ReadActivity>(&Actor::System).unwrap();
        let filter =
            ActivityFilter { action: Some("settings.mail_tested".into()), ..ActivityFilter::default() };
        let rows = raptor.activity().list(permit, &filter, &PageRequest::default()).await.unwrap().items;
        let sent: Vec<_> = rows.iter().map(|row| row.detail["sent"].clone()).collect();
        assert_eq!(sent, [Value::Bool(false), Value::Bool(true)]);
        raptor.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn without_a_mail_server_nobody_is_promised_a_mail() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await;
        let refused = world.raptor.auth().request_reset("steve", &from(1)).await.unwrap_err();
        assert_eq!(refused.code(), "no_mail");
        change(&world.raptor, &steve, "new@example.com", false).await;
        assert_eq!(counts(&world.raptor).await, MailCounts::default());
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_given_up_where_the_key_that_opens_it_is_gone() {
    on_both(|mut world| async move {
        let Some(mut server) = MailServer::start() else { return };
        world.user("steve", Builtin::User).await;
        server.stop();
        let raptor = serve(&mut world, &server).await;
        raptor.auth().request_reset("steve", &from(1)).await.unwrap();
        until("it was tried", || async { counts(&raptor).await.last_error.is_some() }).await;
        raptor.shutdown().await;
        drop(raptor);
        let store = Store::open_for_maintenance(&world.url).await.unwrap();
        let done = rotate_app_key(&store, &world.clock, None, "another key", None, true).await.unwrap();
        assert_eq!(done.lost.len(), 1, "{done:?}");
        store.close().await;
        drop(store);
        let raptor = Raptor::builder("another key")
            .database_url(&world.url)
            .bcrypt_cost(4)
            .clock(world.clock.clone())
            .mail(Arc::new(smtp(&server)), "https://panel.example.com")
            .build()
            .await
            .unwrap();
        world.clock.advance(chrono::TimeDelta::minutes(11));
        until("it is given up", || async { counts(&raptor).await.given_up == 1 }).await;
        let given_up = &mails(&raptor, true).await[0];
        assert!(given_up.last_error.as_ref().unwrap().contains("APP_KEY"), "{given_up:?}");
        raptor.shutdown().await;
    })
    .await;
}
