//! Every action that the audit trail can name.

/// The actions that this version writes, in alphabetical order: the noun, a dot, and what was done. Rows of other versions may name
/// others. An action keeps its meaning for good: programs go by it.
pub const ACTIONS: &[&str] = &[
    "account.notices_changed",
    "account.password_changed",
    "account.password_reset",
    "account.password_reset_asked",
    "account.session_ended",
    "account.sessions_ended",
    "account.signed_in",
    "account.ssh_key_added",
    "account.ssh_key_deleted",
    "account.updated",
    "allocation.deleted",
    "allocation.updated",
    "allocations.created",
    "catalogue.fetched",
    "catalogue.reset",
    "container.access_changed",
    "container.access_granted",
    "container.access_revoked",
    "container.adopted",
    "container.allocation_added",
    "container.allocation_removed",
    "container.allocation_replaced",
    "container.behaviour_changed",
    "container.command",
    "container.crashed",
    "container.created",
    "container.deleted",
    "container.disk_full",
    "container.ended",
    "container.ended_by_hand",
    "container.install",
    "container.install_cancelled",
    "container.install_failed",
    "container.install_skipped",
    "container.installed",
    "container.limits_changed",
    "container.owner_changed",
    "container.power.kill",
    "container.power.restart",
    "container.power.start",
    "container.power.stop",
    "container.primary_allocation_changed",
    "container.quarantined",
    "container.recovered",
    "container.secret_revealed",
    "container.sftp.changed",
    "container.sftp.signed_in",
    "container.start_failed",
    "container.startup_changed",
    "container.suspended",
    "container.template_changed",
    "container.template_moved",
    "container.unsuspended",
    "container.updated",
    "daemon.created",
    "daemon.deleted",
    "daemon.encrypted",
    "daemon.images_cleaned",
    "daemon.key_renewed",
    "daemon.maintenance_begun",
    "daemon.maintenance_ended",
    "daemon.unknown_container_deleted",
    "daemon.unknown_container_stopped",
    "daemon.updated",
    "file.archived",
    "file.copied",
    "file.created",
    "file.deleted",
    "file.discarded",
    "file.downloaded",
    "file.extracted",
    "file.folder_created",
    "file.mode_changed",
    "file.moved",
    "file.pulled",
    "file.restored",
    "file.trash_emptied",
    "file.uploaded",
    "file.written",
    "images.changed",
    "keys.app_key_changed",
    "keys.jwt_secret_changed",
    "registry.deleted",
    "registry.saved",
    "role.created",
    "role.deleted",
    "role.updated",
    "settings.mail_tested",
    "template.deleted",
    "template.imported",
    "template.revised",
    "user.created",
    "user.deleted",
    "user.password_set",
    "user.sessions_ended",
    "user.updated",
];

/// What an action can be done to, in alphabetical order. Activity on nothing in particular, such as on a setting, has an empty text.
pub const SUBJECTS: &[&str] =
    &["allocation", "container", "daemon", "registry", "role", "session", "ssh_key", "template", "user"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::{ContainerPermission, SystemPermission};
    use std::{collections::BTreeSet, fs, path::Path};

    /// Texts of the same form that are neither actions nor permissions.
    const OTHERS: [&str; 1] = ["daemon.invalid"];

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("activity/actions.rs")
            {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }

    /// Every text in quotes that is made like an action of a noun that has actions.
    fn like_actions(text: &str) -> impl Iterator<Item = &str> {
        let letters = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && !part.ends_with('_')
                && part.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        let nouns: BTreeSet<&str> = ACTIONS.iter().filter_map(|action| action.split('.').next()).collect();
        text.split('"').filter(move |part| {
            part.contains('.')
                && part.split('.').all(letters)
                && nouns.contains(part.split('.').next().unwrap())
        })
    }

    #[test]
    fn every_action_in_the_sources_is_listed_and_every_listed_one_is_in_the_sources() {
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
        let is_permission = |text: &str| {
            text.parse::<SystemPermission>().is_ok() || text.parse::<ContainerPermission>().is_ok()
        };
        assert!(ACTIONS.is_sorted() && SUBJECTS.is_sorted(), "in alphabetical order");
        let written: BTreeSet<&str> = texts
            .iter()
            .flat_map(|text| like_actions(text))
            .filter(|text| !is_permission(text) && !OTHERS.contains(text))
            .collect();
        assert_eq!(written, ACTIONS.iter().copied().collect());
    }

    #[test]
    fn every_subject_in_the_sources_is_listed() {
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
        let mut seen = BTreeSet::new();
        for text in &texts {
            for (at, before) in text.match_indices(".on(") {
                let subject = text[at + before.len()..].trim_start().strip_prefix('"');
                seen.extend(subject.and_then(|rest| rest.split('"').next()));
            }
        }
        assert_eq!(seen, SUBJECTS.iter().copied().collect());
    }
}
