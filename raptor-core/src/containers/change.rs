//! Changing a container's settings.

use super::{
    Container, Limits, check_name,
    network::check_allocation_limit,
    service::{ContainerService, alive, template},
    values::checked_variables,
    view::Visible,
};
use crate::{
    Error, Result,
    authz::{
        Act, Permit, SystemPermission,
        actions::{ChangeOwner, LimitContainer, SuspendContainer, UpdateContainer, UpdateStartup},
    },
    id::UserId,
    images::Chooser,
    jobs::Kind,
    store::{self, Change, Subject, Tx, Verb},
    templates::Template,
};
use std::collections::BTreeMap;

/// A change of image, startup command or variables.
#[derive(Clone, Debug)]
pub struct StartupChange {
    /// Image reference; `None` keeps the current one.
    pub image: Option<String>,
    /// Startup command; `None` keeps the current one.
    pub startup: Option<String>,
    /// Variables to set, by environment name. Others keep their values.
    pub variables: BTreeMap<String, String>,
}

impl ContainerService<'_> {
    /// Changes the name and description.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub async fn update(
        &self,
        permit: Permit<UpdateContainer>,
        name: &str,
        text: Option<String>,
    ) -> Result<()> {
        let (name, text) = (check_name(name)?, description(text)?);
        let change = |container: &mut Container| (container.name, container.description) = (name, text);
        self.change(permit, "container.updated", |container, _| {
            change(container);
            Ok(serde_json::json!({}))
        })
        .await
    }

    /// Changes the limits, effective from the next start. `allocation_limit` is how many extra allocations people without
    /// `containers.update` may add; `None` keeps the current limit. Lowering it takes no allocations away.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub async fn set_limits(
        &self,
        permit: Permit<LimitContainer>,
        limits: Limits,
        stop_timeout_ms: i64,
        allocation_limit: Option<u32>,
    ) -> Result<()> {
        limits.check()?;
        let allocation_limit = allocation_limit.map(check_allocation_limit).transpose()?;
        check_timeout(stop_timeout_ms)?;
        self.change(permit, "container.limits_changed", |container, _| {
            let allocation_limit = allocation_limit.unwrap_or(container.settings.allocation_limit);
            let detail = if allocation_limit == container.settings.allocation_limit {
                serde_json::json!({ "from": container.limits, "to": limits })
            } else {
                serde_json::json!({ "from": container.limits, "to": limits, "extra_allocations": allocation_limit })
            };
            container.limits = limits;
            (container.settings.stop_timeout_ms, container.settings.allocation_limit) =
                (stop_timeout_ms, allocation_limit);
            Ok(detail)
        })
        .await
    }

    /// Changes image, startup command and variables, effective from the next start. An image that the template does not offer
    /// stays allowed if somebody who manages all containers chose it; they can approve the current image by setting it again.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Forbidden`] for what only those who manage all containers may change.
    pub async fn set_startup(&self, permit: Permit<UpdateStartup>, change: StartupChange) -> Result<()> {
        let manages = permit.actor().grants().contains(SystemPermission::ContainersUpdate);
        let name = permit.actor().name().to_owned();
        let images = store::images::policy(&mut self.0.inner.store.read().await?.conn()).await?;
        let forbidden = || Error::Forbidden { permission: "containers.update".into() };
        self.change(permit, "container.startup_changed", |container, template| {
            let (current, allowed) = (container.image.clone(), container.image_allowed_by.is_some());
            if let Some(image) = change.image.filter(|image| image.trim() != current || (manages && !allowed))
            {
                let who = Chooser { name: &name, manages };
                let chosen = images.choose(&image, template, who)?;
                (container.image, container.image_allowed_by) = (chosen.image, chosen.allowed_by);
            }
            if let Some(startup) = change.startup.filter(|startup| *startup != container.startup) {
                check_startup(&startup)?;
                let offered = startup == template.startup
                    || template.startup_commands.iter().any(|choice| choice.command == startup);
                if !manages && !offered {
                    return Err(forbidden());
                }
                container.startup = startup;
            }
            let values = checked_variables(template, change.variables, manages)?;
            // Users see this as well, so variables hidden from them are not named.
            let viewable = template.variables.iter().filter(|variable| variable.user_viewable);
            let names: Vec<&str> = viewable
                .map(|variable| variable.env.as_str())
                .filter(|env| values.contains_key(*env))
                .collect();
            let mut detail = serde_json::json!({ "image": container.image, "variables": names });
            if container.image_allowed_by.is_some() && (container.image != current || !allowed) {
                detail["image_allowed"] = true.into();
            }
            container.variables.extend(values);
            Ok(detail)
        })
        .await
    }

    /// Transfers the container to another owner.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `owner_id`.
    pub async fn set_owner(&self, permit: Permit<ChangeOwner>, owner: UserId) -> Result<()> {
        let found = store::users::find(&mut self.0.inner.store.read().await?.conn(), owner).await?;
        let found =
            found.ok_or_else(|| Error::invalid("owner_id", "There is no such user.").because("unknown"))?;
        self.change(permit, "container.owner_changed", |container, _| {
            let detail = serde_json::json!({ "from": container.owner_name, "to": found.username });
            (container.owner_id, container.owner_name) = (found.id, found.username);
            Ok(detail)
        })
        .await
    }

    /// Suspends the container, which stops it and prevents starts, or unsuspends it.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn set_suspended(&self, permit: Permit<SuspendContainer>, suspended: bool) -> Result<()> {
        let action = if suspended { "container.suspended" } else { "container.unsuspended" };
        self.change(permit, action, |container, _| {
            container.suspended = suspended;
            Ok(serde_json::json!({}))
        })
        .await
    }

    /// Applies a change to the current record and sends the new declaration to the host.
    pub(super) async fn change<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        action: &str,
        change: impl FnOnce(&mut Container, &Template) -> Result<serde_json::Value>,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let now = self.0.inner.clock.now();
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let mut container = alive(&mut tx, id).await?;
        let template = template(&mut tx.conn(), &container).await?;
        let installation = container.installation.clone();
        let detail = change(&mut container, &template)?;
        container.updated_at = now;
        store::containers::update(&mut tx.conn(), &container).await?;
        if container.installation != installation {
            store::containers::set_installation(&mut tx.conn(), id, &container.installation).await?;
        }
        self.record(&mut tx, &actor, action, &container, detail).await?;
        self.tell_host(&mut tx, &container).await?;
        tx.commit().await
    }

    pub(super) async fn tell_host(&self, tx: &mut Tx, container: &Container) -> Result<()> {
        store::jobs::insert(
            &mut tx.conn(),
            Kind::Declare,
            container.daemon_id,
            container.id,
            self.0.inner.clock.now(),
        )
        .await?;
        tx.emit(Change::new(Subject::Container, Verb::Updated, container.id));
        tx.emit(Change::new(Subject::Job, Verb::Created, container.daemon_id));
        Ok(())
    }
}

pub(super) fn description(text: Option<String>) -> Result<Option<String>> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match &text {
        Some(text) if text.chars().count() > 1_000 => {
            Err(Error::invalid("description", "Use at most 1,000 characters.")
                .because("too_long")
                .with("max", 1_000))
        }
        _ => Ok(text),
    }
}

pub(super) fn check_startup(startup: &str) -> Result<()> {
    if startup.trim().is_empty() || startup.len() > 16_384 || startup.contains('\0') {
        return Err(Error::invalid("startup_command", "Use a startup command of at most 16,384 bytes.")
            .because("too_many_bytes")
            .with("max", 16_384));
    }
    Ok(())
}

pub(super) fn check_timeout(stop_timeout_ms: i64) -> Result<()> {
    if (1_000..=3_600_000).contains(&stop_timeout_ms) {
        return Ok(());
    }
    Err(Error::invalid("stop_timeout_ms", "Use 1,000 to 3,600,000 milliseconds.")
        .because("range")
        .with("min", 1_000)
        .with("max", 3_600_000))
}
