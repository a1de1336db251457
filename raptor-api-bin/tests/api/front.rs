//! What everybody meets who only has the address: methods, headers, origins, and signing in.

use crate::{
    support::{
        Answered,
        bodies::{self, PASSWORD},
    },
    world::World,
};
use raptor_client::api::{
    query::{ImportTemplate, ListUsers},
    types::{ContainerId, DaemonDraft, NewContainer, NewUser, PasswordChange, PowerAction, SignIn},
};
use raptor_core::{daemons::simulated::SimulatedHost, node::Node, roles::Builtin};
use raptor_server::Secret;
use reqwest::{Method, Response, header};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn is_a_problem(answer: Response) {
    assert_eq!(answer.status(), 405);
    assert!(answer.headers().contains_key(header::ALLOW));
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "method_not_allowed");
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_a_problem_and_connect_is_one_of_them() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    is_a_problem(admin.request(Method::PATCH, "/users").send().await.unwrap()).await;
    is_a_problem(world.http.post(format!("{}/login", world.base)).send().await.unwrap()).await;
    let mut stream = TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap();
    stream
        .write_all(b"CONNECT 127.0.0.1:3020 HTTP/1.1\r\nhost: 127.0.0.1:3020\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("method_not_allowed"), "{answer}");
}

#[tokio::test]
async fn answers_of_the_api_are_kept_by_nobody() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let answers = [
        world.anonymous().sign_in(&bodies::login("admin")).await.unwrap().headers().clone(),
        admin.create_daemon(&DaemonDraft::new("Host", "192.0.2.1", 8080)).await.unwrap().headers().clone(),
        admin.list_users(ListUsers::default()).await.unwrap().headers().clone(),
        admin.get("/nothing").await.headers().clone(),
    ];
    for headers in answers {
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    }
}

#[tokio::test]
async fn pages_may_be_framed_by_nobody_and_send_and_connect_to_their_own_origin_only() {
    let world = World::new().await;
    let mut seen = 0;
    for path in ["/swagger-ui/index.html", "/", "/containers"] {
        let page = world.http.get(format!("{}{path}", world.base)).send().await.unwrap();
        // A build without the panel has only Swagger UI.
        if page.status() != 200 {
            continue;
        }
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        for part in ["default-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'self'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("ws:") && !policy.contains("wss:"), "{path}: {policy}");
        seen += 1;
    }
    assert!(seen >= 1);
}

#[tokio::test]
async fn a_problem_names_the_request_under_which_the_logs_have_it() {
    let world = World::new().await;
    let ask = |id: Option<&'static str>| {
        let request = world.http.get(format!("{}/api/v1/users", world.base));
        id.into_iter().fold(request, |request, id| request.header("x-request-id", id)).send()
    };
    let answer = ask(Some("from-the-proxy")).await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "from-the-proxy");
    assert_eq!(answer.json::<Value>().await.unwrap()["request_id"], "from-the-proxy");
    let answer = ask(None).await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(
        (id.len(), answer.json::<Value>().await.unwrap()["request_id"].as_str()),
        (32, Some(id.as_str()))
    );
}

