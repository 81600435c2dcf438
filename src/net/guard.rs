//! The connection guard: no connection is silent, slow or idle for ever.
//!
//! hyper has no limits of its own for this, and its header timer would count idle time too. One
//! sweeper a worker looks at all of its connections once a second; a request costs a few stores.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

/// How long a connection may stay in each phase.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From accept to the first byte.
    pub first_byte: Duration,
    /// From a head's first byte to its last.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(30),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
        }
    }
}

/// All connections of one worker.
#[derive(Debug, Default)]
pub struct Registry {
    connections: RefCell<HashMap<u64, Arc<Watch>>>,
    next: Cell<u64>,
    draining: Cell<bool>,
    /// Sweeps so far: a clock of one-second ticks that costs nothing to read.
    ticks: Arc<AtomicU32>,
}

/// How often [`Registry::sweep`] is to be called.
pub const TICK: Duration = Duration::from_secs(1);

impl Registry {
    /// Enters a new connection.
    pub fn enter(self: &Rc<Self>, multiplexed: bool) -> Entry {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let order = if self.draining.get() { FINISH } else { GO_ON };
        let watch = Arc::new(Watch {
            phase: AtomicU8::new(FRESH),
            since: AtomicU32::new(self.ticks.load(Relaxed)),
            ticks: Arc::clone(&self.ticks),
            active: AtomicU32::new(0),
            multiplexed,
            tunnel: AtomicBool::new(false),
            order: AtomicU8::new(order),
            waker: Mutex::new(None),
        });
        self.connections.borrow_mut().insert(id, Arc::clone(&watch));
        Entry {
            registry: Rc::clone(self),
            id,
            watch,
        }
    }

    /// One tick: cuts the connections that were too long in their phase.
    pub fn sweep(&self, limits: Limits) {
        let now = self.ticks.fetch_add(1, Relaxed).wrapping_add(1);
        for watch in self.connections.borrow().values() {
            let limit = match watch.phase.load(Relaxed) {
                FRESH => limits.first_byte,
                HEAD => limits.head,
                IDLE => limits.idle,
                _ => continue,
            };
            let ticks = now.wrapping_sub(watch.since.load(Relaxed));
            if TICK.saturating_mul(ticks) >= limit {
                watch.tell(CUT);
            }
        }
    }

    /// Asks every connection, and every one to come, to end after the request in hand.
    pub fn drain(&self) {
        self.draining.set(true);
        for watch in self.connections.borrow().values() {
            watch.tell(FINISH);
        }
    }

    /// Ends every connection at once.
    pub fn cut(&self) {
        for watch in self.connections.borrow().values() {
            watch.tell(CUT);
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }
}

/// A connection's place in the registry; dropped, it is free again.
#[derive(Debug)]
pub struct Entry {
    registry: Rc<Registry>,
    id: u64,
    watch: Arc<Watch>,
}

impl Entry {
    /// The connection's state, for its reader and its requests.
    pub fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.connections.borrow_mut().remove(&self.id);
    }
}

/// What is known about one connection. Atomic because hyper wants streams that can be sent; it is
/// only ever touched by its worker.
#[derive(Debug)]
pub struct Watch {
    phase: AtomicU8,
    since: AtomicU32,
    ticks: Arc<AtomicU32>,
    active: AtomicU32,
    multiplexed: bool,
    tunnel: AtomicBool,
    order: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl Watch {
    /// Bytes came in: between requests, they are the start of a head.
    pub fn bytes_read(&self) {
        if !self.multiplexed && matches!(self.phase.load(Relaxed), FRESH | IDLE) {
            self.enter(HEAD);
        }
    }

    /// Whether a request is in hand.
    pub fn is_serving(&self) -> bool {
        self.active.load(Relaxed) > 0
    }

    /// Whether what comes in are HTTP/1 messages: not HTTP/2's frames, nor what a tunnel carries.
    pub fn speaks_http1(&self) -> bool {
        !self.multiplexed && !self.tunnel.load(Relaxed)
    }

    /// A request begins; it ends when the answer's last byte was handed over.
    pub fn begin(self: &Arc<Self>) -> InHand {
        self.active.fetch_add(1, Relaxed);
        self.phase.store(SERVING, Relaxed);
        InHand(Arc::clone(self))
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Relaxed);
        self.since.store(self.ticks.load(Relaxed), Relaxed);
    }

