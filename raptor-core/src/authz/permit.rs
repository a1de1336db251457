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

use super::{
    actor::Actor,
    permission::ContainerSet,
    policy::{Action, Verdict, decide},
};
use crate::{
    Error, Result,
    store::{Conn, Store},
};

/// An action as a type: what it is done to and what allows it.
pub trait Act {
    /// What it is done to. `()` where there is nothing yet, as for creating and listing.
    type On: Target;
    /// What the policy is asked.
    const ACTION: Action;
}

/// Something that permits are about.
pub trait Target: Sized + Send {
    /// What finds it.
    type Key: Send;
    /// What it is called when it isn't there.
    const WHAT: &'static str;
    /// Loads it and what access the actor has to it (containers only).
    fn load(
        conn: &mut Conn<'_>,
        actor: &Actor,
        key: Self::Key,
    ) -> impl Future<Output = Result<Option<(Self, Option<ContainerSet>)>>> + Send;
}

impl Target for () {
    type Key = ();
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

    /// To what.
    pub fn target(&self) -> &A::On {
        &self.target
    }

    /// Takes it apart, at the place that does what it allows.
    pub(crate) fn consume(self) -> (Actor, A::On) {
        (self.actor, self.target)
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
        let found = A::On::load(&mut reader.conn(), actor, key).await?;
        let (target, access) = found.ok_or(Error::NotFound { what: A::On::WHAT })?;
        verdict::<A>(actor, access)?;
        Ok(Permit { actor: actor.clone(), target })
    }
}

fn verdict<A: Act>(actor: &Actor, access: Option<ContainerSet>) -> Result<()> {
    use super::permission::Permission;
    match decide(actor.grants(), access, A::ACTION) {
        Verdict::Allow => Ok(()),
        Verdict::Hidden => Err(Error::NotFound { what: A::On::WHAT }),
        Verdict::Forbidden => Err(Error::Forbidden {
            permission: match A::ACTION {
                Action::System(permission) => permission.name(),
                Action::Container(permission) => permission.name(),
                Action::Own => "",
            }
            .into(),
        }),
    }
}
