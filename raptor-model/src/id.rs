//! Typed identifiers: UUIDv7, so that they sort by the time they were made.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = uuid::Uuid))]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, later than every id that this process made before.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as a plain UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )* };
}

ids! {
    /// Identifies a user account for as long as it exists.
    UserId,
    /// Identifies a role, whether built in or created by an administrator.
    RoleId,
    /// One signed-in session of a user.
    SessionId,
    /// A public key of a user.
    SshKeyId,
    /// Identifies the record of a daemon. A daemon that is reinstalled keeps it.
    DaemonId,
    /// One ip:port of a daemon.
    AllocationId,
    /// Identifies a template through all of its revisions.
    TemplateId,
    /// Identifies a container, in the database and on its host.
    ContainerId,
    /// One row of the audit trail.
    ActivityId,
    /// A line that was sent to a container.
    CommandId,
    /// A piece of work that must happen on a host.
    JobId,
    /// A login for a registry of images.
    RegistryId,
    /// A mail that is to be sent, or was.
    MailId,
}

impl ContainerId {
    /// The first eight hexadecimal digits of the id's random part, as people type it (`sftp user.1a2b3c4d@…`).
    /// The leading digits of a UUIDv7 are a time and would be alike for containers made together.
    #[must_use]
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text.chars().skip(24).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let (a, b) = (UserId::generate(), UserId::generate());
        assert!(a < b);
        assert_eq!(a.to_string().parse::<UserId>().unwrap(), a);
        assert_eq!(serde_json::to_string(&a).unwrap(), format!("\"{a}\""));
    }

    #[test]
    fn short_ids_are_eight_digits_of_the_random_part() {
        let id: ContainerId = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123".parse().unwrap();
        assert_eq!(id.short(), "ffff0123");
    }
}
