//! One address as one worker sees it: its kept connections, its requests under way, its health.
//! Nothing here is locked.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::timeout;

use super::connect::Connected;
use super::connect::Connection;
use super::connect::Connector;
use super::connect::Multiplexed;
use super::dice::Dice;
use super::endpoint::Endpoint;
use super::error::UpstreamError;
use super::lease::Lease;
use super::lease::Line;
use super::settings::PoolLimits;
use super::settings::Protocol;
use super::settings::Timeouts;
use super::vitals::Standing;
use super::vitals::Vitals;
use crate::telemetry::metrics::Pool;
use crate::telemetry::metrics::PoolHeld as Held;

/// An address and a worker's connections to it.
pub(super) struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) vitals: Vitals,
    pool: Rc<Pool>,
    limits: PoolLimits,
    timeouts: Timeouts,
    /// Kept HTTP/1.1 connections, the one used last on top.
    idle: RefCell<Vec<Idle>>,
    /// The HTTP/2 connection, and when it was used last.
    shared: RefCell<Option<(Multiplexed, Instant)>>,
    /// One HTTP/2 connection is opened at a time.
    turn: tokio::sync::Mutex<()>,
    /// Whether an upstream that was offered HTTP/2 took HTTP/1.1.
    declined: Cell<bool>,
    /// Requests under way.
    pending: Cell<usize>,
    /// Requests that wait until there are fewer.
    waiting: Cell<usize>,
    freed: Notify,
}

struct Idle {
    connection: Connection,
    since: Instant,
    _counted: Held,
}

