//! What the guard knows about one connection.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::task::Waker;

use super::BODY_PROGRESS;
use super::Stall;
use super::TICK;
use crate::fault::Fault;
use crate::net::census::Seat;
use crate::net::settings::Clocks;

/// One connection's state. Atomic because hyper wants streams that can be sent; it is only ever
/// touched by its worker.
#[derive(Debug)]
pub struct Watch {
    phase: AtomicU8,
    since: AtomicU32,
    ticks: Arc<AtomicU32>,
    draining: Arc<AtomicBool>,
    active: AtomicU32,
    /// Requests so far, those that ended as well, modulo 2^32.
    begun: AtomicU32,
    multiplexed: AtomicBool,
    tunnel: AtomicBool,
    order: AtomicU8,
    /// The tick in which it was told to finish.
    told: AtomicU32,
    /// A head takes too long: it gets an answer that says so.
    late: AtomicBool,
    /// Whether buffers are needed.
    rest: AtomicU8,
    /// All that was written is out, and all that was read belongs to whole messages.
    settled: AtomicBool,
    /// The tick after the one in which the peer stopped reading, or 0.
    blocked: AtomicU32,
    waker: Mutex<Option<Waker>>,
    /// Counted for as long as anybody holds the stream.
    seat: Mutex<Seat>,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Before HTTP: a PROXY protocol header or a TLS handshake is to come.
    Handshake = 0,
    /// Before the first byte.
    Fresh = 1,
    /// Within a head.
    Head = 2,
    /// With a request in hand.
    Serving = 3,
    /// Between requests.
    Idle = 4,
    /// Behind the last answer, while the client still sends what nobody wants.
    Lingering = 5,
}

impl Watch {
    pub(super) fn new(ticks: Arc<AtomicU32>, draining: Arc<AtomicBool>, seat: Seat) -> Self {
        Self {
            phase: AtomicU8::new(code(Phase::Handshake)),
            since: AtomicU32::new(ticks.load(Relaxed)),
            ticks,
            draining,
            active: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            order: AtomicU8::new(GO_ON),
            told: AtomicU32::new(0),
            late: AtomicBool::new(false),
            rest: AtomicU8::new(AWAKE),
            settled: AtomicBool::new(true),
            blocked: AtomicU32::new(0),
            waker: Mutex::new(None),
            seat: Mutex::new(seat),
        }
    }

    /// The connection is for `address`, unless that has too many.
    pub fn belongs_to(&self, address: IpAddr) -> Result<(), Fault> {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        seat.belongs_to(address)
    }

    /// HTTP begins.
    pub fn ready(&self, multiplexed: bool) {
        self.multiplexed.store(multiplexed, Relaxed);
        self.enter(Phase::Fresh);
    }

    /// The last answer is out and the client goes on sending.
    pub fn lingers(&self) {
        self.enter(Phase::Lingering);
    }

    /// Bytes came in after a rest.
    pub fn wakes_up(&self) {
        self.rest.store(AWAKE, Relaxed);
    }

    /// Bytes came in: between requests, they are the start of a head.
    pub fn bytes_read(&self) {
        let between = matches!(self.phase(), FRESH | IDLE);
        if between && !self.multiplexed.load(Relaxed) {
            self.enter(Phase::Head);
        }
    }

    /// Whether the stream is between messages, and nothing waits to be written.
    pub fn settle(&self, settled: bool) {
        self.settled.store(settled, Relaxed);
    }

    /// The peer takes no more bytes at the moment, or does again.
    pub fn peer_reads(&self, reads: bool) {
        let known = self.blocked.load(Relaxed);
        if reads {
            if known != 0 {
                self.blocked.store(0, Relaxed);
            }
        } else if known == 0 {
            self.blocked
                .store(self.ticks.load(Relaxed).saturating_add(1), Relaxed);
        }
    }

    /// How many requests there have been, modulo 2^32.
    pub fn begun(&self) -> u32 {
        self.begun.load(Relaxed)
    }

