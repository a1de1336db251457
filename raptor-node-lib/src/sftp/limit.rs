//! Limiting connections. If there are too many, those that have not authenticated are closed, oldest first; authenticated ones
//! stay.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// The connections and their limit. Cheap to clone.
#[derive(Clone)]
pub(super) struct ConnectionLimit(Arc<Inner>);

struct Inner {
    in_all: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    all: BTreeMap<u64, Slot>,
    /// The number of connections per address, for addresses with a limit.
    of: HashMap<IpAddr, usize>,
}

struct Slot {
    /// `None` for an address without a limit.
    whose: Option<IpAddr>,
    cut: CancellationToken,
    signed_in: bool,
}

impl Taken {
    /// Closes the oldest connection that has not authenticated, of the address `whose` or of all.
    fn make_room(&mut self, whose: Option<IpAddr>) -> bool {
        let oldest = self
            .all
            .iter()
            .find(|(_, sitting)| !sitting.signed_in && (whose.is_none() || sitting.whose == whose))
            .map(|(number, _)| *number);
        let Some(oldest) = oldest else { return false };
        if let Some(sitting) = self.leave(oldest) {
            sitting.cut.cancel();
        }
        true
    }

    fn leave(&mut self, number: u64) -> Option<Slot> {
        let sitting = self.all.remove(&number)?;
        if let Some(whose) = sitting.whose {
            match self.of.get_mut(&whose) {
                Some(of) if *of > 1 => *of -= 1,
                _ => {
                    self.of.remove(&whose);
                }
            }
        }
        Some(sitting)
    }
}

impl ConnectionLimit {
    pub(super) fn new(in_all: usize, per_address: usize) -> Self {
        Self(Arc::new(Inner { in_all, per_address, taken: Mutex::default() }))
    }

    /// A slot for a connection from `ip`, which `cut` closes. `None` if all connections have authenticated. An `exempt` address
    /// has no limit of its own.
    pub(super) fn take(&self, ip: IpAddr, exempt: bool, cut: &CancellationToken) -> Option<ConnectionSlot> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = (!exempt).then(|| network(ip));
        if let Some(whose) = whose
            && taken.of.get(&whose).is_some_and(|of| *of >= self.0.per_address)
            && !taken.make_room(Some(whose))
        {
            return None;
        }
        if taken.all.len() >= self.0.in_all && !taken.make_room(None) {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        if let Some(whose) = whose {
            *taken.of.entry(whose).or_default() += 1;
        }
        taken.all.insert(number, Slot { whose, cut: cut.clone(), signed_in: false });
        Some(ConnectionSlot { limit: self.clone(), number })
    }
}

/// The address to count by. A customer of an IPv6 network usually has a /64, which counts as one.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// A connection's slot, until it is dropped or taken over by another connection.
pub(super) struct ConnectionSlot {
    limit: ConnectionLimit,
    number: u64,
}

impl ConnectionSlot {
    /// Makes the slot permanent. False if it was taken over just before.
    pub(super) fn keep(&self) -> bool {
        let mut taken = self.limit.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let sitting = taken.all.get_mut(&self.number);
        sitting.map(|sitting| sitting.signed_in = true).is_some()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut taken = self.limit.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(limit: &ConnectionLimit, ip: &str) -> Option<(ConnectionSlot, CancellationToken)> {
        let cut = CancellationToken::new();
        Some((limit.take(ip.parse().unwrap(), false, &cut)?, cut))
    }

    #[test]
    fn when_full_the_oldest_that_has_not_signed_in_goes_and_who_has_stays() {
        let limit = ConnectionLimit::new(3, 3);
        let signed = take(&limit, "192.0.2.1").unwrap();
        assert!(signed.0.keep());
        let oldest = take(&limit, "192.0.2.2").unwrap();
        let newer = take(&limit, "192.0.2.3").unwrap();
        let next = take(&limit, "192.0.2.4").unwrap();
        assert!(oldest.1.is_cancelled() && !newer.1.is_cancelled() && !signed.1.is_cancelled());
        assert!(!oldest.0.keep(), "its slot is another's");
        drop(oldest);
        assert!(newer.0.keep() && next.0.keep());
        assert!(take(&limit, "192.0.2.5").is_none(), "all have signed in");
        drop(signed);
        assert!(take(&limit, "192.0.2.5").is_some());
    }

    #[test]
    fn an_address_makes_room_among_its_own_first() {
        let limit = ConnectionLimit::new(10, 2);
        let other = take(&limit, "192.0.2.9").unwrap();
        let (first, second) = (take(&limit, "2001:db8::1").unwrap(), take(&limit, "2001:db8::2").unwrap());
        let third = take(&limit, "2001:db8::3").unwrap();
        assert!(first.1.is_cancelled() && !other.1.is_cancelled());
        assert!(second.0.keep() && third.0.keep());
        assert!(take(&limit, "2001:db8::4").is_none());
        drop((first, second, third, other));
        assert_eq!(limit.0.taken.lock().unwrap().of.len(), 0, "forgotten when they go");
    }

    #[test]
    fn an_exempt_address_has_no_limit_of_its_own() {
        let limit = ConnectionLimit::new(4, 1);
        let ip = "192.0.2.1".parse().unwrap();
        let cut = CancellationToken::new();
        let held: Vec<_> = (0..4).filter_map(|_| limit.take(ip, true, &cut)).collect();
        assert_eq!(held.len(), 4);
        assert!(!cut.is_cancelled());
    }
}
