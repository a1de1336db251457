//! Finding this daemon's containers in the engine by label and id, since people may rename, stop and remove them by hand.

use super::{
    Docker, RuntimeError,
    docker::{CONTAINER, INSTANCE, PART, Part, error},
};
use bollard::{
    models::{ContainerSummary, ContainerSummaryStateEnum as State, PortSummary, PortSummaryTypeEnum},
    query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use raptor_model::{
    id::ContainerId,
    node::{PortBinding, Protocol},
};
use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    path::Path,
};
use uuid::Uuid;

/// How long before its end a process may have been told by hand to end.
const HAND: TimeDelta = TimeDelta::minutes(10);
/// How long a restarted engine may take to end the processes that it finds running.
const RETURN: TimeDelta = TimeDelta::minutes(1);
/// Signals that end a process or ask it to end, as numbers in the engine's events.
const ENDING: [&str; 4] = ["2", "3", "9", "15"];

/// A container in the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineContainer {
    pub engine_id: String,
    /// The name that the engine has for it now.
    pub name: String,
    /// The container of Raptor that it belongs to.
    pub id: ContainerId,
    pub part: Part,
    /// Whether its process is running.
    pub runs: bool,
    /// Whether this daemon created it.
    pub ours: bool,
    /// Its name for people at creation.
    pub title: String,
    /// The host ports that it currently publishes.
    pub ports: Vec<PortBinding>,
    /// Its address in its network, while it is running.
    pub address: Option<Ipv4Addr>,
}

/// A container that stores its files below a given folder, whichever daemon created it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedContainer {
    pub id: ContainerId,
    /// The daemon that created it.
    pub instance: Uuid,
}

impl Docker {
    /// The engine's containers for one container of Raptor, created by this daemon or another.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn found(&self, id: ContainerId) -> Result<Vec<EngineContainer>, RuntimeError> {
        let found = self.labelled(format!("{CONTAINER}={id}")).await?;
        Ok(found.into_iter().filter_map(|found| self.read(found)).collect())
    }

    /// All containers that this daemon created.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn ours(&self) -> Result<Vec<EngineContainer>, RuntimeError> {
        let found = self.labelled(format!("{INSTANCE}={}", self.instance)).await?;
        Ok(found.into_iter().filter_map(|found| self.read(found)).collect())
    }

    /// The containers of any daemon that store their files below `base`.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn made_for(&self, base: &Path) -> Result<Vec<OwnedContainer>, RuntimeError> {
        let made = self.labelled(CONTAINER.to_owned()).await?.into_iter().filter_map(|found| {
            let labels = found.labels?;
            let (id, instance) = (labels.get(CONTAINER)?.parse::<ContainerId>().ok()?, labels.get(INSTANCE)?);
            let data = base.join(id.to_string());
            let here =
                found.mounts?.iter().any(|mount| mount.source.as_deref().map(Path::new) == Some(&data));
            here.then(|| Some(OwnedContainer { id, instance: instance.parse().ok()? }))?
        });
        Ok(made.collect())
    }

    async fn labelled(&self, label: String) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        self.client()?.list_containers(Some(options)).await.map_err(error)
    }

    fn read(&self, found: ContainerSummary) -> Option<EngineContainer> {
        let (labels, name) = (found.labels?, found.names?.into_iter().next()?);
        let name = name.trim_start_matches('/').to_owned();
        // Earlier versions did not set this label.
        let installs = match labels.get(PART) {
            Some(part) => part == Part::Installer.label(),
            None => name.ends_with("-installer"),
        };
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Some(EngineContainer {
            address: networks.into_values().find_map(|network| network.ip_address?.parse().ok()),
            engine_id: found.id?,
            name,
            id: labels.get(CONTAINER)?.parse().ok()?,
            part: if installs { Part::Installer } else { Part::Server },
            runs: matches!(
                found.state,
                Some(State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING)
            ),
            ours: labels.get(INSTANCE) == Some(&self.instance.to_string()),
            title: labels.get("raptor.name").cloned().unwrap_or_default(),
            ports: ports(found.ports.unwrap_or_default()),
        })
    }

    /// When the container's process was started; `None` if unknown.
    pub async fn started_at(&self, container: &str) -> Option<DateTime<Utc>> {
        let found = self.client().ok()?.inspect_container(container, None).await.ok()?;
        found.state?.started_at?.parse().ok()
    }

    /// Whether somebody told the engine to end the container's process within ten minutes before `at`: `docker stop`, `docker
    /// kill` or `docker rm -f`. The caller knows what this daemon itself asked for. The engine keeps its last 256 events, and
    /// none after a restart. An engine that was killed ends leftover processes when it is started again, with the same events,
    /// so events count only if the engine was running before.
    pub async fn ended_by_hand(&self, container: &str, at: DateTime<Utc>) -> bool {
        let Ok(client) = self.client() else { return false };
        let time = |at: DateTime<Utc>| format!("{}.{:09}", at.timestamp(), at.timestamp_subsec_nanos());
        let until = time(at);
        let all = EventsOptionsBuilder::default().since("0").until(&until);
        let oldest = std::pin::pin!(client.events(Some(all.clone().build()))).next().await;
        let Some(oldest) = oldest.and_then(|event| event.ok()?.time_nano) else { return false };
        let filters = HashMap::from([("container", vec![container]), ("event", vec!["start", "kill"])]);
        let mut events = std::pin::pin!(client.events(Some(all.filters(&filters).build())));
        let recent = (at - HAND).timestamp_nanos_opt().unwrap_or_default();
        let mut started = false;
        while let Some(Ok(event)) = events.next().await {
            let told = event.time_nano.unwrap_or_default();
            let signal = event.actor.and_then(|actor| actor.attributes?.remove("signal"));
            match signal {
                None => started = true,
                Some(signal) if told >= recent && ENDING.contains(&signal.as_str()) => {
                    if started || told - oldest > RETURN.num_nanoseconds().unwrap_or_default() {
                        return true;
                    }
                }
                Some(_) => {}
            }
        }
        false
    }
}

/// The published ports, without duplicates.
fn ports(found: Vec<PortSummary>) -> Vec<PortBinding> {
    let mut ports: BTreeMap<_, Protocol> = BTreeMap::new();
    for port in found {
        let (Some(ip), Some(public)) = (port.ip.and_then(|ip| ip.parse().ok()), port.public_port) else {
            continue;
        };
        let protocol = match port.typ {
            Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
            _ => Protocol::Tcp,
        };
        ports
            .entry((ip, public))
            .and_modify(|known| {
                if *known != protocol {
                    *known = Protocol::Both;
                }
            })
            .or_insert(protocol);
    }
    let binding = |((ip, port), protocol)| PortBinding { ip, port, protocol, primary: false };
    ports.into_iter().map(binding).collect()
}
