//! Daemons and allocations on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    allocations::Allocation,
    containers::lifecycle::Phase,
    daemons::{self, Transport, Usage, service::LinkedDaemon, strays::Stray},
    id::{ContainerId, DaemonId, UserId},
    live::Connection,
    node::{PortBinding, Protocol, SystemInfo},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A host that runs containers.
//
// Joins the domain's record with its connection, and has what it counts beside what it adds up.
#[derive(Debug, Serialize, ToSchema)]
pub struct Daemon {
    /// Id of the daemon.
    pub id: DaemonId,
    /// Its small stable number.
    pub number: i64,
    /// Name of the daemon, up to 64 characters.
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
    /// How many containers are on it.
    pub container_count: i64,
    /// How many allocations it has.
    pub allocation_count: i64,
    /// Those that no container has.
    pub allocation_free_count: i64,
    /// What its containers have together.
    pub allocated: Usage,
    /// How the link is.
    pub connection: Connection,
    /// Why nothing is placed on it and its containers are left alone, while that is so.
    pub maintenance: Option<String>,
    /// What the host last said of itself.
    pub system: Option<SystemInfo>,
}

impl Daemon {
    /// `daemon` with what is known of it now.
    pub fn new(linked: LinkedDaemon) -> Self {
        let LinkedDaemon { daemon, connection, .. } = linked;
        let mut connection = connection.unwrap_or_default();
        let system = connection.system.take();
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
            allocated: usage,
            connection,
            maintenance: daemon.maintenance,
            system,
        }
    }
}

/// All daemons of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub struct DaemonList {
    /// The daemons by name.
    pub items: Vec<Daemon>,
}

/// A daemon to be added or changed.
//
// Differs from the domain's: with `tls`, by which older clients ask for a certificate.
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
            sftp_offline_hours: draft.sftp_offline_hours,
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
    /// The daemon that was added.
    pub daemon: Daemon,
    /// What `DAEMON_API_KEY` has to be on the host. It can't be read again.
    pub api_key: String,
}

super::page! {
    /// One page of allocations, by address and port.
    AllocationPage of Allocation
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
//
// Differs from the domain's: without its declaration, and with its addresses as text.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownContainer {
    /// Id that the container had.
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
        let Stray { held, phase, .. } = stray;
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
    /// The containers by name.
    pub items: Vec<UnknownContainer>,
}

/// A container that was adopted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Adopted {
    /// Its id, which is the one that it had.
    pub id: ContainerId,
}
