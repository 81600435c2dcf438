//! The connection guard: no connection is silent, slow or idle for ever.
//!
//! hyper has no limits of its own for this, and its header timer would count idle time too. One
//! sweeper a worker looks at all of its connections once a second; a request costs a few stores.

mod guarded;
mod stall;
mod watch;

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub use guarded::Finish;
pub use guarded::Guarded;
pub use guarded::Verdict;
pub use stall::Abandonable;
pub use stall::Stall;
pub use watch::InHand;
pub use watch::Phase;
pub use watch::Watch;

use super::census::Seat;
use super::settings::Clocks;

/// All connections of one worker.
#[derive(Debug, Default)]
pub struct Registry {
    connections: RefCell<HashMap<u64, Arc<Watch>>>,
    stalls: RefCell<Vec<Rc<Stall>>>,
    next: Cell<u64>,
    /// Whether what is idle is to end; another one for those that come after [`Self::retire`].
    draining: RefCell<Arc<AtomicBool>>,
    /// Sweeps so far: a clock of one-second ticks that costs nothing to read.
    ticks: Arc<AtomicU32>,
}

/// How often [`Registry::sweep`] is to be called.
pub const TICK: Duration = Duration::from_secs(1);

impl Registry {
    /// Enters a connection that was just accepted.
    pub fn enter(self: &Rc<Self>, seat: Seat) -> Entry {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let watch = Arc::new(Watch::new(
            Arc::clone(&self.ticks),
            Arc::clone(&self.draining.borrow()),
            seat,
        ));
        self.connections.borrow_mut().insert(id, Arc::clone(&watch));
        Entry {
            registry: Rc::clone(self),
            id,
            watch,
        }
    }

    /// Something that may stand still, in the sweeper's sight until it is dropped.
    pub fn stall(&self) -> Rc<Stall> {
        let stall = Rc::new(Stall::new(Arc::clone(&self.ticks)));
        self.stalls.borrow_mut().push(Rc::clone(&stall));
        stall
    }

    /// One tick: ends the connections that were too long in their phase. One line of the log tells
    /// how many met which limit.
    pub fn sweep(&self, clocks: Clocks) {
        let now = self.ticks.fetch_add(1, Relaxed).wrapping_add(1);
        let mut met = BTreeMap::<&str, usize>::new();
        self.forget_tunnels();
        for watch in self.connections.borrow().values() {
            if let Some(limit) = watch.sweep(now, clocks) {
                *met.entry(limit).or_default() += 1;
            }
        }
        self.stalls.borrow_mut().retain(|stall| {
            // The other holders are those it is about.
            let live = Rc::strong_count(stall) > 1;
            if live && let Some(limit) = stall.sweep(now, clocks) {
                *met.entry(limit).or_default() += 1;
            }
            live
        });
        for (limit, connections) in met {
            tracing::info!(
                event = "connections.cut",
                limit,
                connections,
                "Clients took too long."
            );
        }
    }

    /// Every connection is to end after its next answer, and at once where no request has come for
    /// two ticks. A connection that was accepted gets its first request served.
    pub fn drain(&self) {
        self.draining.borrow().store(true, Relaxed);
        let now = self.ticks.load(Relaxed);
        for watch in self.connections.borrow().values() {
            watch.drain(now);
        }
    }

    /// Drains the connections that there are. Those that come later are not told of it.
    pub fn retire(&self) {
        self.drain();
        self.draining.replace(Arc::default());
    }

    /// Ends every connection at once.
    pub fn cut(&self) {
        for watch in self.connections.borrow().values() {
            watch.cut();
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.forget_tunnels();
        self.connections.borrow().is_empty()
    }

    /// A tunnel outlives the connection that it came from; once only the registry knows it, it is over.
    fn forget_tunnels(&self) {
        let over = |watch: &Arc<Watch>| watch.is_tunnel() && Arc::strong_count(watch) == 1;
        self.connections
            .borrow_mut()
            .retain(|_, watch| !over(watch));
    }
}

/// A connection's place in the registry; dropped, it is free again, unless a tunnel takes it over.
#[derive(Debug)]
pub struct Entry {
    registry: Rc<Registry>,
    id: u64,
    watch: Arc<Watch>,
}

impl Entry {
    /// The connection's state, for its reader and its requests.
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// The registry it is entered in.
    pub fn registry(&self) -> &Rc<Registry> {
        &self.registry
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.watch.is_tunnel() {
            self.registry.connections.borrow_mut().remove(&self.id);
        }
    }
}

/// The limit that a body or an answer without progress meets.
const BODY_PROGRESS: &str = "timeouts.body_progress";

/// The limit of an exchange in which nothing passes either way.
const STREAM_IDLE: &str = "timeouts.stream_idle";

#[cfg(test)]
mod tests;
