//! What the commands need that change keys.

use super::{Secret, secret_file};
use anyhow::Context;
use clap::Args;
use std::{convert::Infallible, path::PathBuf};

/// What `rotate-key` needs beside [`Config`].
#[derive(Args, Clone, Debug)]
pub struct KeyRotation {
    /// The key until now; APP_KEY is the new one
    #[arg(long, env = "OLD_APP_KEY", hide_env_values = true, value_parser = former_key)]
    pub old_app_key: Option<Secret>,
    /// File with the key until now
    #[arg(long, env = "OLD_APP_KEY_FILE")]
    pub old_app_key_file: Option<PathBuf>,
    /// Go on without the secrets that can't be read, as the key until now is lost. Run it without this first: it lists them
    #[arg(long)]
    pub lost: bool,
    /// Folder of the SQLite database, where DATABASE_URL is not set
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
}

impl KeyRotation {
    /// The key until now, where it is known.
    ///
    /// # Errors
    /// When its file can't be read.
    pub fn former(&self) -> anyhow::Result<Option<Secret>> {
        match (&self.old_app_key, &self.old_app_key_file) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, Some(file)) => secret_file(file).context("OLD_APP_KEY_FILE can't be used").map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// What `rotate-jwt-secret` needs beside [`Config`].
#[derive(Args, Clone, Debug)]
pub struct JwtRotation {
    /// Folder of the SQLite database, where DATABASE_URL is not set
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
}

/// Of any length: it was good enough until now.
fn former_key(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret(text.into()))
}
