//! Who calls, and what the table lets them do.

use super::{
    scene::{CONTAINERS, Scene},
    table::{Right, Row, Takes},
};
use crate::support::{Answered, bodies};
use raptor_client::api::types::{self as api, AccessGrant, NewUser};
use raptor_core::{
    authz::{ContainerPermission, ContainerSet, Permission, SystemPermission, SystemSet},
    containers::Level,
    roles::Builtin,
};
use std::fmt;

/// What somebody is there to show.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Anonymous,
    Stranger,
    Level(Level),
    /// One permission, of an access or of a role, and nothing else.
    One(Right),
    /// Several, and nothing else.
    Several(Vec<Right>),
    Builtin(Builtin),
    /// An administrator who has to choose another password first.
    Bound,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => write!(f, "somebody who is not signed in"),
            Self::Stranger => write!(f, "somebody without any right"),
            Self::Level(level) => write!(f, "somebody with the level `{}`", level.name()),
            Self::One(Right::System(one)) => write!(f, "a role with `{}` alone", one.name()),
            Self::One(Right::Container(one)) => write!(f, "an access with `{}` alone", one.name()),
            Self::Several(rights) => {
                write!(
                    f,
                    "somebody with {}",
                    rights.iter().map(|one| one.name()).collect::<Vec<_>>().join(" + ")
                )
            }
            Self::Builtin(role) => write!(f, "the role `{}`", role.name()),
            Self::Bound => write!(f, "an administrator who has to choose another password"),
        }
    }
}

/// Somebody who calls.
pub struct Who {
    pub kind: Kind,
    pub name: String,
    pub token: Option<String>,
    /// The access that they have to the containers, as it is granted.
    pub grant: Option<AccessGrant>,
    role: SystemSet,
    access: Option<ContainerSet>,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Allowed,
    /// 401.
    NotSignedIn,
    /// 403, with what is missing.
    Missing(String),
    /// 403, until another password is chosen.
    PasswordFirst,
    /// 404.
    Redacted,
    /// Something that the row does not foresee.
    Odd(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => write!(f, "allowed"),
            Self::NotSignedIn => write!(f, "refused with 401"),
            Self::Missing(what) => write!(f, "refused for want of `{what}`"),
            Self::PasswordFirst => write!(f, "refused until another password is chosen"),
            Self::Redacted => write!(f, "told that there is no such thing (404)"),
            Self::Odd(answer) => write!(f, "answered {answer}"),
        }
    }
}

impl Who {
    pub fn anonymous() -> Self {
        Self::bare(Kind::Anonymous, "nobody")
    }

    /// Somebody who is there already.
    pub fn named(name: &str, token: Option<String>) -> Self {
        Self { token, ..Self::bare(Kind::Level(Level::Owner), name) }
    }

