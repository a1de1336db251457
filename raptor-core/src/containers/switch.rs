//! Switching a container to another template while keeping its files.

use super::{
    Container, InstallState,
    change::check_startup,
    lifecycle::{Phase, Refused},
    service::{ContainerService, alive, template},
    template::needed,
    values::checked_variables,
};
use crate::{
    Error, Result,
    authz::{
        ContainerPermission, Permission, Permit, SystemPermission,
        actions::{MoveTemplate, ReadStartup, ReadTemplate},
    },
    id::TemplateId,
    images::Chooser,
    store,
    templates::{Difference, FieldChange, Template, TemplateImage, Variable, service::StoredTemplate},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What changing a container to another template would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct TemplateSwitch {
    /// The template that the container is made from.
    pub from: SwitchSide,
    /// The one that it would be made from, in its newest revision.
    pub to: SwitchSide,
    /// The container's revision, which the change has to name.
    pub container_revision: i64,
    /// The settings that the change would alter, with old and new value.
    pub changes: Vec<FieldChange>,
    /// What becomes of each variable of both templates that the caller may see.
    pub variables: Vec<SwitchedVariable>,
    /// Images to choose from, the first one being the default.
    pub images: Vec<TemplateImage>,
    /// Whether the new template has an installation script.
    pub installs: bool,
}

/// A template in one of its revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SwitchSide {
    /// Id of the template, as the template endpoints take it.
    pub template_id: TemplateId,
    /// Name of the template in this revision.
    pub name: String,
    /// Number of the revision, from 1.
    pub revision: i64,
}

/// What becomes of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SwitchedVariable {
    /// Its name in the environment.
    pub env: String,
    /// The variable's name, as people see it.
    pub name: String,
    /// What becomes of it.
    pub fate: VariableFate,
    /// The value that the container would have; none where it is secret or goes.
    pub value: Option<String>,
}

/// What becomes of a variable where a container changes to another template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VariableFate {
    /// The value that was set for this container is carried over.
    Kept,
    /// It gets the new template's default.
    Default,
    /// It needs a value first.
    Needed,
    /// The new template does not have it; its value is lost.
    Dropped,
}

/// A confirmed switch to another template.
#[derive(Clone, Debug, Default)]
pub struct SwitchOrder {
    /// The revision of the container that the preview was made from.
    pub container_revision: i64,
    /// The revision of the new template that the preview was made from.
    pub revision: i64,
    /// One of the new template's images, or another one that the actor may choose; `None` = the template's first one.
    pub image: Option<String>,
    /// Values of variables, by environment name.
    pub variables: BTreeMap<String, String>,
    /// Whether to run the new template's installation script over the files, which are kept.
    pub install: bool,
}

