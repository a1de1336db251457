//! The proof that an action was allowed.
//!
//! A [`Permit`] can't be created outside of this module, is consumed by the one operation that it allows, and carries the
//! object that it is about, so that there is no second id to mix up:
//!
//! ```compile_fail,E0451
//! use raptor_core::authz::{Actor, Permit, actions::DeleteUser};
//! fn forge(user: raptor_core::users::User) -> Permit<DeleteUser> {
//!     Permit { actor: Actor::System, target: user }
//! }
//! ```
//! Nor can the actor be made by hand. The target, which holds data that the actor may not see, can't be taken out of a permit:
//!
//! ```compile_fail,E0451
//! use raptor_core::authz::{SystemSet, UserActor};
//! fn promote(actor: UserActor) -> UserActor {
//!     UserActor { grants: SystemSet::ALL, ..actor }
//! }
//! ```
//! ```compile_fail,E0624
//! use raptor_core::authz::{Permit, actions::StartContainer};
//! fn peek(permit: &Permit<StartContainer>) -> String {
//!     permit.target().container.startup.clone()
//! }
//! ```
//!
//! A permit for one action does not allow another:
//!
//! ```compile_fail,E0308
//! use raptor_core::{authz::{Permit, actions::{DeleteUser, ReadUser}}, Raptor};
//! async fn confuse(raptor: Raptor, permit: Permit<ReadUser>) {
//!     let _ = raptor.users().delete(permit).await;
//! }
//! ```
//! ```
//! use raptor_core::{authz::{Permit, actions::DeleteUser}, Raptor};
//! async fn delete(raptor: Raptor, permit: Permit<DeleteUser>) {
//!     let _ = raptor.users().delete(permit).await;
//! }
//! ```
//!
//! A permit is used up, so what was allowed once is done once:
//!
//! ```compile_fail,E0382
//! use raptor_core::{authz::{Permit, actions::StartContainer}, Raptor};
//! async fn twice(raptor: Raptor, permit: Permit<StartContainer>) {
//!     let _ = raptor.containers().start(permit).await;
//!     let _ = raptor.containers().start(permit).await;
//! }
//! ```
//! ```
//! use raptor_core::{authz::{Permit, actions::StartContainer}, Raptor};
//! async fn once(raptor: Raptor, permit: Permit<StartContainer>) {
//!     let _ = raptor.containers().start(permit).await;
//! }
//! ```
//!
//! An action that takes several permissions is still one permit, so that there are no two containers to confuse either:
//!
//! ```compile_fail,E0277
//! use raptor_core::{authz::{Permit, actions::CreateFiles}, node::files::FileTask, Raptor};
//! async fn unpack(raptor: Raptor, permit: Permit<CreateFiles>, task: FileTask) {
//!     let _ = raptor.files().archive(permit, task).await;
//! }
//! ```
//! ```
//! use raptor_core::{authz::{Permit, actions::ArchiveFiles}, node::files::FileTask, Raptor};
//! async fn unpack(raptor: Raptor, permit: Permit<ArchiveFiles>, task: FileTask) {
//!     let _ = raptor.files().archive(permit, task).await;
//! }
//! ```
//!
//! Seeing a container takes a permit as well, and shows only what the actor may see:
//!
//! ```compile_fail,E0308
//! use raptor_core::{authz::{Permit, actions::ReadConsole}, Raptor};
//! async fn see(raptor: Raptor, permit: Permit<ReadConsole>) {
//!     let _ = raptor.containers().get(permit).await;
//! }
//! ```
//!
//! What the services share stays within this crate:
//!
//! ```compile_fail,E0616
//! fn shared(raptor: raptor_core::Raptor) {
//!     let _ = &raptor.inner;
//! }
//! ```
//! ```compile_fail,E0614
//! fn shared(raptor: raptor_core::Raptor) {
//!     let _ = *raptor;
//! }
//! ```

use super::{
    actor::Actor,
    permission::ContainerSet,
    policy::{Action, Verdict, decide},
};
use crate::{
    Error, Result,
    containers::view::Visible,
    store::{Conn, Store},
};

