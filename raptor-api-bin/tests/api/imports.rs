//! Templates from web addresses.

use crate::world::World;
use raptor_core::{outbound::Outbound, roles::Builtin};
use serde_json::{Value, json};
use std::net::IpAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const EGG: &str = include_str!("../../../raptor-core/tests/fixtures/eggs/openttd.json");

/// A web server at `address` that answers everything so.
pub async fn server(address: &str, answer: String) -> u16 {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 2_048]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    port
}

pub fn page(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())
}

#[tokio::test]
async fn a_template_is_imported_from_a_public_address() {
    // 127.0.0.1 stands for a public address, all others of this machine are private.
    let public = |address: IpAddr| address == IpAddr::from([127, 0, 0, 1]);
    let world = World::with(|builder| builder.outbound(Outbound::default().allowed(public))).await;
    let admin = world.person(Builtin::Admin).await;
    let import = async |url: String| {
        let answer = admin.post("/templates/import-url", json!({ "url": url })).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let egg = server("127.0.0.1", page(EGG)).await;
    let (status, made) = import(format!("http://127.0.0.1:{egg}/egg.json?token=hunter2")).await;
    assert_eq!((status, made["template"]["name"].as_str()), (201, Some("OpenTTD")), "{made}");
    let log = admin.get("/activity").await.text().await.unwrap();
    assert!(log.contains("\"from\":\"127.0.0.1\"") && !log.contains("hunter2"), "{log}");

    let html = server("127.0.0.1", page("<!DOCTYPE html><html></html>")).await;
    let (status, refused) = import(format!("http://127.0.0.1:{html}/")).await;
    assert!(status == 422 && refused.to_string().contains("web page"), "{refused}");

    let inner = server("127.0.0.2", page(EGG)).await;
    let to =
        format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{inner}/\r\nContent-Length: 0\r\n\r\n");
    let away = server("127.0.0.1", to).await;
    let (status, refused) = import(format!("http://127.0.0.1:{away}/")).await;
    assert!(status == 422 && refused.to_string().contains("public addresses only"), "{refused}");
}

#[tokio::test]
async fn nothing_is_imported_from_this_machine_or_its_network() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let egg = server("127.0.0.1", page(EGG)).await;
    for url in [
        format!("http://127.0.0.1:{egg}/"),
        format!("http://localhost:{egg}/"),
        format!("http://[::ffff:7f00:1]:{egg}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://10.0.0.1/".into(),
        "file:///etc/passwd".into(),
    ] {
        let answer = admin.post("/templates/import-url", json!({ "url": url })).await;
        assert_eq!(answer.status(), 422, "{url}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(
            problem["errors"][0]["field"].as_str().or(problem["field"].as_str()),
            Some("url"),
            "{problem}"
        );
    }
    let none: Value = admin.get("/templates").await.json().await.unwrap();
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn the_same_egg_again_is_refused_with_its_difference_at_hand_and_updates_or_stands_beside_when_asked() {
    let public = |address: IpAddr| address == IpAddr::from([127, 0, 0, 1]);
    let world = World::with(|builder| builder.outbound(Outbound::default().allowed(public))).await;
    let admin = world.person(Builtin::Admin).await;
    let upload = async |path: &str, file: String| {
        let answer = admin.request(reqwest::Method::POST, path).body(file).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let named = "/templates/import?file_name=eggs%2Fopenttd.json";
    let (status, made) = upload(named, EGG.into()).await;
    assert_eq!((status, &made["outcome"]), (201, &json!("created")), "{made}");
    let id = made["template"]["id"].as_str().unwrap();
    assert_eq!(made["template"]["origin"]["kind"], "file");
    assert_eq!(made["template"]["origin"]["file"], "eggs/openttd.json");

    let mut newer: Value = serde_json::from_str(EGG).unwrap();
    newer["startup"] = "./openttd -D -n".into();
    let newer = newer.to_string();
    let (status, refused) = upload("/templates/import", newer.clone()).await;
    assert_eq!((status, &refused["code"]), (409, &json!("template_exists")), "{refused}");
    let (_, preview) = upload("/templates/preview", newer.clone()).await;
    assert_eq!(preview["existing"][0]["template"]["id"], id);
    let changes = preview["existing"][0]["changes"].as_array().unwrap();
    assert_eq!(
        changes.iter().map(|change| change["field"].as_str().unwrap()).collect::<Vec<_>>(),
        ["startup"]
    );
    let (status, updated) = upload("/templates/import?on_existing=update&kind=pasted", newer.clone()).await;
    assert_eq!((status, &updated["outcome"]), (201, &json!("revised")), "{updated}");
    assert_eq!((&updated["template"]["id"], &updated["template"]["revision"]), (&json!(id), &json!(2)));
    assert_eq!(updated["template"]["origin"]["kind"], "pasted");
    let (status, beside) = upload("/templates/import?on_existing=keep_both", EGG.into()).await;
    assert_eq!((status, &beside["outcome"]), (201, &json!("created")));
    let list: Value = admin.get("/templates").await.json().await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let (status, refused) = upload("/templates/import?on_existing=merge", EGG.into()).await;
    assert_eq!(status, 422, "{refused}");
}

#[tokio::test]
async fn a_template_is_updated_from_an_address_only_to_the_file_that_was_looked_at() {
    let public = |address: IpAddr| address == IpAddr::from([127, 0, 0, 1]);
    let world = World::with(|builder| builder.outbound(Outbound::default().allowed(public))).await;
    let admin = world.person(Builtin::Admin).await;
    let post = async |path: String, body: Value| {
        let answer = admin.post(&path, body).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let answer = admin.request(reqwest::Method::POST, "/templates/import").body(EGG).send().await.unwrap();
    let made: Value = answer.json().await.unwrap();
    let id = made["template"]["id"].as_str().unwrap();
    let (status, refused) = post("/templates/preview-url".into(), json!({ "template_id": id })).await;
    assert_eq!((status, &refused["code"]), (409, &json!("no_source")), "{refused}");

    let mut newer: Value = serde_json::from_str(EGG).unwrap();
    newer["startup"] = "./openttd -D -n".into();
    let port = server("127.0.0.1", page(&newer.to_string())).await;
    let url = format!("http://127.0.0.1:{port}/egg.json");
    let (_, preview) = post("/templates/preview-url".into(), json!({ "url": url, "template_id": id })).await;
    assert_eq!(preview["existing"][0]["changes"][0]["field"], "startup", "{preview}");
    let revise = format!("/templates/{id}/revisions-url");
    let other = json!({ "url": url, "base": 1, "sha256": "0".repeat(64) });
    let (status, refused) = post(revise.clone(), other).await;
    assert_eq!((status, &refused["code"]), (409, &json!("source_changed")), "{refused}");
    let (status, updated) =
        post(revise.clone(), json!({ "url": url, "base": 1, "sha256": preview["sha256"] })).await;
    assert_eq!((status, &updated["template"]["revision"]), (201, &json!(2)), "{updated}");
    assert_eq!(updated["template"]["origin"]["address"], url);
    // Where it came from is known now.
    let (status, same) = post(revise.clone(), json!({ "base": 2 })).await;
    assert_eq!((status, &same["outcome"]), (201, &json!("unchanged")), "{same}");
    let (status, refused) = post(revise, json!({ "base": 1 })).await;
    assert_eq!((status, &refused["code"]), (409, &json!("template_changed")), "{refused}");
}
