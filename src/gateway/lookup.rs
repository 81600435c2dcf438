//! From a request's cookies to the session that they present, in the cookies themselves or in the store.

use std::sync::Arc;

use http::HeaderMap;

use super::worker::Worker;
use crate::http::Jar;
use crate::session::Live;
use crate::session::Presented;
use crate::session::Ticket;
use crate::session::shared::Records;
use crate::time::UnixTime;

/// What a request's cookies say.
#[derive(Debug)]
pub(super) enum Lookup {
    /// Nothing.
    NotPresented,
    /// Something that is not, or no longer, a session.
    Invalid,
    /// A session.
    Live(Arc<Live>),
    /// Something whose session is in a store that does not answer.
    Unavailable,
}

impl Worker {
    /// Opens the session that a jar presents, now.
    pub(super) async fn look_up_in(&self, jar: &Jar<'_>) -> Lookup {
        self.look_up(jar.headers(), self.gateway.clock.now()).await
    }

    /// Opens the session that a request presents. Whatever is wrong with it, it is no session.
    pub(super) async fn look_up(&self, headers: &HeaderMap, now: UnixTime) -> Lookup {
        match Presented::of(headers, &self.gateway.store.names) {
            Presented::Nothing => Lookup::NotPresented,
            Presented::Broken => Lookup::Invalid,
            Presented::Sealed(sealed) => self.open(&sealed, now).await,
            Presented::Several(twins) => {
                let mut only: Option<Arc<Live>> = None;
                for sealed in &twins {
                    match self.open(sealed, now).await {
                        Lookup::Live(live) => match &only {
                            // Two sessions at once: one may be planted (fixation).
                            Some(other) if other.session.id != live.session.id => {
                                return Lookup::Invalid;
                            }
                            // Of one session that is the session which is further on.
                            Some(other) if !live.session.is_newer_than(&other.session) => {}
                            _ => only = Some(live),
                        },
                        Lookup::Unavailable => return Lookup::Unavailable,
                        Lookup::NotPresented | Lookup::Invalid => {}
                    }
                }
                only.map_or(Lookup::Invalid, Lookup::Live)
            }
        }
    }

    async fn open(&self, sealed: &[u8], now: UnixTime) -> Lookup {
        match &self.gateway.records {
            None => self.open_cookie(sealed, now),
            Some(records) => Box::pin(self.open_record(records, sealed, now)).await,
        }
    }

    fn open_cookie(&self, sealed: &[u8], now: UnixTime) -> Lookup {
        let store = &self.gateway.store;
        let revocations = &self.gateway.revocations;
        let mut opened = self.opened.borrow_mut();
        opened.keep_to(store.keys.generation());
        if let Some(live) = opened.get(sealed) {
            if !live.session.is_over(now, store.policy) && !revocations.revokes(&live.session) {
                return Lookup::Live(live);
            }
            opened.remove(sealed);
            return Lookup::Invalid;
        }
        let session = store.open(sealed, now);
        let Some(session) = session.filter(|session| !revocations.revokes(session)) else {
            return Lookup::Invalid;
        };
        let mut live = Live::new(Arc::new(session));
        live.retired = store.keys.is_retired(sealed);
        let live = Arc::new(live);
        opened.insert(sealed, Arc::clone(&live));
        Lookup::Live(live)
    }

    /// The store is asked each time, so that a session ended elsewhere ends at once; what it answers is
    /// opened once.
    async fn open_record(&self, records: &Records, sealed: &[u8], now: UnixTime) -> Lookup {
        let Some(ticket) = self.gateway.store.open_ticket(sealed, now).map(Arc::new) else {
            return Lookup::Invalid;
        };
        let record = match records.load(&ticket).await {
            Ok(Some(record)) => record,
            Ok(None) => return Lookup::Invalid,
            Err(error) => {
                tracing::debug!(event = "session.unavailable", %error, "A session cannot be looked up.");
                return Lookup::Unavailable;
            }
        };
        let Some(mark) = record.mark() else {
            return Lookup::Invalid;
        };
        let key = mark.cache_key(ticket.id());
        let known = self.opened.borrow_mut().get(&key);
        let live = if let Some(live) = known {
            live
        } else {
            let Some(session) = records.open(&ticket, &record) else {
                return Lookup::Invalid;
            };
            let mut live = Live::new(Arc::new(session));
            live.record = Some(mark);
            let live = Arc::new(live);
            self.opened.borrow_mut().insert(&key, Arc::clone(&live));
            live
        };
        let over = live.session.is_over(now, self.gateway.store.policy);
        if over || self.gateway.revocations.revokes(&live.session) {
            self.opened.borrow_mut().remove(&key);
            return Lookup::Invalid;
        }
        Lookup::Live(live)
    }

    /// The ticket that a request presents, where sessions are kept in a store.
    pub(super) fn presented_ticket(&self, headers: &HeaderMap, now: UnixTime) -> Option<Ticket> {
        let store = &self.gateway.store;
        match Presented::of(headers, &store.names) {
            Presented::Sealed(sealed) => store.open_ticket(&sealed, now),
            Presented::Several(twins) => twins
                .iter()
                .find_map(|sealed| store.open_ticket(sealed, now)),
            Presented::Nothing | Presented::Broken => None,
        }
    }
}
