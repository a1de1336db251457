//! Mail, with a real mail server.

use crate::{
    mailserver::{MailServer, token},
    programs::{Api, refusal},
    support::bodies::PASSWORD,
    until,
};
use raptor_client::api::{
    query::{ListActivity, ListMails},
    types::{AccountUpdate, MailKind, PasswordReset, ResetRequest},
};

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
    assert!(api.done(api.get_settings()).password_reset);
    api.sign_in();
    let forgotten = |login: &str| ResetRequest { login: login.into() };
    api.done(api.request_password_reset(&forgotten("nobody")));
    api.done(api.request_password_reset(&forgotten("admin")));
    let token = until("the mail arrives", || mail.taken("admin@localhost").first().map(token));

    let address = |email: &str| {
        let account =
            AccountUpdate { current_password: Some(PASSWORD.into()), ..AccountUpdate::new("admin", email) };
        api.done(api.update_account(&account));
    };
    let reset =
        |token: &str, password: &str| PasswordReset { token: token.into(), new_password: password.into() };
    let refused = |token: &str, password: &str| {
        let refused = api.refused(api.reset_password(&reset(token, password)));
        assert_eq!(refused.status, 422);
        refused.field.unwrap()
    };
    assert_eq!(refused(&token, "short"), "new_password");
    assert_eq!(refused("nonsense", "another horse"), "token");
    address("new@example.com");
    assert_eq!(refused(&token, "another horse"), "token", "an old mailbox opens nothing");
    address("admin@localhost");
    api.done(api.reset_password(&reset(&token, "another horse")));
    assert_eq!(refused(&token, "a third horse"), "token", "a link works once");
    let ended = api.refused(api.sign_out());
    assert_eq!(
        (ended.status, ended.code.as_str()),
        (401, "unauthenticated"),
        "the sessions of before have ended"
    );
    api.sign_in_as("admin", "another horse");
}

#[test]
fn an_administrator_sees_whether_mail_works_and_tries_it() {
    let Some(mut mail) = MailServer::start() else { return };
    let mut api = api(&mail);
    api.sign_in();
    let server = api.done(api.get_mail_state()).server.unwrap();
    assert_eq!(server.name, format!("127.0.0.1:{}, not encrypted", mail.port));
    assert_eq!(server.panel_url, "https://panel.example.com");
    assert_eq!(api.done(api.test_mail()).sent_to, "admin@localhost");
    assert_eq!(mail.taken("admin@localhost")[0]["subject"], "A test message from Raptor");
    mail.stop();
    let refused = api.refused(api.test_mail());
    assert_eq!((refused.status, refused.code.as_str()), (503, "mail_failed"));
    assert_eq!(api.done(api.get_mail_state()).last_error, Some(refused.detail));
    let unsent = ListMails { unsent: Some(true), ..Default::default() };
    assert_eq!(api.done(api.list_mails(unsent)).items[0].kind, MailKind::Test);
    let tested = ListActivity { action: Some("settings.mail_tested"), ..Default::default() };
    assert_eq!(api.done(api.list_activity(tested)).items.len(), 2);
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
