//! The one rule for where requests go whose address somebody typed.

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

/// How long finding the addresses of one closed name may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Decides which addresses may be connected to: public ones that are neither this machine's own nor those of closed hosts, and
/// whatever an administrator has opened. Its copies share what they know.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) rule: fn(IpAddr) -> bool,
    pub(super) open: Arc<[IpNet]>,
    closed: Arc<Mutex<Closed>>,
}

/// Hosts that are refused.
#[derive(Default)]
struct Closed {
    hosts: Vec<String>,
    /// The addresses that a name had when it was last found: a resolver that fails opens nothing.
    known: HashMap<String, Vec<IpAddr>>,
}

impl Default for Guard {
    fn default() -> Self {
        Self { rule: is_elsewhere, open: Arc::new([]), closed: Arc::default() }
    }
}

impl Guard {
    /// Refuses the addresses of these hosts, names or addresses, in place of those that were given before.
    pub(super) fn close(&self, hosts: Vec<String>) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.known.retain(|host, _| hosts.contains(host));
        closed.hosts = hosts;
    }

    /// The decision as it is now, with the addresses that closed names have at this moment.
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

/// The addresses of a host; none where they can't be found.
async fn addresses(host: &str, resolver: &dyn Resolver) -> Option<Vec<IpAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Some(vec![address]);
    }
    tokio::time::timeout(PATIENCE, resolver.resolve(host)).await.ok()?.ok()
}

/// The decision for one request and its redirects.
pub(super) struct Gate {
    rule: fn(IpAddr) -> bool,
    open: Arc<[IpNet]>,
    closed: HashSet<IpAddr>,
}

impl Gate {
    /// Whether this address may be connected to.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // What a translator leads to counts as well.
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

/// Whether an address is this machine's own: the kernel then sends to it from that very address. Nothing is sent here.
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
