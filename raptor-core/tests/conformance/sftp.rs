//! Public keys, and the answers to daemons' questions about SFTP.

use crate::world::{PASSWORD, World, ask, daemon_draft, on_both, wanted};
use raptor_core::{
    Error,
    authz::{
        Actor, ContainerPermission, ContainerSet,
        actions::{
            CreateContainer, CreateDaemon, DeleteUser, GrantAccess, ImportTemplate, RevokeAccess,
            SuspendContainer, UpdateDaemon, UpdateUser,
        },
    },
    containers::{Level, service::NewContainer},
    daemons::DaemonDraft,
    id::{ContainerId, DaemonId},
    node::{Redacted, SftpAnswer, SftpGrant, SftpProof, SftpQuestion},
    roles::Builtin,
    users::UserChange,
};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti steve@laptop";
const FINGERPRINT: &str = "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ";

/// Steve with a container.
struct Fixture {
    world: World,
    steve: Actor,
    daemon: DaemonId,
    container: ContainerId,
}

impl Fixture {
    async fn new(world: World) -> Self {
        let owner = world.user("steve", Builtin::User).await;
        let (_, steve) = world.signed_in("steve").await;
        let (authz, raptor) = (world.raptor.authz(), &world.raptor);
        let permit = authz.allow::<CreateDaemon>(&Actor::System).unwrap();
        let daemon = raptor.daemons().create(permit, daemon_draft("host")).await.unwrap().linked.daemon.id;
        let permit = authz.allow::<ImportTemplate>(&Actor::System).unwrap();
        let egg = serde_json::json!({
            "meta": { "version": "PTDL_v2" }, "name": "Test", "author": "a@b.example", "startup": "./run",
            "docker_images": { "x": "example/x:1" }, "file_denylist": ["secret.key"], "variables": [],
            "config": { "files": "{}", "startup": "{\"done\": \"x\"}", "logs": "{}", "stop": "stop" },
            "scripts": { "installation": { "script": null, "container": "x", "entrypoint": "sh" } },
        });
        let template = raptor.templates().import(permit, egg.to_string().as_bytes()).await.unwrap().template;
        let permit = authz.allow::<CreateContainer>(&Actor::System).unwrap();
        let new = NewContainer {
            owner_id: Some(owner.id),
            daemon_id: Some(daemon),
            allocation_count: 0,
            ..NewContainer::new("World", template.id)
        };
        let container = raptor.containers().create(permit, new).await.unwrap();
        Self { steve, daemon, container, world }
    }

    async fn ask(&self, login: &str, proof: SftpProof) -> Option<SftpGrant> {
        let login = format!("{login}.{}", self.container.short());
        let question = SftpQuestion::SignIn { login, proof, ip: "192.0.2.9".parse().unwrap() };
        granted(ask(&self.world.raptor, self.daemon, question).await)
    }

    async fn by_password(&self, login: &str, password: &str) -> Option<SftpGrant> {
        self.ask(login, SftpProof::Password { password: Redacted::new(password) }).await
    }

    async fn by_key(&self, login: &str) -> Option<SftpGrant> {
        self.ask(login, SftpProof::Key { fingerprint: FINGERPRINT.into(), proven: true }).await
    }

    async fn renew(&self, grant: &SftpGrant, key: Option<&str>) -> Option<SftpGrant> {
        let question = SftpQuestion::Renew {
            user_id: grant.user_id,
            container_id: grant.container_id,
            epoch: grant.epoch,
            key: key.map(Into::into),
        };
        granted(ask(&self.world.raptor, self.daemon, question).await)
    }
}

fn granted(answer: SftpAnswer) -> Option<SftpGrant> {
    match answer {
        SftpAnswer::Granted { grant } => Some(grant),
        SftpAnswer::Refused => None,
    }
}

