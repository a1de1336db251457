//! Reading the audit trail. It is written by the operations themselves, in their transactions.

use super::{Activity, ActivityFilter};
use crate::{
    Error, Raptor, Result,
    authz::{Actor, Permit, actions::ReadActivity},
    paging::{Page, PageRequest},
    store,
};
use chrono::Datelike;

/// Operations on the audit trail.
pub struct ActivityService<'r>(pub(crate) &'r Raptor);

impl ActivityService<'_> {
    /// Everybody's activity, newest first.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a cursor of another list, and for a time outside of the years 1 to 9999.
    pub async fn list(
        &self,
        permit: Permit<ReadActivity>,
        filter: &ActivityFilter,
        page: &PageRequest,
    ) -> Result<Page<Activity>> {
        let _ = permit.consume();
        for (field, time) in [("from", filter.from), ("until", filter.until)] {
            // The databases store no others.
            if time.is_some_and(|time| !(1..=9_999).contains(&time.year())) {
                return Err(Error::invalid(field, "The year must be between 1 and 9999.").because("year"));
            }
        }
        store::activity::list(&mut self.0.inner.store.read().await?.conn(), filter, page).await
    }

    /// The actor's own activity, newest first.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a cursor of another list.
    pub async fn own(&self, actor: &Actor, page: &PageRequest) -> Result<Page<Activity>> {
        let filter =
            ActivityFilter { actor_id: actor.user_id().map(Into::into), ..ActivityFilter::default() };
        store::activity::list(&mut self.0.inner.store.read().await?.conn(), &filter, page).await
    }
}
