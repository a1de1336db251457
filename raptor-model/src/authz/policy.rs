//! The whole policy on one screen, as pure and total functions.

use super::permission::{ContainerPermission, ContainerSet, Permission, SystemPermission, SystemSet};

/// What an actor wants to do, as the permissions that it requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Requires one permission of the role.
    System(SystemPermission),
    /// Requires every one of these permissions on the container.
    Container(&'static [ContainerPermission]),
    /// Seeing that a container exists, and the parts of it that the actor's permissions show. Requires any permission on it.
    SeeContainer,
}

impl Action {
    /// The names of all required permissions, in the order in which they are checked; empty for [`Action::SeeContainer`], which
    /// any permission allows.
    #[must_use]
    pub fn permissions(self) -> Vec<&'static str> {
        match self {
            Self::System(permission) => vec![permission.name()],
            Self::Container(needed) => needed.iter().map(|permission| permission.name()).collect(),
            Self::SeeContainer => Vec::new(),
        }
    }
}

/// The decision on an [`Action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The actor may do it.
    Allow,
    /// The actor may not do it, but may know that the container exists. Contains the name of the first missing permission.
    Forbidden(&'static str),
    /// The actor may not do it, and must not learn that the container exists.
    Redacted,
}

/// Decides for an actor with the permissions `role`, and with `access` to the container in question.
#[must_use]
pub fn decide(role: SystemSet, access: Option<ContainerSet>, action: Action) -> Verdict {
    match action {
        Action::System(permission) if role.contains(permission) => Verdict::Allow,
        Action::System(permission) => Verdict::Forbidden(permission.name()),
        Action::Container(needed) => {
            match needed.iter().find(|permission| !may(role, access, **permission)) {
                None => Verdict::Allow,
                Some(missing) if sees(role, access) => Verdict::Forbidden(missing.name()),
                Some(_) => Verdict::Redacted,
            }
        }
        Action::SeeContainer if sees(role, access) => Verdict::Allow,
        Action::SeeContainer => Verdict::Redacted,
    }
}

/// Whether the actor may know that the container exists, which any permission on it allows.
fn sees(role: SystemSet, access: Option<ContainerSet>) -> bool {
    !container_permissions(role, access).is_empty()
}

/// Whether role or access grant a permission on a container.
#[must_use]
pub fn may(role: SystemSet, access: Option<ContainerSet>, permission: ContainerPermission) -> bool {
    access.is_some_and(|access| access.contains(permission)) || role.contains(permission.implied_by())
}

/// All permissions on a container that `role` and `access` grant together.
#[must_use]
pub fn container_permissions(role: SystemSet, access: Option<ContainerSet>) -> ContainerSet {
    ContainerPermission::ALL.iter().copied().filter(|permission| may(role, access, *permission)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{containers::Level, roles::Builtin};

    #[test]
    fn a_stranger_does_not_learn_that_a_container_exists() {
        for permission in ContainerPermission::ALL {
            let action = Action::Container(std::slice::from_ref(permission));
            assert_eq!(decide(SystemSet::NONE, None, action), Verdict::Redacted);
        }
        assert_eq!(decide(SystemSet::NONE, None, Action::SeeContainer), Verdict::Redacted);
    }

    #[test]
    fn somebody_with_access_is_told_what_is_missing() {
        let access = Some(Level::User.permissions());
        let start = Action::Container(&[ContainerPermission::PowerStart]);
        let delete = Action::Container(&[ContainerPermission::Delete]);
        assert_eq!(decide(SystemSet::NONE, access, start), Verdict::Allow);
        assert_eq!(decide(SystemSet::NONE, access, delete), Verdict::Forbidden("container.delete"));
        assert_eq!(decide(SystemSet::NONE, access, Action::SeeContainer), Verdict::Allow);
    }

    #[test]
    fn an_action_takes_all_of_its_permissions() {
        let action = Action::Container(&[ContainerPermission::FileArchive, ContainerPermission::FileCreate]);
        let with = |permissions: &[ContainerPermission]| {
            decide(SystemSet::NONE, Some(permissions.iter().copied().collect()), action)
        };
        assert_eq!(with(&[ContainerPermission::FileArchive]), Verdict::Forbidden("file.create"));
        assert_eq!(with(&[ContainerPermission::FileCreate]), Verdict::Forbidden("file.archive"));
        let both = [ContainerPermission::FileArchive, ContainerPermission::FileCreate];
        assert_eq!(with(&both), Verdict::Allow);
        let one_by_role = SystemSet::NONE.with(SystemPermission::ContainersUpdate);
        assert_eq!(decide(one_by_role, None, action), Verdict::Allow);
    }

    #[test]
    fn levels_hold_less_and_less() {
        assert!(Level::Owner.permissions().includes(Level::Admin.permissions()));
        assert!(Level::Admin.permissions().includes(Level::User.permissions()));
        assert!(!Level::Admin.permissions().contains(ContainerPermission::Delete));
    }

    /// One line per role and permission, so that every change of the policy shows up as a change of this table.
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
                if may(SystemSet::NONE, Some(level.permissions()), *permission) {
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
