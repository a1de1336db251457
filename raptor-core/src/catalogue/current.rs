//! The current catalogue: the one fetched last, or the built-in one.

use super::{Catalogue, builtin, read, source::CatalogueSource};
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

/// The current catalogue and its source. The store is asked each time, because another API process may have fetched a newer
/// one; a catalogue is parsed only once.
pub(super) async fn current(raptor: &Raptor) -> Result<(CatalogueSource, Arc<Catalogue>)> {
    let mut reader = raptor.store.read().await?;
    let source = store::catalogue::source(&mut reader.conn()).await?;
    if source.sha256.is_none() {
        return Ok((source, builtin::catalogue()));
    }
    if let Some(parsed) = raptor.parsed_catalogue.parsed(source.revision) {
        return Ok((source, parsed));
    }
    let document = store::catalogue::document(&mut reader.conn(), source.revision).await?;
    drop(reader);
    let Some(document) = document else { return Ok((source, builtin::catalogue())) };
    let parsed = tokio::task::spawn_blocking(move || read::read(document.as_bytes())).await;
    let catalogue = match parsed.map_err(Error::internal)? {
        Ok(catalogue) => Arc::new(catalogue),
        Err(why) => {
            // E.g. an older Raptor on a database into which a newer one has fetched it.
            tracing::warn!(%why, "the fetched catalogue can't be parsed; using the built-in one");
            builtin::catalogue()
        }
    };
    raptor.parsed_catalogue.keep(source.revision, catalogue.clone());
    Ok((source, catalogue))
}
