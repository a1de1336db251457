//! Allocations: the IP address and port pairs that containers listen on.

mod address;
mod ports;

pub use address::{check_reach, parse_ips};
pub use ports::{Ports, parse_ports};

use crate::{
    Error, Result,
    containers::ContainerRef,
    id::{AllocationId, DaemonId},
    node::Protocol,
};
use serde::{Deserialize, Serialize};

/// Most allocations created by one request.
pub const MAX_AT_ONCE: usize = 20_000;

/// One ip:port of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Allocation {
    /// Id of the allocation.
    pub id: AllocationId,
    /// Its small stable number.
    pub number: i64,
    /// Whose host it is on.
    pub daemon_id: DaemonId,
    /// The address on the host, such as `203.0.113.7`; `0.0.0.0` for all of them.
    pub ip: String,
    /// The port, 1 to 65535.
    pub port: u16,
    /// Which protocols of it are passed on.
    pub protocol: Protocol,
    /// What people see in place of the address.
    pub alias: Option<String>,
    /// For those who manage it.
    pub note: Option<String>,
    /// The container that has it.
    pub container: Option<ContainerRef>,
    /// The container that no longer has it and whose process still publishes it, until it is stopped or restarted.
    pub held_by: Option<ContainerRef>,
    /// Whether it is that container's first address.
    pub primary: bool,
    /// Whether its record in the database can't be read. No container is started with it then.
    pub damaged: bool,
}

/// Validates an alias or a note; an empty one becomes `None`.
///
/// # Errors
/// [`Error::Invalid`] at `field`.
pub fn check_text(field: &str, text: Option<String>) -> Result<Option<String>> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match &text {
        Some(text) if text.chars().count() > 191 || text.chars().any(char::is_control) => {
            Err(Error::invalid(field, "Use at most 191 characters.").because("too_long").with("max", 191))
        }
        _ => Ok(text),
    }
}
