//! The current catalogue: the one fetched last, or the built-in one.

use super::{Catalogue, builtin, read, source::CurrentCatalogue};
use crate::{Error, Raptor, Result, store};
use std::sync::{Arc, Mutex, PoisonError};

/// The last parsed catalogue, with the revision of its source.
#[derive(Default)]
pub(crate) struct ParsedCatalogue(Mutex<Option<(i64, Arc<Catalogue>)>>);

impl ParsedCatalogue {
    fn parsed(&self, revision: i64) -> Option<Arc<Catalogue>> {
        let parsed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.as_ref().filter(|(of, _)| *of == revision).map(|(_, catalogue)| catalogue.clone())
    }

    fn keep(&self, revision: i64, catalogue: Arc<Catalogue>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, catalogue));
    }
}

/// The catalogue that is shown now, and where it comes from. Another API process may have fetched a newer one, so the store is
/// asked each time; it is parsed once.
pub(super) async fn current(raptor: &Raptor) -> Result<CurrentCatalogue> {
    let mut reader = raptor.inner.store.read().await?;
    let source = store::catalogue::source(&mut reader.conn()).await?;
    if source.sha256.is_none() {
        return Ok(CurrentCatalogue { source, catalogue: builtin::catalogue() });
    }
    if let Some(parsed) = raptor.inner.parsed_catalogue.parsed(source.revision) {
        return Ok(CurrentCatalogue { source, catalogue: parsed });
    }
    let document = store::catalogue::document(&mut reader.conn(), source.revision).await?;
    drop(reader);
    let Some(document) = document else {
        return Ok(CurrentCatalogue { source, catalogue: builtin::catalogue() });
    };
    let parsed = tokio::task::spawn_blocking(move || read::read(document.as_bytes())).await;
    let catalogue = match parsed.map_err(Error::internal)? {
        Ok(catalogue) => Arc::new(catalogue),
        Err(why) => {
            // E.g. an older Raptor on a database into which a newer one has fetched it.
            tracing::warn!(%why, "the fetched catalogue can't be parsed; using the built-in one");
            builtin::catalogue()
        }
    };
    raptor.inner.parsed_catalogue.keep(source.revision, catalogue.clone());
    Ok(CurrentCatalogue { source, catalogue })
}
