//! Reads the configuration of a program from flags, environment and `.env`, and says what is wrong with it in one sentence and
//! without its secrets. Both of Raptor's programs do it by this.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::{error::Error, fs};

/// Reads `.env` of the working folder, then flags and environment.
///
/// # Errors
/// One sentence that names the line of `.env`, or the value and what is allowed. Those named in `secrets` are not shown.
pub fn read<C: clap::Parser>(secrets: &[&str]) -> anyhow::Result<C> {
    dotenv()?;
    C::try_parse().map_err(|error| refusal(error, secrets))
}

/// Reads `.env` of the working folder into the environment, which wins where both name a value.
///
/// # Errors
/// When it is there and can't be read, with the line.
fn dotenv() -> anyhow::Result<()> {
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

/// `error` as one sentence: the name, the value unless its name is one of `secrets`, and what is allowed. Help and version are
/// printed and end the process, as clap does it.
#[must_use]
pub fn refusal(error: clap::Error, secrets: &[&str]) -> anyhow::Error {
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
    let shown = if secrets.contains(&name) { "not valid".to_owned() } else { format!("{value:?}") };
    anyhow::anyhow!("{name} is {shown}: {}.", allowed.to_string().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_flag_is_named() {
        let error = clap::Command::new("raptor").try_get_matches_from(["raptor", "--colour"]).unwrap_err();
        assert!(refusal(error, &[]).to_string().contains("--colour"));
    }
}
