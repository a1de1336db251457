//! Rate limits for signing in and for requests that send mail. They apply per account *and* address, and per address, never per
//! account alone: nobody can lock out somebody else from elsewhere.
//!
//! Each process counts in memory. If several share a database, what passes there is counted in the database as well.

use crate::{Error, Raptor, Result, store};
use governor::{Quota, RateLimiter, clock::Clock, state::keyed::DashMapStateStore};
use ring::digest;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, governor::clock::DefaultClock>;

/// Sign-in attempts per account and address that are free; after them, one every six seconds.
const SIGN_INS: u32 = 10;
/// Password reset links per account and address and hour. The account has a limit of its own as well.
const LINKS: u32 = 3;
/// Test mails per administrator and minute.
const TESTS: u32 = 5;
/// The limit of an address over all accounts, as a multiple of that for one account.
const PER_ADDRESS_FACTOR: u32 = 6;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// The rate limits of one Raptor.
pub(crate) struct Throttles {
    /// For signing in, and for confirming the password.
    pub(crate) sign_ins: Throttle,
    /// For requesting a password reset link.
    pub(crate) links: Throttle,
    /// For sending test mails.
    pub(crate) tests: Throttle,
}

impl Throttles {
    /// The default limits, with `sign_ins` sign-in attempts per account and minute if given; 0 disables all limits.
    pub(crate) fn new(sign_ins: Option<u32>) -> Self {
        let unless_off = |burst| if sign_ins == Some(0) { 0 } else { burst };
        Self {
            sign_ins: Throttle::new("sign-in", sign_ins.unwrap_or(SIGN_INS), MINUTE),
            links: Throttle::new("link", unless_off(LINKS), HOUR),
            tests: Throttle::new("mail-test", unless_off(TESTS), MINUTE),
        }
    }

    /// Drops the counters that are free again.
    pub(crate) fn sweep(&self) {
        for throttle in [&self.sign_ins, &self.links, &self.tests] {
            throttle.sweep();
        }
    }
}

struct Limiters {
    pairs: Limiter<(String, IpAddr)>,
    addresses: Limiter<IpAddr>,
    burst: u32,
}

/// The limit for one kind of attempt.
pub(crate) struct Throttle {
    kind: &'static str,
    window: Duration,
    limiters: Option<Limiters>,
}

impl Throttle {
    /// `burst` attempts per account within `window`; 0 = unlimited.
    fn new(kind: &'static str, burst: u32, window: Duration) -> Self {
        let quota = |burst: u32| {
            let each = Quota::with_period(window.checked_div(burst)?)?;
            Some(each.allow_burst(NonZeroU32::new(burst)?))
        };
        let limiters =
            quota(burst).zip(quota(burst.saturating_mul(PER_ADDRESS_FACTOR))).map(|(pair, address)| {
                Limiters { pairs: RateLimiter::keyed(pair), addresses: RateLimiter::keyed(address), burst }
            });
        Self { kind, window, limiters }
    }

    /// Counts one attempt for `login` from `ip`.
    ///
    /// # Errors
    /// [`Error::Throttled`], or if the store fails.
    pub(crate) async fn attempt(&self, raptor: &Raptor, login: &str, ip: Option<IpAddr>) -> Result<()> {
        self.attempt_here(login, ip)?;
        // SQLite belongs to a single process, so the count in memory is complete.
        match &self.limiters {
            Some(limiters) if raptor.inner.store.is_postgres() => {
                self.attempt_everywhere(raptor, limiters.burst, login, ip).await
            }
            _ => Ok(()),
        }
    }

    fn attempt_here(&self, login: &str, ip: Option<IpAddr>) -> Result<()> {
        let Some(Limiters { pairs, addresses, .. }) = &self.limiters else { return Ok(()) };
        let (name, network) = key(login, ip);
        let now = governor::clock::DefaultClock::default().now();
        let refused = pairs.check_key(&(name, network)).err().or_else(|| addresses.check_key(&network).err());
        match refused {
            None => Ok(()),
            Some(not_until) => Err(Error::Throttled { retry_after: not_until.wait_time_from(now) }),
        }
    }

    async fn attempt_everywhere(
        &self,
        raptor: &Raptor,
        burst: u32,
        login: &str,
        ip: Option<IpAddr>,
    ) -> Result<()> {
        let (name, network) = key(login, ip);
        let digest =
            |parts: &[&str]| digest::digest(&digest::SHA256, parts.join("\n").as_bytes()).as_ref().to_vec();
        let network = network.to_string();
        let each = |burst: u32| self.window.checked_div(burst).unwrap_or(self.window);
        let pair = (digest(&[self.kind, &network, &name]), each(burst));
        let address = (digest(&[self.kind, &network]), each(burst.saturating_mul(PER_ADDRESS_FACTOR)));
        let mut tx = raptor.inner.store.begin().await?;
        let counted =
            store::attempts::count(&mut tx.conn(), [pair, address], raptor.inner.clock.now(), self.window)
                .await?;
        tx.commit().await?;
        counted.map_or(Ok(()), |retry_after| Err(Error::Throttled { retry_after }))
    }

    fn sweep(&self) {
        if let Some(Limiters { pairs, addresses, .. }) = &self.limiters {
            pairs.retain_recent();
            addresses.retain_recent();
        }
    }
}

fn key(login: &str, ip: Option<IpAddr>) -> (String, IpAddr) {
    (login.trim().to_lowercase(), network(ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
}

/// The address to count by. A customer of an IPv6 network usually has a /64, which counts as one.
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
        let throttle = Throttle::new("sign-in", 3, MINUTE);
        for _ in 0..3 {
            throttle.attempt_here("admin", ip("192.0.2.1")).unwrap();
        }
        assert_eq!(throttle.attempt_here("Admin ", ip("192.0.2.1")).unwrap_err().code(), "throttled");
        throttle.attempt_here("admin", ip("192.0.2.2")).unwrap();
    }

    #[test]
    fn one_address_cannot_try_account_after_account() {
        let throttle = Throttle::new("sign-in", 1, MINUTE);
        let refused =
            (0..20).filter(|n| throttle.attempt_here(&format!("user{n}"), ip("192.0.2.1")).is_err()).count();
        assert_eq!(refused, 20 - PER_ADDRESS_FACTOR as usize);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4() {
        let throttle = Throttle::new("sign-in", 1, MINUTE);
        throttle.attempt_here("a", ip("2001:db8::1")).unwrap();
        assert!(throttle.attempt_here("a", ip("2001:db8::2")).is_err());
        throttle.attempt_here("a", ip("192.0.2.1")).unwrap();
        assert!(throttle.attempt_here("a", ip("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn links_are_few_and_no_limit_on_signing_in_is_no_limit_at_all() {
        let throttles = Throttles::new(None);
        assert_eq!((0..10).filter(|_| throttles.links.attempt_here("a", ip("192.0.2.1")).is_ok()).count(), 3);
        throttles.sign_ins.attempt_here("a", ip("192.0.2.1")).unwrap();
        let off = Throttles::new(Some(0));
        assert!((0..100).all(|_| off.links.attempt_here("a", ip("192.0.2.1")).is_ok()));
    }
}
