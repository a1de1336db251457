//! Limits on the number of connections, in total and per address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts connections, in total and per address, and admits new ones below the limits.
#[derive(Clone)]
pub(super) struct ConnectionSlots(Arc<Inner>);

struct Inner {
    per_address: usize,
    in_all: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    of: HashMap<IpAddr, usize>,
}

impl ConnectionSlots {
    pub(super) fn new(per_address: usize, in_all: usize) -> Self {
        Self(Arc::new(Inner { per_address, in_all, taken: Mutex::default() }))
    }

    /// A slot for a connection from `ip`, or `None` if a limit is reached.
    pub(super) fn take(&self, ip: IpAddr) -> Option<ConnectionSlot> {
        let whose = network(ip);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of = taken.of.get(&whose).copied().unwrap_or(0);
        if of >= self.0.per_address || taken.in_all >= self.0.in_all {
            return None;
        }
        taken.of.insert(whose, of + 1);
        taken.in_all += 1;
        Some(ConnectionSlot { slots: self.clone(), whose })
    }
}

/// The address to count by. A customer of an IPv6 network usually has a /64, which counts as one.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// A connection's slot, released when dropped.
pub struct ConnectionSlot {
    slots: ConnectionSlots,
    whose: IpAddr,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all = taken.in_all.saturating_sub(1);
        match taken.of.get_mut(&self.whose) {
            Some(of) if *of > 1 => *of -= 1,
            _ => {
                taken.of.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_leaves_the_others_theirs() {
        let slots = ConnectionSlots::new(2, 3);
        let take = |ip: &str| slots.take(ip.parse().unwrap());
        let first = take("2001:db8::1").unwrap();
        let _second = take("2001:db8::2").unwrap();
        assert!(take("2001:db8::3").is_none(), "one network of IPv6");
        let third = take("192.0.2.1").unwrap();
        assert!(take("192.0.2.2").is_none(), "three in all");
        drop((first, third));
        assert!(take("192.0.2.2").is_some() && take("2001:db8::3").is_some());
        assert_eq!(slots.0.taken.lock().unwrap().of.len(), 1, "forgotten when they go");
    }
}
