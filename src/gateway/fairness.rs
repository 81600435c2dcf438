//! Fair shares of the tenant's API: nobody has too many requests under way, and whoever the API sends
//! away waits here instead of asking again on everybody's account.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::hash::BuildHasherDefault;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::SystemTime;

use foldhash::quality::RandomState;
use http::HeaderMap;
use http::StatusCode;
use http::header;

use crate::fault::Fault;
use crate::http::refusal::Refusal;
use crate::session::model::Person;
use crate::time::Clock;
use crate::time::UnixTime;

/// How many requests may be under way at a tenant's API, in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Of one person, once half of the tenant's are taken: before that nobody is in anybody's way.
    pub per_user: u32,
    /// Of all persons of one tenant (enterprise).
    pub per_tenant: u32,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            per_user: 256,
            per_tenant: 8192,
        }
    }
}

/// Who has how many requests under way, and who is to wait. Only routes to a tenant's API ask, and a
/// shard's lock is held for one look at a map.
#[derive(Debug)]
pub struct Fairness {
    per_user: AtomicU32,
    per_tenant: AtomicU32,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// Entries by the hash of who they are about. They stay until there is no room, since whoever asks
/// once mostly asks again.
type Shard = HashMap<u64, Entry, BuildHasherDefault<Hashed>>;

/// Keys are hashes already, with a seed that nobody outside knows.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    under_way: u32,
    /// The API has sent this one away until then.
    until: UnixTime,
}

