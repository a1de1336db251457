//! Reading a program's configuration from flags, environment and `.env`, and saying what is wrong with it in one sentence and
//! without its secrets.

use crate::authorities;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::{
    collections::BTreeSet,
    error::Error,
    fmt, fs,
    io::{self, Write},
};

/// Characters that a key has at least.
pub const KEY_LENGTH: usize = 32;
/// Different characters that a key has at least: one more than there are digits. Random ones of 32 hexadecimal digits have 14 on
/// average, those that Raptor makes about 30.
const KEY_VARIETY: usize = 11;

/// Whether a key is too short, or repeats too few characters, to withstand guessing. It says nothing good of other keys.
#[must_use]
pub fn is_easily_guessed(key: &str) -> bool {
    key.len() < KEY_LENGTH || key.chars().collect::<BTreeSet<_>>().len() < KEY_VARIETY
}

/// Reads `.env` of the working folder, then flags and environment. Names in `.env` that mean nothing to the program are warned of.
/// The commands named in `bare` need no settings, so for them neither is looked at. Help and version need no `.env`.
///
/// # Errors
/// One sentence that names the line of `.env`, or the value and what is allowed. Those named in `secrets` are not shown.
pub fn read<C: clap::Parser>(secrets: &[&str], bare: &[&str]) -> anyhow::Result<C> {
    let given: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let asked = |arg: &String| matches!(arg.as_str(), "help" | "--help" | "-h" | "--version" | "-V");
    // `help key` is `key --help`.
    let first = given.iter().find(|arg| *arg != "help");
    let needs_none = first.is_some_and(|first| bare.contains(&first.as_str()));
    let in_file = if needs_none || given.iter().any(asked) { Vec::new() } else { dotenv()? };
    // After that file: a command takes the environment as it is when it is made.
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

/// `command` with settings that are neither read from the environment nor shown in its help.
fn without_settings(command: Command) -> Command {
    let subcommands: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        let setting = arg.get_env().is_some();
        if setting { arg.env(None::<&'static str>).hide(true) } else { arg }
    });
    subcommands.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_settings))
}

/// Writes a line to standard output. That nobody reads any more (`raptor-api openapi | head`) is no error.
///
/// # Errors
/// When it can't be written for another reason, such as a full disk.
pub fn say(line: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The names of all settings, those of subcommands included.
fn names(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(names)).collect()
}

/// What libraries read from the environment, and may stand in `.env` as well. PostgreSQL's names begin with `PG`.
const OF_LIBRARIES: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR", "RUST_BACKTRACE", "NO_COLOR"];

/// A warning for each name in `.env` that is none of `known` and none that libraries read.
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

/// Reads `.env` of the working folder into the environment, which wins where both name a value. Gives the names in it.
///
/// # Errors
/// When it is there and can't be read, with the line.
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
