//! Limits on signing in and on what sends mail. They count per account *and* address, and per address, never per account alone:
//! nobody can lock somebody else out from elsewhere.
//!
//! Each process counts in memory. Where several share a database, what the own count lets pass is counted there as well.

use crate::{Error, Raptor, Result, store};
use governor::{Quota, RateLimiter, clock::Clock, state::keyed::DashMapStateStore};
use ring::digest;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, governor::clock::DefaultClock>;

/// How many attempts at one account from one address come for free; then one every six seconds.
const SIGN_INS: u32 = 10;
/// How many links for a new password one address may ask for in an hour for one account. An account has a bound of its own.
const LINKS: u32 = 3;
/// How many messages to try the mail server an administrator sends in a minute.
const TESTS: u32 = 5;
/// How many times as many attempts one address has over all accounts.
const PER_ADDRESS_FACTOR: u32 = 6;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// The limits of one Raptor.
pub(crate) struct Throttles {
    /// On signing in and on proving that one knows the password.
    pub(crate) sign_ins: Throttle,
    /// On asking for a link for a new password.
    pub(crate) links: Throttle,
    /// On messages to try the mail server.
    pub(crate) tests: Throttle,
}

impl Throttles {
    /// With the default limits, or `sign_ins` attempts at one account in a minute; 0 = no limits at all.
    pub(crate) fn new(sign_ins: Option<u32>) -> Self {
        let unless_off = |burst| if sign_ins == Some(0) { 0 } else { burst };
        Self {
            sign_ins: Throttle::new("sign-in", sign_ins.unwrap_or(SIGN_INS), MINUTE),
            links: Throttle::new("link", unless_off(LINKS), HOUR),
            tests: Throttle::new("mail-test", unless_off(TESTS), MINUTE),
        }
    }

    /// Forgets whoever has been quiet for long.
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

/// Counts attempts of one kind.
pub(crate) struct Throttle {
    kind: &'static str,
    window: Duration,
    limiters: Option<Limiters>,
}

impl Throttle {
    /// `burst` attempts at one account in `window`; 0 = no limits.
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

    /// Counts one attempt at `login` from `ip`.
    ///
    /// # Errors
    /// [`Error::Throttled`], or when the store fails.
    pub(crate) async fn attempt(&self, raptor: &Raptor, login: &str, ip: Option<IpAddr>) -> Result<()> {
        self.attempt_here(login, ip)?;
        // SQLite belongs to one process, whose own count is all there is.
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
