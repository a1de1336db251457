//! Daemons and allocations on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    allocations::Allocation,
    containers::lifecycle::Phase,
    daemons::{
        self, Transport,
        service::LinkedDaemon,
        strays::{self, Stray},
    },
    id::{ContainerId, DaemonId, TemplateId, UserId},
    live::LinkState,
    node::{PortBinding, Protocol, SystemInfo},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the link to a daemon is.
#[derive(Debug, Serialize, ToSchema)]
pub struct DaemonConnection {
    /// How the API reaches it.
    pub state: LinkState,
    /// What is wrong, with what to do.
    pub message: Option<String>,
    /// Since when it is so.
    pub since: Option<DateTime<Utc>>,
    /// How many seconds the host's clock is ahead.
    pub clock_skew_seconds: Option<i64>,
}

/// What the containers of a daemon have together.
#[derive(Debug, Serialize, ToSchema)]
pub struct DaemonUsage {
    /// Their memory limits in MiB.
    pub memory_mib: i64,
    /// Their disk limits in MiB.
    pub disk_mib: i64,
    /// Their CPU limits in percent of one CPU.
    pub cpu_percent: i64,
}

/// A host that runs containers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Daemon {
    /// Its id.
    pub id: DaemonId,
    /// Its small stable number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Whether it runs inside the API.
    pub local: bool,
    /// Host name or address.
    pub host: String,
    /// Port of its API.
    pub port: u16,
    /// Whether it is reached by HTTPS with a certificate of an authority: `transport` is `certificate`.
    pub tls: bool,
    /// How the connection to it is protected.
    pub transport: Transport,
    /// Memory in MiB that containers may have together.
    pub memory_limit_mib: Option<i64>,
    /// Disk in MiB that containers may have together.
    pub disk_limit_mib: Option<i64>,
    /// Whether files can't be changed by SFTP there.
    pub sftp_read_only: bool,
    /// For how many hours SFTP keys that are known there work while the API is away; 0 = never.
    pub sftp_offline_hours: i64,
    /// The ports that people without `containers.update` are given, as ports and ranges; all free ones where it is null.
    pub self_service_ports: Option<String>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Its containers.
    pub container_count: i64,
    /// Its allocations.
    pub allocation_count: i64,
    /// Those that no container has.
    pub allocation_free_count: i64,
    /// What its containers have together.
    pub allocated: DaemonUsage,
    /// How the link is.
    pub connection: DaemonConnection,
    /// Why nothing is placed on it and its containers are left alone, while that is so.
    pub maintenance: Option<String>,
    /// What the host last said of itself.
    pub system: Option<SystemInfo>,
}

impl Daemon {
    /// `daemon` with what is known of it now.
    pub fn new(linked: LinkedDaemon) -> Self {
        let LinkedDaemon { daemon, connection } = linked;
        let (link, system) = match connection {
            Some(connection) => (
                DaemonConnection {
                    state: connection.state,
                    message: connection.message,
                    since: Some(connection.since),
                    clock_skew_seconds: connection.clock_skew_seconds,
                },
                connection.system,
            ),
            None => (
                DaemonConnection {
                    state: LinkState::Connecting,
                    message: None,
                    since: None,
                    clock_skew_seconds: None,
                },
                None,
            ),
        };
        let usage = daemon.usage;
        Self {
            id: daemon.id,
            number: daemon.number,
            name: daemon.name,
            local: daemon.local,
            host: daemon.host,
            port: daemon.port,
            tls: daemon.transport == Transport::Certificate,
            transport: daemon.transport,
            memory_limit_mib: daemon.memory_limit_mib,
            disk_limit_mib: daemon.disk_limit_mib,
            sftp_read_only: daemon.sftp_read_only,
            sftp_offline_hours: daemon.sftp_offline_hours,
            self_service_ports: daemon.self_service_ports,
            created_at: daemon.created_at,
            container_count: usage.container_count,
            allocation_count: usage.allocation_count,
            allocation_free_count: usage.allocation_free_count,
            allocated: DaemonUsage {
                memory_mib: usage.memory_mib,
                disk_mib: usage.disk_mib,
                cpu_percent: usage.cpu_percent,
            },
            connection: link,
            maintenance: daemon.maintenance,
            system,
        }
    }
}

/// All daemons.
#[derive(Debug, Serialize, ToSchema)]
pub struct DaemonList {
    /// By name.
    pub items: Vec<Daemon>,
}

