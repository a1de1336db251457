//! Which permissions operations require.

/// Operations by required permission. An operation that is listed several times requires one or several of them, depending on
/// the request. One that is not listed requires no permission beyond seeing its object.
const REQUIRED: &[(&str, &[&str])] = &[
    ("settings.read", &["get_mail_state", "list_mails", "get_catalogue_origin"]),
    (
        "settings.update",
        &[
            "test_mail",
            "update_catalogue_origin",
            "refresh_catalogue",
            "update_container",
            "update_container_behaviour",
        ],
    ),
    ("users.read", &["list_users", "get_user"]),
    ("users.create", &["create_user"]),
    ("users.update", &["update_user", "set_user_password", "end_user_sessions"]),
    ("users.delete", &["delete_user"]),
    ("roles.read", &["list_roles", "get_role"]),
    ("roles.create", &["create_role"]),
    ("roles.update", &["update_role"]),
    ("roles.delete", &["delete_role"]),
    (
        "daemons.read",
        &[
            "list_daemons",
            "get_daemon",
            "list_unknown_containers",
            "list_registries",
            "get_image_policy",
            "get_daemon_stats_history",
        ],
    ),
    ("daemons.create", &["create_daemon"]),
    (
        "daemons.update",
        &[
            "update_daemon",
            "renew_daemon_key",
            "set_daemon_maintenance",
            "clean_daemon_images",
            "save_registry",
            "delete_registry",
        ],
    ),
    ("daemons.delete", &["delete_daemon"]),
    ("containers.create", &["adopt_unknown_container", "create_container"]),
    ("containers.control", &["stop_unknown_container"]),
    ("containers.delete", &["delete_unknown_container"]),
    ("allocations.read", &["list_allocations"]),
    ("allocations.create", &["create_allocations"]),
    ("allocations.update", &["update_allocation"]),
    ("allocations.delete", &["delete_allocation"]),
    (
        "templates.read",
        &[
            "list_templates",
            "list_template_revisions",
            "get_template_revision",
            "get_template",
            "export_template",
            "list_catalogue",
            "get_catalogue_entry",
            "get_template_switch",
            "switch_container_template",
            "import_catalogue_entry",
        ],
    ),
    (
        "templates.create",
        &[
            "import_template",
            "import_template_from_url",
            "preview_template",
            "preview_template_from_url",
            "fetch_catalogue_entry",
            "import_catalogue_entry",
        ],
    ),
    (
        "templates.update",
        &[
            "import_template",
            "import_template_from_url",
            "import_catalogue_entry",
            "preview_template",
            "preview_template_from_url",
            "revise_template",
            "revise_template_from_url",
            "check_template_source",
        ],
    ),
    ("templates.delete", &["delete_template"]),
    ("container.delete", &["delete_container"]),
    (
        "containers.update",
        &[
            "update_container_limits",
            "change_container_owner",
            "suspend_container",
            "unsuspend_container",
            "update_container_behaviour",
            "update_container_startup",
        ],
    ),
    ("startup.update", &["update_container_startup", "move_container_template", "switch_container_template"]),
    ("power.start", &["power_container"]),
    ("power.stop", &["power_container"]),
    ("power.restart", &["power_container"]),
    ("power.kill", &["power_container"]),
    ("console.read", &["list_commands", "get_console", "search_console", "download_console"]),
    ("console.command", &["list_commands", "send_command"]),
    ("startup.read", &["get_template_change", "get_template_switch", "preview_container"]),
    ("startup.secrets", &["reveal_container_secret"]),
    (
        "startup.install",
        &[
            "install_container",
            "cancel_container_install",
            "skip_container_install",
            "switch_container_template",
        ],
    ),
    ("images.update", &["update_image_policy"]),
    (
        "network.update",
        &[
            "add_container_allocation",
            "remove_container_allocation",
            "set_primary_allocation",
            "replace_container_allocation",
        ],
    ),
    (
        "file.read",
        &[
            "get_container_sftp",
            "list_files",
            "get_file",
            "list_trash",
            "search_files",
            "measure_folder",
            "list_file_operations",
        ],
    ),
    ("access.read", &["list_access"]),
    ("access.create", &["grant_access"]),
    ("access.update", &["update_access"]),
    ("access.delete", &["revoke_access"]),
    ("activity.read", &["list_container_activity", "list_activity"]),
    ("stats.read", &["get_container_stats_history"]),
    (
        "file.create",
        &[
            "create_folder",
            "start_file_operation",
            "cancel_file_operation",
            "write_file",
            "upload_file",
            "begin_upload",
            "get_upload",
            "abort_upload",
            "finish_upload",
            "send_piece",
        ],
    ),
    (
        "file.update",
        &[
            "move_files",
            "set_files_mode",
            "start_file_operation",
            "write_file",
            "write_text",
            "upload_file",
            "begin_upload",
        ],
    ),
    ("file.delete", &["discard_files", "restore_files", "empty_trash", "start_file_operation"]),
    (
        "file.read-content",
        &["search_files", "get_file_checksum", "list_file_versions", "read_file", "read_text", "link_files"],
    ),
    ("file.archive", &["start_file_operation"]),
];

/// Operations that require the first two of their permissions in any case.
const BOTH: [&str; 2] = ["get_template_switch", "switch_container_template"];

/// The sentence about the permissions required by this operation; `None` if it requires none.
pub(super) fn required(id: &str) -> Option<String> {
    let names: Vec<String> = REQUIRED
        .iter()
        .filter(|(_, operations)| operations.contains(&id))
        .map(|(permission, _)| format!("`{permission}`"))
        .collect();
    match names.as_slice() {
        [] => None,
        [name] => Some(format!("Requires {name}.")),
        [first, second] if BOTH.contains(&id) => Some(format!("Requires {first} and {second}.")),
        [first, second, third] if BOTH.contains(&id) => {
            Some(format!("Requires {first} and {second}; depending on the request, also {third}."))
        }
        [names @ .., last] => Some(format!(
            "Requires one or more of {} and {last}, depending on the request.",
            names.join(", ")
        )),
    }
}
