//! `raptor-daemon setup`: writes the settings that the panel shows for a new daemon to the host's `.env`, and a systemd unit on
//! request.

use crate::config::{self, Cli};
use anyhow::{Context, bail};
use clap::{Args, CommandFactory, Parser};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Maximum length of the settings, in bytes.
const MAX: usize = 64 * 1024;
/// The unit in the documentation.
const UNIT: &str = include_str!("../../docs/systemd/raptor-daemon.service");
/// The program and the folder in that unit, which are replaced.
const PROGRAM: &str = "/usr/local/bin/raptor-daemon";
const FOLDER: &str = "/etc/raptor/daemon";
/// The file name of the unit.
const UNIT_NAME: &str = "raptor-daemon.service";

/// Options of `setup`.
#[derive(Args, Clone, Debug)]
pub struct Setup {
    /// Folder of the .env
    #[arg(long, default_value = FOLDER)]
    pub folder: PathBuf,
    /// Also write a unit for systemd, unless there is one
    #[arg(long)]
    pub systemd: bool,
    /// Folder of systemd's units
    #[arg(long, default_value = "/etc/systemd/system", hide = true)]
    pub units: PathBuf,
}

/// Reads settings, one NAME=value per line, and writes them to the `.env`, which only its owner can read. Existing settings
/// that are not given are kept. Returns the message for the person who runs it.
///
/// # Errors
/// If a line is not a setting of the daemon or its value is refused, if there is no key, or if the folder can't be written to.
/// In these cases nothing is written.
pub fn run(setup: &Setup, input: impl Read) -> anyhow::Result<String> {
    let given = check(&read(input)?)?;
    let file = setup.folder.join(".env");
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unwritable(&setup.folder, &error)),
    };
    let after = merged(&before, &given);
    if !names(&after).any(|name| name == "DAEMON_API_KEY") {
        bail!("DAEMON_API_KEY is missing. Copy the whole line that the panel shows when a daemon is added.");
    }
    write(&setup.folder, &after).map_err(|error| unwritable(&setup.folder, &error))?;
    let mut said = format!("Wrote {}, which only its owner can read.", file.display());
    if setup.systemd {
        said.push_str(&unit(setup)?);
        said.push_str("\nStart it with: systemctl enable raptor-daemon && systemctl restart raptor-daemon");
    } else {
        said.push_str(&format!("\nStart raptor-daemon in {}.", setup.folder.display()));
    }
    Ok(said)
}

/// Reads all settings.
fn read(input: impl Read) -> anyhow::Result<String> {
    let unreadable = "can't read the settings from standard input";
    let mut bytes = Vec::new();
    // One more byte shows whether there is more.
    input.take(MAX as u64 + 1).read_to_end(&mut bytes).context(unreadable)?;
    if bytes.len() > MAX {
        bail!(
            "More than {} KiB came on standard input, which can't be settings. Write one NAME=value per line.",
            MAX / 1024
        );
    }
    String::from_utf8(bytes).context(unreadable)
}

/// The settings in `text`, each checked as at the daemon's start.
fn check(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let command = Cli::command();
    let mut given = BTreeMap::new();
    let lines = (1..).zip(text.lines().map(str::trim));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else {
            bail!("Line {number} is not a setting. Write one NAME=value per line.");
        };
        let argument =
            command.get_arguments().find(|argument| argument.get_env().is_some_and(|env| env == name));
        let Some(flag) = argument.and_then(clap::Arg::get_long) else {
            bail!("{name} is not a setting of the daemon. raptor-daemon --help lists them.");
        };
        if value.contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '#' | '$' | '\\')) {
            bail!(
                "{name} has a space, quote, #, $ or backslash in its value. Write that one into the .env by hand."
            );
        }
        Cli::try_parse_from(["raptor-daemon".into(), format!("--{flag}={value}")])
            .map_err(|error| raptor_server::refusal(error, config::SECRETS))?;
        given.insert(name.to_owned(), value.to_owned());
    }
    if given.is_empty() {
        bail!(
            "No settings came on standard input. Copy the whole line that the panel shows when a daemon is added."
        );
    }
    Ok(given)
}

/// `before` with these settings: existing ones are changed in place, others are appended.
fn merged(before: &str, given: &BTreeMap<String, String>) -> String {
    let mut left = given.clone();
    let mut after = String::new();
    for line in before.lines() {
        let name = name_of(line).filter(|name| given.contains_key(*name));
        match name {
            None => after.push_str(&format!("{line}\n")),
            // A duplicate is written only once.
            Some(name) => {
                if let Some(value) = left.remove(name) {
                    after.push_str(&format!("{name}={value}\n"));
                }
            }
        }
    }
    for (name, value) in left {
        after.push_str(&format!("{name}={value}\n"));
    }
    after
}

fn name_of(line: &str) -> Option<&str> {
    let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
    Some(line.split_once('=')?.0.trim()).filter(|name| !name.starts_with('#'))
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(name_of)
}

/// Writes the file atomically.
fn write(folder: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    if !folder.exists() {
        fs::DirBuilder::new().mode(0o700).create(folder)?;
    }
    let part = folder.join(".env.new");
    let _ = fs::remove_file(&part);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, folder.join(".env"))
}

/// Writes the unit if there is none, and returns a message.
fn unit(setup: &Setup) -> anyhow::Result<String> {
    let file = setup.units.join(UNIT_NAME);
    if !setup.units.is_dir() {
        bail!(
            "{} is not there: this host does not run systemd. Leave --systemd away.",
            setup.units.display()
        );
    }
    if file.exists() {
        return Ok(format!("\n{} is there already and stays as it is.", file.display()));
    }
    let program = std::env::current_exe().context("the place of this program is not known")?;
    let text = UNIT
        .replace(PROGRAM, &program.display().to_string())
        .replace(FOLDER, &setup.folder.display().to_string());
    fs::write(&file, text).map_err(|error| unwritable(&setup.units, &error))?;
    Ok(format!("\nWrote {}.", file.display()))
}

fn unwritable(folder: &Path, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => " Run this as root, for example with sudo.",
        _ => "",
    };
    anyhow::anyhow!("{} can't be used: {error}.{advice}", folder.display())
}
