//! The texts of the mails.

use super::{Message, builder::MailBuilder};
use crate::id::{ContainerId, MailId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The panel's page for choosing a new password.
const RESET_PAGE: &str = "/reset-password";

/// The content of a mail, stored encrypted until it is sent. Never contains a token: links are created when the mail is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    /// A request for a password reset. Whether the account exists is checked when the mail is sent.
    PasswordReset { login: String, ip: Option<IpAddr> },
    /// The account's password was changed.
    PasswordChanged { username: String, by: ChangedBy, ip: Option<IpAddr> },
    /// The account's e-mail address was changed; sent to the old one.
    EmailChanged { username: String, ip: Option<IpAddr> },
    /// A key was added to the account.
    SshKeyAdded { username: String, name: String, fingerprint: String, ip: Option<IpAddr> },
    /// The user was given access to a container.
    AccessGranted { username: String, container_id: ContainerId, container: String, by: String },
}

/// Who changed a password, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangedBy {
    /// The user, who knew the old password.
    Owner,
    /// Somebody with a reset link.
    Link,
    Administrator,
}

/// The kind of mails with a password reset link.
pub(crate) const PASSWORD_RESET: &str = "password_reset";
/// The kind of test mails.
pub(crate) const TEST: &str = "test";

impl Content {
    /// The kind, as stored.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::PasswordReset { .. } => PASSWORD_RESET,
            Self::PasswordChanged { .. } => "password_changed",
            Self::EmailChanged { .. } => "email_changed",
            Self::SshKeyAdded { .. } => "ssh_key_added",
            Self::AccessGranted { .. } => "access_granted",
        }
    }
}

/// What all mails of a Raptor need.
pub(super) struct Envelope<'a> {
    pub(super) id: MailId,
    pub(super) to: &'a str,
    /// The panel's base URL, without a trailing slash.
    pub(super) panel: &'a str,
    /// When the event that the mail is about happened.
    pub(super) at: DateTime<Utc>,
}

impl Envelope<'_> {
    fn seal(&self, letter: MailBuilder) -> Message {
        letter.to(self.to, self.id.to_string(), self.panel)
    }

    fn facts(&self, ip: Option<IpAddr>) -> [(&'static str, Option<String>); 2] {
        let at = self.at.format("%Y-%m-%d %H:%M UTC").to_string();
        [("When", Some(at)), ("From the address", ip.map(|ip| ip.to_string()))]
    }

    /// A mail with a password reset link. The token is in the fragment (`#`), so that it never appears in a server's log.
    pub(super) fn password_reset(&self, username: &str, token: &str, ip: Option<IpAddr>) -> Message {
        let letter = MailBuilder::new("Choose a new Raptor password")
            .text(format!("Hello {username},"))
            .text("somebody, probably you, asked for a new password for your Raptor account. Choose it here:")
            .link("Choose a new password", format!("{}{RESET_PAGE}#{token}", self.panel))
            .text("The link works once, and for one hour.")
            .facts(self.facts(ip))
            .text("If it was not you, do nothing: your password stays as it is.");
        self.seal(letter)
    }

    /// The mail for `content`; `None` for content that needs a link.
    pub(super) fn notice(&self, content: &Content) -> Option<Message> {
        let letter = match content {
            Content::PasswordReset { .. } => return None,
            Content::PasswordChanged { username, by, ip } => self.password_changed(username, *by, *ip),
            Content::EmailChanged { username, ip } => MailBuilder::new(
                "The e-mail address of your Raptor account was changed",
            )
            .text(format!("Hello {username},"))
            .text(
                "your Raptor account has another e-mail address now. Nothing more will be sent to this one.",
            )
            .facts(self.facts(*ip))
            .text("If you did not expect this, tell your administrator at once."),
            Content::SshKeyAdded { username, name, fingerprint, ip } => {
                let key = [("Key", Some(name.clone())), ("Fingerprint", Some(fingerprint.clone()))];
                MailBuilder::new("An SSH key was added to your Raptor account")
                    .text(format!("Hello {username},"))
                    .text(
                        "whoever has this key can read and change the files of your containers by SFTP now:",
                    )
                    .facts(key.into_iter().chain(self.facts(*ip)))
                    .link("See your keys", format!("{}/account", self.panel))
                    .text("If it is not yours, delete it and change your password.")
            }
            Content::AccessGranted { username, container_id, container, by } => {
                MailBuilder::new(format!("You were given access to {container}"))
                    .text(format!("Hello {username},"))
                    .text(format!("{by} gave you access to the container {container}."))
                    .link("Open it", format!("{}/containers/{container_id}", self.panel))
                    .text("Your account has a switch for messages of this kind.")
            }
        };
        Some(self.seal(letter))
    }

    fn password_changed(&self, username: &str, by: ChangedBy, ip: Option<IpAddr>) -> MailBuilder {
        let how = match by {
            ChangedBy::Owner => {
                "the password of your Raptor account was changed. All other sessions have ended."
            }
            ChangedBy::Link => {
                "the password of your Raptor account was changed by a link from a mail. All sessions have ended."
            }
            ChangedBy::Administrator => {
                "an administrator set another password for your Raptor account. All sessions have ended."
            }
        };
        MailBuilder::new("Your Raptor password was changed")
            .text(format!("Hello {username},"))
            .text(how)
            .facts(self.facts(ip))
            .text("If you did not expect this, choose another one at once, and tell your administrator.")
            .link("Choose another password", format!("{}/forgot-password", self.panel))
    }

    /// The test mail.
    pub(super) fn test(&self) -> Message {
        let letter = MailBuilder::new("A test message from Raptor")
            .text("This Raptor can send mail.")
            .text("Links in its mails begin with the following address. Does it open the panel?")
            .link("Open the panel", self.panel);
        self.seal(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_link_is_hidden_from_servers_and_the_path_of_the_panel_is_kept() {
        let envelope = Envelope {
            id: MailId::generate(),
            to: "steve@example.com",
            panel: "https://example.com/raptor",
            at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        };
        let message = envelope.password_reset("steve", "abc", None);
        assert!(
            message.text.contains("\nhttps://example.com/raptor/reset-password#abc\n"),
            "{}",
            message.text
        );
        assert!(message.text.contains("When: 2027-01-15 08:00 UTC"), "{}", message.text);
    }
}
