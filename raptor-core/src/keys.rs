//! Rotating `APP_KEY` and `JWT_SECRET`, and refusing to start with the wrong ones.
//!
//! The store holds a canary sealed with each of the two. A [`Raptor`](crate::Raptor) with another key does not start:
//! [`Error::Conflict`] `app_key_changed` or `jwt_secret_changed`, with what to do. To change one, stop all APIs and use
//! [`rotate_app_key`] or [`rotate_jwt_secret`].

use crate::{
    Error, Result,
    activity::Activity,
    auth::seal::Sealer,
    authz::Actor,
    clock::Clock,
    store::{self, Conn, Store},
};

const APP_KEY: &str = "APP_KEY";
const JWT_SECRET: &str = "JWT_SECRET";
/// The plain text of a canary.
const CANARY: &str = "raptor";
/// How many lost secrets a message lists.
const NAMED: usize = 20;

/// The result of a rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotation {
    /// Secrets that were re-encrypted with the new key.
    pub resealed: usize,
    /// Secrets that were already encrypted with it.
    pub kept: usize,
    /// Secrets that can't be decrypted any more. They stay in the store, in case their key is found.
    pub lost: Vec<String>,
    /// Sessions that ended because they were signed with the former key.
    pub sessions_ended: usize,
}

fn seal(sealer: &Sealer, name: &str) -> Result<Vec<u8>> {
    sealer.seal(name.as_bytes(), CANARY)
}

fn opens(sealer: &Sealer, name: &str, canary: &[u8]) -> bool {
    sealer.open(name.as_bytes(), canary).is_ok_and(|text| text == CANARY)
}

fn other_app_key() -> Error {
    Error::conflict(
        "app_key_changed",
        "APP_KEY is not the key that the secrets in this database are encrypted with. Restore that key. To change it, stop every API on this database and run `raptor-api rotate-key` with the new key as APP_KEY and the former one as OLD_APP_KEY. If the former key is lost, `raptor-api rotate-key` without it lists the secrets that are lost and explains how to continue.",
    )
}

fn other_jwt_secret() -> Error {
    Error::conflict(
        "jwt_secret_changed",
        "JWT_SECRET (or APP_KEY, if that is not set) is not the secret that sessions on this database are signed with. Restore that secret. To change it, stop every API on this database and run `raptor-api rotate-jwt-secret` with the new one as JWT_SECRET; that signs everybody out.",
    )
}

/// Checks that the store belongs to these keys. A store without canaries gets them; that of `APP_KEY` only if the key opens
/// something sealed, or nothing is sealed.
///
/// # Errors
/// [`Error::Conflict`] `app_key_changed` or `jwt_secret_changed`.
pub(crate) async fn check(store: &Store, app_key: &Sealer, jwt_secret: &Sealer) -> Result<()> {
    let known = store::keys::canaries(&mut store.read().await?.conn()).await?;
    if known.len() < 2 {
        let mut tx = store.begin().await?;
        if !known.contains_key(APP_KEY) {
            let mut sealed = store::keys::sealed(&mut tx.conn()).await?;
            sealed.retain(|it| !it.owner.is_own_host());
            let read = sealed.iter().filter(|it| app_key.open(it.owner.context(), &it.value).is_ok()).count();
            if read == 0 && !sealed.is_empty() {
                return Err(other_app_key());
            }
            if read < sealed.len() {
                let count = sealed.len() - read;
                tracing::warn!(
                    count,
                    "secrets in the database are encrypted with another APP_KEY and can't be decrypted"
                );
            }
            store::keys::add_canary(&mut tx.conn(), APP_KEY, &seal(app_key, APP_KEY)?).await?;
        }
        store::keys::add_canary(&mut tx.conn(), JWT_SECRET, &seal(jwt_secret, JWT_SECRET)?).await?;
        tx.commit().await?;
    }
    // Read again after writing: another API may have written them first.
    let known = store::keys::canaries(&mut store.read().await?.conn()).await?;
    let belongs = |name: &str, sealer| known.get(name).is_some_and(|canary| opens(sealer, name, canary));
    if !belongs(APP_KEY, app_key) {
        return Err(other_app_key());
    }
    if !belongs(JWT_SECRET, jwt_secret) {
        return Err(other_jwt_secret());
    }
    Ok(())
}