    /// Whether a request is in hand.
    pub fn is_serving(&self) -> bool {
        self.active.load(Relaxed) > 0
    }

    /// Whether what comes in are HTTP/1 messages: not HTTP/2's frames, nor what a tunnel carries.
    pub fn speaks_http1(&self) -> bool {
        !self.multiplexed.load(Relaxed) && !self.tunnel.load(Relaxed)
    }

    /// Whether it carries something else than HTTP by now.
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.load(Relaxed)
    }

    /// Whether nothing more is to be read; whoever reads is told when it is so.
    pub fn poll_cut(&self, waker: &Waker) -> Poll<()> {
        self.listen(waker);
        if self.order.load(Relaxed) == CUT {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Whether the head that is being read has taken too long.
    pub fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// Whether answers are to be the last of their connection.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// A request begins; it ends when the answer's last byte was handed over. `stall` is told while
    /// the client takes nothing of it.
    pub fn begin(self: &Arc<Self>, stall: Option<Rc<Stall>>) -> InHand {
        self.active.fetch_add(1, Relaxed);
        self.begun.store(self.begun().wrapping_add(1), Relaxed);
        self.phase.store(code(Phase::Serving), Relaxed);
        if self.multiplexed.load(Relaxed) && self.is_draining() {
            // Who acknowledges nothing would go on for ever: the GOAWAY that names the last stream waits for
            // an answer to the first one's PING (RFC 9113 §6.8).
            let deaf = self.order() == FINISH
                && passed(self.ticks.load(Relaxed), self.told.load(Relaxed)) >= PARTING;
            self.tell(if deaf { CUT } else { FINISH });
        }
        InHand {
            watch: Arc::clone(self),
            stall,
        }
    }

    /// Whether the connection is to end now: `Ready` if nothing more is to come of it.
    pub fn poll_ended(&self, waker: &Waker) -> Poll<()> {
        self.listen(waker);
        if self.order.load(Relaxed) == GO_ON {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    pub(super) fn sweep(&self, now: u32, clocks: Clocks) -> Option<&'static str> {
        let draining = self.is_draining();
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && passed(now, blocked - 1) >= ticks(clocks.body_progress) {
            self.tell(CUT);
            return Some(BODY_PROGRESS);
        }
        if self.is_tunnel() {
            return None;
        }
        let silent = passed(now, self.since.load(Relaxed));
        if self.phase() == LINGERING {
            if silent >= if draining { QUIET } else { LINGER } {
                self.tell(CUT);
            }
            return None;
        }
        let (limit, name) = match self.phase() {
            HANDSHAKE => (clocks.tls_handshake, "timeouts.tls_handshake"),
            FRESH => (clocks.first_byte, "timeouts.first_byte"),
            HEAD => (clocks.head, "timeouts.head"),
            IDLE => (clocks.keep_alive, "timeouts.keep_alive"),
            _ => return None,
        };
        let over = silent.checked_sub(ticks(limit));
        let gentle = matches!(self.phase(), FRESH | IDLE);
        match over {
            Some(0) if self.phase() == HEAD && self.speaks_http1() => {
                self.late.store(true, Relaxed);
                self.wake();
            }
            Some(0) if gentle => self.tell(FINISH),
            Some(0) => self.tell(CUT),
            // What was told and does not end is not worth waiting for.
            Some(GRACE..) => {
                self.tell(CUT);
                return None;
            }
            Some(_) => return None,
            None => {
                if gentle && draining && silent >= QUIET {
                    self.tell(FINISH);
                } else if self.phase() == IDLE && silent >= QUIET {
                    self.rest();
                }
                return None;
            }
        }
        Some(name)
    }

    pub(super) fn drain(&self, now: u32) {
        let gentle = matches!(self.phase(), FRESH | IDLE);
        let quiet = passed(now, self.since.load(Relaxed)) >= QUIET;
        // HTTP/2 says so to the client and serves what is on its way; before its first request it
        // would just close.
        let multiplexed = self.multiplexed.load(Relaxed) && self.phase() != FRESH;
        if self.is_tunnel() {
            return;
        }
        if multiplexed || (gentle && quiet) {
            self.tell(FINISH);
        }
    }

    /// Nothing more is wanted of this connection.
    pub fn cut(&self) {
        self.tell(CUT);
    }

    /// The strongest order so far.
    pub(super) fn order(&self) -> u8 {
        self.order.load(Relaxed)
    }

    /// Whether the connection's buffers can go, which is asked once for each time that they may.
    pub(super) fn rests(&self) -> bool {
        if self.rest.load(Relaxed) != MAY_REST {
            return false;
        }
        let rests = self.phase() == IDLE && self.settled.load(Relaxed) && self.speaks_http1();
        self.rest.store(if rests { RESTS } else { AWAKE }, Relaxed);
        rests
    }

    /// Whom to wake when something is ordered.
    pub(super) fn listen(&self, waker: &Waker) {
        let mut known = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    fn rest(&self) {
        let awake = self.rest.load(Relaxed) == AWAKE;
        if awake && self.settled.load(Relaxed) && !self.multiplexed.load(Relaxed) {
            self.rest.store(MAY_REST, Relaxed);
            self.wake();
        }
    }

    fn phase(&self) -> u8 {
        self.phase.load(Relaxed)
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(code(phase), Relaxed);
        self.since.store(self.ticks.load(Relaxed), Relaxed);
    }

    fn tell(&self, order: u8) {
        if self.order.fetch_max(order, Relaxed) < order {
            self.told.store(self.ticks.load(Relaxed), Relaxed);
            self.wake();
        }
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waker.as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// A request in hand.
#[derive(Debug)]
pub struct InHand {
    watch: Arc<Watch>,
    stall: Option<Rc<Stall>>,
}

impl InHand {
    /// The connection carries no more requests after this one.
    pub fn becomes_tunnel(&self) {
        self.watch.tunnel.store(true, Relaxed);
    }

    /// The client was given a part of the answer.
    pub fn gave(&self) {
        if let Some(stall) = &self.stall {
            stall.begin();
        }
    }

    /// The client has room for more of it.
    pub fn is_asked(&self) {
        if let Some(stall) = &self.stall {
            stall.end();
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if self.watch.active.fetch_sub(1, Relaxed) == 1 {
            self.watch.enter(Phase::Idle);
        }
    }
}

/// Whole ticks in `span`, at least one.
pub(super) fn ticks(span: std::time::Duration) -> u32 {
    let ticks = span.as_millis().div_ceil(TICK.as_millis());
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

/// Ticks from `since` to `now`.
pub(super) fn passed(now: u32, since: u32) -> u32 {
    now.wrapping_sub(since)
}

#[expect(clippy::as_conversions, reason = "the enum's own numbers")]
const fn code(phase: Phase) -> u8 {
    phase as u8
}

const HANDSHAKE: u8 = code(Phase::Handshake);
const FRESH: u8 = code(Phase::Fresh);
const HEAD: u8 = code(Phase::Head);
const IDLE: u8 = code(Phase::Idle);
const LINGERING: u8 = code(Phase::Lingering);

// Whether a connection has buffers.
const AWAKE: u8 = 0;
const MAY_REST: u8 = 1;
const RESTS: u8 = 2;

// Orders, the later the stronger.
pub(super) const GO_ON: u8 = 0;
/// No further request after those in hand.
pub(super) const FINISH: u8 = 1;
pub(super) const CUT: u8 = 2;

/// A connection without a word for so many ticks is not about to send a request.
const QUIET: u32 = 2;

/// Ticks for a client to stop sending once it was answered.
const LINGER: u32 = 5;

/// Ticks for an HTTP/2 client to hear that no more requests are wanted.
const PARTING: u32 = 30;

/// Ticks for a last answer or a goodbye.
const GRACE: u32 = 3;