impl ContainerService<'_> {
    /// A preview of switching to the newest revision of another template.
    ///
    /// # Errors
    /// [`Error::Conflict`] `same_template`.
    pub async fn template_switch(
        &self,
        permit: Permit<ReadStartup>,
        to: Permit<ReadTemplate>,
    ) -> Result<TemplateSwitch> {
        let (actor, visible) = permit.consume();
        let to = to.consume().1.readable()?;
        let container = visible.container;
        another(&container, &to)?;
        let manages = actor.grants().contains(SystemPermission::ContainersUpdate);
        let mut reader = self.0.inner.store.read().await?;
        let before = template(&mut reader.conn(), &container).await?;
        let after = &to.document;
        let switched = switched(container.clone(), &before, &to, manages);
        let shown = |variable: &Variable| manages || variable.user_viewable;
        let mut found = Difference::default();
        found.note("startup", Some(container.startup.clone()), Some(switched.startup.clone()));
        found.note("image", Some(container.image.clone()), Some(switched.image.clone()));
        found.note_rest(&before, after, shown);
        // Variables are listed separately below.
        found.changes.retain(|change| !change.field.starts_with("variables."));
        Ok(TemplateSwitch {
            from: SwitchSide {
                template_id: container.template_id,
                name: container.template_name.clone(),
                revision: container.template_revision,
            },
            to: SwitchSide { template_id: to.id, name: after.name.clone(), revision: to.revision },
            container_revision: container.revision,
            changes: found.changes,
            variables: fates(&before, after, &switched, shown),
            images: after.images.clone(),
            installs: has_script(after),
        })
    }

    /// Switches a container to another template, effective from the next start. Files are kept, and so are values that the new
    /// template has variables for and accepts. With `install`, the new template's installation script runs over the files.
    ///
    /// # Errors
    /// [`Error::Conflict`] `container_changed` or `template_changed` if the preview is outdated, `same_template`,
    /// `nothing_to_install`; [`Error::Refused`] while an installation is running, and with `install` unless the container is
    /// offline; [`Error::Invalid`] at `image` or a variable; [`Error::Forbidden`] if the actor may not install.
    pub async fn switch_template(
        &self,
        permit: Permit<MoveTemplate>,
        to: Permit<ReadTemplate>,
        order: SwitchOrder,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let to = to.consume().1.id;
        let manages = actor.grants().contains(SystemPermission::ContainersUpdate);
        let may_install = ContainerPermission::StartupInstall;
        if order.install && !target.permissions.contains(may_install) {
            return Err(Error::Forbidden { permission: Permission::name(may_install).to_owned() });
        }
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let present = alive(&mut tx, target.container.id).await?;
        let to = store::templates::find(&mut tx.conn(), to).await?;
        let to = to.ok_or(Error::NotFound { what: "template" })?.readable()?;
        another(&present, &to)?;
        as_looked_at(&present, &to, &order)?;
        installable(&present, &to.document, order.install)?;
        let before = template(&mut tx.conn(), &present).await?;
        let after = &to.document;
        let mut container = switched(present.clone(), &before, &to, manages);
        let images = store::images::policy(&mut tx.conn()).await?;
        let who = Chooser { name: actor.name(), manages };
        let image = order.image.unwrap_or_else(|| container.image.clone());
        let chosen = images.choose(&image, after, who)?;
        (container.image, container.image_allowed_by) = (chosen.image, chosen.allowed_by);
        check_startup(&container.startup)?;
        container.variables.extend(checked_variables(after, order.variables, manages)?);
        complete(&container, after, manages)?;
        container.updated_at = self.0.inner.clock.now();
        if order.install {
            let ended = container.status.as_ref().map_or(0, |status| status.installed);
            container.installation = container.installation.again(ended, false, false);
        }
        store::containers::update(&mut tx.conn(), &container).await?;
        if container.installation != present.installation {
            store::containers::set_installation(&mut tx.conn(), container.id, &container.installation)
                .await?;
        }
        let detail = serde_json::json!({
            "from": present.template_name, "to": after.name, "revision": to.revision, "install": order.install,
        });
        self.record(&mut tx, &actor, "container.template_changed", &container, detail).await?;
        self.tell_host(&mut tx, &container).await?;
        tx.commit().await
    }
}

fn another(container: &Container, to: &StoredTemplate) -> Result<()> {
    if container.template_id != to.id {
        return Ok(());
    }
    Err(Error::conflict(
        "same_template",
        "The container already uses this template. To use a newer version of it, move the container to that version.",
    ))
}

fn as_looked_at(container: &Container, to: &StoredTemplate, order: &SwitchOrder) -> Result<()> {
    if container.revision != order.container_revision {
        return Err(Error::conflict(
            "container_changed",
            "Somebody else changed this container in the meantime. Review the difference again, then change the template.",
        ));
    }
    if to.revision != order.revision {
        return Err(Error::conflict(
            "template_changed",
            "There is now a newer version of this template. Review the difference again, then change the template.",
        ));
    }
    Ok(())
}

/// Checks that the template can be switched now.
fn installable(container: &Container, after: &Template, install: bool) -> Result<()> {
    if container.installation.state == InstallState::Pending {
        return Err(Refused::Installing.into());
    }
    if install && !has_script(after) {
        return Err(Error::conflict("nothing_to_install", "The template has no installation script."));
    }
    if install && container.phase != Phase::Offline {
        return Err(Error::conflict(
            "not_offline",
            "Stop the container first: the installation script changes its files. Without the installation, the template can be changed while it runs.",
        ));
    }
    Ok(())
}

