//! What each operation takes, and a request that is right in everything but who sends it: one row for each operation, and one
//! more for each way of calling it that takes other permissions.

mod accounts;
mod containers;
mod files;
mod hosts;

use super::fresh::Fresh;
use raptor_core::authz::{ContainerPermission, Permission, SystemPermission};
use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What stands for the placeholders in a row: `{container}`, `{file}`.
pub type Ids = BTreeMap<String, String>;

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    System(SystemPermission),
    Container(ContainerPermission),
}

impl Right {
    pub fn name(self) -> &'static str {
        match self {
            Self::System(permission) => permission.name(),
            Self::Container(permission) => permission.name(),
        }
    }
}

impl From<SystemPermission> for Right {
    fn from(permission: SystemPermission) -> Self {
        Self::System(permission)
    }
}

impl From<ContainerPermission> for Right {
    fn from(permission: ContainerPermission) -> Self {
        Self::Container(permission)
    }
}

/// Who may call an operation.
#[derive(Clone, Debug)]
pub enum Takes {
    /// Anybody, signed in or not.
    Nothing,
    /// Everybody who is signed in.
    SignIn,
    /// Those who hold any right over the container.
    Sight,
    /// Those who hold all of these. Who lacks several is told the first.
    Rights(Vec<Right>),
    /// Nobody: what is asked for belongs to somebody else.
    Other,
}

/// What a request carries.
pub enum Body {
    None,
    Json(Value),
    Bytes(String),
}

/// An operation and who may call it.
pub struct Row {
    /// The `operation_id`.
    pub operation: &'static str,
    /// Which way of calling it, where there are several.
    pub case: &'static str,
    pub takes: Takes,
    /// The actions of `authz/actions.rs` by which it is allowed, with what the table says that they take.
    pub actions: Vec<(&'static str, Vec<Right>)>,
    /// The standing container that it is about.
    pub container: &'static str,
    /// The standing daemon that it is about.
    pub daemon: &'static str,
    pub query: &'static str,
    pub body: Body,
    /// What is made anew for each call that is allowed, since the call uses it up.
    pub fresh: Option<Fresh>,
    /// What an allowed call may be answered with beside success: refused by what there is, not by who asks.
    pub or: Option<u16>,
    /// Whether somebody may call it who has to choose another password first.
    pub before_password: bool,
}

fn row(operation: &'static str, takes: Takes) -> Row {
    Row {
        operation,
        case: "",
        takes,
        actions: Vec::new(),
        container: "main",
        daemon: "idle",
        query: "",
        body: Body::None,
        fresh: None,
        or: None,
        before_password: false,
    }
}

/// An operation for anybody.
fn public(operation: &'static str) -> Row {
    Row { before_password: true, ..row(operation, Takes::Nothing) }
}

/// An operation on the caller's own account.
fn own(operation: &'static str) -> Row {
    row(operation, Takes::SignIn)
}

/// An operation for everybody who may see the container.
fn sight(operation: &'static str) -> Row {
    Row { actions: vec![("SeeContainer", Vec::new())], ..row(operation, Takes::Sight) }
}

/// An operation that is allowed by this action, which takes this permission.
fn takes(operation: &'static str, action: &'static str, right: impl Into<Right>) -> Row {
    row(operation, Takes::Rights(Vec::new())).and(action, right)
}

/// An operation that is allowed by this action, which takes all of these permissions.
fn takes_all(operation: &'static str, action: &'static str, permissions: &[ContainerPermission]) -> Row {
    let rights: Vec<Right> = permissions.iter().copied().map(Right::from).collect();
    Row { actions: vec![(action, rights.clone())], ..row(operation, Takes::Rights(rights)) }
}

impl Row {
    /// It takes this action as well, which is asked for after those before it.
    fn and(mut self, action: &'static str, right: impl Into<Right>) -> Self {
        let right = right.into();
        self.actions.push((action, vec![right]));
        self.also(right)
    }

