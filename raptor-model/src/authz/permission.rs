//! All permissions, and sets of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, marker::PhantomData, str::FromStr};

/// A closed list of permissions.
pub trait Permission: Copy + Eq + 'static {
    /// All of them in display order.
    const ALL: &'static [Self];
    /// The name in the database and on the wire, e.g. `users.read`.
    fn name(self) -> &'static str;
    /// What it allows, in a few words.
    fn description(self) -> &'static str;
    /// The index in [`Permission::ALL`], below 64.
    fn index(self) -> u32;
    /// The part of the name before the dot.
    fn group(self) -> &'static str {
        self.name().split('.').next().unwrap_or_default()
    }
}

macro_rules! permissions {
    ($(#[$doc:meta])* $list:ident { $($variant:ident = $name:literal: $description:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $list { $(#[doc = $description] $variant),* }

        impl Permission for $list {
            const ALL: &'static [Self] = &[$(Self::$variant),*];
            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
            fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),* }
            }
            fn index(self) -> u32 {
                self as u32
            }
        }

        impl Serialize for $list {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $list {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl FromStr for $list {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(format!("There is no permission `{text}`. GET /api/v1/permissions lists them.")),
                }
            }
        }
    };
}

permissions! {
    /// Permissions of a role, on the whole system.
    SystemPermission {
        UsersRead = "users.read": "See all users",
        UsersCreate = "users.create": "Create users",
        UsersUpdate = "users.update": "Change users, end their sessions and set their passwords, where you hold every right that they hold, those over their containers included",
        UsersDelete = "users.delete": "Delete users, where you hold every right that they hold",
        RolesRead = "roles.read": "See roles",
        RolesCreate = "roles.create": "Create roles",
        RolesUpdate = "roles.update": "Change roles",
        RolesDelete = "roles.delete": "Delete roles",
        DaemonsRead = "daemons.read": "See daemons and their load",
        DaemonsCreate = "daemons.create": "Add daemons",
        DaemonsUpdate = "daemons.update": "Change daemons and renew their keys",
        DaemonsDelete = "daemons.delete": "Remove daemons",
        AllocationsRead = "allocations.read": "See allocations",
        AllocationsCreate = "allocations.create": "Add allocations",
        AllocationsUpdate = "allocations.update": "Change aliases and notes of allocations",
        AllocationsDelete = "allocations.delete": "Delete allocations",
        TemplatesRead = "templates.read": "See and export templates",
        TemplatesCreate = "templates.create": "Import templates",
        TemplatesUpdate = "templates.update": "Change templates",
        TemplatesDelete = "templates.delete": "Delete templates",
        ContainersRead = "containers.read": "See all containers",
        ContainersCreate = "containers.create": "Create containers",
        ContainersUpdate = "containers.update": "Change any container, its limits and its owner, and suspend it",
        ContainersDelete = "containers.delete": "Delete any container",
        ContainersControl = "containers.control": "Start and stop any container and send commands to it",
        ContainersAccess = "containers.access": "Decide who has access to any container",
        ActivityRead = "activity.read": "See what everybody did",
        SettingsRead = "settings.read": "See how this Raptor is set up, and what became of its mails",
        SettingsUpdate = "settings.update": "Change where the catalogue comes from, and send a test message",
        ImagesUpdate = "images.update": "Decide which images containers may use beside those of their templates",
    }
}

permissions! {
    /// Permissions on a single container.
    ContainerPermission {
        ConsoleRead = "console.read": "Read the console",
        ConsoleCommand = "console.command": "Send commands",
        StatsRead = "stats.read": "See CPU, memory and network use",
        PowerStart = "power.start": "Start",
        PowerStop = "power.stop": "Stop",
        PowerRestart = "power.restart": "Restart",
        PowerKill = "power.kill": "Kill",
        StartupRead = "startup.read": "See the startup command and variables",
        StartupUpdate = "startup.update": "Change startup variables and the image",
        StartupSecrets = "startup.secrets": "See the values of secret variables",
        StartupInstall = "startup.install": "Install again, cancel an installation, mark as installed",
        NetworkRead = "network.read": "See allocations",
        NetworkUpdate = "network.update": "Add, remove and choose allocations",
        AccessRead = "access.read": "See who has access",
        AccessCreate = "access.create": "Give somebody access",
        AccessUpdate = "access.update": "Change somebody's access",
        AccessDelete = "access.delete": "Take somebody's access away",
        SettingsRead = "settings.read": "See settings",
        SettingsUpdate = "settings.update": "Change name, description, restart policy and network",
        ActivityRead = "activity.read": "See what was done to the container",
        Delete = "container.delete": "Delete the container",
        FileRead = "file.read": "See files and folders",
        FileReadContent = "file.read-content": "Open and download files",
        FileCreate = "file.create": "Create, upload and copy files",
        FileUpdate = "file.update": "Change, rename and move files",
        FileDelete = "file.delete": "Delete files and empty the trash",
        FileArchive = "file.archive": "Make and unpack archives",
    }
}

