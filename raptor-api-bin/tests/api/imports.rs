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
async fn server(address: &str, answer: String) -> u16 {
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

fn page(text: &str) -> String {
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
