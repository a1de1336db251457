//! Sending mail through an SMTP server (RFC 5321) with lettre.

use super::{MailTransport, Message, SendError};
use crate::{Error, Result};
use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{
        Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use std::{error::Error as _, fmt, time::Duration};

/// How long the server may take for each step.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest line that needs no encoding, in bytes (RFC 5322, section 2.1.1).
const LINE_MAX: usize = 998;

/// How the connection to the server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// STARTTLS (RFC 3207), required: a server without it is refused. Port 587.
    StartTls,
    /// TLS from the first byte (RFC 8314). Port 465.
    Tls,
    /// No encryption, for a server on the same machine. Port 25.
    None,
}

impl Security {
    /// The port that is usual for this kind of encryption.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartTls => "STARTTLS",
            Self::Tls => "TLS",
            Self::None => "not encrypted",
        })
    }
}

/// Settings of the SMTP server.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name, which its certificate has to have, or its IP address.
    pub host: String,
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// PEM certificates of authorities to trust in addition to those of the operating system.
    pub authorities: Option<Vec<u8>>,
    /// What to sign in with, where the server asks for it.
    pub login: Option<SmtpLogin>,
    /// The sender: `raptor@example.com` or `Raptor <raptor@example.com>`.
    pub from: String,
}

/// An account of the mail server.
#[derive(Clone)]
pub struct SmtpLogin {
    /// Name of the account.
    pub username: String,
    /// The password for that user. Logs never show it.
    pub password: String,
}

/// An SMTP server as the transport. Connections are pooled.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
    security: Security,
}

/// Validates a sender's address.
///
/// # Errors
/// [`Error::Invalid`] at `SMTP_FROM`.
pub fn check_from(from: &str) -> Result<()> {
    mailbox(from).map(drop)
}

fn mailbox(from: &str) -> Result<Mailbox> {
    from.parse().map_err(|_| {
        Error::invalid("SMTP_FROM", "Use an address like raptor@example.com or Raptor <raptor@example.com>.")
    })
}

fn authorities(pem: &[u8]) -> Result<Certificate> {
    let wrong = || {
        Error::invalid(
            "SMTP_CA_FILE",
            "This file contains no valid certificate. It must contain one or more in PEM format.",
        )
    };
    // The parser does not reject a file without any certificate.
    let any = String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----");
    Certificate::from_pem(pem).ok().filter(|_| any).ok_or_else(wrong)
}

impl Smtp {
    /// Prepares the connection. Sends nothing yet. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `SMTP_FROM`, `SMTP_HOST` or `SMTP_CA_FILE`.
    pub fn new(settings: SmtpSettings) -> Result<Self> {
        let SmtpSettings { host, port, security, authorities: pem, login, from } = settings;
        let from = mailbox(&from)?;
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(pem) = &pem {
            tls = tls.add_root_certificate(authorities(pem)?);
        }
        let tls = || {
            let field = if pem.is_some() { "SMTP_CA_FILE" } else { "SMTP_HOST" };
            tls.build().map_err(|error| Error::invalid(field, format!("It can't be used: {error}.")))
        };
        let tls = match security {
            Security::StartTls => Tls::Required(tls()?),
            Security::Tls => Tls::Wrapper(tls()?),
            Security::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
            .port(port)
            .tls(tls)
            .timeout(Some(STEP_TIMEOUT));
        if let Some(SmtpLogin { username: user, password }) = login {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self { transport: builder.build(), from, host: format!("{host}:{port}"), security })
    }

    fn letter(&self, message: &Message) -> Result<lettre::Message, SendError> {
        let unfit = |why: String| SendError { why, permanent: true };
        let to = message.to.parse().map_err(|_| unfit(format!("No mail can be sent to {}.", message.to)))?;
        let host = self.from.email.domain();
        // RFC 3834: keeps programs from answering the mail.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        lettre::Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(message.subject.clone())
            .message_id(Some(format!("<{}@{host}>", message.id)))
            .raw_header(HeaderValue::new(automatic, "auto-generated".into()))
            .multipart(
                MultiPart::alternative()
                    .singlepart(
                        SinglePart::builder().header(ContentType::TEXT_PLAIN).body(plain(&message.text)),
                    )
                    .singlepart(SinglePart::html(message.html.clone())),
            )
            .map_err(|error| unfit(format!("This mail can't be encoded: {error}.")))
    }

    fn refused(&self, error: &lettre::transport::smtp::Error) -> SendError {
        let host = &self.host;
        // The end of lettre's message is that of the server or operating system, which is what the administrator needs.
        let cause = error.source().map_or_else(|| error.to_string(), innermost);
        let code = error.status().map(u16::from);
        let why = match code {
            Some(code @ (530 | 534 | 535 | 538)) => format!(
                "The mail server {host} refused the login: {code} {cause}. Check SMTP_USERNAME and SMTP_PASSWORD."
            ),
            Some(code) => format!("The mail server {host} refused: {code} {cause}"),
            None if error.is_timeout() => format!("The mail server {host} did not answer in time."),
            None => match certificate_problem(&cause) {
                Some(what) => format!("The mail server {host} can't be trusted: {what}"),
                None => format!("The mail server {host} can't be used: {cause}"),
            },
        };
        SendError { why, permanent: code.is_some_and(is_about_the_receiver) }
    }
}

/// Whether a refusal with this code is permanent (RFC 5321, section 4.2.3). Refusals of the login or the server itself are not:
/// once the administrator has fixed the cause, the mail is sent.
const fn is_about_the_receiver(code: u16) -> bool {
    matches!(code, 550..=553)
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// What is wrong with the server's certificate and how to fix it, from the text of rustls' `CertificateError`.
fn certificate_problem(cause: &str) -> Option<String> {
    let (_, problem) = cause.split_once("invalid peer certificate: ")?;
    let (what, mends) = if problem.contains("UnknownIssuer") || problem.contains("CaUsedAsEndEntity") {
        (
            "its certificate is self-signed or from an unknown authority",
            "Set SMTP_CA_FILE to the certificate of its authority",
        )
    } else if problem.contains("not valid for name") || problem.contains("NotValidForName") {
        ("its certificate is for another name", "Set SMTP_HOST to the name in the certificate")
    } else if problem.to_lowercase().contains("expired") {
        ("its certificate has expired", "Renew it on that server")
    } else {
        ("its certificate is not valid", "Fix it on that server")
    };
    Some(format!("{what} ({problem}). {mends}."))
}

/// Sends text unencoded if possible: lettre would fold long lines and so break links for those who read the raw text.
fn plain(text: &str) -> Body {
    let fits =
        text.is_ascii() && !text.contains(['\r', '\0']) && text.lines().all(|line| line.len() <= LINE_MAX);
    if fits {
        let text = text.replace('\n', "\r\n").into_bytes();
        return Body::dangerous_pre_encoded(text, ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}

#[async_trait]
impl MailTransport for Smtp {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let letter = self.letter(message)?;
        self.transport.send(letter).await.map(drop).map_err(|error| self.refused(&error))
    }

    fn name(&self) -> String {
        format!("{}, {}", self.host, self.security)
    }

    fn sender(&self) -> String {
        self.from.to_string()
    }
}
