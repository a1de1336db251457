//! What a daemon's address speaks, over real TCP.
#![expect(clippy::unwrap_used, reason = "tests")]

use clap::Parser;
use raptor_core::daemons::simulated::SimulatedHost;
use raptor_daemon::{
    config::{Cli, Config},
    router, transport,
};
use raptor_server::http::{Limits, Transport, serve};
use reqwest::StatusCode;
use std::{path::Path, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const KEY: &str = "rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV";
const OTHER: &str = "rd_Ab3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV";

/// A daemon that serves until it is dropped.
struct Daemon {
    port: u16,
    end: CancellationToken,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn config(base: &Path, settings: &[&str]) -> Config {
    let base = base.to_str().unwrap();
    Cli::try_parse_from([&["raptor-daemon", "--sftp-base-path", base], settings].concat()).unwrap().config
}

impl Daemon {
    async fn start(base: &Path, settings: &[&str]) -> Self {
        let (transport, upgrade) = transport::of(&config(base, settings), KEY).unwrap();
        // What a host makes of its folder.
        std::fs::create_dir_all(base.join(".raptor")).unwrap();
        std::fs::write(base.join(".raptor/instance"), "01a22a8d-1165-745c-a0f9-84cb071597f4").unwrap();
        let host = SimulatedHost::default();
        let mut router = router(Arc::new(host), KEY.into());
        if let Some(upgrade) = upgrade.map(Arc::new) {
            upgrade.settle();
            router = upgrade.over(router);
        }
        Self::serving(transport, router).await
    }

    async fn serving(transport: Transport, router: axum::Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let end = CancellationToken::new();
        tokio::spawn(serve(listener, transport, router, Limits::default(), end.clone()));
        Self { port, end }
    }

    async fn ask(&self, scheme: &str, pinned: &str, key: &str) -> Result<StatusCode, String> {
        let asking =
            pinning(pinned).get(format!("{scheme}://127.0.0.1:{}/api/v1/system", self.port)).bearer_auth(key);
        let answer = asking.send().await.map_err(|error| format!("{error:?}"))?;
        Ok(answer.status())
    }

    async fn http(&self) -> StatusCode {
        self.ask("http", KEY, KEY).await.unwrap()
    }

    async fn https(&self) -> StatusCode {
        self.ask("https", KEY, KEY).await.unwrap()
    }
}

fn pinning(key: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = raptor_tls::client(key).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap()
}

fn client() -> reqwest::Client {
    pinning(KEY)
}

#[tokio::test]
async fn a_new_daemon_speaks_https_with_its_key_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &[]).await;
    assert_eq!(daemon.https().await, StatusCode::OK);
    assert_eq!(daemon.ask("https", KEY, OTHER).await, Ok(StatusCode::UNAUTHORIZED));
    let refused = daemon.ask("https", OTHER, OTHER).await.unwrap_err();
    assert!(refused.contains("ApplicationVerificationFailure"), "{refused}");
    assert_eq!(daemon.http().await, StatusCode::BAD_REQUEST);
    drop(daemon);
    assert_eq!(Daemon::start(folder.path(), &[]).await.http().await, StatusCode::BAD_REQUEST, "nor later");
}

#[tokio::test]
async fn a_daemon_of_an_earlier_version_takes_http_until_its_api_came_by_https() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(".raptor")).unwrap();
    std::fs::write(folder.path().join(".raptor/instance"), "01a22a8d-1165-745c-a0f9-84cb071597f4").unwrap();
    let daemon = Daemon::start(folder.path(), &[]).await;
    assert_eq!(daemon.http().await, StatusCode::OK);
    // Somebody without the key must not take the old API's way from it.
    assert_eq!(daemon.ask("https", KEY, OTHER).await, Ok(StatusCode::UNAUTHORIZED));
    assert_eq!(daemon.http().await, StatusCode::OK);
    drop(daemon);
    let daemon = Daemon::start(folder.path(), &[]).await;
    assert_eq!(daemon.http().await, StatusCode::OK, "a restart is no upgrade of the API");
    assert_eq!(daemon.https().await, StatusCode::OK);
    assert_eq!(daemon.http().await, StatusCode::OK, "whoever else has the key is not the API");
    let url = format!("https://127.0.0.1:{}/api/v1/link", daemon.port);
    let api = client().get(url).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(api.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(daemon.http().await, StatusCode::BAD_REQUEST);
    drop(daemon);
    let daemon = Daemon::start(folder.path(), &[]).await;
    assert_eq!(daemon.http().await, StatusCode::BAD_REQUEST, "after a restart, too");
}

#[tokio::test]
async fn plain_http_is_a_setting() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--daemon-tls", "off"]).await;
    assert_eq!(daemon.http().await, StatusCode::OK);
    drop(daemon);
    let daemon = Daemon::start(folder.path(), &[]).await;
    assert_eq!(daemon.http().await, StatusCode::BAD_REQUEST, "and was no earlier version once it is gone");
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_a_setting_and_what_is_wrong_with_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
    std::fs::write(path("cert.pem"), made.pem()).unwrap();
    std::fs::write(path("key.pem"), pair.serialize_pem()).unwrap();
    let settings = ["--daemon-tls-cert", &path("cert.pem"), "--daemon-tls-key", &path("key.pem")];
    let daemon = Daemon::start(folder.path(), &settings).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(&std::fs::read(path("cert.pem")).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let asking = client.get(format!("https://localhost:{}/api/v1/system", daemon.port)).bearer_auth(KEY);
    assert_eq!(asking.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(daemon.http().await, StatusCode::BAD_REQUEST);
    drop(daemon);
    assert_eq!(
        Daemon::start(folder.path(), &[]).await.http().await,
        StatusCode::BAD_REQUEST,
        "nor without it"
    );
    let refused = transport::of(&config(folder.path(), &settings[..2]), KEY).err().unwrap();
    assert!(refused.to_string().contains("Set DAEMON_TLS_CERT and DAEMON_TLS_KEY together"), "{refused:#}");
    let settings = ["--daemon-tls-cert", &path("key.pem"), "--daemon-tls-key", &path("key.pem")];
    let refused = transport::of(&config(folder.path(), &settings), KEY).err().unwrap();
    assert!(format!("{refused:#}").contains("key.pem: it holds no certificate in PEM"), "{refused:#}");
}
