//! Sessions whose facts have changed of late: their business unit, permissions or names.
//!
//! A cookie from before a switch holds a token that may still live. Whoever brings it gets what the
//! session has become, and never a second life in the unit of before.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;

use super::cookie::SealedSession;
use super::id::SessionId;
use super::live::Live;
use super::model::Session;
use crate::time::UnixTime;

/// A session with new tokens, and the cookies that hold it.
#[derive(Debug)]
pub struct Renewed {
    /// The session, ready for use.
    pub live: Arc<Live>,
    /// Its cookies, sealed once for all answers.
    pub cookies: SealedSession,
}

/// What changed sessions have become, for all workers of this process. Asking takes no lock.
#[derive(Default)]
pub struct Changes {
    /// Whether there is anything to look up: all that a request pays for while there is not.
    any: AtomicBool,
    newest: ArcSwap<HashMap<SessionId, Entry>>,
    /// Writers take turns.
    writing: Mutex<()>,
}

#[derive(Clone)]
struct Entry {
    renewed: Arc<Renewed>,
    until: UnixTime,
}

impl Changes {
    /// What `session` has become since, if its facts have changed.
    pub fn newest(&self, session: &Session) -> Option<Arc<Renewed>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let newest = self.newest.load();
        let renewed = &newest.get(&session.id)?.renewed;
        renewed
            .live
            .session
            .is_newer_than(session)
            .then(|| Arc::clone(renewed))
    }

    /// Notes that `old` has become `renewed`, if that is more than new tokens or follows on something that
    /// was. Old cookies may come until `until`.
    pub(super) fn note(
        &self,
        old: &Session,
        renewed: &Arc<Renewed>,
        until: UnixTime,
        now: UnixTime,
    ) {
        let session = &renewed.live.session;
        let changed = old.person != session.person || old.line.unsettled != session.line.unsettled;
        if !changed && !self.any.load(Ordering::Acquire) {
            return;
        }
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.newest.load().get(&session.id).cloned();
        if !changed && known.is_none() {
            return;
        }
        if known
            .as_ref()
            .is_some_and(|known| !session.is_newer_than(&known.renewed.live.session))
        {
            return;
        }
        let until = known.map_or(until, |known| known.until.max(until));
        let mut newest = HashMap::clone(&self.newest.load());
        newest.retain(|_, entry| now < entry.until);
        if newest.len() >= MAX_CHANGES {
            let first = newest.iter().min_by_key(|(_, entry)| entry.until);
            if let Some(id) = first.map(|(id, _)| *id) {
                newest.remove(&id);
            }
        }
        let renewed = Arc::clone(renewed);
        newest.insert(session.id, Entry { renewed, until });
        self.newest.store(Arc::new(newest));
        self.any.store(true, Ordering::Release);
    }
}

/// Changed sessions that are remembered; one is about 5 KB.
const MAX_CHANGES: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::model::tests::session;

    const NOW: UnixTime = UnixTime::from_millis(1_000_000);

    fn at(step: u32, unit: u64) -> Arc<Renewed> {
        let mut session = session("token", NOW);
        session.line.step = step;
        session.person.business_unit = Some(unit);
        Arc::new(Renewed {
            live: Arc::new(Live::new(Arc::new(session))),
            cookies: SealedSession::unchanged(),
        })
    }

    #[test]
    fn an_old_cookie_leads_to_the_newest_state_and_a_new_one_nowhere() {
        let changes = Changes::default();
        let [old, switched, later] = [at(0, 1), at(1, 2), at(2, 2)];
        let until = NOW.plus(Duration::from_mins(2));
        assert!(changes.newest(&old.live.session).is_none());
        changes.note(&old.live.session, &switched, until, NOW);
        let found = changes.newest(&old.live.session).expect("switched");
        assert_eq!(found.live.session.person.business_unit, Some(2));
        assert!(changes.newest(&switched.live.session).is_none());
        // A plain refresh follows on; a result that comes late takes nothing back.
        changes.note(&switched.live.session, &later, until, NOW);
        changes.note(&old.live.session, &switched, until, NOW);
        let found = changes.newest(&old.live.session).expect("switched");
        assert_eq!(found.live.session.line.step, 2);
    }

    #[test]
    fn plain_refreshes_are_not_noted() {
        let changes = Changes::default();
        changes.note(&at(0, 1).live.session, &at(1, 1), NOW, NOW);
        assert!(changes.newest(&at(0, 1).live.session).is_none());
        assert!(!changes.any.load(Ordering::Acquire));
    }
}
