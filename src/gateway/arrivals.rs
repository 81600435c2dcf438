//! Sign-ins that just ended, until their session is first used.
//!
//! A browser that comes back without its session shows itself only by where it comes from. That is
//! enough for a suspicion, which the next sign-in writes into a cookie; see `loop_breaker`.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::session::id::SessionId;
use crate::time::UnixTime;

/// Recent arrivals by client address, user agent and page.
#[derive(Debug, Default)]
pub struct Arrivals {
    hasher: RandomState,
    recent: Mutex<HashMap<u64, Arrival>>,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    session: SessionId,
    at: UnixTime,
}

impl Arrivals {
    /// A session was handed out.
    pub(super) fn arrived(
        &self,
        client: IpAddr,
        agent: &[u8],
        path: &str,
        session: SessionId,
        now: UnixTime,
    ) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MAX_ARRIVALS {
            recent.retain(|_, arrival| now.since(arrival.at) < MEMORY);
        }
        if recent.len() < MAX_ARRIVALS {
            recent.insert(
                self.hasher.hash_one((client, agent, path)),
                Arrival { session, at: now },
            );
        }
    }

    /// A session was used for the first time.
    pub(super) fn used(&self, session: SessionId) {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, arrival| arrival.session != session);
    }

    /// Whether somebody like this was handed a session for this page, and nobody has used it.
    pub(super) fn is_missed(
        &self,
        client: IpAddr,
        agent: &[u8],
        path: &str,
        now: UnixTime,
    ) -> bool {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let arrival = recent.get(&self.hasher.hash_one((client, agent, path)));
        arrival.is_some_and(|arrival| now.since(arrival.at) < MEMORY)
    }
}

/// How long a sign-in counts.
pub(super) const MEMORY: Duration = Duration::from_mins(1);

/// About 50 bytes each.
const MAX_ARRIVALS: usize = 10_000;
