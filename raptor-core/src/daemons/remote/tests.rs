//! The first request to a daemon, and the messages for other programs and versions.

use super::*;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

const KEY: &str = "rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV";

/// Answers every request as a daemon of protocol 0, and returns what each connection sent, with TLS if that is set.
async fn serve(
    listener: &TcpListener,
    tls: Option<rustls::ServerConfig>,
    sent: &mpsc::UnboundedSender<Vec<u8>>,
) {
    let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        match &acceptor {
            None => answer(socket, sent).await,
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(socket).await {
                    answer(stream, sent).await;
                }
            }
        }
    }
}

async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin, sent: &mpsc::UnboundedSender<Vec<u8>>) {
    let mut request = vec![0; 4_096];
    let read = socket.read(&mut request).await.unwrap_or(0);
    request.truncate(read);
    sent.send(request).unwrap();
    let body = r#"{"protocol":0,"name":"of long ago"}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = socket.shutdown().await;
}

#[tokio::test]
async fn a_daemon_that_was_added_before_there_was_tls_is_spoken_to_by_https_as_soon_as_it_can_and_for_good() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let node = RemoteNode::new("127.0.0.1", port, Transport::Upgrading, KEY.into()).unwrap();
    let (sent, mut seen) = mpsc::unbounded_channel();
    let met = |error: Option<NodeError>| matches!(error, Some(NodeError::Protocol { theirs: 0 }));
    tokio::select! {
        () = serve(&listener, None, &sent) => {}
        link = node.events() => assert!(met(link.err()), "an old daemon is met by HTTP"),
    }
    assert!(!node.upgraded());
    tokio::select! {
        () = serve(&listener, Some(raptor_tls::server(KEY).unwrap()), &sent) => {}
        link = node.events() => assert!(met(link.err()), "a new one by HTTPS"),
    }
    assert!(node.upgraded());
    while seen.try_recv().is_ok() {}
    // An attacker in between disables HTTPS again.
    tokio::select! {
        () = serve(&listener, None, &sent) => {}
        link = node.events() => assert!(matches!(link.err(), Some(NodeError::Unreachable(_)))),
    }
    while let Ok(bytes) = seen.try_recv() {
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "the key was sent in the open");
    }
}

#[tokio::test]
async fn a_daemon_with_another_key_is_said_to_have_it_and_learns_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let node = RemoteNode::new("127.0.0.1", port, Transport::Pinned, KEY.into()).unwrap();
    let (sent, mut seen) = mpsc::unbounded_channel();
    let other = raptor_tls::server(&KEY.replace('Z', "Y")).unwrap();
    tokio::select! {
        () = serve(&listener, Some(other), &sent) => {}
        link = node.events() => assert!(matches!(link.err(), Some(NodeError::WrongKey))),
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn a_daemon_that_is_not_understood_is_of_another_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4_096];
        let _ = socket.read(&mut request).await.unwrap();
        let body = r#"{"protocol":0,"name":"of long ago"}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    });
    let node = RemoteNode::new("127.0.0.1", port, Transport::Plain, "key".into()).unwrap();
    let error = node.events().await.err().unwrap();
    assert!(matches!(error, NodeError::Protocol { theirs: 0 }), "{error}");
}
