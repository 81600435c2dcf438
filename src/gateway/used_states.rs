//! States that came back once: the same callback twice makes one session at most.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::oauth::transaction::TRANSACTION_LIFETIME;
use crate::time::UnixTime;

/// The states used within the life of a sign-in, by the names of their cookies.
#[derive(Debug, Default)]
pub struct UsedStates(Mutex<HashMap<String, UnixTime>>);

impl UsedStates {
    /// Marks a state as used. Answers whether this was the first time.
    pub fn claim(&self, state: &str, now: UnixTime) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_STATES {
            used.retain(|_, at| now.since(*at) < TRANSACTION_LIFETIME);
        }
        // The provider refuses a code's second use too; a full list only loses the shorter way.
        if used.len() >= MAX_STATES && !used.contains_key(state) {
            return true;
        }
        used.insert(state.to_owned(), now).is_none()
    }

    /// Gives a state back whose code never reached the provider.
    pub fn release(&self, state: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(state);
    }
}

/// About 100 bytes each.
const MAX_STATES: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_used_once() {
        let used = UsedStates::default();
        let now = UnixTime::from_millis(1);
        assert!(used.claim("a", now));
        assert!(!used.claim("a", now));
        assert!(used.claim("b", now));
        used.release("a");
        assert!(used.claim("a", now));
    }
}
