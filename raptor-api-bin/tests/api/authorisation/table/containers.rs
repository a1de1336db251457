//! Containers and who has access to them.

use super::{Row, own, sight, takes};
use crate::{
    authorisation::{fresh::Fresh, scene::LIMITS},
    support::bodies,
};
use raptor_client::api::types::LimitsUpdate;
use raptor_core::authz::{ContainerPermission as C, SystemPermission as S};
use serde_json::{Value, json};

pub fn rows() -> Vec<Row> {
    [containers(), startup(), power(), console(), installation(), network(), access()]
        .into_iter()
        .flatten()
        .collect()
}

fn containers() -> Vec<Row> {
    let new = |owner: Value| {
        json!({ "name": "New", "template_id": "{game}", "daemon_id": "{one}", "owner_id": owner,
            "allocation_count": 0, "variables": { "MAP": "desert" }, "limits": LIMITS, "skip_install": true })
    };
    vec![
        own("list_containers"),
        own("stream_events"),
        own("live_events"),
        takes("create_container", "CreateContainer", S::ContainersCreate).json(new(Value::Null)),
        takes("create_container", "CreateContainer", S::ContainersCreate)
            .case("for somebody else")
            .json(new("{alice}".into())),
        sight("get_container"),
        sight("live_container"),
        takes("update_container", "UpdateContainer", C::SettingsUpdate).json(json!({ "name": "Game" })),
        takes("delete_container", "DeleteContainer", C::Delete).fresh(Fresh::Container),
        takes("update_container_limits", "LimitContainer", S::ContainersUpdate)
            .json(LimitsUpdate::new(LIMITS, 30_000)),
        takes("change_container_owner", "ChangeOwner", S::ContainersUpdate)
            .json(json!({ "owner_id": "{alice}" })),
        takes("suspend_container", "SuspendContainer", S::ContainersUpdate).on("spare"),
        takes("unsuspend_container", "SuspendContainer", S::ContainersUpdate).on("spare"),
        takes("update_container_behaviour", "UpdateBehaviour", C::SettingsUpdate).json(json!({})).on("spare"),
        takes("update_container_behaviour", "UpdateBehaviour", C::SettingsUpdate)
            .also(S::ContainersUpdate)
            .case("towards the host")
            .json(json!({ "labels": { "a": "{n}" } })),
        takes("list_container_activity", "ReadContainerActivity", C::ActivityRead),
    ]
}

fn startup() -> Vec<Row> {
    let update = |case, body| {
        takes("update_container_startup", "UpdateStartup", C::StartupUpdate)
            .also(S::ContainersUpdate)
            .case(case)
            .json(body)
            .on("spare")
    };
    let switch = |case, install| {
        takes("switch_container_template", "MoveTemplate", C::StartupUpdate)
            .and("ReadTemplate", S::TemplatesRead)
            .case(case)
            .json(json!({ "template_id": "{other_template}", "revision": 1, "container_revision": 0, "install": install }))
            .or(409)
    };
    vec![
        takes("preview_container", "ReadStartup", C::StartupRead),
        takes("update_container_startup", "UpdateStartup", C::StartupUpdate)
            .json(json!({ "variables": { "MAP": "desert" } })),
        update("with a command of one's own", json!({ "startup_command": "./own {n}" })),
        takes("reveal_container_secret", "RevealSecret", C::StartupSecrets),
        takes("get_template_change", "ReadStartup", C::StartupRead).or(409),
        takes("move_container_template", "MoveTemplate", C::StartupUpdate)
            .json(json!({ "revision": 1 }))
            .or(409),
        takes("get_template_switch", "ReadStartup", C::StartupRead)
            .and("ReadTemplate", S::TemplatesRead)
            .query("template_id={other_template}"),
        switch("", false),
        switch("with its installation", true).also(C::StartupInstall),
    ]
}

fn power() -> Vec<Row> {
    let power = |case: &'static str, action, right: C| {
        takes("power_container", action, right).case(case).json(bodies::power(case.parse().unwrap())).or(409)
    };
    vec![
        power("start", "StartContainer", C::PowerStart),
        power("stop", "StopContainer", C::PowerStop),
        power("restart", "RestartContainer", C::PowerRestart),
        power("kill", "KillContainer", C::PowerKill),
    ]
}

fn console() -> Vec<Row> {
    vec![
        takes("get_console", "ReadConsole", C::ConsoleRead),
        takes("search_console", "ReadConsole", C::ConsoleRead),
        takes("download_console", "ReadConsole", C::ConsoleRead),
        takes("list_commands", "ReadCommands", C::ConsoleRead),
        takes("list_commands", "ReadOwnCommands", C::ConsoleCommand).case("one's own").query("mine=true"),
        takes("send_command", "SendCommand", C::ConsoleCommand).json(bodies::command("say hi")).or(409),
        takes("get_container_stats_history", "ReadStats", C::StatsRead).query("range=hour"),
    ]
}

fn installation() -> Vec<Row> {
    vec![
        takes("install_container", "InstallContainer", C::StartupInstall).json(json!({})).on("spare").or(409),
        takes("cancel_container_install", "InstallContainer", C::StartupInstall).on("spare").or(409),
        takes("skip_container_install", "InstallContainer", C::StartupInstall).on("spare").or(409),
    ]
}

fn network() -> Vec<Row> {
    vec![
        // The only two allocations are this container's and another one's.
        takes("add_container_allocation", "AddAllocation", C::NetworkUpdate).json(json!({})).or(409),
        takes("remove_container_allocation", "RemoveAllocation", C::NetworkUpdate).or(409),
        takes("set_primary_allocation", "AddAllocation", C::NetworkUpdate),
        takes("replace_container_allocation", "AddAllocation", C::NetworkUpdate).or(409),
        takes("get_container_sftp", "ReadSftp", C::FileRead).or(503),
    ]
}

fn access() -> Vec<Row> {
    // Nobody gives or takes more than they hold.
    let level = |permission: &str| json!({ "level": "custom", "permissions": [permission] });
    let grant = json!({ "user": "guest", "level": "custom", "permissions": ["access.create"] });
    vec![
        takes("list_access", "ReadAccess", C::AccessRead),
        takes("grant_access", "GrantAccess", C::AccessCreate).json(grant).fresh(Fresh::NoMember),
        takes("update_access", "UpdateAccess", C::AccessUpdate)
            .json(level("access.update"))
            .fresh(Fresh::Member("access.update")),
        takes("revoke_access", "RevokeAccess", C::AccessDelete).fresh(Fresh::Member("access.delete")),
    ]
}
