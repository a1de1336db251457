//! The database, as far as an embedding program needs it: opening it for work without a [`Raptor`](crate::Raptor), and the
//! names of its changes. Only the services can read and change its content:
//!
//! ```compile_fail,E0603
//! use raptor_core::store::users;
//! ```

pub(crate) use raptor_store::{
    Cache, Conn, Feed, FeedEvent, Invalidation, Tx, activity, allocations, attempts, catalogue, commands,
    container_list, containers, daemons, elsewhere, images, jobs, keys, mails, migration, ping,
    refuses_content, registries, rights, roles, sessions, ssh_keys, templates, users,
};
pub use raptor_store::{Change, Store, Subject, Verb};
