//! What one worker has seen of an address: failures to connect take it out for a while.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::dice::Dice;

/// Counts what happens when connections are opened. A healthy address costs one look at a cell.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    failures: Cell<u32>,
    ejections: Cell<u32>,
    until: Cell<Option<Instant>>,
    failed_at: Cell<Option<Instant>>,
    probing: Cell<bool>,
    slow_until: Cell<Option<Instant>>,
}

/// Whether an address may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Yes.
    Up,
    /// By one request, to find out.
    Probe,
    /// Not for so long.
    Down(Duration),
}

impl Vitals {
    pub(super) fn standing(&self) -> Standing {
        let Some(until) = self.until.get() else {
            return Standing::Up;
        };
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            Standing::Down(left)
        } else if self.probing.get() {
            Standing::Down(PROBE_WAIT)
        } else {
            Standing::Probe
        }
    }

    /// A connection came about; tells whether the address was left out before.
    pub(super) fn connected(&self) -> bool {
        self.failures.set(0);
        self.ejections.set(0);
        self.slow_until.set(None);
        self.until.take().is_some()
    }

    /// Whether it has been left out, and no connection came about since.
    pub(super) fn is_out(&self) -> bool {
        self.until.get().is_some()
    }

    /// None did. The `last` address that works is never out for long: there is nothing to take in its
    /// place, and every try is a chance.
    pub(super) fn failed(&self, last: bool, dice: &Dice) -> Option<Duration> {
        let now = Instant::now();
        self.failed_at.set(Some(now));
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        if failures < FAILURES {
            return None;
        }
        let span = if last {
            SHORTEST
        } else {
            let doublings = self.ejections.get();
            self.ejections.set((doublings + 1).min(MAX_DOUBLINGS));
            dice.jitter(FIRST_EJECTION * (1 << doublings))
        };
        self.until.set(Some(now + span));
        Some(span)
    }

    /// Whether it may be tried before its time, because no other address works either.
    pub(super) fn may_be_tried(&self) -> bool {
        let rested = |at: Instant| at.elapsed() >= SHORTEST;
        !self.probing.get() && self.failed_at.get().is_none_or(rested)
    }

    /// Connecting takes long here.
    pub(super) fn overtaken(&self) {
        self.slow_until.set(Some(Instant::now() + SLOW));
    }

    /// Whether it did of late.
    pub(super) fn is_slow(&self) -> bool {
        let until = self.slow_until.get();
        until.is_some_and(|until| Instant::now() < until)
    }

    /// A probe begins; it ends with the guard.
    pub(super) fn probe(&self) {
        self.probing.set(true);
    }

    pub(super) fn probed(&self) {
        self.probing.set(false);
    }
}

/// So many failures in a row are no accident.
const FAILURES: u32 = 3;

/// How long an address is out the first time; then twice as long each time.
const FIRST_EJECTION: Duration = Duration::from_secs(5);

/// Up to 80 seconds.
const MAX_DOUBLINGS: u32 = 4;

/// How long the last address that works is left alone.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long others are asked before one that was slow to connect.
const SLOW: Duration = Duration::from_secs(10);

/// While a probe is under way, when to ask again.
const PROBE_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_failures_eject_for_a_time_that_grows() {
        let (vitals, dice) = (Vitals::default(), Dice::new(1));
        for _ in 0..2 {
            assert_eq!(vitals.failed(false, &dice), None);
            assert_eq!(vitals.standing(), Standing::Up);
        }
        let mut spans = Vec::new();
        for _ in 0..8 {
            let span = vitals.failed(false, &dice).expect("ejected");
            assert_eq!(vitals.standing(), Standing::Down(span));
            tokio::time::advance(span).await;
            assert_eq!(vitals.standing(), Standing::Probe);
            spans.push(span.as_secs());
        }
        let within = |index: usize, range: std::ops::RangeInclusive<u64>| {
            assert!(range.contains(&spans[index]), "{spans:?}");
        };
        within(0, 4..=6);
        within(1, 8..=12);
        within(4, 64..=96);
        within(7, 64..=96);
        vitals.connected();
        assert_eq!(vitals.standing(), Standing::Up);
        assert_eq!(vitals.failed(false, &dice), None, "counted anew");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_address_is_out_for_a_second_and_then_probed_once() {
        let (vitals, dice) = (Vitals::default(), Dice::new(1));
        let spans: Vec<_> = (0..6).filter_map(|_| vitals.failed(true, &dice)).collect();
        assert_eq!(spans, [Duration::from_secs(1); 4]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(vitals.standing(), Standing::Probe);
        vitals.probe();
        assert_eq!(vitals.standing(), Standing::Down(PROBE_WAIT));
        vitals.probed();
        assert_eq!(vitals.standing(), Standing::Probe);
    }

    #[tokio::test(start_paused = true)]
    async fn in_need_an_address_is_tried_once_a_second() {
        let (vitals, dice) = (Vitals::default(), Dice::new(1));
        for _ in 0..3 {
            vitals.failed(false, &dice);
        }
        assert!(!vitals.may_be_tried());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(vitals.standing(), Standing::Down(_)) && vitals.may_be_tried());
        vitals.probe();
        assert!(!vitals.may_be_tried());
    }
}
