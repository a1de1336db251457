//! From a record to what its host is told.

use super::Container;
use crate::{
    allocations::Allocation,
    node::{ContainerSpec, PortBinding},
    templates::{Template, placeholders::Context},
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

/// All variables' values: those that were set over the template's defaults.
pub(super) fn environment(container: &Container, template: &Template) -> BTreeMap<String, String> {
    let defaults =
        template.variables.iter().map(|variable| (variable.env.clone(), variable.default_value.clone()));
    defaults.chain(container.variables.clone()).collect()
}

/// The declaration of a container.
pub(super) fn spec(container: &Container, template: &Template, allocations: &[Allocation]) -> ContainerSpec {
    let mut environment = environment(container, template);
    let primary = allocations.iter().find(|allocation| allocation.primary).or(allocations.first());
    let context = Context {
        environment: environment.clone(),
        ip: primary.map(|allocation| allocation.ip.clone()).unwrap_or_default(),
        port: primary.map(|allocation| allocation.port.to_string()).unwrap_or_default(),
        memory: container.limits.memory_mib.to_string(),
        uuid: container.id.to_string(),
    };
    environment.insert("P_SERVER_UUID".into(), container.id.to_string());
    environment.insert("P_SERVER_ALLOCATION_LIMIT".into(), allocations.len().to_string());
    ContainerSpec {
        id: container.id,
        revision: container.revision.max(0).cast_unsigned(),
        name: container.name.clone(),
        image: container.image.clone(),
        startup: container.startup.clone(),
        environment,
        limits: container.limits.clone(),
        ports: allocations.iter().map(port).collect(),
        done: template.done.clone(),
        strip_ansi: template.strip_ansi,
        stop: template.stop.clone(),
        stop_timeout_ms: container.stop_timeout_ms.max(0).cast_unsigned(),
        config_files: context.files(template),
        suspended: container.suspended,
        denied_files: template.denylist.clone(),
    }
}

fn port(allocation: &Allocation) -> PortBinding {
    PortBinding {
        ip: allocation.ip.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        port: allocation.port,
        primary: allocation.primary,
    }
}