#[tokio::test]
async fn the_owner_signs_in_by_password_or_key_and_nobody_else_does() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        fixture.world.user("eve", Builtin::User).await;
        let grant = fixture.by_password("steve", PASSWORD).await.unwrap();
        assert_eq!(grant.container_id, fixture.container);
        assert_eq!(grant.denied, ["secret.key"]);
        assert!(grant.permissions.contains(ContainerPermission::FileReadContent) && !grant.read_only);
        assert!(fixture.by_password("steve", "wrong").await.is_none());
        assert!(fixture.by_password("eve", PASSWORD).await.is_none(), "not her container");
        assert!(fixture.by_password("nobody", PASSWORD).await.is_none());

        assert!(fixture.by_key("steve").await.is_none(), "the key is not known yet");
        fixture.world.raptor.ssh_keys().add(&fixture.steve, None, KEY).await.unwrap();
        assert!(fixture.by_key("steve").await.is_some());
        assert!(fixture.by_key("eve").await.is_none(), "another account's key");
        let keys = fixture.world.raptor.ssh_keys().list(&fixture.steve).await.unwrap();
        assert_eq!((keys[0].name.as_str(), keys[0].fingerprint.as_str()), ("steve@laptop", FINGERPRINT));
        assert!(keys[0].last_used_at.is_some());
    })
    .await;
}

#[tokio::test]
async fn who_has_to_choose_another_password_gets_no_further_than_being_told() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let raptor = &fixture.world.raptor;
        raptor.ssh_keys().add(&fixture.steve, None, KEY).await.unwrap();
        let held = fixture.by_key("steve").await.unwrap();
        let steve = fixture.steve.user_id().unwrap();
        let permit = raptor.authz().permit::<UpdateUser>(&Actor::System, steve).await.unwrap();
        raptor.users().set_password(permit, "for the first time".into(), true).await.unwrap();
        assert!(fixture.renew(&held, Some(FINGERPRINT)).await.is_none(), "what was open ends");
        for grant in [fixture.by_key("steve").await, fixture.by_password("steve", "for the first time").await]
        {
            let grant = grant.unwrap();
            assert!(grant.permissions == ContainerSet::NONE && grant.keep_seconds == 0);
            assert!(grant.locked.unwrap().starts_with("password_change_required"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_user_name_may_hold_dots() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        fixture.world.user("a.b.c", Builtin::User).await;
        let permit =
            fixture.world.raptor.authz().permit::<GrantAccess>(&fixture.steve, fixture.container).await;
        let containers = fixture.world.raptor.containers();
        containers.grant(permit.unwrap(), "a.b.c", wanted(Level::Admin, ContainerSet::NONE)).await.unwrap();
        assert!(fixture.by_password("a.b.c", PASSWORD).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_daemon_learns_nothing_of_another_daemons_containers() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let raptor = &fixture.world.raptor;
        let permit = raptor.authz().allow::<CreateDaemon>(&Actor::System).unwrap();
        let other = raptor.daemons().create(permit, daemon_draft("other")).await.unwrap().linked.daemon.id;
        let question = SftpQuestion::SignIn {
            login: format!("steve.{}", fixture.container.short()),
            proof: SftpProof::Password { password: Redacted::new(PASSWORD) },
            ip: "192.0.2.9".parse().unwrap(),
        };
        assert_eq!(ask(raptor, other, question).await, SftpAnswer::Refused);
    })
    .await;
}

#[tokio::test]
async fn what_was_granted_ends_with_password_key_access_suspension_and_account() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let (raptor, authz) = (&fixture.world.raptor, fixture.world.raptor.authz());
        let key = raptor.ssh_keys().add(&fixture.steve, None, KEY).await.unwrap();

        let grant = fixture.by_key("steve").await.unwrap();
        assert!(fixture.renew(&grant, Some(FINGERPRINT)).await.is_some());
        raptor.ssh_keys().delete(&fixture.steve, key.id).await.unwrap();
        assert!(fixture.renew(&grant, Some(FINGERPRINT)).await.is_none(), "the key is gone");
        assert!(fixture.renew(&grant, None).await.is_some(), "the password is not");

        raptor.auth().change_password(&fixture.steve, PASSWORD.into(), "another horse".into()).await.unwrap();
        assert!(fixture.renew(&grant, None).await.is_none(), "the password has changed");
        let grant = fixture.by_password("steve", "another horse").await.unwrap();

        for suspended in [true, false] {
            let permit = authz.permit::<SuspendContainer>(&Actor::System, fixture.container).await.unwrap();
            raptor.containers().set_suspended(permit, suspended).await.unwrap();
            assert_eq!(fixture.renew(&grant, None).await.is_none(), suspended, "the container is suspended");
        }

        let mia = fixture.world.user("mia", Builtin::User).await;
        let permit = authz.permit::<GrantAccess>(&fixture.steve, fixture.container).await.unwrap();
        raptor.containers().grant(permit, "mia", wanted(Level::Admin, ContainerSet::NONE)).await.unwrap();
        let hers = fixture.by_password("mia", PASSWORD).await.unwrap();
        let permit = authz.permit::<RevokeAccess>(&fixture.steve, fixture.container).await.unwrap();
        raptor.containers().revoke(permit, mia.id).await.unwrap();
        assert!(fixture.renew(&hers, None).await.is_none(), "her access is gone");
        let permit = authz.permit::<GrantAccess>(&fixture.steve, fixture.container).await.unwrap();
        raptor.containers().grant(permit, "mia", wanted(Level::Admin, ContainerSet::NONE)).await.unwrap();
        let permit = authz.permit::<DeleteUser>(&Actor::System, mia.id).await.unwrap();
        raptor.users().delete(permit).await.unwrap();
        assert!(fixture.renew(&hers, None).await.is_none(), "her account is gone");

        let steve = raptor.auth().account(&fixture.steve).await.unwrap();
        let permit = authz.permit::<UpdateUser>(&Actor::System, steve.id).await.unwrap();
        let change = UserChange {
            username: steve.username,
            email: steve.email,
            name: None,
            role_id: steve.role_id,
            suspended: true,
        };
        raptor.users().update(permit, change).await.unwrap();
        assert!(fixture.renew(&grant, None).await.is_none(), "his account is suspended");
    })
    .await;
}

