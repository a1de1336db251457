//! Operations on the list of allowed images.

use super::{ImagePolicy, ImageStanding, Pattern};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        ContainerPermission, Permit,
        actions::{ReadImagePolicy, UpdateImagePolicy},
    },
    containers::view::Visible,
    jobs::Kind,
    store::{self, Change, Subject, Verb},
    templates::Template,
};
use serde_json::json;

/// The standing of a container's image, and which other images the actor may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageChoice {
    /// Why the container may use its image, or that it may not.
    pub standing: ImageStanding,
    /// The patterns of images that the actor may choose beside the template's; may be empty.
    pub patterns: Vec<Pattern>,
}

/// Operations on the list of allowed images.
pub struct ImageService<'r>(pub(crate) &'r Raptor);

impl ImageService<'_> {
    /// The list of allowed images.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn policy(&self, permit: Permit<ReadImagePolicy>) -> Result<ImagePolicy> {
        let _ = permit.consume();
        store::images::policy(&mut self.0.inner.store.read().await?.conn()).await
    }

    /// Replaces the list of allowed images. Containers whose images newly match or no longer match are declared to their hosts
    /// again; running ones keep running until they are stopped. `revision` is that of the list as the caller last saw it.
    ///
    /// # Errors
    /// [`Error::Invalid`] at a pattern, [`Error::Conflict`] `changed_meanwhile` if the list was changed since that revision.
    pub async fn update(
        &self,
        permit: Permit<UpdateImagePolicy>,
        patterns: &[String],
        for_owners: bool,
        revision: i64,
    ) -> Result<ImagePolicy> {
        let (actor, ()) = permit.consume();
        let policy = ImagePolicy::checked(patterns, for_owners, revision)?;
        let mut tx = self.0.inner.store.begin().await?;
        let before = store::images::policy(&mut tx.conn()).await?;
        let Some(revision) = store::images::update(&mut tx.conn(), &policy).await? else {
            return Err(Error::conflict(
                "changed_meanwhile",
                "Somebody else changed the list in the meantime. Reload it and repeat your change.",
            ));
        };
        let now = self.0.inner.clock.now();
        for (id, daemon, image) in store::images::without_approval(&mut tx.conn()).await? {
            if before.lists(&image) != policy.lists(&image) {
                store::containers::renew(&mut tx.conn(), id, now).await?;
                store::jobs::insert(&mut tx.conn(), Kind::Declare, daemon, id, now).await?;
                tx.emit(Change::new(Subject::Container, Verb::Updated, id));
                tx.emit(Change::new(Subject::Job, Verb::Created, daemon));
            }
        }
        let told =
            |policy: &ImagePolicy| json!({ "patterns": policy.patterns, "for_owners": policy.for_owners });
        let detail = json!({ "from": told(&before), "to": told(&policy) });
        let activity = Activity::new(&self.0.inner.clock, &actor, "images.changed").with(detail);
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await?;
        Ok(ImagePolicy { revision, ..policy })
    }

    /// The standing of a container's image, as far as the actor may see it.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn choice(&self, visible: &Visible, template: &Template) -> Result<ImageChoice> {
        let policy = store::images::policy(&mut self.0.inner.store.read().await?.conn()).await?;
        let container = &visible.container;
        let standing = policy.standing(&container.image, container.image_allowed_by.is_some(), template);
        let chooses = policy.for_owners && visible.permissions.contains(ContainerPermission::StartupUpdate);
        Ok(ImageChoice { standing, patterns: if chooses { policy.patterns } else { Vec::new() } })
    }
}
