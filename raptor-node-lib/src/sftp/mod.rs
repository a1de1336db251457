//! The SFTP server: a container's files for SSH clients, as their grants say from one request to the next.

mod algorithms;
mod changes;
mod handler;
#[cfg(test)]
mod fuzz;
mod handles;
mod host_key;
mod journal;
mod known;
mod input;
mod listing;
mod live;
mod login;
mod password;
mod peer;
mod refusal;
mod replies;
mod limit;
mod serve;
mod transport;
mod wire;

pub use serve::allow_open_files;
pub(crate) use serve::{Server, Settings};
