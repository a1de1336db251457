//! The proof that an action was allowed.
//!
//! A [`Permit`] can't be made outside this module, is consumed by the one operation that it allows, and carries the thing it
//! is about, so that there is no second id to confuse:
//!
//! ```compile_fail,E0451
//! use raptor_core::authz::{Actor, Permit, actions::DeleteUser};
//! fn forge(user: raptor_core::users::User) -> Permit<DeleteUser> {
//!     Permit { actor: Actor::System, target: user }
//! }
//! ```
//! Nor can the actor be made by hand, or the target, which also holds what the actor may not see, be taken out of a permit:
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
//! A permit for one action is none for another:
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
//! Seeing a container takes a permit as well, and shows only what its actor may see:
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

/// An action as a type: what it is done to and what allows it. [`actions`](super::actions) lists all that there are; no other
/// crate can add one:
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
    /// What it is done to. `()` where there is nothing yet, as for creating and listing.
    type On: Target;
    /// The permissions that it takes.
    const ACTION: Action;
}

/// Something that permits are about. No other crate can add one:
///
/// ```compile_fail,E0277
/// use raptor_core::authz::Target;
/// struct Mine;
/// impl Target for Mine {
///     type Key = ();
/// }
/// ```
pub trait Target: sealed::Load<<Self as Target>::Key> {
    /// The id that finds it.
    type Key: Send;
}

/// What keeps [`Act`] and [`Target`] within this crate.
pub(crate) mod sealed {
    use super::{Actor, Conn, ContainerSet, Result};

    /// Marks the actions of [`actions`](crate::authz::actions).
    pub trait Act {}

    /// How a target is found.
    pub trait Load<Key>: Sized + Send {
        /// What it is called in "This … does not exist".
        const WHAT: &'static str;
        /// Loads it, with the access that the actor has to it; none for what nobody has access to but by a role.
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

/// The proof that `actor` may do `A` to `target`.
#[must_use = "a permit is consumed by the operation that it allows"]
pub struct Permit<A: Act> {
    actor: Actor,
    target: A::On,
}

impl<A: Act> Permit<A> {
    /// Who may.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// To what. Not for other crates: it also holds what the actor may not see.
    pub(crate) fn target(&self) -> &A::On {
        &self.target
    }

    /// Takes it apart, at the place that does what it allows.
    pub(crate) fn consume(self) -> (Actor, A::On) {
        (self.actor, self.target)
    }
}

impl<A: Act<On = Visible>> Permit<A> {
    /// Patterns of files that are kept from the actor, beside those of the template.
    pub fn denied_files(&self) -> &[String] {
        &self.target.denied_files
    }
}

/// Mints permits.
#[derive(Clone)]
pub struct Authz {
    store: Store,
}

impl Authz {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// A permit for something that has no target yet.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn allow<A: Act<On = ()>>(&self, actor: &Actor) -> Result<Permit<A>> {
        verdict::<A>(actor, None)?;
        Ok(Permit { actor: actor.clone(), target: () })
    }

    /// A permit for `A` on what `key` finds.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or [`Error::NotFound`] where it isn't there or the actor may not know of it.
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