impl ContainerPermission {
    /// The system permission that includes this permission on every container.
    #[must_use]
    pub const fn implied_by(self) -> SystemPermission {
        match self {
            Self::ConsoleRead
            | Self::StatsRead
            | Self::StartupRead
            | Self::NetworkRead
            | Self::AccessRead
            | Self::SettingsRead
            | Self::ActivityRead
            | Self::FileRead => SystemPermission::ContainersRead,
            Self::ConsoleCommand
            | Self::PowerStart
            | Self::PowerStop
            | Self::PowerRestart
            | Self::PowerKill => SystemPermission::ContainersControl,
            Self::StartupUpdate
            | Self::StartupInstall
            | Self::StartupSecrets
            | Self::NetworkUpdate
            | Self::SettingsUpdate
            | Self::FileReadContent
            | Self::FileCreate
            | Self::FileUpdate
            | Self::FileDelete
            | Self::FileArchive => SystemPermission::ContainersUpdate,
            Self::AccessCreate | Self::AccessUpdate | Self::AccessDelete => {
                SystemPermission::ContainersAccess
            }
            Self::Delete => SystemPermission::ContainersDelete,
        }
    }
}

/// A set of permissions. `*` contains all of them, including those added by later versions.
pub struct Set<P> {
    bits: u64,
    list: PhantomData<P>,
}

const EVERYTHING: u64 = u64::MAX;

impl<P: Permission> Set<P> {
    /// The set without any permission.
    pub const NONE: Self = Self { bits: 0, list: PhantomData };
    /// The set `*`: every permission, including those that later versions add.
    pub const ALL: Self = Self { bits: EVERYTHING, list: PhantomData };

    /// Whether it is `*`.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.bits == EVERYTHING
    }

    #[must_use]
    pub fn contains(self, permission: P) -> bool {
        self.bits & (1 << permission.index()) != 0
    }

    /// Whether it contains all of `other`.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        other.bits & !self.bits == 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// The union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits, list: PhantomData }
    }

    /// The set with `permission` added.
    #[must_use]
    pub fn with(self, permission: P) -> Self {
        Self { bits: self.bits | (1 << permission.index()), list: PhantomData }
    }

    /// The set with `permission` removed. `*` becomes the list of all others.
    #[must_use]
    pub fn without(self, permission: P) -> Self {
        let known =
            if self.is_all() { P::ALL.iter().fold(0, |bits, p| bits | (1 << p.index())) } else { self.bits };
        Self { bits: known & !(1 << permission.index()), list: PhantomData }
    }

    /// The permissions in it; for `*`, all that this version knows.
    pub fn members(self) -> impl Iterator<Item = P> {
        P::ALL.iter().copied().filter(move |p| self.contains(*p))
    }

    /// The names of its permissions, or only `*`.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        if self.is_all() { vec!["*"] } else { self.members().map(P::name).collect() }
    }
}

impl<P: Permission + FromStr<Err = String>> Set<P> {
    /// Parses names; `*` means all.
    ///
    /// # Errors
    /// Names the first one that doesn't exist.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, String> {
        let mut set = Self::NONE;
        for name in names {
            match name.as_ref() {
                "*" => set = Self::ALL,
                name => set = set.union(Self::NONE.with(name.parse()?)),
            }
        }
        Ok(set)
    }
}

impl<P> Clone for Set<P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<P> Copy for Set<P> {}
impl<P: Permission> Default for Set<P> {
    fn default() -> Self {
        Self::NONE
    }
}
impl<P> PartialEq for Set<P> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}
impl<P> Eq for Set<P> {}
impl<P: Permission> FromIterator<P> for Set<P> {
    fn from_iter<I: IntoIterator<Item = P>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::with)
    }
}
impl<P: Permission> fmt::Debug for Set<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
impl<P: Permission> Serialize for Set<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}
impl<'de, P: Permission + FromStr<Err = String>> Deserialize<'de> for Set<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Vec::<String>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Serialises every permission by name, never as `*`, to show people what they may do.
///
/// # Errors
/// Those of the serializer.
pub fn by_name<P: Permission, S: Serializer>(set: &Set<P>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(set.members().map(P::name))
}

/// The permissions of a role.
pub type SystemSet = Set<SystemPermission>;
/// The permissions of an access.
pub type ContainerSet = Set<ContainerPermission>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_read_back_what_they_write() {
        let set: SystemSet =
            [SystemPermission::UsersRead, SystemPermission::ActivityRead].into_iter().collect();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(text, r#"["users.read","activity.read"]"#);
        assert_eq!(serde_json::from_str::<SystemSet>(&text).unwrap(), set);
        assert_eq!(serde_json::from_str::<SystemSet>(r#"["*"]"#).unwrap(), SystemSet::ALL);
        assert!(serde_json::from_str::<SystemSet>(r#"["users.fly"]"#).is_err());
    }

    #[test]
    fn everything_includes_all_and_is_included_in_nothing_less() {
        let listed: SystemSet = SystemPermission::ALL.iter().copied().collect();
        assert!(SystemSet::ALL.includes(listed));
        assert!(!listed.includes(SystemSet::ALL), "`*` also holds what later versions add");
        assert!(!SystemSet::ALL.without(SystemPermission::UsersRead).contains(SystemPermission::UsersRead));
    }

    #[test]
    fn every_list_fits_its_bits() {
        assert!(SystemPermission::ALL.len() < 63 && ContainerPermission::ALL.len() < 63);
        for (place, permission) in SystemPermission::ALL.iter().enumerate() {
            assert_eq!(permission.index() as usize, place);
        }
    }
}
