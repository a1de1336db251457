//! Bodies that many tests send, with what these need; what a test is about is changed in it.

use raptor_client::api::types::{
    AccessGrant, AllocationDraft, CommandRequest, DaemonDraft, Level, NewContainer, NewLimits, NewUser,
    PowerAction, PowerRequest, RoleDraft, RoleId, SignIn, TemplateId, UserUpdate,
};
use serde_json::{Value, json};
use std::{collections::HashMap, fmt::Debug, str::FromStr};

/// The password of everybody in the tests.
pub const PASSWORD: &str = "correct horse";

/// Somebody's login with the password of the tests.
pub fn login(name: &str) -> SignIn {
    SignIn { login: name.into(), password: PASSWORD.into() }
}

/// A user with an address of their own.
pub fn a_user(name: &str, role: RoleId) -> NewUser {
    NewUser::new(name, format!("{name}@example.com"), PASSWORD, role)
}

/// A daemon at this port of this machine.
pub fn a_daemon_here(name: &str, port: u16) -> DaemonDraft {
    DaemonDraft::new(name, "127.0.0.1", port)
}

/// A change of a user that leaves name and address as [`a_user`] made them.
pub fn same_user(name: &str, role: RoleId) -> UserUpdate {
    UserUpdate {
        username: name.into(),
        email: format!("{name}@example.com"),
        name: None,
        role_id: role,
        suspended: false,
    }
}

/// A role that lets its users do this.
pub fn a_role(name: &str, permissions: &[&str]) -> RoleDraft {
    RoleDraft::new(name, names(permissions))
}

/// Names of permissions, as the client has them.
pub fn names<T: FromStr<Err: Debug>>(names: &[&str]) -> Vec<T> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Allocations of these ports (`30000-30001`).
pub fn allocations(ip: &str, ports: impl ToString) -> AllocationDraft {
    AllocationDraft::new(ip, ports.to_string())
}

/// A small container without allocations.
pub fn a_container(name: &str, template: TemplateId) -> NewContainer {
    NewContainer { limits: Some(small()), allocation_count: Some(0), ..NewContainer::new(name, template) }
}

/// Limits of a container that does little.
pub fn small() -> NewLimits {
    NewLimits { memory_mib: Some(64), disk_mib: Some(64), pids: Some(64), ..NewLimits::default() }
}

/// Access with the permissions of a level.
pub fn access(user: &str, level: Level) -> AccessGrant {
    AccessGrant::new(user, level)
}

/// Values of variables by name.
pub fn variables(values: &[(&str, &str)]) -> HashMap<String, String> {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn power(action: PowerAction) -> PowerRequest {
    PowerRequest { action }
}

pub fn command(line: &str) -> CommandRequest {
    CommandRequest { command: line.into() }
}

/// An egg without variables and installation.
pub fn egg(name: &str, image: &str, startup: &str) -> Value {
    json!({
        "meta": { "version": "PTDL_v2" }, "name": name, "author": "a@b.c", "startup": startup,
        "docker_images": { "One": image }, "config": { "stop": "stop" }, "variables": [],
    })
}

/// A variable of an egg, which its users may see and change or not.
pub fn egg_variable(env: &str, default: &str, rules: &str, viewable: bool) -> Value {
    json!({
        "name": env, "env_variable": env, "default_value": default, "rules": rules, "description": "",
        "user_viewable": viewable, "user_editable": viewable,
    })
}

/// An egg's script for its installation in a container of this image.
pub fn egg_installation(script: &str, image: &str) -> Value {
    json!({ "installation": { "script": script, "container": image, "entrypoint": "sh" } })
}
