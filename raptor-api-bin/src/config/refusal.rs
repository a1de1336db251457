//! What is wrong with the configuration, in one sentence and without its secrets.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::{error::Error, fs};

const SECRETS: &[&str] = &["APP_KEY", "JWT_SECRET", "ADMIN_PASSWORD", "DATABASE_URL", "SMTP_PASSWORD"];

/// Reads `.env` of the working folder into the environment, which wins where both name a value.
///
/// # Errors
/// When it is there and can't be read, with the line.
pub(super) fn dotenv() -> anyhow::Result<()> {
    match dotenvy::from_path(".env") {
        Ok(()) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(dotenvy::Error::LineParse(wrong, _)) => Err(unreadable(&wrong)),
        Err(error) => anyhow::bail!("The file .env can't be read: {error}."),
    }
}

/// The line is named by its number: it may hold a secret.
fn unreadable(wrong: &str) -> anyhow::Error {
    let text = fs::read_to_string(".env").unwrap_or_default();
    let first = wrong.lines().next().unwrap_or_default().trim();
    let number = text.lines().position(|line| line.trim() == first).map_or(0, |index| index + 1);
    anyhow::anyhow!(
        "Line {number} of the file .env can't be read. Write NAME=value, with single quotes around a value that has spaces, quotes, # or $ in it."
    )
}

/// `error` as one sentence: the name, the value unless it is a secret, and what is allowed. Help and version are printed and
/// end the process, as clap does it.
pub(super) fn of(error: clap::Error) -> anyhow::Error {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        error.exit();
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (Some(argument), Some(value), Some(allowed)) =
        (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue), error.source())
    else {
        // Nothing of a value is in the others: a flag that there is not, one that is given twice.
        return anyhow::anyhow!("{}", error.to_string().trim().trim_start_matches("error: "));
    };
    let name = argument.split(['<', '>']).nth(1).unwrap_or(argument);
    let shown = if SECRETS.contains(&name) { "not valid".to_owned() } else { format!("{value:?}") };
    anyhow::anyhow!("{name} is {shown}: {}.", allowed.to_string().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_flag_is_named() {
        let error = clap::Command::new("raptor").try_get_matches_from(["raptor", "--colour"]).unwrap_err();
        assert!(of(error).to_string().contains("--colour"));
    }
}
