use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use super::*;
use crate::net::census::Census;
use crate::net::settings::TrustedProxies;

fn seat() -> Seat {
    let many = NonZeroUsize::MAX;
    let census = Census::new(many, many, TrustedProxies::default());
    Arc::new(census).enter().expect("room")
}

struct Silent(Cell<bool>);

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

/// A connection that says nothing by itself.
struct Line {
    entry: Entry,
    connection: Silent,
}

impl Line {
    fn of(registry: &Rc<Registry>, multiplexed: bool) -> Self {
        let entry = registry.enter(seat());
        entry.watch().ready(multiplexed);
        Self {
            entry,
            connection: Silent(Cell::new(false)),
        }
    }

    fn watch(&self) -> &Arc<Watch> {
        self.entry.watch()
    }

    fn poll(&mut self) -> Option<Verdict<()>> {
        let mut guarded = Guarded::new(&mut self.connection, self.entry.watch());
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut guarded).poll(&mut cx) {
            Poll::Ready(verdict) => Some(verdict),
            Poll::Pending => None,
        }
    }

    fn ended(&mut self) -> bool {
        matches!(self.poll(), Some(Verdict::Ended(_)))
    }
}

fn after(registry: &Registry, seconds: u32) {
    (0..seconds).for_each(|_| registry.sweep(Clocks::default()));
}

#[test]
fn each_phase_has_its_limit() {
    let registry = Rc::<Registry>::default();
    let mut line = Line::of(&registry, false);
    after(&registry, 29);
    assert!(!line.ended(), "the first byte may take 30 s");
    line.watch().bytes_read();
    after(&registry, 9);
    assert!(!line.ended(), "a head may take 10 s");
    let request = line.watch().begin(None);
    after(&registry, 3600);
    assert!(!line.ended(), "a request has its own deadlines");
    drop(request);
    line.watch().settle(false);
    after(&registry, 74);
    assert!(!line.ended(), "idle for 75 s");
    after(&registry, 1);
    assert!(line.ended());
    drop(line);
    assert!(registry.is_empty());
}

#[test]
fn a_handshake_is_cut() {
    let registry = Rc::<Registry>::default();
    let entry = registry.enter(seat());
    after(&registry, 9);
    assert!(entry.watch().poll_ended(Waker::noop()).is_pending());
    after(&registry, 1);
    assert!(entry.watch().poll_ended(Waker::noop()).is_ready());
}

#[test]
fn a_dribbled_head_is_late_and_then_cut() {
    let registry = Rc::<Registry>::default();
    let mut line = Line::of(&registry, false);
    for _ in 0..10 {
        assert!(!line.watch().is_late());
        line.watch().bytes_read();
        after(&registry, 1);
    }
    assert!(line.watch().is_late(), "more bytes buy no more time");
    assert!(!line.ended(), "time for an answer");
    after(&registry, 3);
    assert!(line.ended());
}

#[test]
fn an_http2_connection_gets_until_its_first_request() {
    let registry = Rc::<Registry>::default();
    let mut line = Line::of(&registry, true);
    for _ in 0..29 {
        line.watch().bytes_read();
        after(&registry, 1);
    }
    assert!(!line.ended());
    after(&registry, 1);
    assert!(line.ended(), "frames are no request");
}

#[test]
fn a_peer_that_does_not_read_is_cut() {
    let registry = Rc::<Registry>::default();
    let mut line = Line::of(&registry, false);
    let _request = line.watch().begin(None);
    line.watch().peer_reads(false);
    after(&registry, 29);
    line.watch().peer_reads(true);
    line.watch().peer_reads(false);
    after(&registry, 29);
    line.watch().peer_reads(false);
    assert!(!line.ended(), "it has read in between");
    after(&registry, 1);
    assert!(line.ended());
}

#[test]
fn a_stall_is_over_after_its_time() {
    let registry = Rc::<Registry>::default();
    let stall = registry.stall();
    after(&registry, 100);
    assert!(
        stall.poll_over(Waker::noop()).is_pending(),
        "nobody is waited for"
    );
    stall.begin();
    after(&registry, 29);
    stall.begin();
    assert!(stall.poll_over(Waker::noop()).is_pending());
    after(&registry, 1);
    assert!(stall.poll_over(Waker::noop()).is_ready());
    drop(stall);
    after(&registry, 1);
    assert!(registry.stalls.borrow().is_empty());
}

