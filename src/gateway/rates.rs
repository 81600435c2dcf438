//! How often one client address may start a sign-in or come back from one.

use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use governor::Quota;
use governor::RateLimiter;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use http::request::Parts;

use super::record::Record;
use crate::fault::Fault;
use crate::http::pages::Voice;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply::Reply;
use crate::time::Clock;

/// So many in such a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, or spread out.
    pub count: NonZeroU32,
    /// The time in which that many come back.
    pub span: Duration,
}

/// The key `rate_limits`; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Sign-ins that are started.
    pub sign_in: Option<Rate>,
    /// Callbacks, each of which may ask the provider.
    pub callback: Option<Rate>,
    /// Whether clients on this machine are not counted: mostly that is a proxy which nobody named in
    /// `trusted_proxies`, with everybody behind it.
    pub spares_loopback: bool,
}

impl Default for Rates {
    fn default() -> Self {
        // A whole office may share one address.
        let rate = NonZeroU32::new(300).map(|count| Rate {
            count,
            span: Duration::from_mins(1),
        });
        Self {
            sign_in: rate,
            callback: rate,
            spares_loopback: true,
        }
    }
}

/// The limits of all client addresses, in this process.
pub struct Limiters {
    sign_in: Option<Limiter>,
    callback: Option<Limiter>,
    spares_loopback: bool,
}

impl Limiters {
    /// Nobody has come yet.
    pub fn new(rates: Rates, clock: &Arc<dyn Clock>) -> Self {
        let limiter = |rate: Option<Rate>| rate.and_then(|rate| Limiter::new(rate, clock));
        Self {
            sign_in: limiter(rates.sign_in),
            callback: limiter(rates.callback),
            spares_loopback: rates.spares_loopback,
        }
    }

    /// Whether `client` may start one more sign-in.
    pub(super) fn sign_in(&self, client: IpAddr) -> Result<(), Refusal> {
        self.take(self.sign_in.as_ref(), client)
    }

    /// Whether `client` may come back once more.
    pub(super) fn callback(&self, client: IpAddr) -> Result<(), Refusal> {
        self.take(self.callback.as_ref(), client)
    }

    fn take(&self, limiter: Option<&Limiter>, client: IpAddr) -> Result<(), Refusal> {
        let spared = self.spares_loopback && client.to_canonical().is_loopback();
        match limiter {
            Some(limiter) if !spared => limiter.take(client),
            _ => Ok(()),
        }
    }
}

struct Limiter {
    keyed: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, Watch, NoOpMiddleware<Duration>>,
    watch: Watch,
    /// The second in which the store was gone through last.
    tidied: AtomicU64,
}

impl Limiter {
    fn new(rate: Rate, clock: &Arc<dyn Clock>) -> Option<Self> {
        let watch = Watch(Arc::clone(clock));
        let quota = Quota::with_period(rate.span / rate.count.get())?.allow_burst(rate.count);
        Some(Self {
            keyed: RateLimiter::hashmap_with_clock(quota, watch.clone()),
            watch,
            tidied: AtomicU64::new(0),
        })
    }

    fn take(&self, client: IpAddr) -> Result<(), Refusal> {
        if self.keyed.len() >= MAX_CLIENTS {
            self.tidy();
            // Whoever has so many addresses is not stopped by a limit on each. Memory stays bounded.
            if self.keyed.len() >= MAX_CLIENTS {
                return Ok(());
            }
        }
        self.keyed.check_key(&network(client)).map_err(|not_until| {
            let wait = not_until.wait_time_from(governor::clock::Clock::now(&self.watch));
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Refusal {
                retry_after: Some(seconds.max(1)),
                ..Fault::RateLimited.into()
            }
        })
    }
}

impl Limiter {
    /// Forgets those who have their whole allowance again; looking at all of them takes time.
    fn tidy(&self) {
        let now = self.watch.0.now().as_secs();
        if self.tidied.swap(now, Ordering::Relaxed) != now {
            self.keyed.retain_recent();
        }
    }
}

/// What an address gets that signs in more often than people do.
pub(super) fn refuse(
    refusal: &Refusal,
    voice: &Voice<'_>,
    parts: &Parts,
    record: &mut Record,
) -> Reply {
    record.refused(refusal.fault);
    let audience = Audience::of(&parts.method, &parts.headers);
    refusal.reply(audience, voice, record.id().as_str())
}

/// A subscriber of IPv6 has a whole /64 (RFC 6177).
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (!0 << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// Our clock, as the limiter reads it.
#[derive(Clone)]
struct Watch(Arc<dyn Clock>);

impl governor::clock::Clock for Watch {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now().as_millis())
    }
}

/// Client addresses remembered, at about 40 bytes each.
const MAX_CLIENTS: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    fn limiter(count: u32, seconds: u64) -> (Limiter, Arc<ManualClock>) {
        let manual = Arc::new(ManualClock::default());
        let clock: Arc<dyn Clock> = manual.clone();
        let rate = Rate {
            count: NonZeroU32::new(count).expect("some"),
            span: Duration::from_secs(seconds),
        };
        (Limiter::new(rate, &clock).expect("a limiter"), manual)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_allowance_is_used_up_and_comes_back() {
        let (limiter, clock) = limiter(3, 60);
        let take = |text| {
            limiter
                .take(address(text))
                .map_err(|refusal| refusal.retry_after)
        };
        for _ in 0..3 {
            assert_eq!(take("10.0.0.1"), Ok(()));
        }
        assert_eq!(take("10.0.0.1"), Err(Some(20)));
        assert_eq!(take("::ffff:10.0.0.1"), Err(Some(20)), "the same address");
        assert_eq!(take("10.0.0.2"), Ok(()), "another");
        clock.advance(Duration::from_millis(19_500));
        assert_eq!(take("10.0.0.1"), Err(Some(1)));
        clock.advance(Duration::from_millis(500));
        assert_eq!(take("10.0.0.1"), Ok(()));
        assert_eq!(take("10.0.0.1"), Err(Some(20)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let (limiter, _) = limiter(1, 60);
        assert!(limiter.take(address("2001:db8:0:1::1")).is_ok());
        assert!(limiter.take(address("2001:db8:0:1:ffff::2")).is_err());
        assert!(limiter.take(address("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_freed() {
        let (limiter, clock) = limiter(1, 60);
        let many = || (0..60_000).map(|n: u32| IpAddr::from(n.to_be_bytes()));
        for client in many() {
            assert!(limiter.take(client).is_ok());
        }
        assert_eq!(limiter.keyed.len(), MAX_CLIENTS);
        clock.advance(Duration::from_secs(121));
        assert!(limiter.take(address("10.0.0.1")).is_ok());
        assert_eq!(limiter.keyed.len(), 1);
    }
}
