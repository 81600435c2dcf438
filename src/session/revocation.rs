//! Sessions that end before their time: because somebody signed out, or by an operator's list.
//!
//! A session is sealed into its cookies, so that a copy of them would live on. What is kept here says
//! which sessions are refused all the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::model::Session;
use super::model::SessionId;
use crate::time::UnixTime;

/// Every session that is refused, for all workers. Asking takes no lock.
pub struct Revocations {
    /// Whether there is anything to look up: all that a request pays for while there is not.
    any: AtomicBool,
    listed: ArcSwap<NotBefore>,
    /// By the first byte of the id, so that a sign-out copies little.
    signed_out: Box<[ArcSwapOption<SignedOut>]>,
    /// Writers take turns.
    writing: Mutex<()>,
    changes: watch::Sender<()>,
}

/// The sessions that were signed out, each with its end of life.
type SignedOut = HashMap<SessionId, UnixTime>;

impl Revocations {
    /// Whether the session is refused.
    pub fn revokes(&self, session: &Session) -> bool {
        self.any.load(Ordering::Acquire)
            && (self.listed.load().covers(session) || self.is_signed_out(session.id))
    }

    /// Refuses one session until `ends_at`, when it would have ended anyway.
    pub fn sign_out(&self, id: SessionId, ends_at: UnixTime, now: UnixTime) {
        let Some(part) = self.part(id) else { return };
        {
            let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut known = part.load_full().as_deref().cloned().unwrap_or_default();
            known.retain(|_, end| now < *end);
            if known.len() >= MAX_PART {
                let first = known.iter().min_by_key(|(_, end)| **end);
                if let Some(dropped) = first.map(|(id, _)| *id) {
                    known.remove(&dropped);
                    tracing::warn!(event = "sign_out.forgotten", session = %dropped,
                        "Too many sign-outs are remembered; a copy of the oldest session's cookie works again.");
                }
            }
            known.insert(id, ends_at);
            part.store(Some(Arc::new(known)));
            self.any.store(true, Ordering::Release);
        }
        self.changes.send_replace(());
    }

    /// Takes over an operator's list. An instant that is still to come counts as `now`: it would
    /// refuse the sessions of people who have just signed in because of it.
    pub fn replace(&self, list: NotBefore, now: UnixTime) {
        {
            let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            self.listed.store(Arc::new(list.at_most(now)));
            self.refresh(now);
        }
        self.changes.send_replace(());
    }

    /// Forgets the sign-outs of sessions that have ended by themselves.
    pub fn tidy(&self, now: UnixTime) {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(now);
    }

    /// Tells when to look at running streams again.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn refresh(&self, now: UnixTime) {
        let mut any = !self.listed.load().is_empty();
        for part in &self.signed_out {
            let Some(known) = part.load_full() else {
                continue;
            };
            if known.values().any(|end| *end <= now) {
                let left = known.iter().filter(|(_, end)| now < **end);
                let left: SignedOut = left.map(|(id, end)| (*id, *end)).collect();
                any |= !left.is_empty();
                part.store((!left.is_empty()).then(|| Arc::new(left)));
            } else {
                any = true;
            }
        }
        self.any.store(any, Ordering::Release);
    }

    fn is_signed_out(&self, id: SessionId) -> bool {
        self.part(id).is_some_and(|part| {
            let known = part.load();
            known.as_ref().is_some_and(|known| known.contains_key(&id))
        })
    }

    fn part(&self, id: SessionId) -> Option<&ArcSwapOption<SignedOut>> {
        self.signed_out.get(usize::from(id.spread()))
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            any: AtomicBool::new(false),
            listed: ArcSwap::default(),
            signed_out: std::iter::repeat_with(ArcSwapOption::empty)
                .take(PARTS)
                .collect(),
            writing: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }
}

/// Whose sessions are refused if they were signed in before an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotBefore {
    /// Everybody's.
    pub everybody: Option<UnixTime>,
    /// Those of one user, by `sub`.
    pub users: HashMap<String, UnixTime>,
    /// Those of one enterprise, by its id.
    pub enterprises: HashMap<u64, UnixTime>,
    /// A single one.
    pub sessions: HashMap<SessionId, UnixTime>,
}