/// Re-encrypts all secrets with `app_key` in one transaction, while no API is running. Idempotent: secrets that are already
/// sealed with it stay. `former` is the previous key; without it, or with a wrong one, what it sealed is lost, which
/// `accept_loss` has to allow. Without a `jwt_secret`, sessions are signed with `app_key` too, so they end.
///
/// # Errors
/// [`Error::Conflict`] `secrets_lost` with what can't be decrypted, `api_running`.
pub async fn rotate_app_key(
    store: &Store,
    clock: &Clock,
    former: Option<&str>,
    app_key: &str,
    jwt_secret: Option<&str>,
    accept_loss: bool,
) -> Result<Rotation> {
    let new = Sealer::new(app_key)?;
    let former = former.map(Sealer::new).transpose()?;
    let mut tx = store.begin().await?;
    store::keys::exclude_apis(&mut tx.conn()).await?;
    let mut done = Rotation::default();
    let mut lost = Vec::new();
    for sealed in store::keys::sealed(&mut tx.conn()).await? {
        let context = sealed.owner.context();
        if new.open(context, &sealed.value).is_ok() {
            done.kept += 1;
        } else if let Some(secret) = former.as_ref().and_then(|key| key.open(context, &sealed.value).ok()) {
            store::keys::reseal(&mut tx.conn(), &sealed.owner, &new.seal(context, &secret)?).await?;
            done.resealed += 1;
        } else {
            lost.push(sealed.owner);
        }
    }
    lost.retain(|owner| !owner.is_own_host());
    done.lost = lost.iter().map(ToString::to_string).collect();
    let canaries = store::keys::canaries(&mut tx.conn()).await?;
    let canary = canaries.get(APP_KEY);
    let known = canary.is_none_or(|canary| {
        opens(&new, APP_KEY, canary) || former.as_ref().is_some_and(|key| opens(key, APP_KEY, canary))
    });
    if !(accept_loss || known && done.lost.is_empty()) {
        return Err(unreadable(&done.lost, former.is_some()));
    }
    let changed = !canary.is_some_and(|canary| opens(&new, APP_KEY, canary));
    if changed {
        store::keys::replace_canary(&mut tx.conn(), APP_KEY, &seal(&new, APP_KEY)?).await?;
    }
    let ended = match jwt_secret {
        None => sign_with(&mut tx.conn(), &new).await?,
        Some(_) => None,
    };
    done.sessions_ended = ended.unwrap_or_default();
    if changed || done.resealed > 0 {
        let detail = serde_json::json!({
            "resealed": done.resealed, "lost": done.lost, "sessions_ended": done.sessions_ended,
        });
        let activity = Activity::new(clock, &Actor::System, "keys.app_key_changed").with(detail);
        store::activity::insert(&mut tx.conn(), &activity).await?;
    } else if let Some(ended) = ended {
        // The same APP_KEY, but JWT_SECRET was removed.
        note_signing(&mut tx.conn(), clock, ended).await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// Whether `app_key` is the store's key. Waits for a rotation in progress.
///
/// # Errors
/// If the database can't be read.
pub async fn is_app_key(store: &Store, app_key: &str) -> Result<bool> {
    let sealer = Sealer::new(app_key)?;
    let canaries = store::keys::canaries(&mut store.read().await?.conn()).await?;
    Ok(canaries.get(APP_KEY).is_some_and(|canary| opens(&sealer, APP_KEY, canary)))
}

/// Signs sessions with `jwt_secret` from now on, or with `app_key` if there is none, while no API is running. All sessions end.
/// Returns how many there were, or `None` if this was already the secret.
///
/// # Errors
/// [`Error::Conflict`] `app_key_changed`, `api_running`.
pub async fn rotate_jwt_secret(
    store: &Store,
    clock: &Clock,
    app_key: &str,
    jwt_secret: Option<&str>,
) -> Result<usize> {
    let mut tx = store.begin().await?;
    store::keys::exclude_apis(&mut tx.conn()).await?;
    let canaries = store::keys::canaries(&mut tx.conn()).await?;
    let app_sealer = Sealer::new(app_key)?;
    if canaries.get(APP_KEY).is_some_and(|canary| !opens(&app_sealer, APP_KEY, canary)) {
        return Err(other_app_key());
    }
    let signing = Sealer::new(jwt_secret.unwrap_or(app_key))?;
    let ended = sign_with(&mut tx.conn(), &signing).await?;
    if let Some(ended) = ended {
        note_signing(&mut tx.conn(), clock, ended).await?;
    }
    tx.commit().await?;
    Ok(ended.unwrap_or_default())
}

/// Makes `signing` the key of sessions, and ends those of another one. Returns how many there were, or `None` if it was already
/// the key.
async fn sign_with(c: &mut Conn<'_>, signing: &Sealer) -> Result<Option<usize>> {
    let canaries = store::keys::canaries(c).await?;
    if canaries.get(JWT_SECRET).is_some_and(|canary| opens(signing, JWT_SECRET, canary)) {
        return Ok(None);
    }
    store::keys::replace_canary(c, JWT_SECRET, &seal(signing, JWT_SECRET)?).await?;
    store::sessions::delete_all(c).await.map(Some)
}

/// Records that sessions are signed with another secret, and how many ended because of it.
async fn note_signing(c: &mut Conn<'_>, clock: &Clock, ended: usize) -> Result<()> {
    let activity = Activity::new(clock, &Actor::System, "keys.jwt_secret_changed")
        .with(serde_json::json!({ "sessions_ended": ended }));
    store::activity::insert(c, &activity).await
}

fn unreadable(lost: &[String], had_former: bool) -> Error {
    let why = match had_former {
        true => "OLD_APP_KEY is not the key that all secrets in this database are encrypted with.",
        false => {
            "OLD_APP_KEY is not set, and APP_KEY is not the key that this database's secrets are encrypted with."
        }
    };
    let named = lost.iter().take(NAMED).map(|what| format!("\n  - {what}")).collect::<String>();
    let more = lost.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("\n  - and {more} more") } else { String::new() };
    let what = if lost.is_empty() {
        "No secret is encrypted with it now.".to_owned()
    } else {
        format!("These can't be decrypted:{named}{more}")
    };
    Error::conflict(
        "secrets_lost",
        format!(
            "{why} {what}\nNothing was changed. Set OLD_APP_KEY (or OLD_APP_KEY_FILE) to the former key. If it is lost, add --lost: the secrets listed here are lost, and you have to replace the daemons' keys and enter the registries' passwords again."
        ),
    )
}
