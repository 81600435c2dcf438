//! Whether every thread that serves still gets round to its housekeeping. One that hangs does not.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::net::guard::TICK;
use crate::time::Clock;
use crate::time::UnixTime;

/// The last sign of life of each thread.
pub(super) struct Pulse {
    clock: Arc<dyn Clock>,
    /// Milliseconds; the last one is the control runtime's.
    beats: Box<[AtomicU64]>,
}

impl Pulse {
    /// Of so many workers and the control runtime, all of which are well.
    pub(super) fn new(clock: Arc<dyn Clock>, workers: usize) -> Self {
        let now = clock.now().as_millis();
        let beats = std::iter::repeat_with(|| AtomicU64::new(now));
        Self {
            beats: beats.take(workers + 1).collect(),
            clock,
        }
    }

    /// The worker of this number is well.
    pub(super) fn beat(&self, worker: usize) {
        if let Some(beat) = self.beats.get(worker) {
            beat.store(self.clock.now().as_millis(), Relaxed);
        }
    }

    /// Keeps telling that `control` is well.
    pub(super) fn follow(self: &Arc<Self>, control: &Handle) {
        let this = Arc::clone(self);
        control.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                this.beat(this.beats.len() - 1);
            }
        });
    }

    /// Whether all have been well of late.
    pub(super) fn is_felt(&self) -> bool {
        let now = self.clock.now();
        let mut beats = self.beats.iter();
        beats.all(|beat| now.since(UnixTime::from_millis(beat.load(Relaxed))) < PATIENCE)
    }
}

/// Threads that share a busy core may be late by a few ticks.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    #[test]
    fn one_that_hangs_is_noticed_among_others() {
        let clock = Arc::new(ManualClock::default());
        let pulse = Pulse::new(clock.clone(), 2);
        assert!(pulse.is_felt());
        for _ in 0..3 {
            clock.advance(Duration::from_secs(6));
            for thread in 0..3 {
                pulse.beat(thread);
            }
            assert!(pulse.is_felt());
        }
        for _ in 0..2 {
            clock.advance(Duration::from_secs(6));
            // The second worker hangs.
            pulse.beat(0);
            pulse.beat(2);
        }
        assert!(!pulse.is_felt());
        pulse.beat(1);
        assert!(pulse.is_felt());
    }
}
