//! Chance for choices and for jitter, where nothing secret hangs on it.

use std::cell::Cell;
use std::time::Duration;

/// A xorshift generator of one worker.
#[derive(Debug)]
pub(super) struct Dice(Cell<u64>);

impl Dice {
    /// Dice that always fall the same way for the same `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(Cell::new(seed | 1))
    }

    pub(super) fn roll(&self) -> u64 {
        let mut bits = self.0.get();
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        self.0.set(bits);
        bits
    }

    /// A number below `end`.
    pub(super) fn below(&self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % end).unwrap_or(0)
    }

    /// `span`, up to a fifth more or less.
    pub(super) fn jitter(&self, span: Duration) -> Duration {
        let percent = u32::try_from(self.below(41)).unwrap_or(20) + 80;
        span * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_range_and_differ() {
        let dice = Dice::new(0);
        let rolls: Vec<usize> = (0..200).map(|_| dice.below(3)).collect();
        for number in 0..3 {
            assert!(rolls.iter().filter(|&&roll| roll == number).count() > 30);
        }
        assert_eq!(dice.below(0), 0);
        for _ in 0..200 {
            let span = dice.jitter(Duration::from_secs(10));
            assert!((8..=12).contains(&span.as_secs()), "{span:?}");
        }
    }
}