    fn tell(&self, order: u8) {
        if self.order.fetch_max(order, Relaxed) < order
            && let Some(waker) = self
                .waker
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
        {
            waker.wake_by_ref();
        }
    }
}

/// A request in hand.
#[derive(Debug)]
pub struct InHand(Arc<Watch>);

impl InHand {
    /// The connection carries no more requests after this one.
    pub fn becomes_tunnel(&self) {
        self.0.tunnel.store(true, Relaxed);
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Relaxed) == 1 {
            self.0.enter(IDLE);
        }
    }
}

// Phases.
const FRESH: u8 = 0;
const HEAD: u8 = 1;
const SERVING: u8 = 2;
const IDLE: u8 = 3;

// Orders, the later the stronger.
const GO_ON: u8 = 0;
const FINISH: u8 = 1;
const CUT: u8 = 2;

/// A connection of hyper's that can be asked to finish.
pub trait Finish {
    /// No further request after the one in hand.
    fn finish(self: Pin<&mut Self>);
}

pin_project_lite::pin_project! {
    /// Drives a connection until it ends or is told to.
    pub struct Guarded<C> {
        #[pin]
        connection: C,
        entry: Entry,
        known: bool,
        finishing: bool,
    }
}

impl<C> Guarded<C> {
    /// Puts `connection` under guard.
    pub fn new(connection: C, entry: Entry) -> Self {
        Self {
            connection,
            entry,
            known: false,
            finishing: false,
        }
    }
}

impl<C, E> Future for Guarded<C>
where
    C: Future<Output = Result<(), E>> + Finish,
{
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let watch = &this.entry.watch;
        if !*this.known {
            // The task's waker stays the same for as long as the connection is its own task.
            *this.known = true;
            *watch.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        }
        match watch.order.load(Relaxed) {
            CUT => return Poll::Ready(Ok(())),
            FINISH if !*this.finishing => {
                *this.finishing = true;
                this.connection.as_mut().finish();
            }
            _ => {}
        }
        this.connection.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent(Rc<Cell<bool>>);

    impl Future for Silent {
        type Output = Result<(), ()>;
        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
            if self.0.get() {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }
    }

    impl Finish for Silent {
        fn finish(self: Pin<&mut Self>) {
            self.0.set(true);
        }
    }

    fn silent(registry: &Rc<Registry>) -> (Polled, Arc<Watch>) {
        let entry = registry.enter(false);
        let watch = entry.watch();
        (
            Polled(Box::pin(Guarded::new(Silent(Rc::default()), entry))),
            watch,
        )
    }

    fn after(registry: &Registry, seconds: u32) {
        (0..seconds).for_each(|_| registry.sweep(Limits::default()));
    }

    #[test]
    fn each_phase_has_its_limit() {
        let registry = Rc::<Registry>::default();
        let (mut connection, watch) = silent(&registry);
        assert!(!connection.ended());
        after(&registry, 29);
        assert!(!connection.ended(), "the first byte may take 30 s");
        watch.bytes_read();
        after(&registry, 9);
        assert!(!connection.ended(), "a head may take 10 s");
        let request = watch.begin();
        after(&registry, 3600);
        assert!(!connection.ended(), "a request has its own deadlines");
        drop(request);
        after(&registry, 74);
        assert!(!connection.ended(), "idle for 75 s");
        after(&registry, 1);
        assert!(connection.ended());
        drop(connection);
        assert!(registry.is_empty());
    }

    #[test]
    fn a_dribbled_head_is_cut() {
        let registry = Rc::<Registry>::default();
        let (mut connection, watch) = silent(&registry);
        for _ in 0..9 {
            watch.bytes_read();
            after(&registry, 1);
            assert!(!connection.ended());
        }
        watch.bytes_read();
        after(&registry, 1);
        assert!(connection.ended(), "more bytes buy no more time");
    }

    #[test]
    fn a_drain_reaches_connections_old_and_new() {
        let registry = Rc::<Registry>::default();
        let (mut old, _) = silent(&registry);
        assert!(!old.ended());
        registry.drain();
        assert!(old.ended());
        let (mut new, _) = silent(&registry);
        assert!(new.ended());
    }

    struct Polled(Pin<Box<Guarded<Silent>>>);

    impl Polled {
        fn ended(&mut self) -> bool {
            self.0
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        }
    }
}
