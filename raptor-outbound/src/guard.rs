//! The policy for requests to addresses that somebody typed.

use super::{
    Resolver,
    address::{is_public, v4_behind},
};
use ipnet::IpNet;
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long resolving one closed host may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Decides which addresses may be connected to: public ones that are neither this machine's own nor those of closed hosts, and
/// those that an administrator has opened. Clones share their state.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) rule: fn(IpAddr) -> bool,
    pub(super) open: Arc<[IpNet]>,
    closed: Arc<Mutex<Closed>>,
}

/// Hosts to which requests are refused.
#[derive(Default)]
struct Closed {
    hosts: Vec<String>,
    /// The addresses of each name when it was last resolved, so that a failing resolver opens nothing.
    known: HashMap<String, Vec<IpAddr>>,
}

impl Default for Guard {
    fn default() -> Self {
        Self { rule: is_elsewhere, open: Arc::new([]), closed: Arc::default() }
    }
}

impl Guard {
    /// Refuses these hosts (names or addresses) instead of the previous ones.
    pub(super) fn close(&self, hosts: Vec<String>) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.known.retain(|host, _| hosts.contains(host));
        closed.hosts = hosts;
    }

    /// The policy with the current addresses of the closed hosts.
    pub(super) async fn gate(&self, resolver: &dyn Resolver) -> Gate {
        let hosts = self.closed.lock().unwrap_or_else(PoisonError::into_inner).hosts.clone();
        let found = futures_util::future::join_all(hosts.iter().map(|host| addresses(host, resolver))).await;
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        for (host, found) in hosts.into_iter().zip(found) {
            if let Some(found) = found {
                closed.known.insert(host, found);
            }
        }
        let closed = closed.known.values().flatten().map(IpAddr::to_canonical).collect();
        Gate { rule: self.rule, open: self.open.clone(), closed }
    }
}

/// The addresses of a host, or `None` if they can't be resolved.
async fn addresses(host: &str, resolver: &dyn Resolver) -> Option<Vec<IpAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Some(vec![address]);
    }
    tokio::time::timeout(RESOLVE_TIMEOUT, resolver.resolve(host)).await.ok()?.ok()
}

/// The policy for one request and its redirects.
pub(super) struct Gate {
    rule: fn(IpAddr) -> bool,
    open: Arc<[IpNet]>,
    closed: HashSet<IpAddr>,
}

impl Gate {
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // The address that a translator leads to counts as well.
        let inner = v4_behind(address).map(IpAddr::V4);
        self.allows_one(address) && inner.is_none_or(|inner| self.allows_one(inner))
    }

    fn allows_one(&self, address: IpAddr) -> bool {
        let opened = self.open.iter().any(|network| network.contains(&address));
        opened || ((self.rule)(address) && !self.closed.contains(&address))
    }
}

/// Whether an address is public and not this machine's own.
fn is_elsewhere(address: IpAddr) -> bool {
    is_public(address) && !is_own(address)
}

/// Whether an address is this machine's own: the kernel would use the same address as the source. Sends nothing.
pub(super) fn is_own(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(SocketAddr::new(address, 9))?;
        socket.local_addr()
    };
    from().is_ok_and(|from| from.ip() == address)
}
