//! A container's template: previewing and moving to another revision, and secret values.

use super::{Container, service::ContainerService, spec, view::Visible};
use crate::{
    Error, Result,
    activity::Activity,
    authz::{
        Permit, SystemPermission,
        actions::{MoveTemplate, ReadStartup, RevealSecret},
    },
    jobs::Kind,
    store::{self, Change, Subject, Verb},
    templates::{Difference, FieldChange, Template, Variable},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What moving a container to another revision of its template would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct TemplateChange {
    /// The revision that the container runs.
    pub from: i64,
    /// The revision that it would run.
    pub to: i64,
    /// The newest that there is.
    pub newest: i64,
    /// The settings that the move would alter, with old and new value.
    pub changes: Vec<FieldChange>,
    /// Variables that need a value first.
    pub needed: Vec<String>,
}

impl ContainerService<'_> {
    /// A preview of moving to a revision; `None` = the newest one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the revision doesn't exist.
    pub async fn template_change(
        &self,
        permit: Permit<ReadStartup>,
        to: Option<i64>,
    ) -> Result<TemplateChange> {
        let (actor, Visible { container, .. }) = permit.consume();
        let manages = actor.grants().contains(SystemPermission::ContainersUpdate);
        let mut reader = self.0.inner.store.read().await?;
        let newest = store::templates::find(&mut reader.conn(), container.template_id).await?;
        let newest = newest.ok_or(Error::NotFound { what: "template" })?.revision;
        let to = to.unwrap_or(newest);
        let find = async |conn: &mut store::Conn<'_>, revision| {
            let found = store::templates::revision(conn, container.template_id, revision).await?;
            found.ok_or(Error::NotFound { what: "revision" })
        };
        let before = find(&mut reader.conn(), container.template_revision).await?;
        let after = find(&mut reader.conn(), to).await?;
        let moved = moved(container.clone(), &before, &after, to);
        Ok(TemplateChange {
            from: container.template_revision,
            to,
            newest,
            changes: changes(&container, &before, &moved, &after, manages),
            needed: needed(&moved, &after)
                .filter(|variable| manages || variable.user_viewable)
                .map(|variable| variable.env.clone())
                .collect(),
        })
    }

    /// Moves a container to a revision of its template, with values for its variables, effective from the next start.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the revision doesn't exist, [`Error::Invalid`] at a variable.
    pub async fn move_template(
        &self,
        permit: Permit<MoveTemplate>,
        to: i64,
        values: BTreeMap<String, String>,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let manages = actor.grants().contains(SystemPermission::ContainersUpdate);
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let found = store::containers::find(&mut tx.conn(), target.container.id, None).await?;
        let (container, _) =
            found.filter(|(found, _)| !found.deleting).ok_or(Error::NotFound { what: "container" })?;
        let (id, from) = (container.template_id, container.template_revision);
        let before = store::templates::revision(&mut tx.conn(), id, from).await?;
        let after = store::templates::revision(&mut tx.conn(), id, to).await?;
        let (before, after) = before.zip(after).ok_or(Error::NotFound { what: "revision" })?;
        let values = super::values::checked_variables(&after, values, manages)?;
        let images = store::images::policy(&mut tx.conn()).await?;
        let was_refused = spec::image_refused(&container, &before, &images).is_some();
        let mut container = moved(container, &before, &after, to);
        if !was_refused && spec::image_refused(&container, &after, &images).is_some() {
            if !manages {
                return Err(Error::conflict(
                    "image_not_allowed",
                    format!(
                        "Revision {to} of the template no longer names the image {}, nor one in its place. Ask an administrator to allow that image or to choose another one.",
                        container.image
                    ),
                )
                .with("image", container.image.as_str()));
            }
            container.image_allowed_by = Some(actor.name().to_owned());
        }
        container.variables.extend(values);
        let shown = needed(&container, &after).filter(|variable| manages || variable.user_viewable);
        let names: Vec<&str> = shown.map(|variable| variable.env.as_str()).collect();
        if let Some(first) = names.first() {
            let sentence = match names.as_slice() {
                [one] => format!("{one} needs a value that meets its rules."),
                _ => format!("{} need values that meet their rules.", names.join(", ")),
            };
            return Err(Error::invalid(format!("variables.{first}"), sentence)
                .because("variables")
                .with("names", names.join(", ")));
        }
        if needed(&container, &after).next().is_some() {
            return Err(Error::invalid(
                "variables",
                "A variable that only administrators can see needs a value first. Ask one of them.",
            )
            .because("variable_hidden"));
        }
        container.updated_at = self.0.inner.clock.now();
        store::containers::update(&mut tx.conn(), &container).await?;
        let activity = Activity::new(&self.0.inner.clock, &actor, "container.template_moved")
            .on("container", container.id, &container.name)
            .in_container(container.id)
            .with(serde_json::json!({ "from": from, "to": to }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        let now = container.updated_at;
        store::jobs::insert(&mut tx.conn(), Kind::Declare, container.daemon_id, container.id, now).await?;
        tx.emit(Change::new(Subject::Container, Verb::Updated, container.id));
        tx.emit(Change::new(Subject::Job, Verb::Created, container.daemon_id));
        tx.commit().await
    }

    /// The value of a secret variable. Recorded in the audit trail.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the variable doesn't exist or the actor may not see it.
    pub async fn reveal(&self, permit: Permit<RevealSecret>, env: &str) -> Result<String> {
        let (actor, Visible { container, .. }) = permit.consume();
        let manages = actor.grants().contains(SystemPermission::ContainersUpdate);
        let mut tx = self.0.inner.store.begin().await?;
        let template =
            store::templates::revision(&mut tx.conn(), container.template_id, container.template_revision)
                .await?;
        let template = template.ok_or(Error::NotFound { what: "template" })?;
        let variable = template.variables.into_iter().find(|variable| variable.env == env);
        let variable = variable
            .filter(|variable| manages || variable.user_viewable)
            .ok_or(Error::NotFound { what: "variable" })?;
        let activity = Activity::new(&self.0.inner.clock, &actor, "container.secret_revealed")
            .on("container", container.id, &container.name)
            .in_container(container.id)
            // Users see this as well, so variables hidden from them are not named.
            .with(serde_json::json!({ "variable": variable.user_viewable.then_some(&variable.env) }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.commit().await?;
        Ok(container.variables.get(env).cloned().unwrap_or(variable.default_value))
    }
}

/// The container in another revision. What it took from the template follows it; what was chosen for it stays.
fn moved(mut container: Container, before: &Template, after: &Template, to: i64) -> Container {
    let named = before.startup_commands.iter().find(|choice| choice.command == container.startup);
    let same = named.and_then(|old| after.startup_commands.iter().find(|choice| choice.name == old.name));
    if let Some(choice) = same {
        container.startup.clone_from(&choice.command);
    } else if container.startup == before.startup && !after.startup.trim().is_empty() {
        container.startup.clone_from(&after.startup);
    }
    let offered = |template: &Template| template.images.iter().any(|image| image.image == container.image);
    if offered(before) && !offered(after) {
        let label =
            before.images.iter().find(|image| image.image == container.image).map(|image| &image.label);
        let same = after.images.iter().find(|image| Some(&image.label) == label).or(after.images.first());
        if let Some(image) = same {
            container.image.clone_from(&image.image);
            container.image_allowed_by = None;
        }
    }
    container.variables.retain(|env, _| after.variables.iter().any(|variable| variable.env == *env));
    container.template_revision = to;
    container
}

/// The variables whose values don't meet their rules.
pub(super) fn needed<'t>(container: &Container, after: &'t Template) -> impl Iterator<Item = &'t Variable> {
    after.variables.iter().filter(|variable| {
        let value = container.variables.get(&variable.env).unwrap_or(&variable.default_value);
        variable.rules().check(value).is_err()
    })
}

fn changes(
    container: &Container,
    before: &Template,
    moved: &Container,
    after: &Template,
    manages: bool,
) -> Vec<FieldChange> {
    let mut found = Difference::default();
    found.note("startup", Some(container.startup.clone()), Some(moved.startup.clone()));
    found.note("image", Some(container.image.clone()), Some(moved.image.clone()));
    found.note_rest(before, after, |variable| manages || variable.user_viewable);
    found.changes
}
