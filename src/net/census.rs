//! How many connections there are, in all and by address. Counted once a connection, over all workers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::settings::TrustedProxies;
use crate::fault::Fault;

/// The connections of all workers.
#[derive(Debug)]
pub struct Census {
    rules: ArcSwap<Rules>,
    all: AtomicUsize,
    addresses: Mutex<HashMap<Household, usize>>,
    said: Mutex<Option<Instant>>,
}

/// How many there may be.
#[derive(Debug)]
struct Rules {
    limit: NonZeroUsize,
    limit_per_address: NonZeroUsize,
    trusted: TrustedProxies,
}

/// Those who share a limit: an IPv4 address, or the 64 bits of an IPv6 network of which one subscriber
/// has all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Household {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Household {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl Census {
    /// Nobody is there yet. Trusted proxies, and
    /// what runs beside the gateway, speak for many: there only the limit for all counts.
    pub fn new(
        limit: NonZeroUsize,
        limit_per_address: NonZeroUsize,
        trusted: TrustedProxies,
    ) -> Self {
        Self {
            rules: ArcSwap::from_pointee(Rules {
                limit,
                limit_per_address,
                trusted,
            }),
            all: AtomicUsize::new(0),
            addresses: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// Goes by these rules from now on. Who is there stays.
    pub fn rule(
        &self,
        limit: NonZeroUsize,
        limit_per_address: NonZeroUsize,
        trusted: TrustedProxies,
    ) {
        self.rules.store(Arc::new(Rules {
            limit,
            limit_per_address,
            trusted,
        }));
    }

    /// Counts a connection, unless there are too many.
    pub fn enter(self: &Arc<Self>) -> Result<Seat, Fault> {
        let seat = Seat {
            census: Arc::clone(self),
            household: None,
        };
        if self.all.fetch_add(1, Relaxed) >= self.rules.load().limit.get() {
            return Err(Fault::TooManyConnections);
        }
        Ok(seat)
    }

    /// Says that connections were refused, once a second at most.
    pub fn refused(&self, fault: Fault, peer: IpAddr) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if said.is_some_and(|said| now < said + SAY_AGAIN) {
            return;
        }
        *said = Some(now);
        drop(said);
        let limit = match fault {
            Fault::TooManyFromAddress => "limits.connections_per_address",
            _ => "limits.connections",
        };
        tracing::warn!(event = "connections.refused", limit, code = fault.code(), %peer, "{}.", fault.title());
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Seat {
    census: Arc<Census>,
    household: Option<Household>,
}

impl Seat {
    /// Counts the connection for `address` as well, unless that has too many.
    pub fn belongs_to(&mut self, address: IpAddr) -> Result<(), Fault> {
        let rules = self.census.rules.load();
        if address.to_canonical().is_loopback() || rules.trusted.contains(address) {
            return Ok(());
        }
        let household = Household::of(address);
        let mut addresses = self.census.addresses();
        let count = addresses.entry(household).or_default();
        if *count >= rules.limit_per_address.get() {
            return Err(Fault::TooManyFromAddress);
        }
        *count += 1;
        self.household = Some(household);
        Ok(())
    }
}

impl Census {
    fn addresses(&self) -> std::sync::MutexGuard<'_, HashMap<Household, usize>> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.census.all.fetch_sub(1, Relaxed);
        let Some(household) = self.household else {
            return;
        };
        if let Entry::Occupied(mut count) = self.census.addresses().entry(household) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// How often refusals are worth a line in the log.
const SAY_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn census(limit: usize, per_address: usize, trusted: &[&str]) -> Arc<Census> {
        let number = |number| NonZeroUsize::new(number).expect("not zero");
        let trusted = trusted
            .iter()
            .map(|net| net.parse().expect("a network"))
            .collect();
        Arc::new(Census::new(
            number(limit),
            number(per_address),
            TrustedProxies(trusted),
        ))
    }

    fn seat(census: &Arc<Census>, address: &str) -> Result<Seat, Fault> {
        let mut seat = census.enter()?;
        seat.belongs_to(address.parse().expect("an address"))?;
        Ok(seat)
    }

    #[test]
    fn there_is_room_for_so_many_and_again_when_one_leaves() {
        let census = census(2, 9, &[]);
        let first = seat(&census, "192.0.2.1").expect("room");
        let _second = seat(&census, "192.0.2.2").expect("room");
        assert_eq!(
            seat(&census, "192.0.2.3").err(),
            Some(Fault::TooManyConnections)
        );
        drop(first);
        assert!(seat(&census, "192.0.2.3").is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_ipv4_in_ipv6_as_ipv4() {
        for (first, second, together) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let census = census(9, 1, &[]);
            let _first = seat(&census, first).expect("room");
            let second = seat(&census, second);
            assert_eq!(second.is_err(), together, "{first}");
        }
    }

    #[test]
    fn other_rules_count_those_who_are_there() {
        let census = census(1, 1, &[]);
        let _first = seat(&census, "192.0.2.1").expect("room");
        let number = |number| NonZeroUsize::new(number).expect("not zero");
        census.rule(number(2), number(2), TrustedProxies::default());
        let _second = seat(&census, "192.0.2.1").expect("room now");
        assert_eq!(
            seat(&census, "192.0.2.2").err(),
            Some(Fault::TooManyConnections)
        );
    }

    #[test]
    fn who_left_is_forgotten_and_proxies_are_not_counted() {
        let census = census(9, 1, &["10.0.0.0/8"]);
        drop(seat(&census, "192.0.2.1").expect("room"));
        assert!(census.addresses().is_empty());
        let _one = seat(&census, "10.0.0.1").expect("a proxy");
        let _two = seat(&census, "10.0.0.1").expect("a proxy");
        let _three = seat(&census, "::1").expect("on this machine");
        let _four = seat(&census, "::1").expect("on this machine");
    }
}
