//! Building the declaration for the host from a container's record.

use super::{Container, InstallState, runtime::INSTALL_TIMEOUT_MS};
use crate::{
    Error, Result,
    allocations::Allocation,
    images::{self, ImagePolicy, ImageStanding},
    node::{ContainerSpec, InstallSpec, PortBinding},
    templates::{
        Template, capitals,
        placeholders::{self, Context},
    },
};
use std::collections::BTreeMap;

/// The values of all variables: those set for the container, and the template's defaults.
pub(super) fn environment(container: &Container, template: &Template) -> BTreeMap<String, String> {
    let defaults =
        template.variables.iter().map(|variable| (variable.env.clone(), variable.default_value.clone()));
    defaults.chain(container.variables.clone()).collect()
}

/// Adds each variable's value under its name in upper case.
pub(super) fn with_capitals(environment: &mut BTreeMap<String, String>) {
    let copies: Vec<_> = capitals::of(environment.keys().map(String::as_str))
        .into_iter()
        .filter_map(|copy| Some((copy.name, environment.get(copy.of)?.clone())))
        .collect();
    environment.extend(copies);
}

/// The values of placeholders in a container with these variables.
pub(super) fn context(
    container: &Container,
    allocations: &[Allocation],
    environment: BTreeMap<String, String>,
) -> Context {
    let primary = allocations.iter().find(|allocation| allocation.primary).or(allocations.first());
    Context {
        environment,
        ip: primary.map(|allocation| allocation.ip.clone()).unwrap_or_default(),
        port: primary.map(|allocation| allocation.port.to_string()).unwrap_or_default(),
        memory: container.limits.memory_mib.to_string(),
        uuid: container.id.to_string(),
    }
}

/// The declaration for a container's host.
pub(super) fn spec(
    container: &Container,
    template: &Template,
    allocations: &[Allocation],
    images: &ImagePolicy,
) -> Result<ContainerSpec> {
    let mut environment = environment(container, template);
    with_capitals(&mut environment);
    let context = context(container, allocations, environment.clone());
    environment.insert("P_SERVER_UUID".into(), container.id.to_string());
    environment.insert("P_SERVER_ALLOCATION_LIMIT".into(), container.settings.allocation_limit.to_string());
    Ok(ContainerSpec {
        id: container.id,
        revision: container.revision.max(0).cast_unsigned(),
        name: container.name.clone(),
        image: container.image.clone(),
        image_refused: image_refused(container, template, images),
        startup: placeholders::for_image(&container.startup),
        environment,
        limits: container.limits.clone(),
        ports: allocations.iter().map(port).collect::<Result<_>>()?,
        done: template.done.clone(),
        strip_ansi: template.strip_ansi,
        stop: template.stop.clone(),
        stop_timeout_ms: container.settings.stop_timeout_ms.max(0).cast_unsigned(),
        config_files: context.files(template),
        suspended: container.suspended,
        denied_files: template.denylist.clone(),
        policy: container.behaviour.policy,
        install: install(container, template),
        timezone: container.behaviour.timezone.clone(),
        owner: Some(container.owner_id),
        network: container.behaviour.network,
        outgoing_ip: container.behaviour.outgoing_ip,
        mounts: container.behaviour.mounts.clone(),
        labels: container.behaviour.labels.clone(),
        console_encoding: container.behaviour.console_encoding,
        existed: container.status.is_some(),
    })
}

/// Why the container must not be started with its image, and how to fix that; `None` if it may.
pub(super) fn image_refused(
    container: &Container,
    template: &Template,
    images: &ImagePolicy,
) -> Option<String> {
    let chosen = container.image_allowed_by.is_some();
    let standing = images.standing(&container.image, chosen, template);
    (standing == ImageStanding::Refused).then(|| images::refusal(&container.image))
}

/// The installation to declare. A finished installation is not declared: a host that lost its state must not run it again.
fn install(container: &Container, template: &Template) -> Option<InstallSpec> {
    let installation = &container.installation;
    let wanted = matches!(installation.state, InstallState::Pending | InstallState::Failed);
    let install = template.install.as_ref().filter(|_| wanted)?;
    Some(InstallSpec {
        number: installation.number,
        image: install.image.trim().to_owned(),
        entrypoint: install.entrypoint.clone(),
        script: install.script.clone(),
        // A failed installation has already wiped the files. A host restored from an older backup runs it again without wiping.
        wipe: installation.wipe && installation.state == InstallState::Pending,
        start: installation.start,
        timeout_ms: INSTALL_TIMEOUT_MS,
        strict: install.strict,
    })
}

/// The port to publish. A damaged address must not turn into "all addresses of the host".
fn port(allocation: &Allocation) -> Result<PortBinding> {
    let damaged = || {
        let message = format!(
            "The database's record of the allocation {}:{} is damaged, so the container can't use it. Remove it from the \
             container.",
            allocation.ip, allocation.port
        );
        Error::conflict("damaged", message)
    };
    if allocation.damaged {
        return Err(damaged());
    }
    Ok(PortBinding {
        ip: allocation.ip.parse().map_err(|_| damaged())?,
        port: allocation.port,
        protocol: allocation.protocol,
        primary: allocation.primary,
    })
}
