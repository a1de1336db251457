//! A served API and people who call it.

use crate::support::{
    Answered,
    bodies::{self, PASSWORD},
};
use clap::Parser;
use raptor_api::{
    App,
    config::{Cli, Config},
    serve,
};
use raptor_client::{
    Observer,
    api::{Client, types::RoleId},
    observed_api_client,
};
use raptor_core::{
    Builder, Raptor,
    authz::{Actor, actions::CreateUser},
    roles::Builtin,
    users::NewUser,
};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use std::{collections::BTreeSet, ops::Deref, sync::LazyLock};

/// A served API.
pub struct World {
    pub raptor: Raptor,
    pub http: reqwest::Client,
    pub base: String,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// One whose Raptor is built otherwise.
    pub async fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        Self::set_up(change, |_| {}).await
    }

    /// One whose Raptor is built otherwise and that is configured otherwise.
    pub async fn set_up(change: impl FnOnce(Builder) -> Builder, set: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let raptor = Raptor::builder("an application key of some length").bcrypt_cost(4).sign_in_attempts(0);
        let raptor = change(raptor).build().await.unwrap();
        let mut config = Cli::parse_from(["raptor-api"]).config;
        set(&mut config);
        let app = App::new(raptor.clone(), &config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve::run(listener, app));
        Self { raptor, http: reqwest::Client::new(), base }
    }

    /// Makes a user with this role, named like it, and signs them in.
    pub async fn person(&self, role: Builtin) -> Person<'_> {
        self.named(role.name(), role).await
    }

    pub async fn named(&self, username: &str, role: Builtin) -> Person<'_> {
        let role_id = self.raptor.roles().builtin(role).await.unwrap().id;
        let permit = self.raptor.authz().allow::<CreateUser>(&Actor::System).unwrap();
        let new = NewUser {
            username: username.into(),
            email: format!("{username}@example.com"),
            name: None,
            password: PASSWORD.into(),
            password_change_required: false,
            role_id,
        };
        self.raptor.users().create(permit, new).await.unwrap();
        self.sign_in(username).await
    }

    /// The id of a built-in role.
    pub async fn role(&self, role: Builtin) -> RoleId {
        self.raptor.roles().builtin(role).await.unwrap().id.to_string().parse().unwrap()
    }

    pub async fn sign_in(&self, username: &str) -> Person<'_> {
        let session = self.anonymous().sign_in(&bodies::login(username)).await.done();
        self.holding(Some(session.token))
    }

    pub fn anonymous(&self) -> Person<'_> {
        self.holding(None)
    }

    /// Somebody who shows this token.
    pub fn holding(&self, token: Option<String>) -> Person<'_> {
        let described = Observer::new(|operation, status| {
            assert!(
                DESCRIBED.contains(&(operation.to_owned(), status.as_u16())),
                "{operation} answered {status}, which is not described"
            );
        });
        let shown = token.as_deref().unwrap_or_default();
        let client = observed_api_client(&self.base, shown, described).unwrap();
        Person { world: self, client, token }
    }
}

/// The URL of a new database in the tests' PostgreSQL, if there is one.
pub async fn postgres() -> Option<String> {
    let Ok(server) = std::env::var("RAPTOR_TEST_PG") else {
        assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "RAPTOR_TEST_PG is needed in CI");
        println!("SKIP: PostgreSQL, RAPTOR_TEST_PG is not set");
        return None;
    };
    let name = format!("raptor_test_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let mut url: url::Url = server.parse().unwrap();
    url.set_path(&name);
    Some(url.into())
}

/// Somebody who calls: by the client, or by requests of their own where these are malformed or about HTTP itself.
pub struct Person<'w> {
    world: &'w World,
    client: Client,
    pub token: Option<String>,
}

impl Deref for Person<'_> {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Person<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.world.http.request(method, format!("{}/api/v1{path}", self.world.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        described("get", path, answer.status().as_u16());
        answer
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        let answer = self.request(Method::POST, path).json(&body).send().await.unwrap();
        described("post", path, answer.status().as_u16());
        answer
    }
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(raptor_api::openapi);

/// The statuses that the document has for each operation.
static DESCRIBED: LazyLock<BTreeSet<(String, u16)>> = LazyLock::new(|| {
    let items = DOCUMENT["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let statuses = |operation: &Value| {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        let statuses: Vec<u16> = operation["responses"]
            .as_object()
            .unwrap()
            .keys()
            .map(|status| status.parse().unwrap())
            .collect();
        statuses.into_iter().map(move |status| (id.clone(), status))
    };
    operations.flat_map(statuses).collect()
});

/// Fails where the document has the operation and does not say that it may answer with this status.
fn described(method: &str, path: &str, status: u16) {
    let path = path.split('?').next().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    let is_it = |template: &str| {
        let template: Vec<&str> = template.trim_start_matches("/api/v1").split('/').collect();
        template.len() == parts.len()
            && template.iter().zip(&parts).all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    let operations = DOCUMENT["paths"].as_object().unwrap().iter();
    let mut responses = operations
        .filter(|(template, _)| is_it(template))
        .filter_map(|(_, item)| item[method]["responses"].as_object())
        .peekable();
    if responses.peek().is_some() {
        assert!(
            responses.any(|listed| listed.contains_key(&status.to_string())),
            "{method} {path} answered {status}, which is not described"
        );
    }
}
