//! A forgotten password, with a real mail server: the one that comes with Python.

use crate::{
    programs::{Api, PASSWORD, free_port, refusal},
    text, until,
};
use serde_json::json;
use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A mail server that writes down what it is given.
struct Mail {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Mail {
    fn start() -> Option<Self> {
        if !Path::new("/usr/lib/python3.11/smtpd.py").exists() {
            assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "Python's smtpd is needed in CI");
            println!("SKIP: mail, there is no /usr/bin/python3 with smtpd (Python 3.11 and older have it)");
            return None;
        }
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let log = File::create(folder.path().join("mails")).unwrap();
        let process = Command::new("/usr/bin/python3")
            .args([
                "-u",
                "-W",
                "ignore",
                "-m",
                "smtpd",
                "-n",
                "-c",
                "DebuggingServer",
                &format!("127.0.0.1:{port}"),
            ])
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .unwrap();
        until("the mail server answers", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Self { process, port, folder })
    }

    fn all(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("mails")).unwrap()
    }

    /// The token of the newest mail's link. The server shows each line as Python writes bytes, long ones broken after `=`.
    fn token(&self) -> Option<String> {
        let mails = self.all();
        let lines = mails.lines().map(|line| line.trim_start_matches("b'").trim_end_matches('\''));
        let text = lines
            .map(|line| line.strip_suffix('=').map_or(format!("{line}\n"), str::to_owned))
            .collect::<String>();
        let (_, rest) = text.rsplit_once("https://panel.example.com/reset-password#")?;
        let (token, _) = rest.split_once('\n')?;
        Some(token.replace("=3D", "="))
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_forgotten_password_is_replaced_by_a_link_that_works_once() {
    let Some(mail) = Mail::start() else { return };
    let mut api = Api::serve_with(vec![
        ("SMTP_HOST", "127.0.0.1".into()),
        ("SMTP_PORT", mail.port.to_string()),
        ("SMTP_SECURITY", "none".into()),
        ("SMTP_FROM", "Raptor <raptor@example.com>".into()),
        ("APP_URL", "https://panel.example.com".into()),
    ]);
    assert_eq!(api.get("/settings")["password_reset"], true);
    api.sign_in();
    api.post("/auth/password-reset", json!({ "login": "nobody" }), 202);
    api.post("/auth/password-reset", json!({ "login": "admin" }), 202);
    let token = until("the mail arrives", || mail.token());
    assert!(mail.all().contains("admin@localhost") && !mail.all().contains("nobody"), "{}", mail.all());

    let put = |email: &str| {
        let body = json!({ "username": "admin", "email": email, "name": null, "current_password": PASSWORD });
        api.put("/account", body)
    };
    let complete = |token: &str, password: &str, expected| {
        let body = json!({ "token": token, "new_password": password });
        api.post("/auth/password-reset/complete", body, expected)
    };
    assert_eq!(complete(&token, "short", 422)["field"], "new_password");
    assert_eq!(complete("nonsense", "another horse", 422)["field"], "token");
    put("new@example.com");
    assert_eq!(complete(&token, "another horse", 422)["field"], "token", "an old mailbox opens nothing");
    put("admin@localhost");
    complete(&token, "another horse", 204);
    assert_eq!(complete(&token, "a third horse", 422)["field"], "token", "a link works once");
    let ended = api.post("/auth/sign-out", json!({}), 401);
    assert_eq!(text(&ended["code"]), "unauthenticated", "the sessions of before have ended");
    api.post("/auth/sign-in", json!({ "login": "admin", "password": "another horse" }), 200);
}

#[test]
fn half_a_mail_server_is_refused_with_what_is_missing() {
    for (settings, said) in [
        (&[("SMTP_HOST", "mail.example.com")][..], "SMTP_FROM"),
        (&[("SMTP_FROM", "raptor@example.com")][..], "SMTP_HOST is not set"),
        (
            &[("SMTP_HOST", "mail.example.com"), ("SMTP_FROM", "r@example.com"), ("SMTP_USERNAME", "r")][..],
            "SMTP_PASSWORD",
        ),
        (&[("SMTP_HOST", "mail.example.com"), ("SMTP_FROM", "r@example.com")][..], "APP_URL"),
        (&[("SMTP_SECURITY", "maybe")][..], "starttls, tls or none"),
    ] {
        let said_so = refusal(&[&[("API_ADDR", "127.0.0.1:0")][..], settings].concat());
        assert!(said_so.contains(said), "{settings:?}: {said_so}");
    }
}
