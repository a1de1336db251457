//! `raptor-api rotate-key` and `rotate-jwt-secret`.

use crate::config::{
    Config, Secret,
    keys::{JwtRotation, KeyRotation},
};
use anyhow::Context;
use raptor_config::say;
use raptor_core::{clock::Clock, keys, store::Store};
use std::path::Path;

fn present(config: &Config) -> anyhow::Result<Secret> {
    config.key()?.context(
        "APP_KEY is not set. Set it to the key that the server is to start with; `raptor-api key` makes one.",
    )
}

async fn open(config: &Config, data_dir: &Path) -> anyhow::Result<Store> {
    Ok(Store::open_for_maintenance(&config.database(data_dir)?).await?)
}

/// Encrypts every stored secret anew under `APP_KEY`.
///
/// # Errors
/// One message with what is in the way and what mends it. Nothing was changed then.
pub async fn rotate_app_key(config: &Config, rotation: &KeyRotation) -> anyhow::Result<()> {
    let former = rotation.former()?;
    let app_key = present(config)?;
    let jwt_secret = config.jwt_secret.as_ref().map(Secret::expose);
    let store = open(config, &rotation.data_dir).await?;
    let former = former.as_ref().map(Secret::expose);
    let done =
        keys::rotate_app_key(&store, &Clock::System, former, app_key.expose(), jwt_secret, rotation.lost)
            .await;
    store.close().await;
    let done = done?;
    for lost in &done.lost {
        tracing::warn!("lost with the former APP_KEY: {lost}");
    }
    say(format_args!(
        "Secrets that are encrypted under the new APP_KEY now: {}; that were already: {}; that can't be read: {}. Sessions ended: {}.",
        done.resealed,
        done.kept,
        done.lost.len(),
        done.sessions_ended
    ))?;
    say("Start every API on this database with the new key.")?;
    Ok(())
}

/// Has sessions signed with `JWT_SECRET` from now on.
///
/// # Errors
/// As [`rotate_app_key`].
pub async fn rotate_jwt_secret(config: &Config, rotation: &JwtRotation) -> anyhow::Result<()> {
    let app_key = present(config)?;
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
