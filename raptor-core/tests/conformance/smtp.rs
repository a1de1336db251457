//! Connecting to the SMTP server: encryption, certificates, logins.

use crate::mailserver::MailServer;
use raptor_core::mail::{
    MailTransport, Message, SendError,
    smtp::{Security, Smtp, SmtpLogin, SmtpSettings},
};
use std::{fs, path::Path, process::Command};

/// Certificates made by `openssl`: an authority's, a server's signed by that authority, and a self-signed one.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |args: &str| {
            let done =
                Command::new("openssl").args(args.split(' ')).current_dir(folder.path()).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let name = "-addext subjectAltName=IP:127.0.0.1";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"));
        openssl(&format!("req -x509 {key} -keyout self.key -out self.pem -subj /CN=self -days 2 {name}"));
        openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server {name}"));
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -out server.pem -days 2 -copy_extensions copy",
        );
        openssl(&format!(
            "req {key} -keyout other.key -out other.csr -subj /CN=other -addext subjectAltName=DNS:other.example.com"
        ));
        openssl(
            "x509 -req -in other.csr -CA ca.pem -CAkey ca.key -out other.pem -days 2 -copy_extensions copy",
        );
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        for name in ["server", "self", "other"] {
            let both = read(&format!("{name}.pem")) + &read(&format!("{name}.key"));
            fs::write(folder.path().join(format!("{name}-both.pem")), both).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn pem(&self, name: &str) -> Option<Vec<u8>> {
        Some(fs::read(Path::new(&self.path(name))).unwrap())
    }
}

fn settings(server: &MailServer, security: Security) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".into(),
        port: server.port,
        security,
        authorities: None,
        login: None,
        from: "Raptor <raptor@example.com>".into(),
    }
}

async fn send(settings: SmtpSettings) -> Result<(), SendError> {
    let message = Message {
        id: "1".into(),
        to: "steve@example.com".into(),
        subject: "Grüße".into(),
        text: "Grüße aus Köln".into(),
        html: "<p>Grüße</p>".into(),
    };
    Smtp::new(settings).unwrap().send(&message).await
}

fn why(sent: Result<(), SendError>) -> String {
    let error = sent.unwrap_err();
    assert!(!error.permanent, "the administrator mends it and the mail goes: {error}");
    error.why
}

#[tokio::test]
async fn an_encrypted_connection_needs_a_certificate_of_somebody_known() {
    let certificates = Certificates::make();
    for (option, security) in [("starttls", Security::StartTls), ("tls", Security::Tls)] {
        let start = |name: &str| {
            let path = certificates.path(name);
            MailServer::start_with(&["--security", option, "--certificate", &path])
        };
        let Some(server) = start("server-both.pem") else { return };
        let refused = why(send(settings(&server, security)).await);
        assert!(
            refused.contains("SMTP_CA_FILE") && refused.contains("from an unknown authority"),
            "{refused}"
        );
        let authorities = certificates.pem("ca.pem");
        send(SmtpSettings { authorities: authorities.clone(), ..settings(&server, security) }).await.unwrap();
        let taken = server.taken("steve@example.com");
        assert_eq!((taken.len(), &taken[0]["encrypted"]), (1, &true.into()), "{taken:?}");
        assert_eq!(
            (&taken[0]["subject"], taken[0]["text"].as_str().unwrap().trim()),
            (&"Grüße".into(), "Grüße aus Köln")
        );

        let server = start("self-both.pem").unwrap();
        let refused = why(send(settings(&server, security)).await);
        assert!(refused.contains("self-signed") && refused.contains("SMTP_CA_FILE"), "{refused}");

        let server = start("other-both.pem").unwrap();
        let refused = why(send(SmtpSettings { authorities, ..settings(&server, security) }).await);
        assert!(refused.contains("SMTP_HOST") && refused.contains("another name"), "{refused}");
        assert!(server.taken("steve@example.com").is_empty());
    }
}

#[tokio::test]
async fn a_server_that_can_not_encrypt_is_told_nothing() {
    let Some(server) = MailServer::start() else { return };
    let login = Some(SmtpLogin { username: "raptor".to_owned(), password: "hunter22".to_owned() });
    for security in [Security::StartTls, Security::Tls] {
        let refused = why(send(SmtpSettings { login: login.clone(), ..settings(&server, security) }).await);
        assert!(refused.contains("can't be used") && !refused.contains("hunter22"), "{refused}");
    }
    assert!(server.taken("steve@example.com").is_empty());
}

#[tokio::test]
async fn a_login_is_given_where_the_server_asks_for_one() {
    let certificates = Certificates::make();
    for (option, security) in [("starttls", Security::StartTls), ("tls", Security::Tls)] {
        let path = certificates.path("server-both.pem");
        let args = ["--security", option, "--certificate", &path, "--login", "raptor:hunter22"];
        let Some(server) = MailServer::start_with(&args) else { return };
        let send = async |login: Option<(&str, &str)>| {
            let login = login.map(|(user, password)| SmtpLogin {
                username: user.to_owned(),
                password: password.to_owned(),
            });
            let authorities = certificates.pem("ca.pem");
            send(SmtpSettings { authorities, login, ..settings(&server, security) }).await
        };
        for wrong in [None, Some(("raptor", "hunter23"))] {
            let refused = why(send(wrong).await);
            assert!(refused.contains("SMTP_PASSWORD") && !refused.contains("hunter"), "{refused}");
        }
        send(Some(("raptor", "hunter22"))).await.unwrap();
        let taken = server.taken("steve@example.com");
        assert_eq!((taken.len(), &taken[0]["login"]), (1, &true.into()), "{taken:?}");
    }
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_at_the_start() {
    let Some(server) = MailServer::start() else { return };
    for pem in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let settings =
            SmtpSettings { authorities: Some(pem.into()), ..settings(&server, Security::StartTls) };
        let error = Smtp::new(settings).err().unwrap();
        assert!(matches!(error, raptor_core::Error::Invalid { field, .. } if field == "SMTP_CA_FILE"));
    }
}
