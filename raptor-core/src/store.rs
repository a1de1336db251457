//! The database, as far as an embedding program needs it: opening it for work without a [`Raptor`](crate::Raptor), and the
//! names of its changes. Only the services can read and change its content:
//!
//! ```compile_fail,E0603
//! use raptor_core::store::users;
//! ```

/// For tests that are several callers within one task: what each of them holds is counted by itself.
#[doc(hidden)]
pub use raptor_store::aside;
#[cfg(debug_assertions)]
pub(crate) use raptor_store::assert_none_held;
pub(crate) use raptor_store::{
    Cache, Conn, Feed, FeedEvent, Invalidation, Tx, activity, allocations, attempts, catalogue, claims,
    commands, container_list, containers, daemons, elsewhere, images, jobs, keys, mails, migration, ping,
    refuses_content, registries, rights, roles, sessions, ssh_keys, templates, users,
};
pub use raptor_store::{Change, Store, Subject, Verb};
