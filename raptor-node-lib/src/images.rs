//! Images that were pulled for this host's containers, and when each was last used.

use crate::{desired::StateFolder, lifecycle::HostContext, runtime::RuntimeError};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::node::{CleanedImages, NodeError};
use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Images by reference, stored on disk. Other images were not pulled by this daemon and are none of its business.
pub(crate) struct Ledger {
    path: PathBuf,
    used: Mutex<BTreeMap<String, DateTime<Utc>>>,
}

impl Ledger {
    /// Opens the ledger in `folder`.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("images.json");
        let used = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { path, used: Mutex::new(used.unwrap_or_default()) }
    }

    /// Records that an image was pulled or used.
    pub(crate) fn note(&self, image: &str, at: DateTime<Utc>) {
        self.change(|used| {
            used.insert(image.to_owned(), at);
        });
    }

    /// Whether this daemon pulled the image.
    pub(crate) fn knows(&self, image: &str) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).contains_key(image)
    }

    /// Records that an image was removed.
    pub(crate) fn forget(&self, image: &str) {
        self.change(|used| {
            used.remove(image);
        });
    }

    /// The images that have not been used for `unused`.
    pub(crate) fn idle(&self, now: DateTime<Utc>, unused: TimeDelta) -> Vec<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().filter(|(_, at)| now - **at >= unused).map(|(image, _)| image.clone()).collect()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, DateTime<Utc>>)) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut used);
        if let Err(error) = self.keep(&used) {
            tracing::warn!(%error, "storing which images are in use failed");
        }
    }

    fn keep(&self, used: &BTreeMap<String, DateTime<Utc>>) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        fs::write(&temporary, serde_json::to_vec(used)?)?;
        fs::rename(temporary, &self.path)
    }
}

/// Removes images that were pulled for this host's containers and have not been used for `unused_s` seconds. Images of existing
/// containers are kept, also of those that Raptor did not create, and so are the images of declared containers.
///
/// # Errors
/// If the engine does not answer.
pub(crate) async fn clean(context: &HostContext, unused_s: u64) -> Result<CleanedImages, NodeError> {
    let away = |error: crate::runtime::RuntimeError| NodeError::Docker(error.to_string());
    let unused =
        TimeDelta::try_seconds(i64::try_from(unused_s).unwrap_or(i64::MAX)).unwrap_or(TimeDelta::MAX);
    let used = context.engine.used_images().await.map_err(away)?;
    let declared = StateFolder::all(&context.base).unwrap_or_default();
    let declared: HashSet<String> =
        declared.into_iter().filter_map(|id| Some(context.place(id).state.spec()?.image)).collect();
    let mut cleaned = CleanedImages::default();
    for image in context.images.idle(context.clock.now(), unused) {
        let id = context.engine.image_id(&image).await.ok().flatten();
        let in_use = used.contains(&image) || id.is_some_and(|id| used.contains(&id));
        if in_use || declared.contains(&image) {
            continue;
        }
        match context.engine.remove_image(&image).await {
            Ok(bytes) => {
                cleaned.freed_bytes += bytes;
                cleaned.images.push(image.clone());
                context.images.forget(&image);
            }
            Err(RuntimeError::NotFound) => context.images.forget(&image),
            Err(RuntimeError::Refused(why)) => tracing::debug!(image, why, "removing an image failed"),
            Err(error) => return Err(away(error)),
        }
    }
    Ok(cleaned)
}
