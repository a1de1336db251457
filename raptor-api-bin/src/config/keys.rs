//! The keys and settings of the commands that rotate keys.

use super::{Config, app_key, key_in, secret_file};
use anyhow::{Context, anyhow};
use clap::Args;
use raptor_server::Secret;
use std::{
    convert::Infallible,
    path::{Path, PathBuf},
};

const NOT_SET: &str =
    "APP_KEY is not set. Set it to the key that the server should start with; `raptor-api key` creates one.";

/// Where a command gets its key from.
#[derive(Clone, Copy, Debug)]
pub enum KeySource<'a> {
    /// The value of `APP_KEY`.
    Given(&'a Secret),
    /// The file named by `APP_KEY_FILE`.
    File(&'a Path),
}

impl<'a> KeySource<'a> {
    /// The source in the configuration. Nothing is read or created yet.
    ///
    /// # Errors
    /// If neither is set.
    pub fn of(config: &'a Config) -> anyhow::Result<Self> {
        let file = config.app_key_file.as_deref().map(Self::File);
        config.app_key.as_ref().map(Self::Given).or(file).context(NOT_SET)
    }

    /// The existing key.
    ///
    /// # Errors
    /// If the file can't be read or contains no key. It is not created.
    pub fn present(self) -> anyhow::Result<Secret> {
        match self {
            Self::Given(key) => Ok(key.clone()),
            Self::File(file) => {
                let key = secret_file(file).context("APP_KEY_FILE can't be used")?;
                app_key(key.expose()).map_err(|why| anyhow!("APP_KEY_FILE {}: {why}", file.display()))
            }
        }
    }

    /// The existing key, or a new one if the file doesn't exist, with the file if it was created.
    ///
    /// # Errors
    /// If the file can't be read or created, or contains no key.
    pub fn present_or_made(self) -> anyhow::Result<(Secret, Option<&'a Path>)> {
        match self {
            Self::Given(key) => Ok((key.clone(), None)),
            Self::File(file) => key_in(file).map(|(key, made)| (key, made.then_some(file))),
        }
    }
}

/// Settings of `rotate-key` in addition to [`Config`].
#[derive(Args, Clone, Debug)]
pub struct KeyRotation {
    /// The former key; APP_KEY is the new one
    #[arg(long, env = "OLD_APP_KEY", hide_env_values = true, value_parser = former_key)]
    pub old_app_key: Option<Secret>,
    /// File with the former key
    #[arg(long, env = "OLD_APP_KEY_FILE")]
    pub old_app_key_file: Option<PathBuf>,
    /// Continue without the secrets that can't be read because the former key is lost. Run it without this option first: it lists them
    #[arg(long)]
    pub lost: bool,
    /// Folder of the SQLite database, if DATABASE_URL is not set
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
}

impl KeyRotation {
    /// The former key, if it is known.
    ///
    /// # Errors
    /// If its file can't be read.
    pub fn former(&self) -> anyhow::Result<Option<Secret>> {
        match (&self.old_app_key, &self.old_app_key_file) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, Some(file)) => secret_file(file).context("OLD_APP_KEY_FILE can't be used").map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// Settings of `rotate-jwt-secret` in addition to [`Config`].
#[derive(Args, Clone, Debug)]
pub struct JwtRotation {
    /// Folder of the SQLite database, if DATABASE_URL is not set
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
}

/// Of any length, since it was accepted until now.
fn former_key(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}
