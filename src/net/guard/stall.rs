//! Something that waits for the client: a body that it does not send, an answer that it does not take.

use std::cell::Cell;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use super::BODY_PROGRESS;
use super::STREAM_IDLE;
use super::watch::passed;
use super::watch::ticks;
use crate::net::settings::Clocks;

/// Whether the client is waited for, and since when.
#[derive(Debug)]
pub struct Stall {
    ticks: Arc<AtomicU32>,
    since: Cell<Option<u32>>,
    over: Cell<bool>,
    /// The answer has begun: silence is no stall by itself any more.
    answered: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Stall {
    pub(super) fn new(ticks: Arc<AtomicU32>) -> Self {
        Self {
            ticks,
            since: Cell::new(None),
            over: Cell::new(false),
            answered: Cell::new(false),
            waker: RefCell::default(),
        }
    }

    /// From now on it is the client's turn.
    pub fn begin(&self) {
        if self.since.get().is_none() {
            self.since.set(Some(self.ticks.load(Relaxed)));
        }
    }

    /// The client did its part.
    pub fn end(&self) {
        self.since.set(None);
    }

    /// The answer has begun, or has to be waited for anew. Once it has, either side may be silent for as
    /// long as `timeouts.stream_idle` says: a call that goes both ways has no turns.
    pub fn answered(&self, answered: bool) {
        self.answered.set(answered);
        self.moved();
    }

    /// Something passed in the other direction, which counts as well.
    pub fn moved(&self) {
        if self.since.get().is_some() {
            self.since.set(Some(self.ticks.load(Relaxed)));
        }
    }

    /// Whether the client took too long; if not, the task is woken when it has.
    pub fn poll_over(&self, waker: &Waker) -> Poll<()> {
        if self.over.get() {
            return Poll::Ready(());
        }
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The limit that has been met just now.
    pub(super) fn sweep(&self, now: u32, clocks: Clocks) -> Option<&'static str> {
        let since = self.since.get()?;
        let (limit, name) = if self.answered.get() {
            (clocks.stream_idle, STREAM_IDLE)
        } else {
            (clocks.body_progress, BODY_PROGRESS)
        };
        if self.over.get() || passed(now, since) < ticks(limit) {
            return None;
        }
        self.over.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Some(name)
    }
}

pin_project_lite::pin_project! {
    /// The task of one HTTP/2 stream; dropped when its client takes too long, which resets the stream.
    pub struct Abandonable<F> {
        #[pin]
        task: F,
        stall: Rc<Stall>,
    }
}

impl<F> Abandonable<F> {
    /// `task`, for as long as `stall` is not over.
    pub fn new(task: F, stall: Rc<Stall>) -> Self {
        Self { task, stall }
    }
}

impl<F: Future> Future for Abandonable<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stall.poll_over(cx.waker()).is_ready() {
            return Poll::Ready(());
        }
        this.task.poll(cx).map(drop)
    }
}