#[tokio::test]
async fn an_administrator_sets_read_only_and_how_long_known_keys_work_alone() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let raptor = &fixture.world.raptor;
        let permit = raptor.authz().permit::<UpdateDaemon>(&Actor::System, fixture.daemon).await.unwrap();
        let change =
            DaemonDraft { sftp_read_only: true, sftp_offline_hours: Some(0), ..daemon_draft("host") };
        raptor.daemons().update(permit, change).await.unwrap();
        let grant = fixture.by_password("steve", PASSWORD).await.unwrap();
        assert!(grant.read_only && grant.keep_seconds == 0);
        let permit = raptor.authz().permit::<UpdateDaemon>(&Actor::System, fixture.daemon).await.unwrap();
        let change = DaemonDraft { sftp_offline_hours: Some(9_000), ..daemon_draft("host") };
        let error = raptor.daemons().update(permit, change).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { field, .. } if field == "sftp_offline_hours"));
    })
    .await;
}

#[tokio::test]
async fn keys_are_not_doubled_and_their_number_holds_against_many_at_once() {
    on_both(|world| async move {
        let fixture = Fixture::new(world).await;
        let keys = fixture.world.raptor.ssh_keys();
        keys.add(&fixture.steve, Some("laptop"), KEY).await.unwrap();
        assert_eq!(keys.add(&fixture.steve, None, KEY).await.unwrap_err().code(), "key_exists");
        let many = (0..60_u8).map(|n| {
            let (raptor, steve) = (fixture.world.raptor.clone(), fixture.steve.clone());
            tokio::spawn(async move { raptor.ssh_keys().add(&steve, None, &key(n)).await })
        });
        let mut refused = 0;
        for one in many.collect::<Vec<_>>() {
            match one.await.unwrap() {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.code(), "ssh_keys");
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 11, "one was there, 50 are allowed");
        assert_eq!(keys.list(&fixture.steve).await.unwrap().len(), 50);
    })
    .await;
}

/// An Ed25519 public key: 32 bytes of which the last one is `n`.
fn key(n: u8) -> String {
    use base64::Engine;
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    blob.extend([7; 31]);
    blob.push(n);
    format!("ssh-ed25519 {}", base64::engine::general_purpose::STANDARD.encode(blob))
}
