//! All codes of problems.

/// A code, its meaning, and the names of the values in its sentences. A problem has those of them that are known.
pub(crate) type Code = (&'static str, &'static str, &'static [&'static str]);

/// The codes in alphabetical order. A code never changes its meaning, since programs depend on it.
pub(crate) const CODES: &[Code] = &[
    ("allocation_held", "The allocation is still published by a process that runs", &["container", "port"]),
    ("allocation_reserved", "The allocation is being given to another container", &[]),
    ("allocation_taken", "The allocation belongs to a container", &["container", "port"]),
    ("allocations", "The container has as many allocations as it may have", &["limit"]),
    ("allocations_held", "Allocations are still published by a process that runs", &["container"]),
    ("already_running", "The container runs already", &[]),
    ("api_running", "Another API runs on the database", &[]),
    ("app_key_changed", "A stored secret was sealed with another `APP_KEY`", &[]),
    ("broken", "A stored template can't be read", &[]),
    ("builtin", "Built-in roles are not changed", &[]),
    ("cancelled", "Somebody cancelled the operation", &[]),
    ("changed_meanwhile", "Somebody else changed it in the meantime", &[]),
    ("container_changed", "The container was changed in the meantime", &[]),
    ("csrf", "A page of another site sent the request", &[]),
    ("daemon_protocol", "The daemon speaks another version of the protocol", &[]),
    ("daemon_unreachable", "The daemon can't be reached", &[]),
    ("daemon_wrong_key", "The daemon refuses the key", &[]),
    ("damaged", "What the database says of it can't be read", &[]),
    ("database_outdated", "The tables of the database are those of another version of Raptor", &[]),
    ("database_unavailable", "The database does not answer", &[]),
    ("deleting", "The container is being deleted", &[]),
    ("disk_full", "The host's disk is full", &["trash_bytes"]),
    ("disk_limit", "The container would exceed its disk limit", &["limit_mib", "trash_bytes"]),
    ("docker_unavailable", "Docker does not answer", &[]),
    ("file_changed", "The file was changed in the meantime", &[]),
    ("file_denied", "The file is hidden or protected", &[]),
    ("file_exists", "There is a file of that name", &[]),
    ("file_invalid", "The path or the file is not valid for this", &[]),
    ("file_not_found", "There is no such file", &[]),
    ("files_busy", "Too much is being done with the container's files", &[]),
    ("folder_not_empty", "The folder is not empty", &[]),
    ("forbidden", "The caller may not do this", &["permission"]),
    ("has_containers", "Containers still belong to it", &[]),
    ("host_failed", "The host failed to do it", &[]),
    ("image_not_allowed", "The image is not among the allowed ones", &["image"]),
    ("in_use", "It is in use", &["container", "port"]),
    ("install_failed", "The installation failed", &[]),
    ("installing", "The container is being installed", &[]),
    ("internal", "Something went wrong in Raptor itself", &[]),
    ("invalid", "Something in the request is wrong", &["reason"]),
    ("io", "The host's disk refused", &[]),
    ("is_a_folder", "It is a folder", &[]),
    ("jwt_secret_changed", "Sessions are signed with another `JWT_SECRET`", &[]),
    ("key_exists", "The key is there already", &[]),
    ("last_admin", "Somebody has to stay administrator", &[]),
    ("link_loop", "The links lead in a circle", &[]),
    ("local", "Not possible with this process's own host", &[]),
    ("mail_busy", "Too many mails are under way", &[]),
    ("mail_failed", "The mail server refused", &[]),
    ("maintenance", "The host is in maintenance", &["reason"]),
    ("method_not_allowed", "The address does not take this method", &[]),
    ("name_taken", "The name is taken", &["name"]),
    ("no_address", "No address is set from which the catalogue can be fetched", &[]),
    ("no_mail", "No mail server is set up", &[]),
    ("no_room", "No daemon has enough room", &[]),
    ("no_sftp", "The daemon does not serve SFTP", &[]),
    ("no_source", "It is not known where the template can be fetched again", &[]),
    ("none_free", "No allocation is free", &[]),
    ("not_a_folder", "It is not a folder", &[]),
    ("not_declared", "The daemon does not have the container yet", &[]),
    ("not_found", "There is no such thing, or the caller may not know of it", &["what"]),
    ("not_in_encoding", "The encoding lacks a character of the text", &[]),
    ("not_installing", "Nothing is being installed", &[]),
    ("not_offline", "The container has to be offline for this", &[]),
    ("not_on_host", "The host does not have it", &[]),
    ("not_text", "The file is not text", &[]),
    ("nothing_to_install", "The template has nothing to install", &[]),
    ("offline", "The container is offline", &[]),
    ("outside", "The path leads out of the container's folder", &[]),
    ("own_account", "Not possible with one's own account", &[]),
    ("password_change_required", "A new password has to be chosen first", &[]),
    ("port_held", "The port is still published by a process that runs", &["container", "ip", "port"]),
    ("primary", "It is the container's primary allocation", &[]),
    ("range", "The file has no such range", &[]),
    ("same_template", "The container runs this template already", &[]),
    ("secrets_lost", "Stored secrets can't be read with the keys that were given", &[]),
    (
        "several_templates",
        "Several templates are the same one, and it is unclear which is meant",
        &["count", "name"],
    ),
    ("source_changed", "The file at the source is not the one that was looked at", &["name"]),
    ("source_gone", "The file is no longer at its source", &["name"]),
    ("source_unreachable", "The source can't be reached", &["host", "name"]),
    ("special_file", "It is neither a file nor a folder", &[]),
    ("ssh_keys", "The account has as many keys as it may have", &["limit"]),
    ("still_stopping", "The container is still stopping", &[]),
    ("storage_failed", "The database's disk failed", &[]),
    ("storage_full", "The database's disk is full", &[]),
    ("storage_read_only", "The database's disk can't be written to now", &[]),
    ("suspended", "The container is suspended", &[]),
    ("template_changed", "The template was changed in the meantime", &[]),
    ("template_exists", "Another version of the template is here already", &["name", "number"]),
    ("throttled", "Too many attempts", &["seconds"]),
    ("too_late", "The request came too late, and nothing was done", &[]),
    ("too_many", "There are as many as there may be", &["count", "limit"]),
    ("too_many_streams", "Too many streams are open", &["limit"]),
    ("too_much", "It is more than is handled at once", &[]),
    ("unauthenticated", "Nobody is signed in, or the proof is wrong", &[]),
    ("unknown_mail", "There is no such mail", &[]),
    ("unsupported_media_type", "The body is not sent as JSON", &[]),
    ("upgrade_required", "This is a WebSocket", &[]),
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    /// What precedes a code in the sources.
    const BEFORE: [&str; 5] = ["conflict(", "code: ", "Problem::new(", "limit_reached(", "unavailable("];

    /// The texts of all source files below a folder, but for the lists of codes and reasons.
    pub(in crate::problem) fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("codes.rs")
                && !path.ends_with("reasons.rs")
            {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }

    /// The first string literal among the arguments of a call.
    fn quoted(arguments: &str) -> Option<&str> {
        let end = arguments.find([')', ';', '}']).unwrap_or(arguments.len());
        let code = arguments[..end].split('"').nth(1)?;
        let is_code = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        (!code.is_empty() && code.chars().all(is_code)).then_some(code)
    }

    #[test]
    fn every_code_in_the_sources_is_listed_and_every_listed_one_is_in_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut texts = Vec::new();
        for folder in [
            "raptor-model/src",
            "raptor-store/src",
            "raptor-core/src",
            "raptor-server/src",
            "raptor-api-bin/src",
        ] {
            sources(&root.join(folder), &mut texts);
        }
        let listed: BTreeSet<&str> = CODES.iter().map(|(code, ..)| *code).collect();
        assert!(CODES.is_sorted_by_key(|(code, ..)| *code), "in alphabetical order");
        for text in &texts {
            for before in BEFORE {
                for (at, _) in text.match_indices(before) {
                    if let Some(code) = quoted(&text[at + before.len()..]) {
                        assert!(listed.contains(code), "{code} is not listed");
                    }
                }
            }
        }
        for code in listed {
            let literal = format!("\"{code}\"");
            assert!(
                texts.iter().any(|text| text.contains(&literal)),
                "{code} is listed and unknown_path in the sources"
            );
        }
    }

    /// The names of the values that a call adds to the problem that it begins with: up to the end of its statement, or of the arm
    /// of a `match` that it stands in.
    fn added(call: &str) -> impl Iterator<Item = &str> {
        let next = BEFORE.iter().filter_map(|before| Some(call[1..].find(before)? + 1)).min();
        let end = [next, call.find(";\n"), call.find("\n}")].into_iter().flatten().min();
        let call = &call[..end.unwrap_or(call.len())];
        call.match_indices(".with(").filter_map(|(at, before)| {
            call[at + before.len()..].trim_start().strip_prefix('"')?.split('"').next()
        })
    }

    #[test]
    fn every_value_that_a_problem_names_is_listed_with_its_code_and_every_listed_one_is_named_somewhere() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut texts = Vec::new();
        for folder in ["raptor-store/src", "raptor-core/src", "raptor-api-bin/src"] {
            sources(&root.join(folder), &mut texts);
        }
        // The variants of `Error` and `FileError` that have values of their own.
        let mut named: BTreeSet<(&str, &str)> = BTreeSet::from([
            ("disk_full", "trash_bytes"),
            ("disk_limit", "limit_mib"),
            ("disk_limit", "trash_bytes"),
            ("forbidden", "permission"),
            ("invalid", "reason"),
            ("not_found", "what"),
            ("throttled", "seconds"),
        ]);
        for text in &texts {
            for before in BEFORE {
                for (at, _) in text.match_indices(before) {
                    if let Some(code) = quoted(&text[at + before.len()..]) {
                        named.extend(added(&text[at..]).map(|name| (code, name)));
                    }
                }
            }
        }
        let listed = CODES.iter().flat_map(|(code, _, names)| names.iter().map(move |name| (*code, *name)));
        assert_eq!(named, listed.collect());
    }
}
