//! Whether somebody is still writing. A file that is written in place is half there for a while, and a half
//! may let in more people than the whole does: the last line of a route says who may come, the last line of
//! a list whose session is over. Hence nothing counts that was not found the same twice.

use std::time::Duration;

use tokio::time::Instant;

/// What was found last, and since when.
#[derive(Debug)]
pub(in crate::app) struct Settling<T>(Option<(T, Instant)>);

impl<T> Default for Settling<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> Settling<T> {
    /// Whether what is found at `now` was found [`SETTLE`] ago or longer, and nothing else since.
    pub(in crate::app) fn is_settled(&mut self, found: T, now: Instant) -> bool {
        match &self.0 {
            Some((before, since)) if *before == found => {
                now.saturating_duration_since(*since) >= SETTLE
            }
            _ => {
                self.0 = Some((found, now));
                false
            }
        }
    }

    /// Begins anew.
    pub(in crate::app) fn forget(&mut self) {
        self.0 = None;
    }
}

/// How long something has to stay the same before it is taken over. Editors, `cp` and scripts that write in
/// place pause for less; whoever swaps a file as a whole waits that long for nothing.
pub(in crate::app) const SETTLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_the_same_for_long_enough_is_settled() {
        let (mut settling, begun) = (Settling::default(), Instant::now());
        for (found, after, settled) in [
            ("half", 0, false),
            ("half", 999, false),
            ("whole", 1_000, false),
            ("half", 1_500, false),
            ("whole", 1_600, false),
            ("whole", 2_599, false),
            ("whole", 2_600, true),
            ("whole", 9_000, true),
            ("half", 9_001, false),
        ] {
            let now = begun + Duration::from_millis(after);
            assert_eq!(settling.is_settled(found, now), settled, "{found} {after}");
        }
        settling.forget();
        assert!(!settling.is_settled("half", begun + SETTLE * 20));
        // A clock that is behind settles nothing.
        assert!(!settling.is_settled("half", begun));
    }
}
