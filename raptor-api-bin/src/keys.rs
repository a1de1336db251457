//! `raptor-api rotate-key` and `rotate-jwt-secret`.

use crate::config::{
    Config,
    keys::{JwtRotation, KeyRotation, KeySource},
};
use raptor_core::{clock::Clock, keys, store::Store};
use raptor_server::{Secret, say};
use std::{fs, path::Path};

async fn open(config: &Config, data_dir: &Path) -> anyhow::Result<Store> {
    Ok(Store::open_for_maintenance(&config.database(data_dir)?).await?)
}

/// Deletes the file with a new key after it was rejected, unless the database has that key after all or does not answer.
async fn take_back(store: &Store, key: &Secret, file: &Path) {
    let taken = keys::is_app_key(store, key.expose()).await;
    if let Ok(false) = taken {
        if let Err(error) = fs::remove_file(file) {
            tracing::warn!(file = %file.display(), %error, "the new key is not in use; its file can't be removed");
        }
        return;
    }
    tracing::warn!(
        file = %file.display(),
        "the database may have taken the new key, which this file holds. Keep it and the former key, and run this again"
    );
}

/// Re-encrypts all stored secrets with `APP_KEY`. A key that `APP_KEY_FILE` does not contain yet is created only if the
/// database exists and nobody else uses it, and is deleted if the rotation fails: the next attempt would take it for the
/// current key.
///
/// # Errors
/// One message with the cause and how to fix it. Nothing was changed then.
pub async fn rotate_app_key(config: &Config, rotation: &KeyRotation) -> anyhow::Result<()> {
    let former = rotation.former()?;
    let source = KeySource::of(config)?;
    let jwt_secret = config.jwt_secret.as_ref().map(Secret::expose);
    let store = open(config, &rotation.data_dir).await?;
    let (app_key, made) = source.present_or_made()?;
    let former = former.as_ref().map(Secret::expose);
    let done =
        keys::rotate_app_key(&store, &Clock::System, former, app_key.expose(), jwt_secret, rotation.lost)
            .await;
    if let (Err(_), Some(file)) = (&done, made) {
        take_back(&store, &app_key, file).await;
    }
    store.close().await;
    let done = done?;
    for lost in &done.lost {
        tracing::warn!("lost with the former APP_KEY: {lost}");
    }
    say(format_args!(
        "Secrets encrypted again with the new APP_KEY: {}; already encrypted with it: {}; unreadable: {}. Sessions ended: {}.",
        done.resealed,
        done.kept,
        done.lost.len(),
        done.sessions_ended
    ))?;
    say("Start every API on this database with the new key.")?;
    if let Some(file) = &rotation.old_app_key_file {
        say(format_args!(
            "Once they run, move {} away, so that the next change does not use it. Only older copies of the database need it.",
            file.display()
        ))?;
    }
    Ok(())
}

/// Signs sessions with `JWT_SECRET` from now on.
///
/// # Errors
/// Those of [`rotate_app_key`].
pub async fn rotate_jwt_secret(config: &Config, rotation: &JwtRotation) -> anyhow::Result<()> {
    let app_key = KeySource::of(config)?.present()?;
    let jwt_secret = config.jwt_secret.as_ref().map(Secret::expose);
    let store = open(config, &rotation.data_dir).await?;
    let ended = keys::rotate_jwt_secret(&store, &Clock::System, app_key.expose(), jwt_secret).await;
    store.close().await;
    say(format_args!(
        "Sessions ended: {}. Start every API on this database with the new JWT_SECRET.",
        ended?
    ))?;
    Ok(())
}
