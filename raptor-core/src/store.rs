//! The database, as far as an embedding program has to do with it: opening it for what is done without a [`Raptor`](crate::Raptor),
//! and what its changes are called. What is in it is read and changed by the services alone:
//!
//! ```compile_fail,E0603
//! use raptor_core::store::users;
//! ```

pub(crate) use raptor_store::{
    Cache, Concern, Conn, Feed, Heard, Tx, activity, allocations, attempts, catalogue, commands,
    container_list, containers, daemons, elsewhere, images, jobs, keys, mails, migration, ping,
    refuses_content, registries, rights, roles, sessions, ssh_keys, templates, users,
};
pub use raptor_store::{Change, Store, Subject, Verb};