#[test]
fn after_the_answers_head_both_directions_count() {
    let registry = Rc::<Registry>::default();
    let stall = registry.stall();
    stall.begin();
    after(&registry, 29);
    stall.answered(true);
    after(&registry, 3_599);
    assert!(stall.poll_over(Waker::noop()).is_pending());
    stall.moved();
    after(&registry, 3_599);
    stall.begin();
    assert!(stall.poll_over(Waker::noop()).is_pending());
    after(&registry, 1);
    assert!(stall.poll_over(Waker::noop()).is_ready());
    let again = registry.stall();
    again.begin();
    again.answered(true);
    again.answered(false);
    after(&registry, 30);
    assert!(
        again.poll_over(Waker::noop()).is_ready(),
        "another answer is waited for"
    );
}

#[test]
fn what_is_idle_and_settled_rests() {
    let registry = Rc::<Registry>::default();
    let mut line = Line::of(&registry, false);
    after(&registry, 5);
    assert!(line.poll().is_none(), "not before a first request");
    drop(line.watch().begin(None));
    after(&registry, 1);
    assert!(line.poll().is_none());
    line.watch().settle(false);
    after(&registry, 1);
    assert!(line.poll().is_none(), "something is not written yet");
    line.watch().settle(true);
    after(&registry, 1);
    assert!(matches!(line.poll(), Some(Verdict::Rests)));
    after(&registry, 5);
    assert!(line.poll().is_none(), "it rests already");
    line.watch().wakes_up();
    after(&registry, 1);
    assert!(matches!(line.poll(), Some(Verdict::Rests)));
}

#[test]
fn a_drain_ends_what_is_quiet_and_waits_for_first_requests() {
    let registry = Rc::<Registry>::default();
    let mut quiet = Line::of(&registry, false);
    after(&registry, 2);
    let mut fresh = Line::of(&registry, false);
    let mut first = Line::of(&registry, true);
    let mut known = Line::of(&registry, true);
    drop(known.watch().begin(None));
    registry.drain();
    assert!(quiet.ended() && known.ended());
    assert!(!fresh.ended() && !first.ended());
    let request = first.watch().begin(None);
    assert!(first.ended(), "told to finish with its first request");
    drop(request);
    let mut late = Line::of(&registry, false);
    after(&registry, 1);
    assert!(!fresh.ended() && !late.ended());
    after(&registry, 1);
    assert!(fresh.ended() && late.ended());
}

#[test]
fn what_comes_after_a_retirement_stays() {
    let registry = Rc::<Registry>::default();
    let mut old = Line::of(&registry, false);
    drop(old.watch().begin(None));
    registry.retire();
    let mut new = Line::of(&registry, false);
    drop(new.watch().begin(None));
    assert!(old.watch().is_draining() && !new.watch().is_draining());
    after(&registry, 2);
    assert!(old.ended() && !new.ended());
    registry.drain();
    assert!(new.watch().is_draining() && new.ended());
}

#[test]
fn who_is_deaf_to_a_goaway_is_cut() {
    let registry = Rc::<Registry>::default();
    let line = Line::of(&registry, true);
    let cut = || line.watch().poll_cut(Waker::noop()).is_ready();
    let long = line.watch().begin(None);
    registry.retire();
    after(&registry, 29);
    drop(line.watch().begin(None));
    assert!(!cut(), "it may have been on its way");
    after(&registry, 1);
    assert!(!cut(), "a request that is under way has its time");
    drop(line.watch().begin(None));
    assert!(cut());
    drop(long);
}

#[test]
fn a_tunnel_stays_until_its_stream_is_gone() {
    let registry = Rc::<Registry>::default();
    let mut line = Line::of(&registry, false);
    let stream = Arc::clone(line.watch());
    let request = line.watch().begin(None);
    request.becomes_tunnel();
    drop(request);
    after(&registry, 1000);
    registry.drain();
    assert!(!line.ended(), "a tunnel is never idle");
    drop(line);
    assert!(!registry.is_empty());
    stream.peer_reads(false);
    after(&registry, 30);
    assert!(stream.poll_cut(Waker::noop()).is_ready());
    drop(stream);
    assert!(registry.is_empty());
}
