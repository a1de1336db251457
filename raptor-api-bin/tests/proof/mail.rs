//! Mail, with a real mail server.

use crate::{
    mailserver::{MailServer, token},
    programs::{Api, PASSWORD, refusal},
    text, until,
};
use serde_json::json;

fn api(mail: &MailServer) -> Api {
    Api::serve_with(vec![
        ("SMTP_HOST", "127.0.0.1".into()),
        ("SMTP_PORT", mail.port.to_string()),
        ("SMTP_SECURITY", "none".into()),
        ("SMTP_FROM", "Raptor <raptor@example.com>".into()),
        ("APP_URL", "https://panel.example.com".into()),
    ])
}

#[test]
fn a_forgotten_password_is_replaced_by_a_link_that_works_once() {
    let Some(mail) = MailServer::start() else { return };
    let mut api = api(&mail);
    assert_eq!(api.get("/settings")["password_reset"], true);
    api.sign_in();
    api.post("/auth/password-reset", json!({ "login": "nobody" }), 202);
    api.post("/auth/password-reset", json!({ "login": "admin" }), 202);
    let token = until("the mail arrives", || mail.taken("admin@localhost").first().map(token));

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
fn an_administrator_sees_whether_mail_works_and_tries_it() {
    let Some(mut mail) = MailServer::start() else { return };
    let mut api = api(&mail);
    api.sign_in();
    let state = api.get("/settings/mail");
    assert_eq!(state["server"]["name"], format!("127.0.0.1:{}, not encrypted", mail.port));
    assert_eq!(state["server"]["panel_url"], "https://panel.example.com");
    assert_eq!(api.post("/settings/mail/test", json!({}), 200)["sent_to"], "admin@localhost");
    assert_eq!(mail.taken("admin@localhost")[0]["subject"], "A test message from Raptor");
    mail.stop();
    let refused = api.post("/settings/mail/test", json!({}), 503);
    assert_eq!(refused["code"], "mail_failed");
    assert_eq!(api.get("/settings/mail")["last_error"], refused["detail"]);
    assert_eq!(api.get("/settings/mail/mails?unsent=true")["items"][0]["kind"], "test");
    let deeds = api.get("/activity?action=settings.mail_tested")["items"].as_array().unwrap().len();
    assert_eq!(deeds, 2);
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
        (
            &[
                ("SMTP_HOST", "m.example.com"),
                ("SMTP_FROM", "r@example.com"),
                ("APP_URL", "https://p.example.com"),
                ("SMTP_CA_FILE", "/nowhere"),
            ][..],
            "SMTP_CA_FILE is /nowhere",
        ),
        (
            &[
                ("SMTP_HOST", "m.example.com"),
                ("SMTP_FROM", "r@example.com"),
                ("APP_URL", "https://p.example.com"),
                ("SMTP_CA_FILE", "/etc/hostname"),
            ][..],
            "SMTP_CA_FILE: This file contains no valid certificate",
        ),
        (&[("SMTP_SECURITY", "maybe")][..], "starttls, tls or none"),
    ] {
        let said_so = refusal(&[&[("API_ADDR", "127.0.0.1:0")][..], settings].concat());
        assert!(said_so.contains(said), "{settings:?}: {said_so}");
    }
}
