//! Requests that change a folder's content.

use super::{
    handler::{ChannelHandler, path_of},
    refusal::Refusal,
    wire::{Malformed, Request},
};
use raptor_model::node::FilePath;

impl ChannelHandler {
    pub(super) fn change(&mut self, request: Request) -> Result<(), Refusal> {
        let root = self.root.clone();
        match request {
            Request::Remove { path } => {
                self.may_delete()?;
                let path = path_of(&path)?;
                root.remove_file(&path)?;
                self.live.journal.note("delete", &path, None);
            }
            Request::MakeDir { path, attributes } => {
                self.may_create()?;
                let path = path_of(&path)?;
                root.create_dir(&path, attributes.mode.map_or(0o755, |mode| mode & 0o777))?;
                self.live.journal.note("create_folder", &path, None);
            }
            Request::RemoveDir { path } => {
                self.may_delete()?;
                let path = path_of(&path)?;
                root.remove_dir(&path)?;
                self.live.journal.note("delete_folder", &path, None);
            }
            Request::Rename { from, to } => self.rename(&from, &to, false)?,
            Request::PosixRename { from, to } => self.rename(&from, &to, true)?,
            Request::Symlink { target, link } => {
                self.may_create()?;
                let link = path_of(&link)?;
                let target = from_there(&link, &target)?;
                root.symlink(&target, &link)?;
                self.live.journal.note("link", &link, Some(target));
            }
            Request::HardLink { from, to } => {
                self.may_create()?;
                self.may_read()?;
                let (from, to) = (path_of(&from)?, path_of(&to)?);
                root.hard_link(&from, &to)?;
                self.live.journal.note("link", &to, Some(from.to_string()));
            }
            _ => return Err(Malformed::Unknown.into()),
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str, replace: bool) -> Result<(), Refusal> {
        self.may_update()?;
        let (from, to) = (path_of(from)?, path_of(to)?);
        if from == to && replace {
            self.root.lstat(&from)?;
            return Ok(());
        }
        self.root.rename(&from, &to, replace)?;
        self.live.journal.note("rename", &from, Some(to.to_string()));
        Ok(())
    }
}

/// The target to store in a link: a path from the container's root becomes relative to the link's folder, since the kernel's
/// root is another one.
fn from_there(link: &FilePath, target: &str) -> Result<String, Refusal> {
    if !target.starts_with('/') {
        return Ok(target.to_owned());
    }
    let target = path_of(target)?;
    let up = link.as_str().matches('/').count();
    let mut path = "../".repeat(up);
    path.push_str(target.as_str());
    Ok(if path.is_empty() { ".".into() } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_path_from_the_root_is_written_from_its_folder() {
        let link = |path| FilePath::parse(path).unwrap();
        assert_eq!(from_there(&link("a/b/c"), "/x/y").unwrap(), "../../x/y");
        assert_eq!(from_there(&link("c"), "/x").unwrap(), "x");
        assert_eq!(from_there(&link("c"), "/").unwrap(), ".");
        assert_eq!(from_there(&link("a/c"), "x/../y").unwrap(), "x/../y");
    }
}
