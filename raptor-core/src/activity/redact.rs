//! Which parts of a container's activity an actor may see: no more than they could learn from the container itself.

use super::Activity;
use crate::{
    authz::{Actor, ContainerPermission, SystemPermission},
    containers::view::Visible,
};
use serde_json::json;

/// Removes what `actor` may not see of an activity on `visible`. Actors see all of their own activity, and with the system
/// permission `activity.read` everything.
pub(crate) fn redact(row: &mut Activity, actor: &Actor, visible: &Visible) {
    let own = row.actor_id.is_some() && row.actor_id == actor.user_id().map(Into::into);
    if own || actor.grants().contains(SystemPermission::ActivityRead) {
        return;
    }
    row.ip = None;
    let may = |permission| visible.permissions.contains(permission);
    if let Some(detail) = row.detail.as_object_mut()
        && !may(ContainerPermission::ConsoleRead)
    {
        // Console output of a crash or an installation.
        detail.remove("lines");
    }
    let about_files = row.action.starts_with("file.") || row.action == "container.sftp.changed";
    // The name of a file that is hidden from the actor is hidden here as well.
    let kept_from_them = about_files && !visible.denied_files.is_empty();
    if kept_from_them || needed(&row.action).is_some_and(|permission| !may(permission)) {
        row.detail = json!({});
    }
}

/// The permission that shows the same details in the container itself.
fn needed(action: &str) -> Option<ContainerPermission> {
    Some(match action {
        "container.command" => ContainerPermission::ConsoleRead,
        "container.startup_changed"
        | "container.template_changed"
        | "container.template_moved"
        | "container.secret_revealed" => ContainerPermission::StartupRead,
        // May name addresses and ports.
        "container.start_failed" => ContainerPermission::NetworkRead,
        "container.behaviour_changed" => ContainerPermission::SettingsRead,
        "container.sftp.changed" => ContainerPermission::FileRead,
        _ if action.starts_with("file.") => ContainerPermission::FileRead,
        // Whose key was used, and who was given which access.
        _ if action.starts_with("container.access_") || action == "container.sftp.signed_in" => {
            ContainerPermission::AccessRead
        }
        _ => return None,
    })
}
