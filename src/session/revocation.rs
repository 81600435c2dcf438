//! Sessions that end before their time: because somebody signed out, or by an operator's list.
//!
//! A session is sealed into its cookies, so that a copy of them would live on. What is kept here says
//! which sessions are refused all the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::ArcSwapOption;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::id::SessionId;
use super::model::Session;
use crate::time::UnixTime;

/// Every session that is refused, for all workers. Asking takes no lock.
pub struct Revocations {
    /// Whether there is anything to look up: all that a request pays for while there is not.
    any: AtomicBool,
    listed: ArcSwap<NotBefore>,
    /// The list as it was given: once more, it is no news.
    given: Mutex<NotBefore>,
    /// What other replicas told.
    heard: ArcSwap<NotBefore>,
    /// By the first byte of the id, so that a sign-out copies little.
    signed_out: Box<[ArcSwapOption<SignedOut>]>,
    /// Writers take turns.
    writing: Mutex<()>,
    changes: watch::Sender<()>,
    /// Where other replicas hear of it, if there are any.
    others: OnceLock<Others>,
}

/// Where endings go that other replicas are to hear of.
pub struct Others {
    told: mpsc::Sender<Untold>,
    /// A stop waits for what is still to be told.
    tasks: TaskTracker,
    /// How many found no room.
    dropped: AtomicU64,
}

impl Others {
    /// Endings go to `told`; `tasks` counts those that are not told yet.
    pub fn new(told: mpsc::Sender<Untold>, tasks: TaskTracker) -> Self {
        Self {
            told,
            tasks,
            dropped: AtomicU64::new(0),
        }
    }

    fn tell(&self, ending: Ending) {
        let untold = Untold {
            ending,
            _token: self.tasks.token(),
        };
        let told = self.told.try_send(untold);
        if told.is_err() && self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(
                event = "ending.untold",
                "Too many endings wait for the session store; other replicas do not hear of further ones."
            );
        }
    }
}

/// An ending that other replicas have not heard of yet.
pub struct Untold {
    /// What to tell.
    pub ending: Ending,
    _token: TaskTrackerToken,
}

/// A session, or many, that end before their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One signed out; it would have ended by itself at `ends_at`.
    SignedOut {
        /// Which.
        id: SessionId,
        /// When it would have ended.
        ends_at: UnixTime,
    },
    /// All that began before.
    Everybody(UnixTime),
    /// Those of a user, by `sub`, that began before.
    User(String, UnixTime),
    /// Those of an enterprise that began before.
    Enterprise(u64, UnixTime),
    /// One, if it began before.
    Session(SessionId, UnixTime),
}

/// The sessions that were signed out, each with its end of life.
type SignedOut = HashMap<SessionId, UnixTime>;

impl Revocations {
    /// Whether the session is refused.
    pub fn revokes(&self, session: &Session) -> bool {
        self.any.load(Ordering::Acquire)
            && (self.listed.load().covers(session)
                || self.heard.load().covers(session)
                || self.is_signed_out(session.id))
    }

    /// Tells `others` of endings from now on.
    pub fn tell(&self, others: Others) {
        // Wired once, at start.
        let _known = self.others.set(others);
    }

    /// Takes over what other replicas told. An operator's instant matters for as long as a session may
    /// live.
    pub fn hear(&self, endings: &[Ending], now: UnixTime, lifetime: Duration) {
        let latest = now.plus(lifetime);
        let mut out: HashMap<u8, Vec<(SessionId, UnixTime)>> = HashMap::new();
        let mut changed = false;
        {
            let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut heard: Option<NotBefore> = None;
            for ending in endings {
                match ending {
                    Ending::SignedOut { id, ends_at } => {
                        // No session lives longer, whatever was told.
                        let ends_at = latest.min(*ends_at);
                        if now < ends_at && !self.is_signed_out(*id) {
                            out.entry(id.spread()).or_default().push((*id, ends_at));
                        }
                    }
                    ending => {
                        let known = heard.as_ref().is_some_and(|heard| heard.knows(ending));
                        if !known && !self.heard.load().knows(ending) {
                            heard
                                .get_or_insert_with(|| NotBefore::clone(&self.heard.load()))
                                .learn(ending, now);
                        }
                    }
                }
            }
            if let Some(mut heard) = heard {
                heard.forget_before(now.minus(lifetime));
                changed |= heard != **self.heard.load();
                self.heard.store(Arc::new(heard));
            }
            for (_, endings) in out {
                changed |= self.refuse_all(&endings, now);
            }
            if changed {
                self.refresh(now);
            }
        }
        if changed {
            self.changes.send_replace(());
        }
    }

