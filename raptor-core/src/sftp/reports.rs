//! Recording what hosts report about SFTP sessions in the audit trail.

use super::{SftpService, actor};
use crate::{
    Result,
    activity::Activity,
    id::DaemonId,
    node::{HostAction, HostActivity},
    store,
};

/// How many changes an activity lists; the rest is counted.
const MAX_CHANGES: usize = 100;

impl SftpService<'_> {
    /// Records what somebody did on the daemon's host, once. Reports about containers that are not on that daemon are dropped.
    ///
    /// # Errors
    /// If the store fails; the host reports it again then.
    pub(crate) async fn note(&self, daemon: DaemonId, report: HostActivity) -> Result<()> {
        let mut tx = self.0.inner.store.begin().await?;
        if store::activity::exists(&mut tx.conn(), report.id).await? {
            return Ok(());
        }
        let user = store::users::find(&mut tx.conn(), report.user_id).await?;
        let container = store::containers::find(&mut tx.conn(), report.container_id, None).await?;
        let Some((user, (container, _))) = user.zip(container) else { return Ok(()) };
        if container.daemon_id != daemon {
            tracing::warn!(%daemon, container = %container.id, "a daemon reported on a container of another daemon");
            return Ok(());
        }
        let (action, detail) = match report.deed {
            HostAction::SftpSignedInOffline => {
                ("container.sftp.signed_in", serde_json::json!({ "key": true, "offline": true }))
            }
            HostAction::SftpChanges { count, written_bytes, mut changes } => {
                changes.truncate(MAX_CHANGES);
                let detail =
                    serde_json::json!({ "count": count, "written_bytes": written_bytes, "changes": changes });
                ("container.sftp.changed", detail)
            }
        };
        let mut activity = Activity::new(&self.0.inner.clock, &actor(&user, report.ip), action)
            .on("container", container.id, &container.name)
            .in_container(container.id)
            .with(detail);
        (activity.id, activity.at) = (report.id, report.at);
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await
    }
}