fn has_script(template: &Template) -> bool {
    template.install.as_ref().is_some_and(|install| !install.script.trim().is_empty())
}

/// The container with the other template. Command and image come from the new template; an image that both offer is kept.
fn switched(mut container: Container, before: &Template, to: &StoredTemplate, manages: bool) -> Container {
    let after = &to.document;
    if !after.startup.trim().is_empty() {
        container.startup.clone_from(&after.startup);
    }
    let offered = after.images.iter().any(|image| image.image == container.image);
    if let Some(first) = after.images.first().filter(|_| !offered) {
        container.image.clone_from(&first.image);
        container.image_allowed_by = None;
    }
    let values = std::mem::take(&mut container.variables);
    let fits = |env: &str, value: &str| {
        let of =
            |template: &Template| template.variables.iter().find(|variable| variable.env == env).cloned();
        of(after).is_some_and(|new| carries(of(before).as_ref(), &new, value, manages))
    };
    container.variables = values.into_iter().filter(|(env, value)| fits(env, value)).collect();
    container.template_id = to.id;
    container.template_name.clone_from(&after.name);
    container.template_revision = to.revision;
    container
}

/// Whether a value is carried over to the new template's variable. A secret value never becomes readable, and users can't see
/// or set a variable that the new template hides from them by having set one of the same name before.
fn carries(before: Option<&Variable>, new: &Variable, value: &str, manages: bool) -> bool {
    let Some(before) = before else { return false };
    if new.rules().check(value).is_err() || (before.secret && !new.secret) {
        return false;
    }
    let shows = new.user_viewable && !before.user_viewable;
    let sets = before.is_users() && !new.is_users();
    manages || !(shows || sets)
}

/// Refuses to switch if variables lack values, naming those that the actor may see.
fn complete(container: &Container, after: &Template, manages: bool) -> Result<()> {
    let names: Vec<&str> = needed(container, after)
        .filter(|variable| manages || variable.user_viewable)
        .map(|variable| variable.env.as_str())
        .collect();
    match names.as_slice() {
        [] if needed(container, after).next().is_none() => Ok(()),
        [] => Err(Error::invalid(
            "variables",
            "A variable that only administrators can see needs a value first. Ask one of them.",
        )
        .because("variable_hidden")),
        [one] => Err(Error::invalid(
            format!("variables.{one}"),
            format!("{one} needs a value that meets its rules."),
        )
        .because("variables")
        .with("names", *one)),
        [first, ..] => Err(Error::invalid(
            format!("variables.{first}"),
            format!("{} need values that meet their rules.", names.join(", ")),
        )
        .because("variables")
        .with("names", names.join(", "))),
    }
}

fn fates(
    before: &Template,
    after: &Template,
    switched: &Container,
    shown: impl Fn(&Variable) -> bool,
) -> Vec<SwitchedVariable> {
    let needed: Vec<&str> = needed(switched, after).map(|variable| variable.env.as_str()).collect();
    let new = after.variables.iter().map(|variable| {
        let set = switched.variables.get(&variable.env);
        let fate = match set {
            _ if needed.contains(&variable.env.as_str()) => VariableFate::Needed,
            Some(_) => VariableFate::Kept,
            None => VariableFate::Default,
        };
        let value = set.unwrap_or(&variable.default_value).clone();
        (variable, fate, Some(value).filter(|_| !variable.secret))
    });
    let gone = before.variables.iter().filter(|old| after.variables.iter().all(|new| new.env != old.env));
    let gone = gone.map(|variable| (variable, VariableFate::Dropped, None));
    new.chain(gone)
        .filter(|(variable, ..)| shown(variable))
        .map(|(variable, fate, value)| SwitchedVariable {
            env: variable.env.clone(),
            name: variable.name.clone(),
            fate,
            value,
        })
        .collect()
}
