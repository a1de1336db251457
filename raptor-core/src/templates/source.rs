//! Checking whether a template's source has a newer file.

use super::{
    Origin, import,
    imports::read,
    origin::{RAW_FILES, sha256},
    service::{StoredTemplate, TemplateService, changed_meanwhile},
};
use crate::{
    Error, Raptor, Result,
    authz::{Permit, actions::UpdateTemplate},
    id::{JobId, TemplateId},
    outbound::OutboundError,
    store::{self, Change, Subject, Verb},
    warnings::warn_of,
};
use chrono::TimeDelta;
use raptor_model::templates::SourceVersion;
use std::time::Duration;

pub use raptor_model::templates::SourceCheck;

/// Time limit for fetching a file.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause between two checks, and how much longer it may be. Several processes and many templates spread out.
const PAUSE: Duration = Duration::from_secs(30);
const JITTER_MS: u64 = 30_000;

impl TemplateService<'_> {
    /// Checks whether the template's source has a newer file, and stores the result. A source that can't be read is a result,
    /// not an error.
    ///
    /// # Errors
    /// [`Error::Conflict`] `no_source` if the template's source is unknown.
    pub async fn check_source(&self, permit: Permit<UpdateTemplate>) -> Result<StoredTemplate> {
        let (_, template) = permit.consume();
        self.look(template).await
    }

    async fn look(&self, template: StoredTemplate) -> Result<StoredTemplate> {
        let origin = template.origin.clone();
        let Some(address) = template.source_address(self.0.raw_files()) else {
            return Err(Error::conflict(
                "no_source",
                "The source of this template is unknown. Update it from a file or a web address.",
            ));
        };
        let before = template.source_check.clone();
        let known = before.as_ref().map(|check| check.version.clone()).unwrap_or_default();
        let fetched =
            self.0.inner.outbound.read_newer(&address, import::MAX_SIZE, FETCH_TIMEOUT, &known).await;
        let check = self.judge(&template, origin.as_ref(), before, fetched).await?;
        self.store_check(template.id, origin.as_ref(), check).await
    }

    async fn judge(
        &self,
        template: &StoredTemplate,
        origin: Option<&Origin>,
        before: Option<SourceCheck>,
        fetched: Result<Option<(Vec<u8>, SourceVersion)>, OutboundError>,
    ) -> Result<SourceCheck> {
        let now = self.0.inner.clock.now();
        let unread = SourceCheck {
            checked_at: now,
            available: false,
            sha256: None,
            version: SourceVersion::default(),
            problem: None,
        };
        let last = before.unwrap_or(unread);
        let (file, version) = match fetched {
            Ok(Some(fetched)) => fetched,
            Ok(None) => return Ok(SourceCheck { checked_at: now, problem: None, ..last }),
            Err(error) => {
                return Ok(SourceCheck { checked_at: now, problem: Some(error.to_string()), ..last });
            }
        };
        let found = sha256(&file);
        if origin.is_some_and(|origin| origin.sha256 == found) {
            let (sha256, problem) = (Some(found), None);
            return Ok(SourceCheck { checked_at: now, available: false, sha256, version, problem });
        }
        let imported = match read(&file).await {
            Ok(imported) => imported.template,
            Err(error) => {
                return Ok(SourceCheck { checked_at: now, problem: Some(error.to_string()), ..last });
            }
        };
        // Many republish the same egg with only the date changed.
        let then = match origin {
            Some(origin) => {
                let mut reader = self.0.inner.store.read().await?;
                store::templates::revision(&mut reader.conn(), template.id, origin.revision).await?
            }
            None => None,
        };
        let same = then.as_ref() == Some(&imported)
            || (template.damaged.is_empty() && imported == template.document);
        Ok(SourceCheck { checked_at: now, available: !same, sha256: Some(found), version, problem: None })
    }

    /// Stores the result, unless the template's origin or file changed in the meantime.
    async fn store_check(
        &self,
        id: TemplateId,
        origin: Option<&Origin>,
        check: SourceCheck,
    ) -> Result<StoredTemplate> {
        let mut tx = self.0.inner.store.begin().await?;
        store::templates::lock(&mut tx.conn()).await?;
        let present = store::templates::find(&mut tx.conn(), id).await?;
        let mut present = present.ok_or(Error::NotFound { what: "template" })?;
        if present.origin.as_ref() != origin {
            return Err(changed_meanwhile());
        }
        let told = |check: Option<&SourceCheck>| check.map(|check| (check.available, check.problem.clone()));
        let differs = told(present.source_check.as_ref()) != told(Some(&check));
        store::templates::set_source_check(&mut tx.conn(), id, &check).await?;
        if differs {
            tx.emit(Change::new(Subject::Template, Verb::Updated, id));
        }
        tx.commit().await?;
        present.source_check = Some(check);
        Ok(present)
    }
}

/// Checks all sources in turn, each once per `interval`.
pub(crate) async fn work(raptor: Raptor, interval: Duration) {
    let mut filled = false;
    loop {
        if !filled {
            match raptor.fill_sources().await {
                Ok(()) => filled = true,
                Err(error) => {
                    warn_of!(raptor, error, "storing the source addresses of older templates failed")
                }
            }
        }
        // Random bits of a new id, to spread processes that started together.
        let (_, random) = JobId::generate().as_uuid().as_u64_pair();
        let pause = PAUSE + Duration::from_millis(random % JITTER_MS);
        tokio::select! {
            () = raptor.inner.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        tokio::select! {
            () = raptor.inner.stop.cancelled() => return,
            looked = raptor.check_next_source(interval) => if let Err(error) = looked {
                warn_of!(raptor, error, "checking a template's source failed");
            }
        }
    }
}

impl Raptor {
    /// Sets the source address of templates that were imported before such addresses were stored. Idempotent.
    async fn fill_sources(&self) -> Result<()> {
        let mut after = 0;
        loop {
            let mut reader = self.inner.store.read().await?;
            let found = store::templates::without_source(&mut reader.conn(), after).await?;
            drop(reader);
            let Some(last) = found.last() else { return Ok(()) };
            after = last.number;
            if found.iter().all(|template| template.source_address(RAW_FILES).is_none()) {
                continue;
            }
            let mut tx = self.inner.store.begin().await?;
            for template in &found {
                store::templates::fill_source(&mut tx.conn(), template).await?;
            }
            tx.commit().await?;
        }
    }

    /// Checks the source that was checked longest ago, if that is more than `interval` ago. Returns whether there was one.
    ///
    /// # Errors
    /// If the store fails. A source that can't be read is not an error.
    pub async fn check_next_source(&self, interval: Duration) -> Result<bool> {
        let now = self.inner.clock.now();
        let due = now - TimeDelta::from_std(interval).unwrap_or(TimeDelta::days(1));
        let mut tx = self.inner.store.begin().await?;
        let next = store::templates::claim_source(&mut tx.conn(), due, now).await?;
        let template = match next {
            Some(id) => store::templates::find(&mut tx.conn(), id).await?,
            None => None,
        };
        tx.commit().await?;
        let Some(template) = template else { return Ok(false) };
        match self.templates().look(template).await {
            // It was updated or deleted in the meantime, so the result is void.
            Ok(_) | Err(Error::Conflict { .. } | Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
