//! Reading a program's configuration from flags, the environment and `.env`, and reporting mistakes in it in one sentence without
//! secrets.

use crate::authorities;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::{
    collections::BTreeSet,
    error::Error,
    fmt, fs,
    io::{self, Write},
};

/// Minimum length of a key, in characters.
pub const KEY_LENGTH: usize = 32;
/// Minimum number of different characters in a key: one more than there are digits. A random key of 32 hexadecimal digits has
/// 14 on average, one that Raptor generates about 30.
const KEY_VARIETY: usize = 11;

/// Whether a key is too short or uses too few different characters to withstand guessing. `false` does not mean that it
/// is strong.
#[must_use]
pub fn is_easily_guessed(key: &str) -> bool {
    key.len() < KEY_LENGTH || key.chars().collect::<BTreeSet<_>>().len() < KEY_VARIETY
}

/// Reads `.env` in the working directory, then flags and the environment. Warns about names in `.env` that the program does not
/// know. The commands in `bare` need no settings, so for them neither source is read. Neither is `.env` for help and version.
///
/// # Errors
/// One sentence that names the line of `.env`, or the value and what is allowed. The values of `secrets` are never shown.
pub fn read<C: clap::Parser>(secrets: &[&str], bare: &[&str]) -> anyhow::Result<C> {
    let given: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let asked = |arg: &String| matches!(arg.as_str(), "help" | "--help" | "-h" | "--version" | "-V");
    // `help key` means `key --help`.
    let first = given.iter().find(|arg| *arg != "help");
    let needs_none = first.is_some_and(|first| bare.contains(&first.as_str()));
    let in_file = if needs_none || given.iter().any(asked) { Vec::new() } else { dotenv()? };
    // After loading `.env`: clap reads the environment when the command is built.
    let mut command = C::command();
    let authorities =
        if needs_none { Vec::new() } else { authorities::problems(|name| std::env::var_os(name)) };
    for warning in unknown(&names(&command), in_file).into_iter().chain(authorities) {
        eprintln!("warning: {warning}");
    }
    if needs_none {
        command = without_settings(command);
    }
    let parsed = command.try_get_matches().and_then(|mut matches| C::from_arg_matches_mut(&mut matches));
    parsed.map_err(|error| refusal(error, secrets))
}

/// `command` with its settings neither read from the environment nor shown in its help.
fn without_settings(command: Command) -> Command {
    let subcommands: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        let setting = arg.get_env().is_some();
        if setting { arg.env(None::<&'static str>).hide(true) } else { arg }
    });
    subcommands.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_settings))
}

/// Writes a line to standard output. A closed pipe (`raptor-api openapi | head`) is not an error.
///
/// # Errors
/// If it can't be written for another reason, such as a full disk.
pub fn say(line: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The names of all settings, including those of subcommands.
fn names(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(names)).collect()
}

/// Variables that libraries read, which may be set in `.env` too. So may PostgreSQL's, which begin with `PG`.
const OF_LIBRARIES: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR", "RUST_BACKTRACE", "NO_COLOR"];

/// A warning for each name in `.env` that neither the program nor its libraries know.
fn unknown(known: &BTreeSet<String>, given: Vec<String>) -> Vec<String> {
    let elsewhere = |name: &str| OF_LIBRARIES.contains(&name) || name.starts_with("PG");
    let strange = given.into_iter().filter(|name| !known.contains(name) && !elsewhere(name));
    strange
        .map(|name| {
            let near = known.iter().map(|known| (strsim::jaro_winkler(known, &name), known));
            match near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.85) {
                Some((_, near)) => {
                    format!(".env sets {name}, which is not a setting and is ignored. Did you mean {near}?")
                }
                None => {
                    format!(".env sets {name}, which is not a setting and is ignored. --help lists them.")
                }
            }
        })
        .collect()
}

/// Loads `.env` from the working directory into the environment, whose existing values win. Returns the names in the file.
///
/// # Errors
/// If it exists and can't be read, with the line number.
fn dotenv() -> anyhow::Result<Vec<String>> {
    match dotenvy::from_path(".env") {
        Ok(()) => {
            let names = dotenvy::from_path_iter(".env")?.filter_map(|pair| Some(pair.ok()?.0));
            Ok(names.collect())
        }
        Err(error) if error.not_found() => Ok(Vec::new()),
        Err(dotenvy::Error::LineParse(wrong, _)) => Err(unreadable(&wrong)),
        Err(error) => anyhow::bail!("The file .env can't be read: {error}."),
    }
}

/// The line is named by its number only, since it may hold a secret.
fn unreadable(wrong: &str) -> anyhow::Error {
    let text = fs::read_to_string(".env").unwrap_or_default();
    let first = wrong.lines().next().unwrap_or_default().trim();
    let number = text.lines().position(|line| line.trim() == first).map_or(0, |index| index + 1);
    anyhow::anyhow!(
        "Line {number} of the file .env can't be read. Write NAME=value, with single quotes around a value that has spaces, quotes, # or $ in it."
    )
}

/// `error` as one sentence with the setting's name, its value unless it is one of `secrets`, and what is allowed. Help and
/// version are printed and end the process, as clap does it.
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
        // The other kinds never contain a value, e.g. an unknown flag or one that is given twice.
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
    fn names_in_the_file_that_mean_nothing_are_told_with_what_may_be_meant() {
        let known = ["CONTAINER_SUBNETS", "API_ADDR"].map(str::to_owned).into();
        let told = unknown(
            &known,
            ["API_ADDR", "CONTAINER_SUBNET", "SSL_CERT_FILE", "PGSSLROOTCERT", "COLOUR"]
                .map(str::to_owned)
                .into(),
        );
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("CONTAINER_SUBNET,") && told[0].contains("Did you mean CONTAINER_SUBNETS?"));
        assert!(told[1].contains("COLOUR") && !told[1].contains("Did you mean"));
    }

    #[test]
    fn an_unknown_flag_is_named() {
        let error = clap::Command::new("raptor").try_get_matches_from(["raptor", "--colour"]).unwrap_err();
        assert!(refusal(error, &[]).to_string().contains("--colour"));
    }
}
