//! Operations on users.

use super::{
    DEFAULT_PASSWORD, NewUser, User, UserChange, check_email, check_name, check_password, check_username,
    rights::outranks,
};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerSet, Permit, Target,
        actions::{CreateUser, DeleteUser, ListUsers, ReadUser, UpdateUser},
        sealed::Load,
    },
    id::UserId,
    mail::{notices::ChangedBy, notifications},
    paging::{Page, PageRequest},
    roles::{Builtin, Role, service::held},
    store::{self, Change, Conn, Subject, Tx, Verb},
};

pub use crate::store::users::UserFilter;

impl Target for User {
    type Key = UserId;
}

impl Load<UserId> for User {
    const WHAT: &'static str = "user";
    async fn load(
        conn: &mut Conn<'_>,
        _: &Actor,
        key: UserId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        Ok(store::users::find(conn, key).await?.map(|user| (user, None)))
    }
}

/// Operations on other people's accounts.
pub struct UserService<'r>(pub(crate) &'r Raptor);

impl UserService<'_> {
    /// Users, ordered by name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn list(
        &self,
        permit: Permit<ListUsers>,
        filter: &UserFilter,
        page: &PageRequest,
    ) -> Result<Page<User>> {
        let _ = permit.consume();
        store::users::list(&mut self.0.inner.store.read().await?.conn(), filter, page).await
    }

    #[must_use]
    pub fn get(&self, permit: Permit<ReadUser>) -> User {
        permit.consume().1
    }

    /// Creates a user.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Conflict`] `name_taken`, [`Error::Forbidden`] for a role with more
    /// permissions than the actor's.
    pub async fn create(&self, permit: Permit<CreateUser>, new: NewUser) -> Result<User> {
        let (actor, ()) = permit.consume();
        let username = check_username(&new.username)?;
        let email = check_email(&new.email)?;
        let name = check_name(new.name)?;
        // The default password, which everybody knows, only allows choosing a new one.
        if !(new.password == DEFAULT_PASSWORD && new.password_change_required) {
            check_password("password", &new.password)?;
        }
        let hash = self.0.inner.passwords.hash(new.password).await?;
        let now = self.0.inner.clock.now();

        let mut tx = self.0.inner.store.begin().await?;
        let role = grantable(&mut tx, &actor, new.role_id).await?;
        let mut user = User {
            id: UserId::generate(),
            number: 0,
            username,
            email,
            name,
            role_id: role.id,
            role_name: role.name,
            suspended: false,
            password_change_required: new.password_change_required,
            created_at: now,
            updated_at: now,
            last_seen_at: None,
            container_count: 0,
        };
        user.number = store::users::insert(&mut tx.conn(), &user, &hash).await?;
        self.record(&mut tx, &actor, "user.created", &user, serde_json::json!({ "role": user.role_name }))
            .await?;
        tx.emit(Change::new(Subject::User, Verb::Created, user.id));
        tx.commit().await?;
        Ok(user)
    }

    /// Changes a user. Suspending a user ends their sessions.
    ///
    /// # Errors
    /// Those of [`Self::create`], [`Error::Outranked`] if the user has a right that the actor lacks, and [`Error::Conflict`]
    /// `last_admin` if no administrator would be left.
    pub async fn update(&self, permit: Permit<UpdateUser>, change: UserChange) -> Result<User> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        let admins = count_admins(&mut tx).await?;
        let mut user = self.outranked(&mut tx, &actor, target.id).await?;
        if user.role_id != change.role_id {
            user.role_name = grantable(&mut tx, &actor, change.role_id).await?.name;
            user.role_id = change.role_id;
        }
        user.username = check_username(&change.username)?;
        let old_email = std::mem::replace(&mut user.email, check_email(&change.email)?);
        user.name = check_name(change.name)?;
        user.suspended = change.suspended;
        user.updated_at = self.0.inner.clock.now();
        if !store::users::update(&mut tx.conn(), &user).await? {
            return Err(Error::NotFound { what: "user" });
        }
        ensure_admin_remains(&mut tx, admins).await?;
        if user.suspended {
            end_sessions(&mut tx, user.id, None).await?;
        }
        let detail = serde_json::json!({ "role": user.role_name, "suspended": user.suspended });
        self.record(&mut tx, &actor, "user.updated", &user, detail).await?;
        notifications::email_changed(self.0, &mut tx, &user, &old_email, None).await?;
        tx.emit(Change::new(Subject::User, Verb::Updated, user.id));
        tx.commit().await?;
        Ok(user)
    }

    /// Sets a user's password and ends their sessions. With `change_required`, the user can only sign in to choose a new one.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `password`, [`Error::Outranked`] if the user has a right that the actor lacks.
    pub async fn set_password(
        &self,
        permit: Permit<UpdateUser>,
        password: String,
        change_required: bool,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        check_password("password", &password)?;
        let hash = self.0.inner.passwords.hash(password).await?;
        let mut tx = self.0.inner.store.begin().await?;
        let user = self.outranked(&mut tx, &actor, target.id).await?;
        store::users::set_password_hash(&mut tx.conn(), user.id, &hash, self.0.inner.clock.now()).await?;
        store::users::require_password_change(&mut tx.conn(), user.id, change_required).await?;
        end_sessions(&mut tx, user.id, None).await?;
        let detail = serde_json::json!({ "change_required": change_required });
        self.record(&mut tx, &actor, "user.password_set", &user, detail).await?;
        notifications::password_changed(self.0, &mut tx, user.id, ChangedBy::Administrator, None).await?;
        tx.commit().await
    }

    /// Ends all of a user's sessions.
    ///
    /// # Errors
    /// [`Error::Outranked`] if the user has a right that the actor lacks.
    pub async fn end_sessions(&self, permit: Permit<UpdateUser>) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        let user = self.outranked(&mut tx, &actor, target.id).await?;
        end_sessions(&mut tx, user.id, None).await?;
        self.record(&mut tx, &actor, "user.sessions_ended", &user, serde_json::json!({})).await?;
        tx.commit().await
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// [`Error::Conflict`] `has_containers` or `last_admin` or `own_account`, [`Error::Outranked`] if the user has a right that
    /// the actor lacks.
    pub async fn delete(&self, permit: Permit<DeleteUser>) -> Result<()> {
        let (actor, target) = permit.consume();
        if actor.user_id() == Some(target.id) {
            return Err(Error::conflict(
                "own_account",
                "You can't delete your own account. Ask another administrator.",
            ));
        }
        let mut tx = self.0.inner.store.begin().await?;
        let admins = count_admins(&mut tx).await?;
        let user = self.outranked(&mut tx, &actor, target.id).await?;
        end_sessions(&mut tx, user.id, None).await?;
        if !store::users::delete(&mut tx.conn(), user.id).await? {
            return Err(Error::NotFound { what: "user" });
        }
        ensure_admin_remains(&mut tx, admins).await?;
        self.record(&mut tx, &actor, "user.deleted", &user, serde_json::json!({})).await?;
        tx.emit(Change::new(Subject::User, Verb::Deleted, user.id));
        tx.commit().await
    }

    /// Creates the first administrator, unless a user with that name or address exists. Returns whether one was created.
    ///
    /// An administrator with [`DEFAULT_PASSWORD`] is created only if there are no users at all, and has to choose a new
    /// password before doing anything else. Until then, another `password` given here replaces it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub async fn ensure_admin(&self, username: &str, email: &str, password: String) -> Result<bool> {
        let username = check_username(username)?;
        let email = check_email(email)?;
        let default = password == DEFAULT_PASSWORD;
        let mut reader = self.0.inner.store.read().await?;
        let role = store::roles::builtin(&mut reader.conn(), Builtin::Admin).await?;
        let role = role.ok_or_else(|| Error::internal("the built-in roles are missing"))?;
        for login in [&username, &email] {
            if let Some(user) = store::users::find_by_login(&mut reader.conn(), login).await? {
                drop(reader);
                if !default && self.has_default_password(&user).await? {
                    let permit = self.0.authz().permit::<UpdateUser>(&Actor::System, user.id).await?;
                    self.set_password(permit, password, false).await?;
                }
                return Ok(false);
            }
        }
        if default && store::users::count(&mut reader.conn()).await? > 0 {
            return Ok(false);
        }
        drop(reader);
        let new = NewUser {
            username,
            email,
            name: None,
            password,
            password_change_required: default,
            role_id: role.id,
        };
        let permit = self.0.authz().allow::<CreateUser>(&Actor::System)?;
        match self.create(permit, new).await {
            Ok(_) => Ok(true),
            // Another replica was faster.
            Err(Error::Conflict { code: "name_taken", .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The name of a user who can sign in with [`DEFAULT_PASSWORD`], if there is one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn with_default_password(&self) -> Result<Option<String>> {
        let ids =
            store::users::password_change_required(&mut self.0.inner.store.read().await?.conn()).await?;
        for id in ids {
            let user = store::users::find(&mut self.0.inner.store.read().await?.conn(), id).await?;
            if let Some(user) = user
                && self.has_default_password(&user).await?
            {
                return Ok(Some(user.username));
            }
        }
        Ok(None)
    }

    async fn has_default_password(&self, user: &User) -> Result<bool> {
        if !user.password_change_required {
            return Ok(false);
        }
        let hash = store::users::password_hash(&mut self.0.inner.store.read().await?.conn(), user.id).await?;
        self.0.inner.passwords.verify(DEFAULT_PASSWORD.into(), hash).await
    }

    /// The user's current record, if the actor has every right that the user has, including those on containers.
    async fn outranked(&self, tx: &mut Tx, actor: &Actor, id: UserId) -> Result<User> {
        let user = store::users::find(&mut tx.conn(), id).await?.ok_or(Error::NotFound { what: "user" })?;
        outranks(tx, actor, &user).await?;
        Ok(user)
    }

    async fn record(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: &str,
        user: &User,
        detail: serde_json::Value,
    ) -> Result<()> {
        let activity = Activity::new(&self.0.inner.clock, actor, action)
            .on("user", user.id, &user.username)
            .with(detail);
        store::activity::insert(&mut tx.conn(), &activity).await
    }
}

/// The role, if the actor has all of its permissions: nobody can give or take away more than they have.
async fn grantable(tx: &mut Tx, actor: &Actor, role: crate::id::RoleId) -> Result<Role> {
    let role = store::roles::find(&mut tx.conn(), role)
        .await?
        .ok_or_else(|| Error::invalid("role_id", "There is no such role.").because("unknown"))?;
    held(actor, role.permissions)?;
    Ok(role)
}

/// The number of administrators. Locks it: others that ask wait for this transaction.
async fn count_admins(tx: &mut Tx) -> Result<i64> {
    store::roles::lock_admin(&mut tx.conn()).await?;
    store::users::admin_count(&mut tx.conn()).await
}

/// Refuses to leave no administrator if there were some `before`.
async fn ensure_admin_remains(tx: &mut Tx, before: i64) -> Result<()> {
    if before == 0 || store::users::admin_count(&mut tx.conn()).await? > 0 {
        return Ok(());
    }
    Err(Error::conflict(
        "last_admin",
        "This is the last administrator who can sign in. Add another one first.",
    ))
}

/// Ends the user's sessions except `keep`, everywhere and at once, SFTP sessions included.
pub(crate) async fn end_sessions(
    tx: &mut Tx,
    user: UserId,
    keep: Option<crate::id::SessionId>,
) -> Result<()> {
    for session in store::sessions::delete_of_user(&mut tx.conn(), user, keep).await? {
        tx.emit(Change::new(Subject::Session, Verb::Deleted, session));
    }
    store::users::next_login_epoch(&mut tx.conn(), user).await?;
    tx.emit(Change::new(Subject::User, Verb::Updated, user));
    Ok(())
}