impl Fairness {
    /// Nobody has anything under way.
    pub fn new(shares: Shares) -> Self {
        Self {
            per_user: AtomicU32::new(shares.per_user),
            per_tenant: AtomicU32::new(shares.per_tenant),
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Goes by `shares` from now on. What is under way counts, and who is to wait does.
    pub fn share(&self, shares: Shares) {
        self.per_user.store(shares.per_user, Relaxed);
        self.per_tenant.store(shares.per_tenant, Relaxed);
    }

    /// The right of `person` to have one more request under way, or how long to wait.
    pub(super) fn admit(
        self: &Arc<Self>,
        person: &Person,
        now: UnixTime,
    ) -> Result<Ticket, Refusal> {
        let user = self
            .hasher
            .hash_one((person.enterprise, person.sub.as_str()));
        let mut ticket = Ticket {
            fairness: Arc::clone(self),
            user,
            held: [None, None],
        };
        let tenant = person.enterprise.map(|id| self.hasher.hash_one(id));
        let [first, second] = &mut ticket.held;
        let per_tenant = self.per_tenant.load(Relaxed);
        let mut limit = self.per_user.load(Relaxed);
        if let Some(tenant) = tenant {
            let entered = self.enter(tenant, per_tenant, now)?;
            *first = entered.map(|(key, _)| key);
            if entered.is_some_and(|(_, under_way)| under_way <= per_tenant / 2) {
                limit = per_tenant;
            }
        }
        *second = self.enter(user, limit, now)?.map(|(key, _)| key);
        Ok(ticket)
    }

    /// Counts one more under `key`, and tells how many there are; `None` if there is no room to count.
    fn enter(&self, key: u64, limit: u32, now: UnixTime) -> Result<Option<(u64, u32)>, Refusal> {
        let mut shard = self.shard(key);
        if shard.len() >= MAX_ENTRIES && !shard.contains_key(&key) {
            shard.retain(|_, entry| entry.under_way > 0 || entry.until > now);
            // More people at once than anybody has: then they are not counted, rather than sent away.
            if shard.len() >= MAX_ENTRIES {
                return Ok(None);
            }
        }
        let entry = shard.entry(key).or_default();
        let wait = entry.until.since(now);
        if !wait.is_zero() {
            return Err(refusal(Fault::ApiThrottled, wait));
        }
        if entry.under_way >= limit {
            return Err(refusal(Fault::TooManyAtOnce, BUSY));
        }
        entry.under_way += 1;
        Ok(Some((key, entry.under_way)))
    }

    fn leave(&self, key: u64) {
        let mut shard = self.shard(key);
        if let Some(entry) = shard.get_mut(&key) {
            entry.under_way = entry.under_way.saturating_sub(1);
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        // The map goes by the lowest and the highest bits.
        let index = usize::try_from((key >> 32) % SHARDS_U64).unwrap_or(0);
        let shard = self.shards.get(index).unwrap_or(&self.shards[0]);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way. It ends with this.
#[derive(Debug)]
pub(super) struct Ticket {
    fairness: Arc<Fairness>,
    user: u64,
    held: [Option<u64>; 2],
}

impl Ticket {
    /// Where the API asks to wait, this person does (RFC 9110 §10.2.3).
    pub(super) fn heed(&self, status: StatusCode, answer: &HeaderMap, clock: &dyn Clock) {
        let busy = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        if !busy {
            return;
        }
        let now = clock.now();
        let Some(wait) = retry_after(answer, now) else {
            return;
        };
        let mut shard = self.fairness.shard(self.user);
        if let Some(entry) = shard.get_mut(&self.user) {
            entry.until = entry.until.max(now.plus(wait.min(MAX_WAIT)));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        for key in self.held.into_iter().flatten() {
            self.fairness.leave(key);
        }
    }
}

/// Seconds, or a date.
fn retry_after(answer: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = answer.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let date = UnixTime::default().plus(since);
    Some(date.since(now))
}

fn refusal(fault: Fault, wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Refusal {
        retry_after: Some(seconds.max(1)),
        ..fault.into()
    }
}

const SHARDS: usize = 16;
const SHARDS_U64: u64 = 16;

/// People and tenants counted in one shard, at about 40 bytes each.
const MAX_ENTRIES: usize = 4096;

/// One odd answer must not lock anybody out for long.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// When to try again while other requests are under way.
const BUSY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    const NOW: UnixTime = UnixTime::from_millis(1_700_000_000_000);

    fn person(enterprise: Option<u64>, sub: &str) -> Person {
        Person {
            sub: sub.to_owned(),
            enterprise,
            ..crate::session::model::tests::session("t", NOW).person
        }
    }

    fn fairness(per_user: u32, per_tenant: u32) -> Arc<Fairness> {
        Arc::new(Fairness::new(Shares {
            per_user,
            per_tenant,
        }))
    }

    fn entries(fairness: &Fairness) -> usize {
        fairness
            .shards
            .iter()
            .map(|shard| shard.lock().expect("sound").len())
            .sum()
    }

    #[test]
    fn everybody_has_a_share_and_so_has_a_tenant() {
        let fairness = fairness(2, 3);
        let admit = |enterprise, sub: &str| {
            let admitted = fairness.admit(&person(enterprise, sub), NOW);
            admitted.map_err(|refusal| (refusal.fault, refusal.retry_after))
        };
        let busy = Some((Fault::TooManyAtOnce, Some(1)));
        let one = admit(Some(1), "a").expect("free");
        let _two = admit(Some(1), "a").expect("free");
        assert_eq!(admit(Some(1), "a").err(), busy, "of one person");
        let _other = admit(Some(1), "b").expect("somebody else");
        assert_eq!(admit(Some(1), "b").err(), busy, "of one tenant");
        let _elsewhere = admit(Some(2), "a").expect("the same name in another tenant");
        let _nowhere = admit(None, "a").expect("without a tenant");
        drop(one);
        assert!(admit(Some(1), "b").is_ok());
    }

    #[test]
    fn whoever_is_sent_away_waits_and_nobody_else() {
        let fairness = fairness(9, 9);
        let (ann, ben) = (person(Some(1), "ann"), person(Some(1), "ben"));
        let answer = |text: &str| {
            let value = text.parse().expect("a value");
            HeaderMap::from_iter([(header::RETRY_AFTER, value)])
        };
        let ticket = fairness.admit(&ann, NOW).expect("free");
        for (status, text) in [
            (StatusCode::OK, "9"),
            (StatusCode::TOO_MANY_REQUESTS, "soon"),
            (StatusCode::TOO_MANY_REQUESTS, "-1"),
            (
                StatusCode::TOO_MANY_REQUESTS,
                "Mon, 01 Jan 1990 00:00:00 GMT",
            ),
        ] {
            ticket.heed(status, &answer(text), &ManualClock::at(NOW));
            assert!(fairness.admit(&ann, NOW).is_ok(), "{status} {text}");
        }
        for (status, text, seconds) in [
            (StatusCode::TOO_MANY_REQUESTS, "5", 5),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "Tue, 14 Nov 2023 22:13:27 GMT",
                7,
            ),
            (StatusCode::TOO_MANY_REQUESTS, "1", 7),
            (StatusCode::TOO_MANY_REQUESTS, "99999999999", 600),
        ] {
            ticket.heed(status, &answer(text), &ManualClock::at(NOW));
            let refusal = fairness.admit(&ann, NOW).expect_err("sent away");
            assert_eq!(refusal.fault, Fault::ApiThrottled);
            assert_eq!(refusal.retry_after, Some(seconds), "{text}");
            assert!(fairness.admit(&ben, NOW).is_ok(), "{text}");
        }
        drop(ticket);
        let later = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert!(fairness.admit(&ann, later(599)).is_err());
        assert!(fairness.admit(&ann, later(600)).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_whoever_does_not_fit_is_let_in() {
        let fairness = fairness(1, 1_000_000);
        let tickets: Vec<_> = (0..80_000)
            .map(|n| {
                fairness
                    .admit(&person(None, &n.to_string()), NOW)
                    .expect("free")
            })
            .collect();
        assert_eq!(entries(&fairness), SHARDS * MAX_ENTRIES);
        drop(tickets);
        let later: Vec<_> = (0..10_000)
            .map(|n| {
                fairness
                    .admit(&person(None, &format!("x{n}")), NOW)
                    .expect("free")
            })
            .collect();
        assert_eq!(entries(&fairness), later.len(), "the idle ones made room");
    }
}
