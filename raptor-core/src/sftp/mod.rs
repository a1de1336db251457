//! Answering hosts' questions about SFTP: whether a sign-in is valid, and whether it still is.

pub(crate) mod apart;
mod connection;
mod reports;

pub use connection::ConnectionDetails;

use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerPermission, ContainerSet, Permit, UserActor, actions::AskAsDaemon,
        policy::container_permissions,
    },
    containers::access::denied_files,
    id::{ContainerId, DaemonId, UserId},
    node::{SftpAnswer, SftpGrant, SftpProof, SftpQuestion},
    sshkeys::SshKey,
    store::{self, Conn},
    templates::service::StoredTemplate,
    users::User,
};
use std::{net::IpAddr, sync::Arc};

/// The permission without which SFTP is of no use.
const ENTRY: [ContainerPermission; 1] = [ContainerPermission::FileRead];

/// Shown by SFTP clients to users who have to choose a new password first.
const LOCKED: &str = "password_change_required: sign in to the panel and choose a new password first.";

/// Answers to hosts' questions. A host gets answers about its own containers only.
pub struct SftpService<'r>(pub(crate) &'r Raptor);

/// How a question identifies the container.
enum ContainerName<'w> {
    Short(&'w str),
    Id(ContainerId),
}

impl SftpService<'_> {
    /// Answers a daemon's question. An unknown user, a wrong password, a suspended account and a container without access fail
    /// alike and after the same time.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn answer(&self, permit: Permit<AskAsDaemon>, question: SftpQuestion) -> Result<SftpAnswer> {
        let (_, daemon) = permit.consume();
        self.answer_link(daemon.id, question).await
    }

    /// Like [`Self::answer`], for the link to the daemon that asks.
    pub(crate) async fn answer_link(&self, daemon: DaemonId, question: SftpQuestion) -> Result<SftpAnswer> {
        let grant = match question {
            SftpQuestion::SignIn { login, proof, ip } => self.sign_in(daemon, &login, proof, ip).await?,
            SftpQuestion::Renew { user_id, container_id, epoch, key } => {
                self.renew(daemon, user_id, container_id, epoch, key).await?
            }
        };
        Ok(grant.map_or(SftpAnswer::Refused, |grant| SftpAnswer::Granted { grant }))
    }

    async fn sign_in(
        &self,
        daemon: DaemonId,
        login: &str,
        proof: SftpProof,
        ip: IpAddr,
    ) -> Result<Option<SftpGrant>> {
        // User names may contain dots, short ids can't.
        let (username, short_id) = login.rsplit_once('.').unwrap_or((login, ""));
        let user = {
            let mut reader = self.0.inner.store.read().await?;
            store::users::find_by_login(&mut reader.conn(), username).await?
        };
        // Attempts by user name and by e-mail address count for the same account.
        let account = user.as_ref().map_or(username, |user| user.username.as_str());
        let key = match proof {
            SftpProof::Password { password } => {
                match self.0.inner.throttles.sign_ins.attempt(self.0, account, Some(ip)).await {
                    Err(Error::Throttled { .. }) => return Ok(None),
                    attempted => attempted?,
                }
                let hash = match &user {
                    Some(user) => {
                        let mut reader = self.0.inner.store.read().await?;
                        store::users::password_hash(&mut reader.conn(), user.id).await?
                    }
                    None => None,
                };
                if !self.0.inner.passwords.verify(password.expose().to_owned(), hash).await? {
                    return Ok(None);
                }
                None
            }
            SftpProof::Key { fingerprint, proven } => {
                let Some(user) = &user else { return Ok(None) };
                let mut reader = self.0.inner.store.read().await?;
                let key =
                    store::ssh_keys::find_by_fingerprint(&mut reader.conn(), user.id, &fingerprint).await?;
                let Some(key) = key else { return Ok(None) };
                Some((key, proven))
            }
        };
        let Some(user) = user else { return Ok(None) };
        let Some((grant, name)) = self.grant(daemon, &user, &ContainerName::Short(short_id)).await? else {
            return Ok(None);
        };
        match key {
            Some((_, false)) => {}
            Some((key, true)) => self.note_sign_in(&user, &grant, &name, Some(key), ip).await?,
            None => self.note_sign_in(&user, &grant, &name, None, ip).await?,
        }
        Ok(Some(grant))
    }

    async fn renew(
        &self,
        daemon: DaemonId,
        user_id: UserId,
        container_id: ContainerId,
        epoch: i64,
        key: Option<String>,
    ) -> Result<Option<SftpGrant>> {
        let user = {
            let mut reader = self.0.inner.store.read().await?;
            let Some(user) = store::users::find(&mut reader.conn(), user_id).await? else { return Ok(None) };
            if let Some(fingerprint) = key {
                let mut conn = reader.conn();
                if store::ssh_keys::find_by_fingerprint(&mut conn, user.id, &fingerprint).await?.is_none() {
                    return Ok(None);
                }
            }
            user
        };
        let grant =
            self.grant(daemon, &user, &ContainerName::Id(container_id)).await?.map(|(grant, _)| grant);
        Ok(grant.filter(|grant| grant.epoch == epoch))
    }

    /// The user's SFTP rights in the container, which has to be on this daemon, and the container's name.
    async fn grant(
        &self,
        daemon: DaemonId,
        user: &User,
        wanted: &ContainerName<'_>,
    ) -> Result<Option<(SftpGrant, String)>> {
        if user.suspended {
            return Ok(None);
        }
        let mut reader = self.0.inner.store.read().await?;
        let mut conn = reader.conn();
        let Some(role) = store::roles::find(&mut conn, user.role_id).await? else { return Ok(None) };
        let found = match wanted {
            ContainerName::Short(short_id) => {
                store::containers::find_by_short_id(&mut conn, &short_id.to_ascii_lowercase(), Some(user.id))
                    .await?
            }
            ContainerName::Id(id) => store::containers::find(&mut conn, *id, Some(user.id)).await?,
        };
        let Some((container, held)) = found else { return Ok(None) };
        let manages = role.permissions.contains(crate::authz::SystemPermission::ContainersUpdate);
        if container.daemon_id != daemon || container.deleting || (container.suspended && !manages) {
            return Ok(None);
        }
        let permissions = container_permissions(role.permissions, held.as_ref().map(|held| held.permissions));
        if !ENTRY.iter().any(|permission| permissions.contains(*permission)) {
            return Ok(None);
        }
        let locked = user.password_change_required.then(|| LOCKED.to_owned());
        let permissions = if locked.is_some() { ContainerSet::NONE } else { permissions };
        let mut denied = denied(&mut conn, container.template_id).await?;
        denied.extend(denied_files(role.permissions, held));
        let Some(record) = store::daemons::find(&mut conn, daemon).await? else { return Ok(None) };
        let epoch = store::users::login_epoch(&mut conn, user.id).await?;
        let hours = u64::try_from(record.sftp_offline_hours).unwrap_or(0);
        let grant = SftpGrant {
            user_id: user.id,
            username: user.username.clone(),
            container_id: container.id,
            permissions,
            denied,
            read_only: record.sftp_read_only,
            epoch,
            keep_seconds: if locked.is_some() { 0 } else { hours.saturating_mul(3_600) },
            locked,
        };
        Ok(Some((grant, container.name)))
    }

    async fn note_sign_in(
        &self,
        user: &User,
        grant: &SftpGrant,
        container: &str,
        key: Option<SshKey>,
        ip: IpAddr,
    ) -> Result<()> {
        let now = self.0.inner.clock.now();
        let detail = match &key {
            Some(key) => serde_json::json!({ "key": key.name, "fingerprint": key.fingerprint }),
            None => serde_json::json!({ "password": true }),
        };
        let activity = Activity::new(&self.0.inner.clock, &actor(user, Some(ip)), "container.sftp.signed_in")
            .on("container", grant.container_id, container)
            .in_container(grant.container_id)
            .with(detail);
        let mut tx = self.0.inner.store.begin().await?;
        if let Some(key) = key {
            store::ssh_keys::touch(&mut tx.conn(), key.id, now).await?;
        }
        store::users::touch(&mut tx.conn(), user.id, now).await?;
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await
    }
}

/// The user as an actor in the audit trail, without permissions: those were decided when access was granted.
fn actor(user: &User, ip: Option<IpAddr>) -> Actor {
    Actor::User(Arc::new(UserActor {
        user_id: user.id,
        username: user.username.clone(),
        role_id: user.role_id,
        grants: crate::authz::SystemSet::NONE,
        session_id: None,
        ip,
    }))
}

async fn denied(conn: &mut Conn<'_>, template: crate::id::TemplateId) -> Result<Vec<String>> {
    let template = store::templates::find(conn, template).await?;
    // A damaged template may hide files from people, so nobody gets in until it is repaired.
    let template = template.map(StoredTemplate::readable).transpose()?;
    Ok(template.map(|template| template.document.denylist).unwrap_or_default())
}