/// An action as a type: what it is done to and which permissions it takes. [`actions`](super::actions) lists all actions; no
/// other crate can add one:
///
/// ```compile_fail,E0277
/// use raptor_core::{authz::{Act, permission::SystemPermission, policy::Action}, users::User};
/// enum ReadAnybody {}
/// impl Act for ReadAnybody {
///     type On = User;
///     const ACTION: Action = Action::System(SystemPermission::DaemonsRead);
/// }
/// ```
pub trait Act: sealed::Act {
    /// What it is done to; `()` if there is no object yet, as for creating and listing.
    type On: Target;
    /// The permissions that it takes.
    const ACTION: Action;
}

/// An object that permits are about. No other crate can add one:
///
/// ```compile_fail,E0277
/// use raptor_core::authz::Target;
/// struct Mine;
/// impl Target for Mine {
///     type Key = ();
/// }
/// ```
pub trait Target: sealed::Load<<Self as Target>::Key> {
    type Key: Send;
}

/// What keeps [`Act`] and [`Target`] within this crate.
pub(crate) mod sealed {
    use super::{Actor, Conn, ContainerSet, Result};

    /// Implemented by the types in [`actions`](crate::authz::actions).
    pub trait Act {}

    /// Loading a target.
    pub trait Load<Key>: Sized + Send {
        /// Its name in the error "This … does not exist".
        const WHAT: &'static str;
        /// Loads the target with the actor's access to it; `None` for kinds of objects to which only roles give access.
        fn load(
            conn: &mut Conn<'_>,
            actor: &Actor,
            key: Key,
        ) -> impl Future<Output = Result<Option<(Self, Option<ContainerSet>)>>> + Send;
    }
}

impl Target for () {
    type Key = ();
}

impl sealed::Load<()> for () {
    const WHAT: &'static str = "thing";
    async fn load(_: &mut Conn<'_>, _: &Actor, (): ()) -> Result<Option<(Self, Option<ContainerSet>)>> {
        Ok(Some(((), None)))
    }
}

/// Proof that `actor` may do `A` to `target`.
#[must_use = "a permit is consumed by the operation that it allows"]
pub struct Permit<A: Act> {
    actor: Actor,
    target: A::On,
}

impl<A: Act> Permit<A> {
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The target. Crate-private, because it holds data that the actor may not see.
    pub(crate) fn target(&self) -> &A::On {
        &self.target
    }

    /// Splits the permit, in the operation that it allows.
    pub(crate) fn consume(self) -> (Actor, A::On) {
        (self.actor, self.target)
    }
}

impl<A: Act<On = Visible>> Permit<A> {
    /// Patterns of files that are hidden from the actor, in addition to those of the template.
    pub fn denied_files(&self) -> &[String] {
        &self.target.denied_files
    }
}

/// Issues permits.
#[derive(Clone)]
pub struct Authz {
    store: Store,
}

impl Authz {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Issues a permit for an action without a target.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn allow<A: Act<On = ()>>(&self, actor: &Actor) -> Result<Permit<A>> {
        verdict::<A>(actor, None)?;
        Ok(Permit { actor: actor.clone(), target: () })
    }

    /// Issues a permit for `A` on the object with this key.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or [`Error::NotFound`] if it doesn't exist or the actor may not know of it.
    pub async fn permit<A: Act>(&self, actor: &Actor, key: <A::On as Target>::Key) -> Result<Permit<A>> {
        if let Action::System(_) = A::ACTION {
            verdict::<A>(actor, None)?;
        }
        let mut reader = self.store.read().await?;
        let found = <A::On as sealed::Load<_>>::load(&mut reader.conn(), actor, key).await?;
        let (target, access) = found.ok_or_else(not_found::<A>)?;
        verdict::<A>(actor, access)?;
        Ok(Permit { actor: actor.clone(), target })
    }
}

fn verdict<A: Act>(actor: &Actor, access: Option<ContainerSet>) -> Result<()> {
    match decide(actor.grants(), access, A::ACTION) {
        Verdict::Allow => Ok(()),
        Verdict::Redacted => Err(not_found::<A>()),
        Verdict::Forbidden(permission) => Err(Error::Forbidden { permission: permission.into() }),
    }
}

fn not_found<A: Act>() -> Error {
    Error::NotFound { what: <A::On as sealed::Load<_>>::WHAT }
}
