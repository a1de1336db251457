//! Every action that needs a permit. What is not in this list can't be done to the store.

use super::{permission::SystemPermission as S, permit::Act, policy::Action};
use crate::{roles::Role, users::User};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident on $on:ty = $action:expr;)*) => { $(
        $(#[$doc])*
        pub enum $name {}
        impl Act for $name {
            type On = $on;
            const ACTION: Action = $action;
        }
    )* };
}

actions! {
    /// List users.
    ListUsers on () = Action::System(S::UsersRead);
    /// Create a user.
    CreateUser on () = Action::System(S::UsersCreate);
    /// Read a user.
    ReadUser on User = Action::System(S::UsersRead);
    /// Change a user, their password or their sessions.
    UpdateUser on User = Action::System(S::UsersUpdate);
    /// Delete a user.
    DeleteUser on User = Action::System(S::UsersDelete);

    /// List roles.
    ListRoles on () = Action::System(S::RolesRead);
    /// Create a role.
    CreateRole on () = Action::System(S::RolesCreate);
    /// Read a role.
    ReadRole on Role = Action::System(S::RolesRead);
    /// Change a role.
    UpdateRole on Role = Action::System(S::RolesUpdate);
    /// Delete a role.
    DeleteRole on Role = Action::System(S::RolesDelete);

    /// Read the audit trail of everybody.
    ReadActivity on () = Action::System(S::ActivityRead);
}
