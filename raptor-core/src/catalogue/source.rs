//! The address that a newer catalogue is fetched from.

use super::{Catalogue, MAX_SIZE, current::current, read, service::CatalogueService};
use crate::{
    Error, Result,
    activity::Activity,
    authz::{
        Actor, Permit,
        actions::{ReadCatalogueSource, UpdateCatalogueSource},
    },
    store,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

pub use raptor_model::catalogue::CatalogueSource;

/// Time limit for fetching a catalogue.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The catalogue that is shown, and where it comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CurrentCatalogue {
    /// Where it comes from.
    pub source: CatalogueSource,
    /// The entries and categories that were read.
    pub catalogue: Arc<Catalogue>,
}

/// A fetched catalogue, to be stored.
struct Fetched {
    document: String,
    catalogue: Catalogue,
}

impl CatalogueService<'_> {
    /// The source of the catalogue, and the current catalogue.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn source(&self, permit: Permit<ReadCatalogueSource>) -> Result<CurrentCatalogue> {
        let _ = permit.consume();
        current(self.0).await
    }

    /// Fetches the catalogue from this address and uses it from now on; without an address, returns to the built-in one. If the
    /// file can't be fetched or is invalid, nothing changes. `revision` is that of the source as the caller last saw it.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `url`, [`Error::Conflict`] `changed_meanwhile` if the source was changed since that revision.
    pub async fn update_source(
        &self,
        permit: Permit<UpdateCatalogueSource>,
        url: Option<&str>,
        revision: i64,
    ) -> Result<CurrentCatalogue> {
        let (actor, ()) = permit.consume();
        match url {
            Some(url) => self.replace(&actor, Some(url.trim()), revision).await,
            None => self.replace(&actor, None, revision).await,
        }
    }

    /// Fetches the catalogue again from its address. If the file can't be fetched or is invalid, nothing changes.
    ///
    /// # Errors
    /// [`Error::Conflict`] `no_address` where none is set, otherwise as [`Self::update_source`].
    pub async fn refresh(&self, permit: Permit<UpdateCatalogueSource>) -> Result<CurrentCatalogue> {
        let (actor, ()) = permit.consume();
        let source = store::catalogue::source(&mut self.0.inner.store.read().await?.conn()).await?;
        let Some(url) = source.url else {
            return Err(Error::conflict(
                "no_address",
                "This is the built-in catalogue. Set an address from which to fetch a newer one.",
            ));
        };
        self.replace(&actor, Some(&url), source.revision).await
    }

    async fn replace(&self, actor: &Actor, url: Option<&str>, revision: i64) -> Result<CurrentCatalogue> {
        let fetched = match url {
            Some(url) => Some(self.fetch_catalogue(url).await?),
            None => None,
        };
        let now = self.0.inner.clock.now();
        let new = CatalogueSource {
            url: url.map(str::to_owned),
            sha256: fetched.as_ref().map(|fetched| fetched.catalogue.sha256.clone()),
            fetched_at: fetched.as_ref().map(|_| now),
            revision,
        };
        let document = fetched.as_ref().map(|fetched| fetched.document.as_str());
        let mut tx = self.0.inner.store.begin().await?;
        if !store::catalogue::replace(&mut tx.conn(), &new, document).await? {
            return Err(Error::conflict(
                "changed_meanwhile",
                "Somebody else changed the source of the catalogue in the meantime. Reload the page and repeat your change.",
            ));
        }
        let activity = Activity::new(
            &self.0.inner.clock,
            actor,
            if fetched.is_some() { "catalogue.fetched" } else { "catalogue.reset" },
        )
        .with(json!({
            // Only the host, since the address may contain a secret.
            "from": url.and_then(host),
            "sha256": new.sha256,
            "indexed_on": fetched.as_ref().map(|fetched| &fetched.catalogue.indexed_on),
            "entries": fetched.as_ref().map(|fetched| fetched.catalogue.entries.len()),
        }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await?;
        current(self.0).await
    }

    async fn fetch_catalogue(&self, url: &str) -> Result<Fetched> {
        let refused = |why: String| Error::invalid("url", why);
        let parsed = url::Url::parse(url).map_err(|error| {
            refused(format!("This is not a valid web address: {error}. Enter all of it, including https://."))
                .because("web_address")
        })?;
        if url.len() > 2_000 || !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refused(
                "Use an address of at most 2,000 characters without a user name and password in it.".into(),
            )
            .because("web_address_plain")
            .with("max", 2_000));
        }
        let file = self.0.inner.outbound.read(url, MAX_SIZE, FETCH_TIMEOUT).await;
        let file = file.map_err(|error| refused(format!("{error} The current catalogue stays in use.")))?;
        let read = tokio::task::spawn_blocking(move || {
            let catalogue = read::read(&file)?;
            let document = String::from_utf8(file).map_err(|_| "It is not UTF-8 text.".to_owned())?;
            Ok(Fetched { document, catalogue })
        });
        read.await.map_err(Error::internal)?.map_err(|why: String| {
            refused(format!(
                "The file at this address is not a catalogue that Raptor can use. {why} The current catalogue stays in use."
            ))
        })
    }
}

/// The host of an address.
pub(super) fn host(url: &str) -> Option<String> {
    url::Url::parse(url).ok()?.host_str().map(str::to_owned)
}