#[tokio::test]
async fn metrics_are_shown_to_holders_of_the_token_only_and_count_what_was_answered() {
    let off = World::new().await;
    let ask = async |world: &World, path: &str, token: &str| {
        let request = world.http.get(format!("{}{path}", world.base)).header(header::AUTHORIZATION, token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask(&off, "/metrics", "Bearer a-token-of-prometheus").await.0, 404);
    let token = Some(Secret::new("a-token-of-prometheus"));
    let world = World::set_up(|builder| builder, |config| config.metrics_token = token).await;
    for wrong in ["", "Bearer", "Bearer a-token-of-prometheuz", "Basic a-token-of-prometheus"] {
        assert_eq!(ask(&world, "/metrics", wrong).await.0, 401, "{wrong:?}");
    }
    let (status, text) = ask(&world, "/metrics", "Bearer a-token-of-prometheus").await;
    assert_eq!(status, 200);
    for line in [
        "raptor_database_up 1.0",
        "raptor_containers{phase=\"running\"} 0.0",
        "raptor_http_requests_total{method=\"GET\",status=\"401\"} 4",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("raptor_container_running"), "{text}");
    assert_eq!(ask(&world, "/metrics?containers=true", "Bearer a-token-of-prometheus").await.0, 200);
}

#[tokio::test]
async fn containers_have_series_only_on_request_and_none_once_they_are_deleted() {
    let host = SimulatedHost::builder().stats_every(Duration::from_millis(50)).build();
    let token = Some(Secret::new("a-token-of-prometheus"));
    let world = World::set_up(
        |builder| builder.connector(Arc::new(move |_, _| Ok(Arc::new(host.clone()) as Arc<dyn Node>))),
        |config| config.metrics_token = token,
    )
    .await;
    let admin = world.person(Builtin::Admin).await;
    let draft = DaemonDraft { tls: Some(false), ..DaemonDraft::new("one", "192.0.2.1", 8080) };
    let daemon = admin.create_daemon(&draft).await.done().daemon.id;
    let egg = bodies::egg("Game", "example/game:1", "./run").to_string();
    let template = admin.import_template(ImportTemplate::default(), egg).await.done().template.id;
    let container = async |name: &str| {
        let body = NewContainer {
            daemon_id: Some(daemon),
            skip_install: Some(true),
            ..bodies::a_container(name, template)
        };
        admin.create_container(&body).await.done().id
    };
    let (runs, stands) = (container("Runs").await, container("Stands \"still\"").await);
    let metrics = async |query: &str| {
        let request = world.http.get(format!("{}/metrics{query}", world.base));
        let request = request.bearer_auth("a-token-of-prometheus");
        request.send().await.unwrap().text().await.unwrap()
    };
    let until = async |what: &str, met: &dyn Fn(&str) -> bool| {
        let waiting = async {
            loop {
                let text = metrics("?containers=true").await;
                if met(&text) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{what}"))
    };
    let line = |text: &str, name: &str, id: &ContainerId| {
        let begin = format!("raptor_container_{name}{{id=\"{id}\",");
        text.lines().find(|line| line.starts_with(&begin)).map(str::to_owned)
    };
    until("the host has both", &|text| line(text, "running", &stands).is_some()).await;
    let start = async || admin.power_container(&runs, &bodies::power(PowerAction::Start)).await.is_ok();
    let started = async {
        while !start().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), started).await.unwrap();
    let measured = |text: &str| {
        line(text, "memory_bytes", &runs).is_some_and(|line| !line.ends_with(" 0.0"))
            && line(text, "running", &runs).is_some_and(|line| line.ends_with(" 1.0"))
    };
    let text = until("one runs and is measured", &measured).await;
    assert!(line(&text, "running", &runs).unwrap().contains("name=\"Runs\",daemon=\"one\"}"), "{text}");
    let stopped = line(&text, "running", &stands).unwrap();
    assert!(stopped.contains(r#"name="Stands \"still\"""#) && stopped.ends_with(" 0.0"), "{stopped}");

    let few = metrics("").await;
    assert!(!few.contains(&runs.to_string()) && !few.contains("raptor_container_"), "{few}");

    admin.delete_container(&runs, None).await.done();
    let text = until("its series are gone", &|text| !text.contains(&runs.to_string())).await;
    assert!(line(&text, "running", &stands).is_some(), "the others stay: {text}");
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_not_found() {
    let world = World::new().await;
    for path in
        ["/health", "/metrics.txt", "/openapi.json", "/containers/1/nothing", "/api/nothing", "/wp-login.php"]
    {
        let answer = world.http.get(format!("{}{path}", world.base)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        // Without the panel inside, a page says so.
        if answer.headers()[header::CONTENT_TYPE] == "application/problem+json" {
            assert_eq!(answer.json::<Value>().await.unwrap()["code"], "not_found", "{path}");
        }
    }
    let asked = world.http.get(format!("{}/containers/1/settings", world.base)).send().await.unwrap();
    let built = asked.status() == 200;
    let browser =
        world.http.get(format!("{}/nothing", world.base)).header(header::ACCEPT, "text/html,*/*;q=0.8");
    let answer = browser.send().await.unwrap();
    assert_eq!(answer.status(), 404, "a browser is told so by the panel");
    assert_eq!(answer.headers().contains_key("content-security-policy"), built);
}

#[tokio::test]
async fn the_case_of_bearer_does_not_matter() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let shown = format!("{scheme} {}", admin.token.as_deref().unwrap());
        let request = world.anonymous().request(Method::GET, "/account").header(header::AUTHORIZATION, shown);
        assert_eq!(request.send().await.unwrap().status(), 200, "{scheme}");
    }
}

#[tokio::test]
async fn guesses_by_user_name_and_by_email_address_count_for_one_account() {
    let world = World::with(|builder| builder.sign_in_attempts(3)).await;
    world.person(Builtin::Admin).await;
    let guess = async |login: &str| {
        let wrong = SignIn { password: "not this one".into(), ..bodies::login(login) };
        world.anonymous().sign_in(&wrong).await.refused().status
    };
    assert_eq!((guess("admin").await, guess("ADMIN@example.com").await), (401, 401));
    assert_eq!((guess("admin").await, guess("admin@example.com").await), (429, 429));
    assert_eq!(guess("somebody").await, 401);
}

#[tokio::test]
async fn passwords_that_are_guessed_first_are_refused_wherever_one_is_chosen() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let role = world.role(Builtin::User).await;
    for password in ["password", "Password1!", "12345678", "admin123"] {
        let user = NewUser { password: password.into(), ..bodies::a_user("steve", role) };
        let refused = admin.create_user(&user).await.refused();
        assert_eq!((refused.status, refused.field.as_deref()), (422, Some("password")), "{password}");
        let change = PasswordChange { current_password: PASSWORD.into(), new_password: password.into() };
        assert_eq!(admin.change_password(&change).await.refused().status, 422, "{password}");
    }
}

#[tokio::test]
async fn with_up_the_development_server_is_a_stranger() {
    let strange = "http://localhost:5173";
    for (serves_panel, trusted) in [(false, true), (true, false)] {
        let world = World::set_up(|builder| builder, |config| config.serves_panel = serves_panel).await;
        let admin = world.person(Builtin::Admin).await;
        let cookie = format!("raptor_session={}", admin.token.as_deref().unwrap());
        let request = world.anonymous().request(Method::POST, "/auth/sign-out");
        let request = request
            .header(header::COOKIE, cookie)
            .header("x-raptor-csrf", "1")
            .header(header::ORIGIN, strange);
        let answer = request.send().await.unwrap();
        let named =
            answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap());
        assert_eq!((answer.status() != 403, named == Some(strange)), (trusted, trusted));
        assert!(trusted || named.is_none(), "{named:?}");
    }
}
