//! The whole policy on one screen: pure and total.

use super::permission::{ContainerPermission, ContainerSet, SystemPermission, SystemSet};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Something that a role allows.
    System(SystemPermission),
    /// Something to one container.
    Container(ContainerPermission),
    /// Something to oneself, which every signed-in user may.
    Own,
}

impl Action {
    /// The permission that it takes; empty where every signed-in user may.
    #[must_use]
    pub fn name(self) -> &'static str {
        use super::permission::Permission;
        match self {
            Self::System(permission) => permission.name(),
            Self::Container(permission) => permission.name(),
            Self::Own => "",
        }
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// No, and the actor may know that the thing exists.
    Forbidden,
    /// No, and the actor may not know that the thing exists.
    Hidden,
}

/// Decides for an actor whose role holds `role` and whose access to the container in question holds `access`.
#[must_use]
pub fn decide(role: SystemSet, access: Option<ContainerSet>, action: Action) -> Verdict {
    match action {
        Action::Own => Verdict::Allow,
        Action::System(permission) if role.contains(permission) => Verdict::Allow,
        Action::System(_) => Verdict::Forbidden,
        Action::Container(permission) => {
            let by_access = access.is_some_and(|access| access.contains(permission));
            if by_access || role.contains(permission.implied_by()) {
                Verdict::Allow
            } else if access.is_some() || role.contains(SystemPermission::ContainersRead) {
                Verdict::Forbidden
            } else {
                Verdict::Hidden
            }
        }
    }
}

/// All that `role` and `access` together allow on a container.
#[must_use]
pub fn container_permissions(role: SystemSet, access: Option<ContainerSet>) -> ContainerSet {
    use super::permission::Permission;
    ContainerPermission::ALL
        .iter()
        .copied()
        .filter(|permission| decide(role, access, Action::Container(*permission)) == Verdict::Allow)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::permission::Permission, *};
    use crate::{containers::Level, roles::Builtin};

    #[test]
    fn a_stranger_does_not_learn_that_a_container_exists() {
        for permission in ContainerPermission::ALL {
            assert_eq!(decide(SystemSet::NONE, None, Action::Container(*permission)), Verdict::Hidden);
        }
    }

    #[test]
    fn whoever_has_access_is_told_what_is_missing() {
        let access = Some(Level::User.permissions());
        assert_eq!(
            decide(SystemSet::NONE, access, Action::Container(ContainerPermission::PowerStart)),
            Verdict::Allow
        );
        assert_eq!(
            decide(SystemSet::NONE, access, Action::Container(ContainerPermission::Delete)),
            Verdict::Forbidden
        );
    }

    #[test]
    fn levels_hold_less_and_less() {
        assert!(Level::Owner.permissions().includes(Level::Admin.permissions()));
        assert!(Level::Admin.permissions().includes(Level::User.permissions()));
        assert!(!Level::Admin.permissions().contains(ContainerPermission::Delete));
    }

    /// One line per role and permission: a change of the policy shows up here as a change of this table.
    #[test]
    fn the_policy_matrix_is_as_written_down() {
        let mut table = String::new();
        for role in Builtin::ALL {
            for permission in SystemPermission::ALL {
                if decide(role.permissions(), None, Action::System(*permission)) == Verdict::Allow {
                    table += &format!("role {} may {}\n", role.name(), permission.name());
                }
            }
        }
        for level in [Level::Owner, Level::Admin, Level::User] {
            for permission in ContainerPermission::ALL {
                let verdict =
                    decide(SystemSet::NONE, Some(level.permissions()), Action::Container(*permission));
                if verdict == Verdict::Allow {
                    table += &format!("access {} may {}\n", level.name(), permission.name());
                }
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/authz/policy_matrix.txt");
        if std::env::var_os("RAPTOR_UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        assert_eq!(
            table,
            std::fs::read_to_string(path).unwrap(),
            "run with RAPTOR_UPDATE_SNAPSHOTS=1 and review the diff"
        );
    }
}