    fn bare(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.into(), token: None, grant: None, role: SystemSet::NONE, access: None }
    }

    /// Makes somebody of this kind with all that they are to have.
    pub async fn new(scene: &Scene, kind: Kind) -> Self {
        let (mut role, mut access, mut grant) = (SystemSet::NONE, None, None);
        let mut name = format!("w{}", scene.next());
        match &kind {
            Kind::Anonymous => return Self::anonymous(),
            Kind::Stranger => {}
            Kind::Level(Level::Owner) => {
                name = "alice".into();
                access = Some(Level::Owner.permissions());
            }
            Kind::Level(level) => {
                access = Some(level.permissions());
                grant = Some(bodies::access(&name, level.name().parse().unwrap()));
            }
            Kind::One(right) => (role, access) = held(&[*right]),
            Kind::Several(rights) => (role, access) = held(rights),
            Kind::Builtin(builtin) => role = builtin.permissions(),
            Kind::Bound => role = SystemSet::ALL,
        }
        if let (None, Some(access)) = (&grant, access.filter(|_| name != "alice")) {
            let permissions = bodies::names(&access.names());
            grant = Some(AccessGrant { permissions, ..bodies::access(&name, api::Level::Custom) });
        }
        if name != "alice" {
            make(scene, &kind, &name, role).await;
        }
        let token = scene.world.sign_in(&name).await.token;
        let who = Self { kind, name, token, grant, role, access };
        for container in CONTAINERS {
            scene.grant(&scene.typed(container), &who).await;
        }
        who
    }

    /// All those who call every operation.
    pub async fn everybody(scene: &Scene) -> Vec<Self> {
        let mut kinds = vec![Kind::Anonymous, Kind::Stranger, Kind::Bound];
        kinds.extend([Level::User, Level::Admin, Level::Owner].map(Kind::Level));
        kinds.extend(ContainerPermission::ALL.iter().map(|one| Kind::One(Right::Container(*one))));
        kinds.extend(SystemPermission::ALL.iter().map(|one| Kind::One(Right::System(*one))));
        kinds.extend([Builtin::Manager, Builtin::Admin].map(Kind::Builtin));
        let mut all = Vec::new();
        for kind in kinds {
            all.push(Self::new(scene, kind).await);
        }
        all
    }

    /// Whether they hold this right, those of a role over all containers included.
    pub fn holds(&self, right: Right) -> bool {
        match right {
            Right::System(permission) => self.role.contains(permission),
            Right::Container(permission) => {
                self.access.is_some_and(|access| access.contains(permission))
                    || self.role.contains(permission.implied_by())
            }
        }
    }

    /// Whether they hold any right over the containers, and so see them.
    pub fn sees(&self) -> bool {
        ContainerPermission::ALL.iter().any(|permission| self.holds(Right::Container(*permission)))
    }

    /// Whether they find the containers in lists and hear of their changes: they have access, or see all.
    pub fn knows(&self) -> bool {
        self.access.is_some() || self.role.contains(SystemPermission::ContainersRead)
    }

    /// What the table says of this call.
    pub fn expected(&self, row: &Row) -> Outcome {
        match (&self.kind, &row.takes) {
            (_, Takes::Nothing) => return Outcome::Allowed,
            (Kind::Anonymous, _) => return Outcome::NotSignedIn,
            (Kind::Bound, _) if !row.before_password => return Outcome::PasswordFirst,
            _ => {}
        }
        match &row.takes {
            Takes::Nothing | Takes::SignIn => Outcome::Allowed,
            Takes::Other => Outcome::Redacted,
            Takes::Sight if self.sees() => Outcome::Allowed,
            Takes::Sight => Outcome::Redacted,
            Takes::Rights(rights) => match rights.iter().find(|right| !self.holds(**right)) {
                None => Outcome::Allowed,
                Some(Right::Container(_)) if !self.sees() => Outcome::Redacted,
                Some(missing) => Outcome::Missing(missing.name().into()),
            },
        }
    }
}

/// A role and an access that hold these.
fn held(rights: &[Right]) -> (SystemSet, Option<ContainerSet>) {
    let (mut role, mut access) = (SystemSet::NONE, None);
    for right in rights {
        match right {
            Right::System(permission) => role = role.with(*permission),
            Right::Container(permission) => {
                access = Some(access.unwrap_or(ContainerSet::NONE).with(*permission));
            }
        }
    }
    (role, access)
}

/// Makes the user with a role that holds this.
async fn make(scene: &Scene, kind: &Kind, name: &str, role: SystemSet) {
    let role = match kind {
        Kind::Builtin(builtin) => scene.world.role(*builtin).await,
        _ if role.is_empty() => scene.typed("no_rights"),
        _ => {
            let role = bodies::a_role(&format!("role of {name}"), &role.names());
            scene.admin().create_role(&role).await.done().id
        }
    };
    let bound = *kind == Kind::Bound;
    let user = NewUser { password_change_required: Some(bound), ..bodies::a_user(name, role) };
    scene.admin().create_user(&user).await.done();
}