    /// Whether other replicas know of an entry of an operator's list already.
    pub fn is_told(&self, ending: &Ending) -> bool {
        self.heard.load().knows(ending)
    }

    /// Refuses one session until `ends_at`, when it would have ended anyway.
    pub fn sign_out(&self, id: SessionId, ends_at: UnixTime, now: UnixTime) {
        self.refuse(id, ends_at, now);
        self.announce(Ending::SignedOut { id, ends_at });
    }

    fn announce(&self, ending: Ending) {
        if let Some(others) = self.others.get() {
            others.tell(ending);
        }
    }

    fn refuse(&self, id: SessionId, ends_at: UnixTime, now: UnixTime) {
        {
            let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            self.refuse_all(&[(id, ends_at)], now);
        }
        self.changes.send_replace(());
    }

    /// Refuses sessions of one part, by a writer whose turn it is.
    fn refuse_all(&self, endings: &[(SessionId, UnixTime)], now: UnixTime) -> bool {
        let Some(part) = endings.first().and_then(|(id, _)| self.part(*id)) else {
            return false;
        };
        let mut known = part.load_full().as_deref().cloned().unwrap_or_default();
        known.retain(|_, end| now < *end);
        let mut dropped = 0_usize;
        for (id, ends_at) in endings {
            if known.len() >= MAX_PART {
                let first = known.iter().min_by_key(|(_, end)| **end);
                if let Some(oldest) = first.map(|(id, _)| *id) {
                    known.remove(&oldest);
                    dropped += 1;
                }
            }
            known.insert(*id, *ends_at);
        }
        if dropped > 0 {
            tracing::warn!(
                event = "sign_out.forgotten",
                dropped,
                "Too many sign-outs are remembered; copies of the oldest sessions' cookies work again."
            );
        }
        part.store(Some(Arc::new(known)));
        self.any.store(true, Ordering::Release);
        true
    }

