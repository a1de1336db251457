//! What of a container's activity an actor may see: a row says no more than the actor could learn from the container itself.

use super::Activity;
use crate::{
    authz::{Actor, ContainerPermission, SystemPermission},
    containers::view::Visible,
};
use serde_json::json;

/// Takes away what `actor` may not see of something that was done to `visible`. Actors see everything of what they did themselves,
/// and with `activity.read` over the whole system everything.
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
        // What the console said at a crash or during an installation.
        detail.remove("lines");
    }
    let about_files = row.action.starts_with("file.") || row.action == "container.sftp.changed";
    // The name of a file that is kept from somebody is kept from them as well.
    let kept_from_them = about_files && !visible.denied_files.is_empty();
    if kept_from_them || needed(&row.action).is_some_and(|permission| !may(permission)) {
        row.detail = json!({});
    }
}

/// The permission that shows, in the container itself, what the detail of this action says.
fn needed(action: &str) -> Option<ContainerPermission> {
    Some(match action {
        "container.command" => ContainerPermission::ConsoleRead,
        "container.startup_changed"
        | "container.template_changed"
        | "container.template_moved"
        | "container.secret_revealed" => ContainerPermission::StartupRead,
        // It may name addresses and ports.
        "container.start_failed" => ContainerPermission::NetworkRead,
        "container.behaviour_changed" => ContainerPermission::SettingsRead,
        "container.sftp.changed" => ContainerPermission::FileRead,
        _ if action.starts_with("file.") => ContainerPermission::FileRead,
        // Whose key it was, and who was given what.
        _ if action.starts_with("container.access_") || action == "container.sftp.signed_in" => {
            ContainerPermission::AccessRead
        }
        _ => return None,
    })
}
