//! Mail, through an SMTP server (RFC 5321).

use crate::{Error, Result};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};
use std::time::Duration;

/// How long one conversation with the server may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pauses before another try.
const PAUSES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];

/// How the connection to the server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailSecurity {
    /// Plain at first, TLS before anything is said (STARTTLS). A server that does not offer it is refused.
    #[default]
    StartTls,
    /// TLS from the beginning.
    Tls,
    /// None: for a server on this host.
    None,
}

/// How mail is sent.
#[derive(Clone)]
pub struct MailSettings {
    /// The server's name or address.
    pub host: String,
    /// Its port; what is usual for `security` unless given.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// User name and password, where the server asks for them.
    pub login: Option<(String, String)>,
    /// The sender: `raptor@example.com` or `Raptor <raptor@example.com>`.
    pub from: String,
    /// Where people open the panel: what links in mails begin with.
    pub panel: String,
}

/// Sends mail. Connections are kept and used again.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    panel: String,
}

impl Mailer {
    /// # Errors
    /// [`Error::Invalid`] at `SMTP_FROM` or `SMTP_HOST`.
    pub(crate) fn new(settings: MailSettings) -> Result<Self> {
        let MailSettings { host, port, security, login, from, panel } = settings;
        let from = from.parse().map_err(|_| {
            Error::invalid(
                "SMTP_FROM",
                "Use an address like raptor@example.com or Raptor <raptor@example.com>.",
            )
        })?;
        type Transport = AsyncSmtpTransport<Tokio1Executor>;
        let builder = match security {
            MailSecurity::StartTls => Transport::starttls_relay(&host),
            MailSecurity::Tls => Transport::relay(&host),
            MailSecurity::None => Ok(Transport::builder_dangerous(&host)),
        };
        let mut builder = builder
            .map_err(|error| Error::invalid("SMTP_HOST", format!("This server can't be used: {error}.")))?
            .timeout(Some(PATIENCE));
        if let Some(port) = port {
            builder = builder.port(port);
        }
        if let Some((user, password)) = login {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self { transport: builder.build(), from, panel: panel.trim_end_matches('/').to_owned() })
    }

    /// An address of the panel.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.panel)
    }

    /// Sends a message, several times if it must. What can't be sent is logged.
    pub(crate) async fn send(&self, to: &str, subject: &str, text: String) {
        for pause in PAUSES.iter().map(Some).chain([None]) {
            match self.try_send(to, subject, text.clone()).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, subject, "a mail was not sent"),
            }
            if let Some(pause) = pause {
                tokio::time::sleep(*pause).await;
            }
        }
    }

    async fn try_send(
        &self,
        to: &str,
        subject: &str,
        text: String,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.parse()?)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text)?;
        self.transport.send(message).await?;
        Ok(())
    }
}