    /// It takes this permission as well, by a rule of the service.
    fn also(mut self, right: impl Into<Right>) -> Self {
        if let Takes::Rights(rights) = &mut self.takes {
            rights.push(right.into());
        }
        self
    }

    fn case(mut self, case: &'static str) -> Self {
        self.case = case;
        self
    }

    fn on(mut self, container: &'static str) -> Self {
        self.container = container;
        self
    }

    fn daemon(mut self, daemon: &'static str) -> Self {
        self.daemon = daemon;
        self
    }

    fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    fn json(mut self, body: impl Serialize) -> Self {
        self.body = Body::Json(json!(body));
        self
    }

    fn bytes(mut self, body: impl Into<String>) -> Self {
        self.body = Body::Bytes(body.into());
        self
    }

    fn fresh(mut self, fresh: Fresh) -> Self {
        self.fresh = Some(fresh);
        self
    }

    fn or(mut self, status: u16) -> Self {
        self.or = Some(status);
        self
    }

    fn before_password(mut self) -> Self {
        self.before_password = true;
        self
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.operation, self.case).trim_end().to_owned()
    }

    /// The rights that it takes, in the order in which they are asked for.
    pub fn rights(&self) -> &[Right] {
        match &self.takes {
            Takes::Rights(rights) => rights,
            _ => &[],
        }
    }

    /// Its address for the operation's `template` of it.
    pub fn path(&self, template: &str, ids: &Ids) -> String {
        let mut before = "";
        let parts: Vec<String> = template
            .trim_start_matches("/api/v1")
            .split('/')
            .map(|part| {
                let filled = match part.strip_prefix('{') {
                    Some(name) => {
                        let key = key(before, name.trim_end_matches('}'));
                        ids.get(key).unwrap_or_else(|| panic!("nothing stands for `{key}`")).clone()
                    }
                    None => part.to_owned(),
                };
                before = part;
                filled
            })
            .collect();
        let query = fill(self.query, ids);
        parts.join("/") + if query.is_empty() { "" } else { "?" } + &query
    }

    /// The request with what it carries.
    pub fn with_body(&self, request: RequestBuilder, ids: &Ids) -> RequestBuilder {
        match &self.body {
            Body::None => request,
            Body::Json(body) => {
                let body: Value = serde_json::from_str(&fill(&body.to_string(), ids)).unwrap();
                request.json(&body)
            }
            Body::Bytes(bytes) => {
                request.header("content-type", "application/octet-stream").body(fill(bytes, ids))
            }
        }
    }
}

/// What stands for the parameter `name` of an address, which comes after `before`.
fn key<'k>(before: &str, name: &'k str) -> &'k str {
    match (before, name) {
        ("containers", "id") => "container",
        ("daemons", "id") => "daemon",
        ("templates", "id") => "template",
        ("users", "id") => "user",
        ("roles", "id") => "role",
        ("allocations", "id") => "allocation",
        ("registries", "id") => "registry",
        ("sessions", "id") => "session",
        ("ssh-keys", "id") => "ssh_key",
        ("catalogue", "id") => "entry",
        (_, "id") => panic!("say in `table::key` what stands for the id after `/{before}/`"),
        (_, name) => name,
    }
}

fn fill(text: &str, ids: &Ids) -> String {
    ids.iter().fold(text.to_owned(), |text, (key, value)| {
        text.replace(&format!("{{{key}}}"), value).replace(&there::<Uuid>(key).to_string(), value)
    })
}

/// The id that stands in a body for what `ids` has under `key`, of at most 16 letters.
fn there<I: From<Uuid>>(key: &str) -> I {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(key.bytes()).for_each(|(place, letter)| *place = letter);
    Uuid::from_bytes(bytes).into()
}

/// All of them.
pub fn rows() -> Vec<Row> {
    [accounts::rows(), hosts::rows(), containers::rows(), files::rows()].into_iter().flatten().collect()
}