impl NotBefore {
    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.everybody.is_none()
            && self.users.is_empty()
            && self.enterprises.is_empty()
            && self.sessions.is_empty()
    }

    fn covers(&self, session: &Session) -> bool {
        let before = |instant: UnixTime| session.signed_in_at < instant;
        let person = &session.person;
        self.everybody.is_some_and(before)
            || self.users.get(&person.sub).copied().is_some_and(before)
            || person
                .enterprise
                .and_then(|id| self.enterprises.get(&id).copied())
                .is_some_and(before)
            || self.sessions.get(&session.id).copied().is_some_and(before)
    }

    fn at_most(mut self, now: UnixTime) -> Self {
        self.everybody
            .iter_mut()
            .chain(self.users.values_mut())
            .chain(self.enterprises.values_mut())
            .chain(self.sessions.values_mut())
            .for_each(|instant| *instant = now.min(*instant));
        self
    }
}

/// One for each first byte of a session id.
const PARTS: usize = 256;

/// Sign-outs kept in one part; 65,536 in all parts, in about 3 MB.
const MAX_PART: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::model::tests::session;

    const NOW: UnixTime = UnixTime::from_millis(1_000_000);
    const LATER: UnixTime = UnixTime::from_millis(1_000_001);

    fn listed(list: NotBefore) -> bool {
        let revocations = Revocations::default();
        revocations.replace(list, LATER.plus(Duration::from_mins(1)));
        revocations.revokes(&session("token", NOW))
    }

    #[test]
    fn each_kind_of_entry_refuses_sessions_of_before_only() {
        let id = session("token", NOW).id;
        let user = |sub: &str, at| NotBefore {
            users: HashMap::from([(sub.to_owned(), at)]),
            ..NotBefore::default()
        };
        let enterprise = |eid, at| NotBefore {
            enterprises: HashMap::from([(eid, at)]),
            ..NotBefore::default()
        };
        let everybody = |at| NotBefore {
            everybody: Some(at),
            ..NotBefore::default()
        };
        let one = |at| NotBefore {
            sessions: HashMap::from([(id, at)]),
            ..NotBefore::default()
        };
        assert!(!listed(NotBefore::default()));
        for (at, refused) in [(NOW, false), (LATER, true)] {
            assert_eq!(listed(everybody(at)), refused);
            assert_eq!(listed(user("10654321", at)), refused);
            assert_eq!(listed(enterprise(7_281_698, at)), refused);
            assert_eq!(listed(one(at)), refused);
        }
        assert!(!listed(user("somebody else", LATER)));
        assert!(!listed(enterprise(1, LATER)));
    }

    #[test]
    fn an_instant_to_come_counts_as_now() {
        let revocations = Revocations::default();
        let everybody = Some(LATER.plus(Duration::from_hours(24)));
        let list = NotBefore {
            everybody,
            ..NotBefore::default()
        };
        revocations.replace(list, LATER);
        assert!(revocations.revokes(&session("token", NOW)));
        assert!(!revocations.revokes(&session("token", LATER)));
    }

    #[test]
    fn a_sign_out_is_kept_until_the_session_would_have_ended() {
        let revocations = Revocations::default();
        let changes = revocations.subscribe();
        let session = session("token", NOW);
        assert!(!revocations.revokes(&session));
        revocations.sign_out(session.id, session.ends_at, NOW);
        assert!(revocations.revokes(&session));
        assert_eq!(changes.has_changed().ok(), Some(true));
        revocations.tidy(NOW);
        assert!(revocations.revokes(&session));
        revocations.tidy(session.ends_at);
        assert!(!revocations.revokes(&session));
        assert!(!revocations.any.load(Ordering::Acquire));
    }

    #[test]
    fn sign_outs_are_bounded_and_the_oldest_goes_first() {
        let revocations = Revocations::default();
        let id = |n: usize| SessionId::parse(&format!("07{n:030x}")).expect("an id");
        for n in 0..=MAX_PART {
            let end = LATER.plus(Duration::from_secs(u64::try_from(n).expect("small")));
            revocations.sign_out(id(n), end, NOW);
        }
        assert!(!revocations.is_signed_out(id(0)));
        assert!((1..=MAX_PART).all(|n| revocations.is_signed_out(id(n))));
    }
}
