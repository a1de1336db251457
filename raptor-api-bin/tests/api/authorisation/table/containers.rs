//! Containers and who has access to them.

use super::{Row, own, sight, takes, there};
use crate::{
    authorisation::{fresh::Fresh, scene::LIMITS},
    support::bodies,
};
use raptor_client::api::types::{
    AccessGrant, AccessUpdate, AllocationChoice, Behaviour, ContainerUpdate, InstallRequest, Level,
    LimitsUpdate, NewContainer, OwnerUpdate, StartupUpdate, TemplateMove, TemplateOrder,
};
use raptor_core::authz::{ContainerPermission as C, SystemPermission as S};

pub fn rows() -> Vec<Row> {
    [containers(), startup(), power(), console(), installation(), network(), access()]
        .into_iter()
        .flatten()
        .collect()
}

fn containers() -> Vec<Row> {
    let new = |owner_id| NewContainer {
        owner_id,
        daemon_id: Some(there("one")),
        skip_install: Some(true),
        variables: bodies::variables(&[("MAP", "desert")]),
        ..bodies::a_container("New", there("game"))
    };
    let label = Behaviour { labels: bodies::variables(&[("a", "{n}")]), ..Behaviour::default() };
    vec![
        own("list_containers"),
        own("stream_events"),
        own("live_events"),
        takes("create_container", "CreateContainer", S::ContainersCreate).json(new(None)),
        takes("create_container", "CreateContainer", S::ContainersCreate)
            .case("for somebody else")
            .json(new(Some(there("alice")))),
        sight("get_container"),
        sight("live_container"),
        takes("update_container", "UpdateContainer", C::SettingsUpdate).json(ContainerUpdate::new("Game")),
        takes("delete_container", "DeleteContainer", C::Delete).fresh(Fresh::Container),
        takes("update_container_limits", "LimitContainer", S::ContainersUpdate)
            .json(LimitsUpdate::new(LIMITS, 30_000)),
        takes("change_container_owner", "ChangeOwner", S::ContainersUpdate)
            .json(OwnerUpdate { owner_id: there("alice") }),
        takes("suspend_container", "SuspendContainer", S::ContainersUpdate).on("spare"),
        takes("unsuspend_container", "SuspendContainer", S::ContainersUpdate).on("spare"),
        takes("update_container_behaviour", "UpdateBehaviour", C::SettingsUpdate)
            .json(Behaviour::default())
            .on("spare"),
        takes("update_container_behaviour", "UpdateBehaviour", C::SettingsUpdate)
            .also(S::ContainersUpdate)
            .case("towards the host")
            .json(label),
        takes("list_container_activity", "ReadContainerActivity", C::ActivityRead),
    ]
}

fn startup() -> Vec<Row> {
    let startup = StartupUpdate::default;
    let update = |case, body: StartupUpdate| {
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
            .json(TemplateOrder {
                install: Some(install),
                ..TemplateOrder::new(there("other_template"), 1, 0)
            })
            .or(409)
    };
    vec![
        takes("preview_container", "ReadStartup", C::StartupRead),
        takes("update_container_startup", "UpdateStartup", C::StartupUpdate)
            .json(StartupUpdate { variables: bodies::variables(&[("MAP", "desert")]), ..startup() }),
        update(
            "with a command of one's own",
            StartupUpdate { startup_command: Some("./own {n}".into()), ..startup() },
        ),
        takes("reveal_container_secret", "RevealSecret", C::StartupSecrets),
        takes("get_template_change", "ReadStartup", C::StartupRead).or(409),
        takes("move_container_template", "MoveTemplate", C::StartupUpdate).json(TemplateMove::new(1)).or(409),
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
        takes("install_container", "InstallContainer", C::StartupInstall)
            .json(InstallRequest::default())
            .on("spare")
            .or(409),
        takes("cancel_container_install", "InstallContainer", C::StartupInstall).on("spare").or(409),
        takes("skip_container_install", "InstallContainer", C::StartupInstall).on("spare").or(409),
    ]
}

fn network() -> Vec<Row> {
    vec![
        // The only two allocations are this container's and another one's.
        takes("add_container_allocation", "AddAllocation", C::NetworkUpdate)
            .json(AllocationChoice::default())
            .or(409),
        takes("remove_container_allocation", "RemoveAllocation", C::NetworkUpdate).or(409),
        takes("set_primary_allocation", "AddAllocation", C::NetworkUpdate),
        takes("replace_container_allocation", "AddAllocation", C::NetworkUpdate).or(409),
        takes("get_container_sftp", "ReadSftp", C::FileRead).or(503),
    ]
}

fn access() -> Vec<Row> {
    // Nobody gives or takes more than they hold.
    let grant = AccessGrant {
        permissions: bodies::names(&["access.create"]),
        ..bodies::access("guest", Level::Custom)
    };
    let change =
        AccessUpdate { permissions: bodies::names(&["access.update"]), ..AccessUpdate::new(Level::Custom) };
    vec![
        takes("list_access", "ReadAccess", C::AccessRead),
        takes("grant_access", "GrantAccess", C::AccessCreate).json(grant).fresh(Fresh::NoMember),
        takes("update_access", "UpdateAccess", C::AccessUpdate)
            .json(change)
            .fresh(Fresh::Member("access.update")),
        takes("revoke_access", "RevokeAccess", C::AccessDelete).fresh(Fresh::Member("access.delete")),
    ]
}
