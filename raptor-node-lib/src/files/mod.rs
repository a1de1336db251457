//! The only way to access containers' files: the kernel resolves every path beneath the container's own folder.
//!
//! Config edits, HTTP, SFTP, archives and backups all go through [`Root`]; nothing outside of this module uses `std::fs` for
//! files of a container.

mod accounts;
mod carry;
mod denied;
mod entries;
mod file;
mod links;
mod root;
mod stat;
mod text;
mod tree;
mod usage;
mod walk;

pub(crate) use accounts::{Accounts, close};
pub use denied::Denied;
pub use entries::{Entries, Entry};
pub use file::File;
pub(crate) use links::below_home;
pub use raptor_model::node::{FileError, FilePath, FileResult};
pub use root::{Open, Root, Space};
pub use stat::{Kind, Stat, Time};
pub use tree::remove;
pub use usage::Usage;
pub use walk::{Step, Walk};

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
