//! What Raptor's two servers share: reading their configuration ([`read`]) and reporting mistakes in it in one sentence without
//! secrets; logs ([`logs`]); the process ([`process`]) and its HTTP connections ([`http`]); extractors ([`extract`]) and errors
//! ([`problem`]) of requests; and common parts of their OpenAPI documents ([`openapi`]).

mod authorities;
pub mod authorization;
pub mod extract;
pub mod host;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod process;
pub mod request;
mod secret;
mod settings;
pub mod slots;

pub use secret::Secret;
pub use settings::{KEY_LENGTH, is_easily_guessed, read, refusal, say};
