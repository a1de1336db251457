//! What one account can do to others by its sockets (security case 39).

use crate::{
    secrets::Scene,
    world::{Person, World},
};
use futures_util::{SinkExt, StreamExt};
use raptor_client::api::types::ContainerId;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longer than anything takes: what stalls is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

async fn console(world: &World, person: &Person<'_>, container: &ContainerId) -> Result<Socket, u16> {
    open(world, person, &format!("/containers/{container}/live")).await
}

/// Opens a socket of the API.
pub async fn open(world: &World, person: &Person<'_>, path: &str) -> Result<Socket, u16> {
    let url = format!("{}/api/v1{path}", world.base.replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let token = format!("Bearer {}", person.token.as_deref().unwrap());
    request.headers_mut().insert("authorization", token.parse().unwrap());
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// How the server ended the socket: its code, or none where it just went.
pub async fn end(socket: &mut Socket) -> Option<u16> {
    let ended = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                _ => return None,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap()
}

/// Sends a command and waits until something is said about it.
async fn is_served(socket: &mut Socket) {
    socket.send(Message::text(r#"{"type":"command","command":"list"}"#)).await.unwrap();
    let answered = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && message.to_text().unwrap().contains("\"problem\"") {
                return;
            }
        }
        panic!("the socket has ended");
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
}

#[tokio::test]
async fn whoever_floods_a_socket_loses_it_and_others_keep_theirs() {
    let scene = Scene::new().await;
    let (alice, bob) = (scene.world.sign_in("alice").await, scene.world.sign_in("bob").await);
    let mut others = console(&scene.world, &bob, &scene.container).await.unwrap();
    for message in [
        Message::text(r#"{"type":"command","command":"x"}"#),
        Message::binary(vec![0; 1_000]),
        Message::Ping(vec![0; 100].into()),
    ] {
        let mut socket = console(&scene.world, &alice, &scene.container).await.unwrap();
        for _ in 0..10_000 {
            // It is shut in the middle.
            if socket.feed(message.clone()).await.is_err() {
                break;
            }
        }
        let _ = tokio::time::timeout(PATIENCE, socket.flush()).await.unwrap();
        assert!(matches!(end(&mut socket).await, None | Some(1008)));
        is_served(&mut others).await;
    }
}

#[tokio::test]
async fn a_message_of_ten_megabytes_is_not_read() {
    let scene = Scene::new().await;
    let alice = scene.world.sign_in("alice").await;
    let mut socket = console(&scene.world, &alice, &scene.container).await.unwrap();
    let _ = socket.send(Message::binary(vec![0; 10 << 20])).await;
    end(&mut socket).await;
    is_served(&mut console(&scene.world, &alice, &scene.container).await.unwrap()).await;
}

#[tokio::test]
async fn an_account_has_so_many_sockets_and_others_have_theirs() {
    let scene = Scene::new().await;
    let (alice, bob) = (scene.world.sign_in("alice").await, scene.world.sign_in("bob").await);
    let mut open = Vec::new();
    let refused = loop {
        match console(&scene.world, &alice, &scene.container).await {
            Ok(socket) => open.push(socket),
            Err(status) => break status,
        }
        assert!(open.len() < 1_000);
    };
    assert_eq!((open.len(), refused), (100, 429));
    assert_eq!(alice.get("/events").await.status(), 429, "event streams count too");
    is_served(&mut console(&scene.world, &bob, &scene.container).await.unwrap()).await;
    is_served(&mut open[0]).await;
    drop(open);
    let again = async {
        while console(&scene.world, &alice, &scene.container).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}
