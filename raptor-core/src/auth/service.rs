//! Signing in and out, and authenticating requests.

use super::{Origin, Session, session_cache::Entry};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{Actor, UserActor},
    id::{SessionId, UserId},
    mail::{notices::ChangedBy, notifications},
    store::{self, Change, Subject, Verb},
    users::{User, check_email, check_name, check_password, check_username, service::end_sessions},
};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// How precisely the last use of a session is recorded, in seconds.
const TOUCH_EVERY_S: i64 = 60;

/// A session that was just begun.
#[non_exhaustive]
pub struct SignedIn {
    /// The token to send with further requests. Not stored.
    pub token: String,
    pub session: Session,
    /// The signed-in user as an actor.
    pub actor: Actor,
    /// The signed-in user's account.
    pub user: User,
}

/// New values for the user's own account.
#[derive(Clone, Debug)]
pub struct AccountChange {
    /// The name for signing in, as in [`crate::users::NewUser`].
    pub username: String,
    /// The e-mail address, as in [`crate::users::NewUser`].
    pub email: String,
    /// The name to show, as in [`crate::users::NewUser`].
    pub name: Option<String>,
}

/// Operations on sessions and on one's own account.
pub struct AuthService<'r>(pub(crate) &'r Raptor);

impl AuthService<'_> {
    /// Starts a session. An unknown user, a wrong password and a suspended account fail alike and after the same time.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::Throttled`].
    pub async fn sign_in(&self, login: &str, password: String, origin: Origin) -> Result<SignedIn> {
        let raptor = self.0;
        let (user, hash) = {
            let mut reader = raptor.inner.store.read().await?;
            let user = store::users::find_by_login(&mut reader.conn(), login).await?;
            let hash = match &user {
                Some(user) => store::users::password_hash(&mut reader.conn(), user.id).await?,
                None => None,
            };
            (user, hash)
        };
        // Attempts by user name and by e-mail address count for the same account.
        let account = user.as_ref().map_or(login, |user| &user.username);
        raptor.inner.throttles.sign_ins.attempt(raptor, account, origin.ip).await?;
        let outdated = hash.as_deref().is_some_and(|hash| raptor.inner.passwords.outdated(hash));
        let right = raptor.inner.passwords.verify(password.clone(), hash).await?;
        let Some(user) = user.filter(|user| right && !user.suspended) else {
            return Err(Error::Unauthenticated("The user name or the password is wrong."));
        };
        let new_hash = if outdated { Some(raptor.inner.passwords.hash(password).await?) } else { None };

        let now = raptor.inner.clock.now();
        let session = Session {
            id: SessionId::generate(),
            user_id: user.id,
            ip: origin.ip,
            user_agent: origin.user_agent.map(|agent| agent.chars().take(300).collect()),
            created_at: now,
            last_seen_at: now,
            expires_at: now + raptor.inner.session_lifetime,
        };
        let mut tx = raptor.inner.store.begin().await?;
        let role = store::roles::find(&mut tx.conn(), user.role_id)
            .await?
            .ok_or(Error::NotFound { what: "role" })?;
        store::sessions::insert(&mut tx.conn(), &session).await?;
        store::users::touch(&mut tx.conn(), user.id, now).await?;
        if let Some(hash) = new_hash {
            store::users::set_password_hash(&mut tx.conn(), user.id, &hash, now).await?;
        }
        let actor = Actor::User(Arc::new(UserActor {
            user_id: user.id,
            username: user.username.clone(),
            role_id: role.id,
            grants: role.permissions,
            session_id: Some(session.id),
            ip: origin.ip,
        }));
        let activity = Activity::new(&raptor.inner.clock, &actor, "account.signed_in").on(
            "user",
            user.id,
            &user.username,
        );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Session, Verb::Created, session.id));
        tx.commit().await?;
        let token = raptor.inner.tokens.sign(user.id, session.id, now, session.expires_at)?;
        Ok(SignedIn { token, session, actor, user })
    }

    /// The user as an actor, for an embedding program that has authenticated the user by its own means. The actor has the
    /// user's current role: call this for each request.
    ///
    /// # Errors
    /// [`Error::NotFound`], also if the user is suspended. [`Error::PasswordChangeRequired`].
    pub async fn vouch(&self, id: UserId, origin: &Origin) -> Result<Actor> {
        let mut reader = self.0.inner.store.read().await?;
        let user = store::users::find(&mut reader.conn(), id).await?.filter(|user| !user.suspended);
        let user = user.ok_or(Error::NotFound { what: "user" })?;
        if user.password_change_required {
            return Err(Error::PasswordChangeRequired);
        }
        let role = store::roles::find(&mut reader.conn(), user.role_id).await?;
        let role = role.ok_or(Error::NotFound { what: "role" })?;
        Ok(Actor::User(Arc::new(UserActor {
            user_id: user.id,
            username: user.username,
            role_id: role.id,
            grants: role.permissions,
            session_id: None,
            ip: origin.ip,
        })))
    }

    /// Authenticates a session token.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::PasswordChangeRequired`].
    pub async fn authenticate(&self, token: &str, origin: &Origin) -> Result<Actor> {
        let (actor, user) = self.identify(token, origin).await?;
        if user.password_change_required { Err(Error::PasswordChangeRequired) } else { Ok(actor) }
    }

    /// Like [`Self::authenticate`], but also for a user who has to choose a new password first. Only for what they need for
    /// that: [`Self::account`], [`Self::change_password`] and [`Self::sign_out`].
    ///
    /// # Errors
    /// [`Error::Unauthenticated`].
    pub async fn authenticate_to_change_password(&self, token: &str, origin: &Origin) -> Result<Actor> {
        Ok(self.identify(token, origin).await?.0)
    }

    async fn identify(&self, token: &str, origin: &Origin) -> Result<(Actor, User)> {
        let raptor = self.0;
        let now = raptor.inner.clock.now();
        let ended = || Error::Unauthenticated("This session has ended. Sign in again.");
        let id = raptor.inner.tokens.read(token, now).ok_or_else(ended)?;
        let entry = self.entry(id).await?.ok_or_else(ended)?;
        if entry.expires_at <= now {
            return Err(ended());
        }
        self.touch(id, &entry);
        let actor = Actor::User(Arc::new(UserActor { ip: origin.ip, ..entry.actor.clone() }));
        Ok((actor, entry.user.clone()))
    }

    /// The actor with the user's current role; `None` if their session has ended.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn renewed(&self, actor: &Actor) -> Result<Option<Actor>> {
        let Actor::User(user) = actor else { return Ok(Some(actor.clone())) };
        let Some(id) = user.session_id else { return Ok(Some(actor.clone())) };
        let now = self.0.inner.clock.now();
        let entry = self.entry(id).await?.filter(|entry| entry.good(now));
        Ok(entry.map(|entry| Actor::User(Arc::new(UserActor { ip: user.ip, ..entry.actor.clone() }))))
    }

    /// The user of this session, with their current role; `None` if it has ended.
    pub(crate) async fn of_session(&self, id: SessionId) -> Result<Option<Actor>> {
        let now = self.0.inner.clock.now();
        let entry = self.entry(id).await?.filter(|entry| entry.good(now));
        Ok(entry.map(|entry| Actor::User(Arc::new(entry.actor.clone()))))
    }

    async fn entry(&self, id: SessionId) -> Result<Option<Arc<Entry>>> {
        match self.0.inner.sessions.get(&id) {
            Some(entry) => Ok(Some(entry)),
            None => self.load(id).await,
        }
    }

    async fn load(&self, id: SessionId) -> Result<Option<Arc<Entry>>> {
        let raptor = self.0;
        let generation = raptor.inner.sessions.generation();
        let mut reader = raptor.inner.store.read().await?;
        let live = store::sessions::live(&mut reader.conn(), id).await?;
        let Some(live) = live.filter(|live| !live.suspended) else { return Ok(None) };
        let Some(user) = store::users::find(&mut reader.conn(), live.user_id).await? else { return Ok(None) };
        let entry = Arc::new(Entry {
            actor: UserActor {
                user_id: live.user_id,
                username: live.username,
                role_id: live.role_id,
                grants: live.grants,
                session_id: Some(id),
                ip: None,
            },
            user,
            expires_at: live.expires_at,
            noted: AtomicI64::new(live.last_seen_at.timestamp()),
        });
        raptor.inner.sessions.keep(id, entry.clone(), generation);
        Ok(Some(entry))
    }

    /// Records the last use from time to time, without delaying the request.
    fn touch(&self, id: SessionId, entry: &Arc<Entry>) {
        let now = self.0.inner.clock.now();
        let noted = entry.noted.load(Ordering::Relaxed);
        let due = now.timestamp() - noted >= TOUCH_EVERY_S;
        if !due
            || entry
                .noted
                .compare_exchange(noted, now.timestamp(), Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        let (store, user) = (self.0.inner.store.clone(), entry.actor.user_id);
        self.0.inner.tasks.spawn(async move {
            let noted = async {
                let mut tx = store.begin().await?;
                store::sessions::touch(&mut tx.conn(), id, now).await?;
                store::users::touch(&mut tx.conn(), user, now).await?;
                tx.commit().await
            };
            if let Err(error) = noted.await {
                tracing::debug!(error = %error.with_cause(), "recording the last use of a session failed");
            }
        });
    }

    /// Ends the actor's session.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn sign_out(&self, actor: &Actor) -> Result<()> {
        let Actor::User(user) = actor else { return Ok(()) };
        let Some(session) = user.session_id else { return Ok(()) };
        self.end_session(actor, session).await
    }

    /// The actor's sessions, newest first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn sessions(&self, actor: &Actor) -> Result<Vec<Session>> {
        let user = signed_in(actor)?;
        store::sessions::of_user(
            &mut self.0.inner.store.read().await?.conn(),
            user.user_id,
            self.0.inner.clock.now(),
        )
        .await
    }

    /// Ends one of the actor's sessions.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it isn't theirs.
    pub async fn end_session(&self, actor: &Actor, session: SessionId) -> Result<()> {
        let user = signed_in(actor)?;
        let mut tx = self.0.inner.store.begin().await?;
        if !store::sessions::delete(&mut tx.conn(), user.user_id, session).await? {
            return Err(Error::NotFound { what: "session" });
        }
        let activity = Activity::new(&self.0.inner.clock, actor, "account.session_ended").on(
            "session",
            session,
            &user.username,
        );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Session, Verb::Deleted, session));
        tx.commit().await
    }

    /// Ends all of the actor's sessions except the current one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn end_other_sessions(&self, actor: &Actor) -> Result<()> {
        let user = signed_in(actor)?;
        let mut tx = self.0.inner.store.begin().await?;
        end_sessions(&mut tx, user.user_id, user.session_id).await?;
        let activity = Activity::new(&self.0.inner.clock, actor, "account.sessions_ended").on(
            "user",
            user.user_id,
            &user.username,
        );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await
    }

    /// The actor's account. `last_seen_at` and `container_count` may be stale.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the actor is not a user.
    pub async fn account(&self, actor: &Actor) -> Result<User> {
        let user = signed_in(actor)?;
        if let Some(session) = user.session_id
            && let Some(entry) = self.0.inner.sessions.get(&session)
        {
            return Ok(entry.user.clone());
        }
        let found = store::users::find(&mut self.0.inner.store.read().await?.conn(), user.user_id).await?;
        found.ok_or(Error::Unauthenticated("This account no longer exists."))
    }

    /// Changes the actor's account. Changing the user name or e-mail address requires the password.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Conflict`] `name_taken`.
    pub async fn update_account(
        &self,
        actor: &Actor,
        change: AccountChange,
        current_password: Option<String>,
    ) -> Result<User> {
        let mut user = self.account(actor).await?;
        let username = check_username(&change.username)?;
        let email = check_email(&change.email)?;
        let name = check_name(change.name)?;
        if user.username != username || user.email != email {
            self.prove(actor, current_password.unwrap_or_default()).await?;
        }
        let mut tx = self.0.inner.store.begin().await?;
        user.username = username;
        let old_email = std::mem::replace(&mut user.email, email);
        user.name = name;
        user.updated_at = self.0.inner.clock.now();
        store::users::update_profile(&mut tx.conn(), &user).await?;
        let activity =
            Activity::new(&self.0.inner.clock, actor, "account.updated").on("user", user.id, &user.username);
        store::activity::insert(&mut tx.conn(), &activity).await?;
        notifications::email_changed(self.0, &mut tx, &user, &old_email, actor.ip()).await?;
        tx.emit(Change::new(Subject::User, Verb::Updated, user.id));
        tx.commit().await?;
        Ok(user)
    }

    /// Changes the actor's password and ends their other sessions.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `current_password` or `new_password`, [`Error::Throttled`].
    pub async fn change_password(&self, actor: &Actor, current: String, new: String) -> Result<()> {
        let user = signed_in(actor)?;
        check_password("new_password", &new)?;
        let same = current == new;
        self.prove(actor, current).await?;
        if same {
            return Err(Error::invalid("new_password", "This is your current password. Choose another one.")
                .because("password_same"));
        }
        let hash = self.0.inner.passwords.hash(new).await?;
        let mut tx = self.0.inner.store.begin().await?;
        store::users::set_password_hash(&mut tx.conn(), user.user_id, &hash, self.0.inner.clock.now())
            .await?;
        store::users::require_password_change(&mut tx.conn(), user.user_id, false).await?;
        end_sessions(&mut tx, user.user_id, user.session_id).await?;
        let activity = Activity::new(&self.0.inner.clock, actor, "account.password_changed").on(
            "user",
            user.user_id,
            &user.username,
        );
        store::activity::insert(&mut tx.conn(), &activity).await?;
        notifications::password_changed(self.0, &mut tx, user.user_id, ChangedBy::Owner, user.ip).await?;
        tx.commit().await
    }

    /// Checks the actor's current password.
    async fn prove(&self, actor: &Actor, password: String) -> Result<()> {
        let user = signed_in(actor)?;
        self.0.inner.throttles.sign_ins.attempt(self.0, &user.username, user.ip).await?;
        let hash =
            store::users::password_hash(&mut self.0.inner.store.read().await?.conn(), user.user_id).await?;
        if self.0.inner.passwords.verify(password, hash).await? {
            return Ok(());
        }
        Err(Error::invalid("current_password", "This is not your current password.")
            .because("password_wrong"))
    }
}

pub(crate) fn signed_in(actor: &Actor) -> Result<&UserActor> {
    match actor {
        Actor::User(user) => Ok(user),
        Actor::System => Err(Error::Unauthenticated("Only a user has an account.")),
    }
}
