//! Authentication.

mod passwords;
mod reset;
pub mod seal;
pub mod service;
mod session_cache;
mod throttle;
mod tokens;

pub(crate) use passwords::Passwords;
pub(crate) use session_cache::{SessionCache, session_cache};
pub(crate) use throttle::Throttles;
pub(crate) use tokens::Tokens;

pub use raptor_model::sessions::Session;

use std::net::IpAddr;

/// Where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address that the request came from; `None` if unknown.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, or its equivalent.
    pub user_agent: Option<String>,
}