    /// Takes over an operator's list. An instant that is still to come counts as `now`: it would
    /// refuse the sessions of people who have just signed in because of it.
    pub fn replace(&self, list: NotBefore, now: UnixTime) {
        {
            let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            if *given == list {
                return;
            }
            given.clone_from(&list);
        }
        let list = list.at_most(now);
        // Replicas read the same file: what one has told the others need not tell again.
        let heard = self.heard.load_full();
        for ending in list.endings().filter(|ending| !heard.knows(ending)) {
            self.announce(ending);
        }
        {
            let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            self.listed.store(Arc::new(list));
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
        let mut any = !self.listed.load().is_empty() || !self.heard.load().is_empty();
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

impl Revocations {
    /// Others, of which whoever subscribed to these is told too.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            changes: self.changes.clone(),
            ..Self::default()
        }
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            any: AtomicBool::new(false),
            listed: ArcSwap::default(),
            given: Mutex::default(),
            heard: ArcSwap::default(),
            signed_out: std::iter::repeat_with(ArcSwapOption::empty)
                .take(PARTS)
                .collect(),
            writing: Mutex::default(),
            changes: watch::Sender::new(()),
            others: OnceLock::new(),
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

    /// One by one.
    fn endings(&self) -> impl Iterator<Item = Ending> {
        let everybody = self.everybody.map(Ending::Everybody);
        let users = self.users.iter();
        let users = users.map(|(sub, at)| Ending::User(sub.clone(), *at));
        let enterprises = self.enterprises.iter();
        let enterprises = enterprises.map(|(id, at)| Ending::Enterprise(*id, *at));
        let sessions = self.sessions.iter();
        let sessions = sessions.map(|(id, at)| Ending::Session(*id, *at));
        everybody
            .into_iter()
            .chain(users)
            .chain(enterprises)
            .chain(sessions)
    }

    /// Whether an ending of this instant, or of a later one, is listed.
    fn knows(&self, ending: &Ending) -> bool {
        let (known, at) = match ending {
            Ending::SignedOut { .. } => return false,
            Ending::Everybody(at) => (self.everybody, at),
            Ending::User(sub, at) => (self.users.get(sub).copied(), at),
            Ending::Enterprise(id, at) => (self.enterprises.get(id).copied(), at),
            Ending::Session(id, at) => (self.sessions.get(id).copied(), at),
        };
        known.is_some_and(|known| known >= *at)
    }

    /// Adds an ending that is not known, if there is room.
    fn learn(&mut self, ending: &Ending, now: UnixTime) {
        let listed = self.users.len() + self.enterprises.len() + self.sessions.len();
        if listed >= MAX_LISTED && !matches!(ending, Ending::Everybody(_)) {
            return;
        }
        match ending {
            Ending::SignedOut { .. } => {}
            Ending::Everybody(at) => self.everybody = Some(now.min(*at)),
            Ending::User(sub, at) => {
                self.users.insert(sub.clone(), now.min(*at));
            }
            Ending::Enterprise(id, at) => {
                self.enterprises.insert(*id, now.min(*at));
            }
            Ending::Session(id, at) => {
                self.sessions.insert(*id, now.min(*at));
            }
        }
    }

    /// Drops what no living session can have begun before.
    fn forget_before(&mut self, past: UnixTime) {
        self.everybody = self.everybody.filter(|at| past <= *at);
        self.users.retain(|_, at| past <= *at);
        self.enterprises.retain(|_, at| past <= *at);
        self.sessions.retain(|_, at| past <= *at);
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

/// Entries of operators' lists remembered that other replicas told.
const MAX_LISTED: usize = 65_536;

/// One for each first byte of a session id.
const PARTS: usize = 256;

/// Sign-outs kept in one part; 65,536 in all parts, in about 3 MB.
const MAX_PART: usize = 256;

#[cfg(test)]
mod tests {
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
    fn what_one_replica_ends_another_hears_of() {
        let (here, there) = (Revocations::default(), Revocations::default());
        let (others, mut told) = mpsc::channel(8);
        here.tell(Others::new(others, TaskTracker::new()));
        let session = session("token", NOW);
        let lifetime = Duration::from_hours(12);
        here.sign_out(session.id, session.ends_at, NOW);
        let ending = told.try_recv().expect("told").ending;
        there.hear(&[ending], NOW, lifetime);
        assert!(there.revokes(&session));
        there.tidy(session.ends_at);
        assert!(!there.revokes(&session));

        let list = NotBefore {
            users: HashMap::from([("10654321".to_owned(), LATER)]),
            ..NotBefore::default()
        };
        here.replace(list.clone(), LATER);
        let ending = told.try_recv().expect("told").ending;
        for heard in [&here, &there] {
            heard.hear(std::slice::from_ref(&ending), LATER, lifetime);
            assert!(heard.revokes(&session));
        }
        here.replace(list, LATER);
        assert!(told.try_recv().is_err(), "the others know already");
        here.replace(NotBefore::default(), LATER);
        assert!(here.revokes(&session), "an ending that was told is final");
        let other = Ending::Everybody(LATER.plus(lifetime).plus(Duration::from_hours(1)));
        there.hear(&[other], LATER, lifetime);
        assert_eq!(
            there.heard.load().everybody,
            Some(LATER),
            "an instant to come counts as now"
        );
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

    #[test]
    fn a_batch_wakes_once_and_what_is_known_not_at_all() {
        let revocations = Revocations::default();
        let mut changes = revocations.subscribe();
        let lifetime = Duration::from_hours(12);
        let id = |n: u8| SessionId::parse(&format!("{n:02x}{n:030x}")).expect("an id");
        let mut batch: Vec<_> = (0..100)
            .map(|n| Ending::SignedOut {
                id: id(n),
                ends_at: UnixTime::from_millis(u64::MAX),
            })
            .collect();
        batch.push(Ending::User("10654321".to_owned(), LATER));
        revocations.hear(&batch, LATER, lifetime);
        assert!((0..100).all(|n| revocations.is_signed_out(id(n))));
        assert!(revocations.revokes(&session("token", NOW)));
        assert!(changes.has_changed().expect("lives"));
        changes.mark_unchanged();
        revocations.hear(&batch, LATER, lifetime);
        assert!(!changes.has_changed().expect("lives"), "nothing is new");
        revocations.tidy(LATER.plus(lifetime));
        assert!(!revocations.is_signed_out(id(0)), "none lives longer");
    }
}
