//! The mail server's settings.

use super::{DEFAULT_APP_URL, port};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use raptor_core::mail::{
    MailTransport,
    smtp::{Security, Smtp, SmtpLogin, SmtpSettings, check_from},
};
use raptor_server::Secret;
use std::{fs, net::IpAddr, path::PathBuf, sync::Arc};
use url::Url;

/// Settings of the mail server. Without a host, no mail is sent.
#[derive(Args, Clone, Debug)]
pub struct SmtpConfig {
    /// Host name of the mail server (SMTP). Without it no mail is sent and nobody can reset a forgotten password
    #[arg(long, env = "SMTP_HOST", value_parser = host, global = true)]
    pub smtp_host: Option<String>,
    /// Port of the mail server [default: 587, 465 with SMTP_SECURITY=tls, 25 with none]
    #[arg(long, env = "SMTP_PORT", value_parser = port, global = true)]
    pub smtp_port: Option<u16>,
    /// User name at the mail server, if it requires one
    #[arg(long, env = "SMTP_USERNAME", value_parser = line, global = true)]
    pub smtp_username: Option<String>,
    /// Password at the mail server
    #[arg(long, env = "SMTP_PASSWORD", hide_env_values = true, value_parser = password, global = true)]
    pub smtp_password: Option<Secret>,
    /// Sender of all mails: raptor@example.com or 'Raptor <raptor@example.com>'
    #[arg(long, env = "SMTP_FROM", value_parser = from, global = true)]
    pub smtp_from: Option<String>,
    /// How the connection is encrypted: starttls, tls or none [default: starttls, or tls on port 465]
    #[arg(long, env = "SMTP_SECURITY", value_parser = security, global = true)]
    pub smtp_security: Option<SmtpSecurity>,
    /// PEM file with the certificate of the authority that signed the mail server's certificate, if this machine does not trust it
    #[arg(long, env = "SMTP_CA_FILE", global = true)]
    pub smtp_ca_file: Option<PathBuf>,
}

/// A value of `SMTP_SECURITY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SmtpSecurity {
    /// STARTTLS, required.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Neither TLS nor STARTTLS: mail and password are sent in the open.
    None,
}

impl SmtpConfig {
    /// The mail server and the base URL for links in mails, if mail is set up.
    ///
    /// # Errors
    /// One sentence that names the missing setting.
    pub fn transport(
        &self,
        app_url: Option<&Url>,
    ) -> anyhow::Result<Option<(Arc<dyn MailTransport>, String)>> {
        let Some((settings, panel)) = self.settings(app_url)? else { return Ok(None) };
        let smtp = Smtp::new(settings).map_err(|error| match error {
            raptor_core::Error::Invalid { field, why } => anyhow::anyhow!("{field}: {why}"),
            error => error.into(),
        })?;
        Ok(Some((Arc::new(smtp), panel)))
    }

    fn settings(&self, app_url: Option<&Url>) -> anyhow::Result<Option<(SmtpSettings, String)>> {
        let Some(host) = &self.smtp_host else {
            return match self.first_given() {
                Some(name) => {
                    bail!("SMTP_HOST is not set, but {name} is: set both, or neither to send no mail.")
                }
                None => Ok(None),
            };
        };
        let Some(from) = &self.smtp_from else {
            bail!("SMTP_FROM is not set: mail sent by SMTP_HOST needs a sender like raptor@example.com.")
        };
        let login = match (&self.smtp_username, &self.smtp_password) {
            (Some(username), Some(password)) => {
                Some(SmtpLogin { username: username.clone(), password: password.expose().to_owned() })
            }
            (None, None) => None,
            (Some(_), None) => bail!("SMTP_PASSWORD is not set, but SMTP_USERNAME is: set both or neither."),
            (None, Some(_)) => bail!("SMTP_USERNAME is not set, but SMTP_PASSWORD is: set both or neither."),
        };
        let Some(app_url) = app_url.filter(|url| url.as_str() != DEFAULT_APP_URL) else {
            bail!(
                "APP_URL is not set: links in mails need the address where people open the panel, like https://panel.example.com."
            )
        };
        let security = match self.smtp_security {
            Some(SmtpSecurity::Starttls) => Security::StartTls,
            Some(SmtpSecurity::Tls) => Security::Tls,
            Some(SmtpSecurity::None) => Security::None,
            None if self.smtp_port == Some(Security::Tls.port()) => Security::Tls,
            None => Security::StartTls,
        };
        if security == Security::None && login.is_some() && !is_this_machine(host) {
            bail!(
                "SMTP_SECURITY is \"none\": the password would be sent unencrypted. Use starttls or tls, or remove SMTP_USERNAME and SMTP_PASSWORD."
            )
        }
        let read = |path: &PathBuf| {
            fs::read(path).with_context(|| format!("SMTP_CA_FILE is {} and can't be read", path.display()))
        };
        let authorities = self.smtp_ca_file.as_ref().map(read).transpose()?;
        let (host, from) = (host.clone(), from.clone());
        let port = self.smtp_port.unwrap_or(security.port());
        let settings = SmtpSettings { host, port, security, authorities, login, from };
        Ok(Some((settings, app_url.as_str().to_owned())))
    }