/// A daemon to be added or changed.
#[derive(Deserialize, ToSchema)]
pub struct DaemonDraft {
    /// 1 to 64 characters.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port of its API.
    pub port: u16,
    /// Whether it is reached by HTTPS with a certificate of an authority, where no `transport` is given.
    #[serde(default)]
    pub tls: bool,
    /// How the connection to it is protected; as it is now unless given, and `pinned` for a new daemon. `upgrading` can be kept, but
    /// not chosen.
    pub transport: Option<Transport>,
    /// Memory in MiB that containers may have together; what the host has unless given.
    pub memory_limit_mib: Option<i64>,
    /// Disk in MiB that containers may have together; what the host has unless given.
    pub disk_limit_mib: Option<i64>,
    /// Whether files can't be changed by SFTP there.
    #[serde(default)]
    pub sftp_read_only: bool,
    /// For how many hours SFTP keys that are known there work while the API is away, 0 (never) to 8,760; 0 unless given.
    pub sftp_offline_hours: Option<i64>,
    /// The ports that people without `containers.update` are given when they add or replace an allocation, as ports and ranges
    /// such as `25565-25600, 27015`; all free ones unless given.
    pub self_service_ports: Option<String>,
}

impl From<DaemonDraft> for daemons::DaemonDraft {
    fn from(draft: DaemonDraft) -> Self {
        let DaemonDraft { name, host, port, tls, transport, memory_limit_mib, disk_limit_mib, .. } = draft;
        Self {
            name,
            host,
            port,
            transport: transport.or_else(|| tls.then_some(Transport::Certificate)),
            memory_limit_mib,
            disk_limit_mib,
            sftp_read_only: draft.sftp_read_only,
            sftp_offline_hours: draft.sftp_offline_hours.unwrap_or(daemons::DEFAULT_OFFLINE_HOURS),
            self_service_ports: draft.self_service_ports,
        }
    }
}

/// A daemon's key. It can't be read again.
#[derive(Serialize, ToSchema)]
pub struct DaemonKey {
    /// What `DAEMON_API_KEY` has to be on the host.
    pub api_key: String,
}

/// A daemon that was just added.
#[derive(Serialize, ToSchema)]
pub struct CreatedDaemon {
    /// The daemon.
    pub daemon: Daemon,
    /// What `DAEMON_API_KEY` has to be on the host. It can't be read again.
    pub api_key: String,
}

super::page! {
    /// One page of allocations, by address and port.
    AllocationPage of Allocation
}

/// Allocations to be added.
#[derive(Deserialize, ToSchema)]
pub struct AllocationDraft {
    /// An address, or a network in CIDR notation.
    pub ip: String,
    /// Ports and ranges: `25565, 25570-25580`.
    pub ports: String,
    /// What people see in place of the address.
    pub alias: Option<String>,
    /// For those who manage it.
    pub note: Option<String>,
    /// Which protocols are passed on; both unless given.
    #[serde(default)]
    pub protocol: Protocol,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub struct CreatedAllocations {
    /// New ones.
    pub created: u32,
    /// Those that were there already.
    pub existing: u32,
    /// Whether the daemon was asked if it has the addresses. It is not while it is not connected.
    pub checked: bool,
}

/// What can be changed about an allocation.
#[derive(Deserialize, ToSchema)]
pub struct AllocationUpdate {
    /// What people see in place of the address.
    pub alias: Option<String>,
    /// For those who manage it.
    pub note: Option<String>,
    /// Which protocols are passed on, from the next start of the container on; as they are unless given.
    pub protocol: Option<Protocol>,
}

/// A container that a host has and Raptor does not know.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownContainer {
    /// Its id.
    pub id: ContainerId,
    /// What it was called.
    pub name: String,
    /// What it does now: `offline`, `starting`, `running` or `stopping`.
    pub phase: Phase,
    /// Whose it was, where its host knows that.
    pub owner_id: Option<UserId>,
    /// Whether its host has its declaration. Without one it can only be deleted.
    pub declared: bool,
    /// The addresses that it holds on its host, such as `203.0.113.7:25565`.
    pub addresses: Vec<String>,
}

impl From<Stray> for UnknownContainer {
    fn from(stray: Stray) -> Self {
        let Stray { held, phase } = stray;
        let address = |port: &PortBinding| std::net::SocketAddr::new(port.ip, port.port).to_string();
        Self {
            id: held.id,
            name: held.name,
            phase,
            owner_id: held.owner,
            declared: held.declared,
            addresses: held.ports.iter().map(address).collect(),
        }
    }
}

/// The containers of a host that Raptor does not know.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownContainerList {
    /// By name.
    pub items: Vec<UnknownContainer>,
}

/// What can't be known of a container that is adopted.
#[derive(Deserialize, ToSchema)]
pub struct Adoption {
    /// The template that it is taken to be made from.
    pub template_id: TemplateId,
    /// Whose it will be. Whose it was, or else the caller's, unless given.
    #[serde(default)]
    pub owner_id: Option<UserId>,
}

impl From<Adoption> for strays::Adoption {
    fn from(adoption: Adoption) -> Self {
        Self { owner_id: adoption.owner_id, template_id: adoption.template_id }
    }
}

/// A container that was adopted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Adopted {
    /// Its id, which is the one that it had.
    pub id: ContainerId,
}
