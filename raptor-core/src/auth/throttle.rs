//! Limits on signing in. They count per account *and* address, and per address, never per account alone: nobody can lock
//! somebody else out from elsewhere.

use crate::{Error, Result};
use governor::{Quota, RateLimiter, clock::Clock, state::keyed::DashMapStateStore};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
};

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, governor::clock::DefaultClock>;

/// How many attempts at one account from one address come for free; then one every six seconds.
const PER_ACCOUNT: u32 = 10;
/// How many times as many attempts one address has over all accounts.
const PER_ADDRESS_FACTOR: u32 = 6;

struct Limiters {
    pairs: Limiter<(String, IpAddr)>,
    addresses: Limiter<IpAddr>,
}

/// Counts attempts to sign in.
pub(crate) struct Throttle {
    limiters: Option<Limiters>,
}

impl Throttle {
    /// With the default limits, or `burst` attempts at one account; 0 = no limits.
    pub(crate) fn new(burst: Option<u32>) -> Self {
        let quota =
            |burst: u32| NonZeroU32::new(burst).map(|burst| Quota::per_minute(burst).allow_burst(burst));
        let burst = burst.unwrap_or(PER_ACCOUNT);
        let limiters =
            quota(burst).zip(quota(burst.saturating_mul(PER_ADDRESS_FACTOR))).map(|(pair, address)| {
                Limiters { pairs: RateLimiter::keyed(pair), addresses: RateLimiter::keyed(address) }
            });
        Self { limiters }
    }

    /// Counts one attempt at `login` from `ip`.
    pub(crate) fn attempt(&self, login: &str, ip: Option<IpAddr>) -> Result<()> {
        let Some(Limiters { pairs, addresses }) = &self.limiters else { return Ok(()) };
        let network = network(ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        let key = (login.trim().to_lowercase(), network);
        let now = governor::clock::DefaultClock::default().now();
        let refused = pairs.check_key(&key).err().or_else(|| addresses.check_key(&network).err());
        match refused {
            None => Ok(()),
            Some(not_until) => Err(Error::Throttled { retry_after: not_until.wait_time_from(now) }),
        }
    }

    /// Forgets whoever has been quiet for long.
    pub(crate) fn sweep(&self) {
        if let Some(Limiters { pairs, addresses }) = &self.limiters {
            pairs.retain_recent();
            addresses.retain_recent();
        }
    }
}

/// One customer of an IPv6 network has a /64 and counts as one.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn guessing_is_stopped_and_the_owner_elsewhere_is_not() {
        let throttle = Throttle::new(Some(3));
        for _ in 0..3 {
            throttle.attempt("admin", ip("192.0.2.1")).unwrap();
        }
        assert_eq!(throttle.attempt("Admin ", ip("192.0.2.1")).unwrap_err().code(), "throttled");
        throttle.attempt("admin", ip("192.0.2.2")).unwrap();
    }

    #[test]
    fn one_address_cannot_try_account_after_account() {
        let throttle = Throttle::new(Some(1));
        let refused =
            (0..20).filter(|n| throttle.attempt(&format!("user{n}"), ip("192.0.2.1")).is_err()).count();
        assert_eq!(refused, 20 - PER_ADDRESS_FACTOR as usize);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4() {
        let throttle = Throttle::new(Some(1));
        throttle.attempt("a", ip("2001:db8::1")).unwrap();
        assert!(throttle.attempt("a", ip("2001:db8::2")).is_err());
        throttle.attempt("a", ip("192.0.2.1")).unwrap();
        assert!(throttle.attempt("a", ip("::ffff:192.0.2.1")).is_err());
    }
}
