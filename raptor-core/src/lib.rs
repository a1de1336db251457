//! The control side of Raptor: users and their permissions, hosts and their allocations, templates, and containers with their
//! lifecycle. The API server is a thin layer over this crate, and so can be your program.
//!
//! [`Raptor`] is the handle. It stores its state in SQLite or PostgreSQL and reaches hosts through the [`node::Node`] trait:
//! over HTTP ([`daemons::remote`]), in the same process (`raptor-node-lib`), or simulated ([`daemons::simulated`]). Each
//! operation takes an [`authz::Permit`] for exactly that action, which only the policy can issue:
//!
//! ```
//! use raptor_core::{
//!     Raptor,
//!     authz::{Actor, actions::{CreateContainer, ImportTemplate, ReadConsole}},
//!     containers::service::NewContainer,
//!     daemons::simulated::SimulatedHost,
//! };
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let egg = include_bytes!("../tests/fixtures/eggs/openttd.json");
//! let raptor = Raptor::builder("a secret of 32 characters or more")
//!     .database_url("sqlite::memory:")
//!     .local_node(Arc::new(SimulatedHost::default()), "25565-25570")
//!     .build()
//!     .await?;
//!
//! # let role_id = raptor.roles().builtin(raptor_core::roles::Builtin::User).await?.id;
//! # let steve = raptor_core::users::NewUser {
//! #     username: "steve".into(), email: "steve@example.com".into(), name: None, password: "correct horse".into(), role_id,
//! #     password_change_required: false,
//! # };
//! # let permit = raptor.authz().allow::<raptor_core::authz::actions::CreateUser>(&Actor::System)?;
//! # let owner = raptor.users().create(permit, steve).await?;
//! // An embedding program acts as the system, or vouches for one of the users.
//! let permit = raptor.authz().allow::<ImportTemplate>(&Actor::System)?;
//! let template = raptor.templates().import(permit, egg).await?.template;
//!
//! let permit = raptor.authz().allow::<CreateContainer>(&Actor::System)?;
//! let new = NewContainer { owner_id: Some(owner.id), ..NewContainer::new("Trains", template.id) };
//! let id = raptor.containers().create(permit, new).await?;
//!
//! let owner = raptor.auth().vouch(owner.id, &Default::default()).await?;
//! assert!(raptor.authz().permit::<ReadConsole>(&owner, id).await.is_ok());
//! assert!(raptor.authz().allow::<CreateContainer>(&owner).is_err());
//! raptor.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` continues from here: it starts the container, follows its state, and uses its console.
//!
//! # Features
//! `remote` adds daemons over the network, `mail` adds mail through an SMTP server, `openapi` adds schemas of the types on the
//! wire. `remote` is on by default.
//!
//! Types and rules without I/O are in a crate of their own, `raptor-model`; what an embedding program needs of it is
//! re-exported here under the same names.

pub mod activity;
pub mod allocations;
pub mod auth;
pub mod authz;
pub mod catalogue;
pub mod containers;
pub mod daemons;
pub mod files;
pub mod images;
mod jobs;
pub mod keys;
pub mod live;
pub mod mail;
mod raptor;
pub mod registries;
pub mod request;
pub mod roles;
pub mod sftp;
pub mod sshkeys;
pub mod store;
pub mod templates;
pub mod users;
mod warnings;

pub use raptor::{Builder, Raptor};
pub(crate) use raptor_model::hash;
pub use raptor_model::{
    clock, console,
    error::{self, Error, Result},
    id, node, nul, paging, text,
};
pub use raptor_outbound as outbound;
