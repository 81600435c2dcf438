//! What runs on in the name of a session after its request was let in: tunnels and long answers.
//! It ends with the session: at its sign-out, its revocation, or its absolute end; and where a switch of
//! business unit or a refresh makes it one that the rule of the route refuses.
//!
//! The idle limit counts from the last request. A stream does not move it, and is not ended by it
//! either: other requests may have moved it since, which only the browser's cookie knows.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use super::rules::Rule;
use crate::session::Changes;
use crate::session::Policy;
use crate::session::Revocations;
use crate::session::Session;
use crate::session::id::SessionId;
use crate::time::UnixTime;

/// What the workers of a site have in common over configurations: by which times streams end, and whose
/// are open.
#[derive(Debug, Default)]
pub struct Standing {
    /// A stream may outlast the configuration that it began with, and is to end with its session.
    policy: Mutex<Option<Policy>>,
    /// As of a second ago. For the account page: nothing is decided by it.
    boards: Mutex<Vec<Arc<Mutex<Vec<SessionId>>>>>,
}

impl Standing {
    /// Puts session times into force.
    pub fn live_by(&self, policy: Policy) {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = Some(policy);
    }

    /// The session times in force.
    pub(super) fn policy(&self) -> Option<Policy> {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many streams run in the name of a session.
    pub(super) fn of(&self, session: SessionId) -> usize {
        let boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |board: &Arc<Mutex<Vec<SessionId>>>| {
            let ids = board.lock().unwrap_or_else(PoisonError::into_inner);
            ids.iter().filter(|id| **id == session).count()
        };
        boards.iter().map(count).sum()
    }
}

/// The streams of one worker.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: RefCell<Vec<Weak<Stream>>>,
    /// Written once a second.
    board: Arc<Mutex<Vec<SessionId>>>,
}

impl Streams {
    /// A worker's, of which `standing` tells.
    pub(super) fn shown_by(standing: &Standing) -> Self {
        let streams = Self::default();
        let mut boards = standing
            .boards
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Those of workers that have served another configuration to its end.
        boards.retain(|board| Arc::strong_count(board) > 1);
        boards.push(Arc::clone(&streams.board));
        streams
    }

    /// Enters a stream of `session`; it is forgotten when dropped.
    pub(super) fn enter(&self, session: &Arc<Session>, rule: Option<&Arc<Rule>>) -> Rc<Stream> {
        let stream = Rc::new(Stream {
            session: Arc::clone(session),
            rule: rule.cloned(),
            over: Cell::default(),
            waker: RefCell::default(),
        });
        self.open.borrow_mut().push(Rc::downgrade(&stream));
        stream
    }

    /// Whether none runs.
    pub(super) fn are_none(&self) -> bool {
        let streams = self.open.borrow();
        streams.iter().all(|stream| stream.strong_count() == 0)
    }

    /// Ends the streams whose session has ended, or has become one that their route's rule refuses.
    pub(super) fn sweep(
        &self,
        now: UnixTime,
        policy: Policy,
        revocations: &Revocations,
        changes: &Changes,
    ) {
        let (mut woken, mut open) = (Vec::new(), Vec::new());
        self.open.borrow_mut().retain(|stream| {
            let Some(stream) = stream.upgrade() else {
                return false;
            };
            let over = now >= stream.session.end(policy)
                || revocations.revokes(&stream.session)
                || stream.is_refused(changes);
            if over {
                woken.push(stream);
            } else {
                open.push(stream.session.id);
            }
            !over
        });
        *self.board.lock().unwrap_or_else(PoisonError::into_inner) = open;
        for stream in woken {
            stream.end();
        }
    }
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    session: Arc<Session>,
    rule: Option<Arc<Rule>>,
    over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Stream {
    /// Whether its session has ended; if not, the task is woken when it does.
    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        if self.over.get() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits for the end of the session.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| self.poll_ended(cx)).await;
    }

    fn is_refused(&self, changes: &Changes) -> bool {
        let Some(rule) = &self.rule else {
            return false;
        };
        let newest = changes.newest(&self.session);
        newest.is_some_and(|newest| rule.refuses(&newest.live.session.person).is_some())
    }

    fn end(&self) {
        self.over.set(true);
        tracing::info!(event = "stream.ended", session = %self.session.id, "A stream ended with its session.");
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::model::tests::POLICY;
    use crate::session::model::tests::session;

    const NOW: UnixTime = UnixTime::from_millis(1_000_000);

    fn is_over(stream: &Stream) -> bool {
        let cx = Context::from_waker(Waker::noop());
        stream.poll_ended(&cx).is_ready()
    }

    #[test]
    fn a_stream_ends_at_the_absolute_end_and_not_at_the_idle_limit() {
        let streams = Streams::default();
        let session = Arc::new(session("token", NOW));
        let stream = streams.enter(&session, None);
        streams.sweep(
            session.idle_until,
            POLICY,
            &Revocations::default(),
            &Changes::default(),
        );
        assert!(!is_over(&stream));
        streams.sweep(
            session.ends_at,
            POLICY,
            &Revocations::default(),
            &Changes::default(),
        );
        assert!(is_over(&stream));
    }

    #[test]
    fn a_sign_out_wakes_the_streams_of_its_session() {
        let streams = Streams::default();
        let revocations = Revocations::default();
        let session = Arc::new(session("token", NOW));
        let stream = streams.enter(&session, None);
        streams.sweep(NOW, POLICY, &revocations, &Changes::default());
        assert!(!is_over(&stream));
        revocations.sign_out(session.id, session.ends_at, NOW);
        streams.sweep(
            NOW.plus(Duration::from_secs(1)),
            POLICY,
            &revocations,
            &Changes::default(),
        );
        assert!(is_over(&stream));
    }

    #[test]
    fn the_streams_of_a_session_are_counted_on_all_workers() {
        let standing = Standing::default();
        let workers = [(); 2].map(|()| Streams::shown_by(&standing));
        let session = Arc::new(session("token", NOW));
        let streams: Vec<_> = workers
            .iter()
            .map(|one| one.enter(&session, None))
            .collect();
        let tick = || {
            for worker in &workers {
                worker.sweep(NOW, POLICY, &Revocations::default(), &Changes::default());
            }
        };
        tick();
        assert_eq!(standing.of(session.id), 2);
        drop(streams);
        tick();
        assert_eq!(standing.of(session.id), 0);
    }

    #[test]
    fn a_stream_that_is_gone_is_forgotten() {
        let streams = Streams::default();
        drop(streams.enter(&Arc::new(session("token", NOW)), None));
        streams.sweep(NOW, POLICY, &Revocations::default(), &Changes::default());
        assert!(streams.open.borrow().is_empty());
    }
}
