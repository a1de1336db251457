//! Readers of server-sent events who stop reading.

use crate::{
    support::{Answered, bodies},
    world::World,
};
use axum::{
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    http::{Request, header},
};
use futures_util::{FutureExt, StreamExt};
use raptor_api::{App, AppParts, router};
use raptor_client::api::{query::ListUsers, types::UserUpdate};
use raptor_core::roles::Builtin;
use std::{net::SocketAddr, time::Duration};
use tower::ServiceExt;

/// Longer than anything takes: what stalls is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than the database has connections: the tests' one, in memory, has one.
const READERS: usize = 24;

async fn read_until(body: &mut BodyDataStream, mut text: String, event: &str) {
    let read = async {
        while !text.contains(event) {
            text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{event} never came"));
}

#[tokio::test]
async fn an_event_stream_whose_reader_stops_reading_keeps_no_database_connection() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let steve = world.named("steve", Builtin::User).await;
    let account = steve.get_account().await.done();
    let app = router(App::from(AppParts::new(world.raptor.clone())));
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let request = Request::get("/api/v1/events")
            .header(header::AUTHORIZATION, format!("Bearer {}", steve.token.as_deref().unwrap()))
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))))
            .body(Body::empty())
            .unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body().into_data_stream();
        read_until(&mut body, String::new(), "event: beat").await;
        readers.push(body);
    }

    // Their rights are read again now. Each of them is polled once, and then nobody reads on.
    let changed =
        UserUpdate { email: "changed@example.com".into(), ..bodies::same_user("steve", account.role.id) };
    admin.update_user(&account.id, &changed).await.done();
    let mut polled = Vec::new();
    for mut reader in readers {
        let read = reader.next().now_or_never().map(|piece| piece.unwrap().unwrap());
        // That may be the event already.
        polled.push((reader, String::from_utf8(read.unwrap_or_default().to_vec()).unwrap()));
    }
    for _ in 0..READERS {
        admin.list_users(ListUsers::default()).await.done();
    }
    for (mut reader, text) in polled {
        read_until(&mut reader, text, "\"subject\":\"user\"").await;
    }
}