    fn first_given(&self) -> Option<&'static str> {
        [
            (self.smtp_port.is_some(), "SMTP_PORT"),
            (self.smtp_username.is_some(), "SMTP_USERNAME"),
            (self.smtp_password.is_some(), "SMTP_PASSWORD"),
            (self.smtp_from.is_some(), "SMTP_FROM"),
            (self.smtp_security.is_some(), "SMTP_SECURITY"),
            (self.smtp_ca_file.is_some(), "SMTP_CA_FILE"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn host(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    match text.trim() {
        "" => Err("use a name like smtp.example.com, or remove SMTP_HOST"),
        text if !text.chars().all(allowed) || (text.contains(':') && text.parse::<IpAddr>().is_err()) => {
            Err("use a name like smtp.example.com; the port goes into SMTP_PORT")
        }
        text => Ok(text.to_owned()),
    }
}

fn line(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("use the name that the mail server knows, or remove the setting"),
        text if text.chars().any(char::is_control) => Err("use one line"),
        text => Ok(text.to_owned()),
    }
}

fn password(text: &str) -> Result<Secret, &'static str> {
    line(text).map(Secret::new).map_err(|_| "use one line that is not empty, or remove the setting")
}

fn from(text: &str) -> Result<String, String> {
    check_from(text)
        .map(|()| text.to_owned())
        .map_err(|_| "use an address like raptor@example.com or Raptor <raptor@example.com>".into())
}

fn security(text: &str) -> Result<SmtpSecurity, &'static str> {
    SmtpSecurity::from_str(text, true).map_err(|_| "use starttls, tls or none")
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::Parser;

    fn settings(args: &[&str]) -> Result<Option<SmtpSettings>, String> {
        let cli = Cli::try_parse_from([&["raptor-api"], args].concat())
            .map_err(|error| raptor_server::refusal(error, super::super::SECRETS).to_string())?;
        let config = cli.config;
        let settings = config.smtp.settings(config.app_url.as_ref()).map_err(|error| error.to_string())?;
        Ok(settings.map(|(settings, _)| settings))
    }

    const HOST: &str = "--smtp-host=smtp.example.com";
    const FROM: &str = "--smtp-from=Raptor <raptor@example.com>";
    const URL: &str = "--app-url=https://panel.example.com";

    #[test]
    fn half_a_configuration_is_refused_with_the_name_that_is_missing() {
        for (args, missing) in [
            (&[FROM][..], "SMTP_HOST is not set"),
            (&["--smtp-port=25"], "SMTP_HOST is not set"),
            (&[HOST, URL], "SMTP_FROM is not set"),
            (&[HOST, FROM], "APP_URL is not set"),
            (
                &[HOST, FROM, URL, "--smtp-ca-file=/unknown_path/ca.pem"],
                "SMTP_CA_FILE is /unknown_path/ca.pem",
            ),
            (&[HOST, FROM, URL, "--smtp-username=me"], "SMTP_PASSWORD is not set"),
            (&[HOST, FROM, URL, "--smtp-password=secret"], "SMTP_USERNAME is not set"),
        ] {
            let message = settings(args).err().unwrap();
            assert!(message.starts_with(missing) && !message.contains("secret"), "{message}");
        }
        assert!(settings(&[]).unwrap().is_none());
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_allowed() {
        for (arg, name, allowed) in [
            ("--smtp-port=0", "SMTP_PORT is \"0\"", "65535"),
            ("--smtp-security=ssl", "SMTP_SECURITY is \"ssl\"", "starttls, tls or none"),
            ("--smtp-from=me", "SMTP_FROM is \"me\"", "raptor@example.com"),
            ("--smtp-host=smtp.example.com:25", "SMTP_HOST", "SMTP_PORT"),
        ] {
            let message = settings(&[arg]).err().unwrap();
            assert!(message.contains(name) && message.contains(allowed), "{message}");
        }
    }

    #[test]
    fn port_and_security_follow_from_each_other() {
        for (args, port, security) in [
            (&[][..], 587, Security::StartTls),
            (&["--smtp-port=465"], 465, Security::Tls),
            (&["--smtp-security=tls"], 465, Security::Tls),
            (&["--smtp-port=465", "--smtp-security=starttls"], 465, Security::StartTls),
            (&["--smtp-security=none"], 25, Security::None),
            (&["--smtp-security=none", "--smtp-port=2525"], 2525, Security::None),
        ] {
            let settings = settings(&[&[HOST, FROM, URL], args].concat()).unwrap().unwrap();
            assert_eq!((settings.port, settings.security), (port, security));
        }
    }

    #[test]
    fn a_password_never_crosses_the_network_in_the_clear() {
        let account = ["--smtp-username=me", "--smtp-password=secret", "--smtp-security=none"];
        let message = settings(&[&[HOST, FROM, URL], &account[..]].concat()).err().unwrap();
        assert!(message.starts_with("SMTP_SECURITY") && !message.contains("secret"), "{message}");
        let here = ["--smtp-host=127.0.0.1", FROM, URL];
        assert!(settings(&[&here, &account[..]].concat()).unwrap().is_some());
    }
}
