//! The SFTP server: access to containers' files for SSH clients, with rights checked at each request.

mod algorithms;
mod changes;
#[cfg(test)]
mod fuzz;
mod handler;
mod handles;
mod host_key;
mod input;
mod journal;
mod known;
mod limit;
mod listing;
mod live;
mod login;
mod password;
mod peer;
mod refusal;
mod replies;
mod serve;
mod transport;
mod wire;

pub use serve::allow_open_files;
pub(crate) use serve::{Server, Settings};
