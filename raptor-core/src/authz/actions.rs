//! All actions that need a permit. What is not in this list can't be done.

use super::{
    permission::{ContainerPermission as C, SystemPermission as S},
    permit::{Act, sealed},
    policy::Action,
};
use crate::{
    allocations::Allocation, containers::view::Visible, daemons::Daemon, registries::Registry, roles::Role,
    templates::service::StoredTemplate, users::User,
};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident on $on:ty = $action:expr;)*) => { $(
        $(#[$doc])*
        pub enum $name {}
        impl sealed::Act for $name {}
        impl Act for $name {
            type On = $on;
            const ACTION: Action = $action;
        }
    )*
        /// All actions by name, with the permissions that they require.
        pub const ALL: &[(&str, Action)] = &[$((stringify!($name), $action)),*];
    };
}

actions! {
    /// List users.
    ListUsers on () = Action::System(S::UsersRead);
    /// Create a user.
    CreateUser on () = Action::System(S::UsersCreate);
    /// Read a user.
    ReadUser on User = Action::System(S::UsersRead);
    /// Change a user, their password or their sessions.
    UpdateUser on User = Action::System(S::UsersUpdate);
    /// Delete a user.
    DeleteUser on User = Action::System(S::UsersDelete);

    /// List roles.
    ListRoles on () = Action::System(S::RolesRead);
    /// Create a role.
    CreateRole on () = Action::System(S::RolesCreate);
    /// Read a role.
    ReadRole on Role = Action::System(S::RolesRead);
    /// Change a role.
    UpdateRole on Role = Action::System(S::RolesUpdate);
    /// Delete a role.
    DeleteRole on Role = Action::System(S::RolesDelete);

    /// List daemons.
    ListDaemons on () = Action::System(S::DaemonsRead);
    /// Add a daemon.
    CreateDaemon on () = Action::System(S::DaemonsCreate);
    /// Read a daemon.
    ReadDaemon on Daemon = Action::System(S::DaemonsRead);
    /// Change a daemon or its key.
    UpdateDaemon on Daemon = Action::System(S::DaemonsUpdate);
    /// Remove a daemon.
    DeleteDaemon on Daemon = Action::System(S::DaemonsDelete);

    /// Ask, on behalf of a daemon, who may use its SFTP server. The answers let people in, so this takes the permission that
    /// also allows replacing the daemon's key.
    AskAsDaemon on Daemon = Action::System(S::DaemonsUpdate);

    /// See which containers a host has that Raptor does not know.
    ListStrays on Daemon = Action::System(S::DaemonsRead);
    /// Adopt such a container.
    AdoptStray on Daemon = Action::System(S::ContainersCreate);
    /// Stop such a container.
    StopStray on Daemon = Action::System(S::ContainersControl);
    /// Delete such a container.
    DeleteStray on Daemon = Action::System(S::ContainersDelete);

    /// Begin or end a daemon's maintenance, or clean it up.
    MaintainDaemon on Daemon = Action::System(S::DaemonsUpdate);

    /// List logins for image registries.
    ListRegistries on () = Action::System(S::DaemonsRead);
    /// Add or replace a login for an image registry.
    SaveRegistry on () = Action::System(S::DaemonsUpdate);
    /// Delete a login for an image registry.
    DeleteRegistry on Registry = Action::System(S::DaemonsUpdate);

    /// See the list of allowed images.
    ReadImagePolicy on () = Action::System(S::DaemonsRead);
    /// Change the list of allowed images.
    UpdateImagePolicy on () = Action::System(S::ImagesUpdate);

    /// List a daemon's allocations.
    ListAllocations on Daemon = Action::System(S::AllocationsRead);
    /// Add allocations to a daemon.
    CreateAllocations on Daemon = Action::System(S::AllocationsCreate);
    /// Change an allocation.
    UpdateAllocation on Allocation = Action::System(S::AllocationsUpdate);
    /// Delete an allocation.
    DeleteAllocation on Allocation = Action::System(S::AllocationsDelete);

    /// List templates.
    ListTemplates on () = Action::System(S::TemplatesRead);
    /// Import a template.
    ImportTemplate on () = Action::System(S::TemplatesCreate);
    /// Read or export a template.
    ReadTemplate on StoredTemplate = Action::System(S::TemplatesRead);
    /// Create a new revision of a template.
    UpdateTemplate on StoredTemplate = Action::System(S::TemplatesUpdate);
    /// Delete a template.
    DeleteTemplate on StoredTemplate = Action::System(S::TemplatesDelete);

    /// See the source of the catalogue.
    ReadCatalogueSource on () = Action::System(S::SettingsRead);
    /// Change the source of the catalogue, or fetch it again.
    UpdateCatalogueSource on () = Action::System(S::SettingsUpdate);

    /// Create a container.
    CreateContainer on () = Action::System(S::ContainersCreate);
    /// See that a container exists, and those parts of it that the actor's permissions show.
    SeeContainer on Visible = Action::SeeContainer;
    /// Change a container's limits.
    LimitContainer on Visible = Action::System(S::ContainersUpdate);
    /// Transfer a container to another owner.
    ChangeOwner on Visible = Action::System(S::ContainersUpdate);
    /// Suspend or unsuspend a container.
    SuspendContainer on Visible = Action::System(S::ContainersUpdate);
    /// Change name and description.
    UpdateContainer on Visible = Action::Container(&[C::SettingsUpdate]);
    /// Change image, startup command and variables.
    UpdateStartup on Visible = Action::Container(&[C::StartupUpdate]);
    /// See the values of a container's secret variables.
    RevealSecret on Visible = Action::Container(&[C::StartupSecrets]);
    /// Preview moving to another revision of the template.
    ReadStartup on Visible = Action::Container(&[C::StartupRead]);
    /// Move a container to another revision of its template.
    MoveTemplate on Visible = Action::Container(&[C::StartupUpdate]);
    /// Change how a container is restarted, stopped and isolated.
    UpdateBehaviour on Visible = Action::Container(&[C::SettingsUpdate]);
    /// Install a container, cancel the installation, or mark it as installed.
    InstallContainer on Visible = Action::Container(&[C::StartupInstall]);
    /// Delete a container.
    DeleteContainer on Visible = Action::Container(&[C::Delete]);
    /// Start a container.
    StartContainer on Visible = Action::Container(&[C::PowerStart]);
    /// Stop a container.
    StopContainer on Visible = Action::Container(&[C::PowerStop]);
    /// Restart a container.
    RestartContainer on Visible = Action::Container(&[C::PowerRestart]);
    /// Kill a container.
    KillContainer on Visible = Action::Container(&[C::PowerKill]);
    /// Send a command to a container.
    SendCommand on Visible = Action::Container(&[C::ConsoleCommand]);
    /// Read a container's console.
    ReadConsole on Visible = Action::Container(&[C::ConsoleRead]);
    /// See which commands were sent to a container. Takes the console permission, since the console shows them as well.
    ReadCommands on Visible = Action::Container(&[C::ConsoleRead]);
    /// See which commands the actor has sent to a container.
    ReadOwnCommands on Visible = Action::Container(&[C::ConsoleCommand]);
    /// See a container's resource usage over time.
    ReadStats on Visible = Action::Container(&[C::StatsRead]);
    /// Assign an allocation to a container, or choose its primary one.
    AddAllocation on Visible = Action::Container(&[C::NetworkUpdate]);
    /// Remove an allocation from a container.
    RemoveAllocation on Visible = Action::Container(&[C::NetworkUpdate]);
    /// See who has access to a container.
    ReadAccess on Visible = Action::Container(&[C::AccessRead]);
    /// Give somebody access to a container.
    GrantAccess on Visible = Action::Container(&[C::AccessCreate]);
    /// Change somebody's access to a container.
    UpdateAccess on Visible = Action::Container(&[C::AccessUpdate]);
    /// Revoke somebody's access to a container.
    RevokeAccess on Visible = Action::Container(&[C::AccessDelete]);
    /// See how to reach a container's files by SFTP.
    ReadSftp on Visible = Action::Container(&[C::FileRead]);
    /// See a container's activity.
    ReadContainerActivity on Visible = Action::Container(&[C::ActivityRead]);

    /// List a container's files and folders.
    ReadFiles on Visible = Action::Container(&[C::FileRead]);
    /// Open and download a container's files.
    ReadFileContent on Visible = Action::Container(&[C::FileReadContent]);
    /// Create, upload and copy files.
    CreateFiles on Visible = Action::Container(&[C::FileCreate]);
    /// Change, rename and move files.
    UpdateFiles on Visible = Action::Container(&[C::FileUpdate]);
    /// Delete files.
    DeleteFiles on Visible = Action::Container(&[C::FileDelete]);
    /// Upload files, and overwrite existing ones.
    ReplaceFiles on Visible = Action::Container(&[C::FileCreate, C::FileUpdate]);
    /// Create and extract archives.
    ArchiveFiles on Visible = Action::Container(&[C::FileArchive, C::FileCreate]);
    /// Extract archives, and overwrite existing files.
    UnpackOverFiles on Visible = Action::Container(&[C::FileUpdate, C::FileArchive, C::FileCreate]);

    /// Read everybody's activity.
    ReadActivity on () = Action::System(S::ActivityRead);

    /// See the mail settings and the mails sent.
    ReadMail on () = Action::System(S::SettingsRead);
    /// Send a test mail to oneself.
    TestMail on () = Action::System(S::SettingsUpdate);
}