impl Member {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        pool: Rc<Pool>,
        limits: PoolLimits,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            endpoint,
            vitals: Vitals::default(),
            pool,
            limits,
            timeouts,
            idle: RefCell::default(),
            shared: RefCell::default(),
            turn: tokio::sync::Mutex::default(),
            declined: Cell::new(false),
            pending: Cell::new(0),
            waiting: Cell::new(0),
            freed: Notify::new(),
        }
    }

    /// What speaks against choosing it for a request: that connecting takes long, then what is under way.
    pub(super) fn burden(&self) -> (bool, usize) {
        (self.vitals.is_slow(), self.pending.get())
    }

    /// Another address, which was asked later, has connected before it.
    pub(super) fn is_overtaken(&self) {
        if !self.vitals.is_slow() {
            let address = self.endpoint.address();
            tracing::info!(event = "upstream.slow", %address, "An address takes long to connect, and others come first for a while.");
        }
        self.vitals.overtaken();
    }

    /// A connection came about.
    pub(super) fn works(&self) {
        if self.vitals.connected() {
            self.endpoint.let_in();
        }
    }

    /// None did: see [`Vitals::failed`].
    pub(super) fn fails(&self, last: bool, dice: &Dice) -> Option<Duration> {
        let was_out = self.vitals.is_out();
        let out_for = self.vitals.failed(last, dice);
        if out_for.is_some() && !was_out {
            self.endpoint.leave_out();
        }
        out_for
    }

    /// Whether the address may be used.
    pub(super) fn standing(&self) -> Standing {
        match self.endpoint.reported_down() {
            Some(interval) => Standing::Down(interval),
            None => self.vitals.standing(),
        }
    }

    /// A connection for one request: a kept one, unless it has to be `fresh`, or a new one.
    pub(super) async fn lease(
        self: &Rc<Self>,
        connector: &Connector,
        fresh: bool,
    ) -> Result<Lease, UpstreamError> {
        let slot = self.slot().await?;
        if self.endpoint.protocol == Protocol::Http2 && !self.declined.get() {
            return self.lease_shared(slot, connector, fresh).await;
        }
        if !fresh && let Some(connection) = self.take_idle() {
            return Ok(Lease::new(slot, Line::Own(connection), false));
        }
        self.make_room();
        let line = match self.connect(connector).await? {
            Connected::Own(connection) => Line::Own(connection),
            Connected::Shared(shared) => Line::shared(shared),
        };
        Ok(Lease::new(slot, line, true))
    }

    /// A kept connection of its own, if there is one and nobody waits for it.
    pub(super) fn lease_kept(self: &Rc<Self>) -> Option<Lease> {
        if self.is_full() || (self.endpoint.protocol == Protocol::Http2 && !self.declined.get()) {
            return None;
        }
        let connection = self.take_idle()?;
        Some(Lease::new(self.enter(), Line::Own(connection), false))
    }

    /// Back among the kept connections, unless there are many already.
    pub(super) fn keep(&self, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MAX_IDLE {
            idle.push(Idle {
                connection,
                since: Instant::now(),
                _counted: self.pool.idle(),
            });
        }
    }

    /// Lets go of connections that were not used for long.
    pub(super) fn sweep(&self) {
        let keep = self.timeouts.idle;
        self.idle.borrow_mut().retain(|idle| {
            idle.is_good(idle.since.elapsed(), keep) && !idle.connection.is_closed()
        });
        let mut shared = self.shared.borrow_mut();
        let over = |(shared, used): &(Multiplexed, Instant)| {
            shared.is_closed() || (self.pending.get() == 0 && used.elapsed() >= keep)
        };
        if shared.as_ref().is_some_and(over) {
            *shared = None;
        }
    }

    /// Whether nothing is lost with this.
    pub(super) fn is_unused(&self) -> bool {
        self.pending.get() == 0
            && self.idle.borrow().is_empty()
            && self.shared.borrow().is_none()
            && !matches!(self.vitals.standing(), Standing::Down(_))
    }

    /// How many connections are kept.
    pub(super) fn kept(&self) -> usize {
        self.idle.borrow().len() + usize::from(self.shared.borrow().is_some())
    }

    async fn lease_shared(
        self: &Rc<Self>,
        slot: Slot,
        connector: &Connector,
        fresh: bool,
    ) -> Result<Lease, UpstreamError> {
        if !fresh && let Some(shared) = self.open_shared() {
            return Ok(Lease::new(slot, Line::shared(shared), false));
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before has opened one, also for those who want a fresh one.
        if let Some(shared) = self.open_shared() {
            return Ok(Lease::new(slot, Line::shared(shared), false));
        }
        match self.connect(connector).await? {
            Connected::Shared(shared) => {
                *self.shared.borrow_mut() = Some((shared.clone(), Instant::now()));
                Ok(Lease::new(slot, Line::shared(shared), true))
            }
            Connected::Own(connection) => {
                self.declined.set(true);
                Ok(Lease::new(slot, Line::Own(connection), true))
            }
        }
    }

    fn open_shared(&self) -> Option<Multiplexed> {
        let mut shared = self.shared.borrow_mut();
        let (open, used) = shared.as_mut().filter(|(shared, _)| !shared.is_closed())?;
        *used = Instant::now();
        Some(open.clone())
    }

    async fn connect(&self, connector: &Connector) -> Result<Connected, UpstreamError> {
        let connecting = connector.connect(&self.endpoint);
        let outcome = timeout(self.timeouts.connect, connecting).await;
        let outcome = outcome.unwrap_or(Err(UpstreamError::ConnectTimeout));
        match outcome {
            Ok(connected) => Ok(connected.counted(self.pool.opened())),
            Err(error) => {
                self.pool.failed();
                Err(error)
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(top) = idle.pop() {
            if top.connection.is_closed() {
                continue;
            }
            let rested = top.since.elapsed();
            if rested >= self.timeouts.idle {
                // All below it are older.
                idle.clear();
                return None;
            }
            if top.is_good(rested, self.timeouts.idle) {
                return Some(top.connection);
            }
        }
        None
    }

    /// A new connection beside kept ones must not be one too many.
    fn make_room(&self) {
        let mut idle = self.idle.borrow_mut();
        if !idle.is_empty() && idle.len() + self.pending.get() > self.limits.max_connections {
            idle.remove(0);
        }
    }

    /// The right to be one of the requests under way.
    async fn slot(self: &Rc<Self>) -> Result<Slot, UpstreamError> {
        if self.is_full() {
            self.wait_for_slot().await?;
        }
        Ok(self.enter())
    }

    fn is_full(&self) -> bool {
        self.pending.get() >= self.limits.max_connections || self.waiting.get() > 0
    }

    fn enter(self: &Rc<Self>) -> Slot {
        self.pending.set(self.pending.get() + 1);
        Slot(Rc::clone(self), self.pool.active())
    }

    async fn wait_for_slot(&self) -> Result<(), UpstreamError> {
        if self.waiting.get() >= MAX_WAITING {
            return Err(UpstreamError::Full);
        }
        let _waiting = (Waiting::begin(&self.waiting), self.pool.waiting());
        let free = async {
            // First come, first served: a permit that was left over wakes one for nothing.
            while self.pending.get() >= self.limits.max_connections {
                self.freed.notified().await;
            }
        };
        timeout(self.limits.max_wait, free)
            .await
            .map_err(|_| UpstreamError::Full)
    }
}

impl Idle {
    fn is_good(&self, rested: Duration, longest: Duration) -> bool {
        let keep = self.connection.keep.get();
        rested < keep.map_or(longest, |keep| keep.min(longest))
    }
}

/// One request under way.
pub(super) struct Slot(
    pub(super) Rc<Member>,
    #[expect(dead_code, reason = "counts")] Held,
);

impl Drop for Slot {
    fn drop(&mut self) {
        let member = &self.0;
        member.pending.set(member.pending.get().saturating_sub(1));
        if member.waiting.get() > 0 {
            member.freed.notify_one();
        }
    }
}

struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Idle connections kept per address and worker.
const MAX_IDLE: usize = 256;

/// Requests of one worker that wait for the same address, at most.
const MAX_WAITING: usize = 1024;
