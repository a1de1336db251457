//! What stands in the logs of both programs when they log everything that they can.

use crate::{
    mailserver::{MailServer, token},
    programs::{Api, Daemon},
    support::bodies::PASSWORD,
    until,
};
use reqwest::Method;
use serde_json::{Value, json};

const APP_KEY: &str = "an application key of some length";
const VARIABLE: &str = "rcon-horse-47";
const REGISTRY: &str = "registry-battery-11";
const NEW_PASSWORD: &str = "another correct horse";
const USERS: &str = "somebody's correct horse";
const TYPED: &str = "a-mistaken-password-9";

fn egg() -> String {
    json!({
        "meta": { "version": "PTDL_v2" }, "name": "Game", "author": "a@b.c", "startup": "./run {{RCON_PASSWORD}}",
        "docker_images": { "One": "example/game:1" }, "config": { "stop": "stop" },
        "variables": [{ "name": "Password", "env_variable": "RCON_PASSWORD", "default_value": "",
            "user_viewable": true, "user_editable": true, "rules": "nullable|string|max:30", "description": "" }],
    })
    .to_string()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn no_secret_stands_in_a_log_though_everything_is_logged() {
    let Some(mail) = MailServer::start() else { return };
    let mut api = Api::serve_with(vec![
        ("RUST_LOG", "trace".into()),
        ("SMTP_HOST", "127.0.0.1".into()),
        ("SMTP_PORT", mail.port.to_string()),
        ("SMTP_SECURITY", "none".into()),
        ("SMTP_FROM", "Raptor <raptor@example.com>".into()),
        ("APP_URL", "https://panel.example.com".into()),
    ]);
    let mut daemon =
        Daemon::with(vec![("RUST_LOG", "trace".into()), ("CONTAINER_FIREWALL", "off".to_owned())]);
    let mut secrets = vec![APP_KEY.to_owned(), PASSWORD.to_owned()];
    let mut secret = |name: &str, value: &serde_json::Value| {
        let value = value.as_str().unwrap_or_else(|| panic!("{name}: {value}")).to_owned();
        assert!(value.len() >= 12, "{name}: {value}");
        secrets.push(value.clone());
        value
    };

    api.post("/auth/sign-in", json!({ "login": "admin", "password": TYPED }), 401);
    let session = api.post("/auth/sign-in", json!({ "login": "admin", "password": PASSWORD }), 200);
    secret("the session's token", &session["token"]);
    api.sign_in();
    let draft = json!({ "name": "Host", "host": "127.0.0.1", "port": daemon.port });
    let created = api.post("/daemons", draft, 201);
    let key = secret("the daemon's key", &created["api_key"]);
    daemon.start(&key);
    let path = format!("/daemons/{}", text(&created["daemon"]["id"]));
    until("it is online", || (api.get(&path)["connection"]["state"] == "online").then_some(()));
    let registry = json!({ "host": "registry.example.com", "username": "raptor", "password": REGISTRY });
    api.call(Method::PUT, "/registries", Some(registry), 200);

    let roles = api.get("/roles");
    let role = roles["items"].as_array().unwrap().iter().find(|role| role["name"] == "user").unwrap();
    let user = json!({
        "username": "steve", "email": "steve@example.com", "password": USERS, "role_id": role["id"],
    });
    api.post("/users", user, 201);
    let imported = api.post("/templates/import", serde_json::from_str(&egg()).unwrap(), 201);
    let container = json!({
        "name": "Game", "template_id": imported["template"]["id"], "daemon_id": created["daemon"]["id"],
        "allocation_count": 0, "skip_install": true, "variables": { "RCON_PASSWORD": VARIABLE },
        "limits": { "memory_mib": 64, "swap_mib": 0, "cpu_percent": 0, "disk_mib": 64, "pids": 16, "io_weight": 500 },
    });
    let container = api.post("/containers", container, 201);
    let path = format!("/containers/{}", text(&container["id"]));
    until("the host has it", || (api.get(&path)["synced"] == true).then_some(()));
    assert!(api.get(&path)["variables"][0]["secret"] == true, "this test needs a secret variable");
    api.done(api.write_file(&text(&container["id"]).parse().unwrap(), None, "a.txt", "a"));
    let link = api.post(&format!("{path}/files/links"), json!({ "paths": ["a.txt"] }), 201);
    let url = text(&link["url"]).to_owned();
    secret("a link's token", &json!(url.split_once("token=").unwrap().1));
    assert!(api.open_signed_out(&url).status().is_success());

    api.post("/auth/password-reset", json!({ "login": "admin" }), 202);
    let sent = until("the mail arrives", || mail.taken("admin@localhost").first().map(token));
    secret("the token in a mail", &json!(sent));
    let body = json!({ "token": sent, "new_password": NEW_PASSWORD });
    api.post("/auth/password-reset/complete", body, 204);
    let session = api.post("/auth/sign-in", json!({ "login": "admin", "password": NEW_PASSWORD }), 200);
    secret("another session's token", &session["token"]);
    // Both once more from the beginning, with what they have kept.
    daemon.stop();
    api.restart();
    daemon.start(&key);
    until("the daemon has heard of its containers again", || daemon.log().contains("/link").then_some(()));
    api.stop();
    daemon.stop();

    secrets.extend([VARIABLE, REGISTRY, NEW_PASSWORD, USERS, TYPED].map(str::to_owned));
    for (program, log) in [("raptor-api", api.log()), ("raptor-daemon", daemon.log())] {
        assert!(log.contains("TRACE") && log.contains("DEBUG"), "{program} logs everything: {}", log.len());
        for secret in &secrets {
            let told: Vec<&str> = log.lines().filter(|line| line.contains(secret.as_str())).collect();
            assert!(told.is_empty(), "{program} logs {secret}: {}", told.join("\n"));
        }
    }
}
