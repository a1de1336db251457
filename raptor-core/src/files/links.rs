//! Links for downloading a file without authenticating again. They are valid for minutes, name one thing to read in one
//! container for one user, and stop working when that user's session or access ends.

use crate::{
    Error, Raptor, Result,
    authz::{Permit, actions::ReadFileContent},
    id::{ContainerId, SessionId},
    node::files::FileRead,
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// How long a link can be opened. A download that has started continues.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// The content of a link.
#[derive(Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) session: SessionId,
    pub(crate) container: ContainerId,
    pub(crate) read: FileRead,
}

/// What a link stands for.
#[non_exhaustive]
pub struct OpenedLink {
    /// A permit for the person who created the link, checked against their current rights.
    pub permit: Permit<ReadFileContent>,
    /// What the link allows to read.
    pub read: FileRead,
}

/// Operations on links to files.
pub struct LinkService<'r>(pub(crate) &'r Raptor);

impl LinkService<'_> {
    /// A token for reading `read` as this actor.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the actor has no session.
    pub fn make(&self, permit: Permit<ReadFileContent>, read: FileRead) -> Result<String> {
        let (actor, target) = permit.consume();
        let session = actor.session_id().ok_or(Error::Unauthenticated("Sign in to create a link."))?;
        let link = Link { session, container: target.container.id, read };
        self.0.inner.tokens.sign_link(&link, self.0.inner.clock.now() + LIFETIME)
    }

    /// The content of a link, and a permit for the user who created it with their current rights.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where it is none of ours, has expired or its session has ended; [`Error::NotFound`] or
    /// [`Error::Forbidden`] where the access has.
    pub async fn open(&self, token: &str) -> Result<OpenedLink> {
        let ended = || Error::Unauthenticated("This link has expired. Create a new one in the panel.");
        let link = self.0.inner.tokens.read_link(token, self.0.inner.clock.now()).ok_or_else(ended)?;
        let actor = self.0.auth().of_session(link.session).await?.ok_or_else(ended)?;
        let permit = self.0.authz().permit::<ReadFileContent>(&actor, link.container).await?;
        Ok(OpenedLink { permit, read: link.read })
    }
}
