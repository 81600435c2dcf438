//! What became of the configurations that this process was given. Whoever takes one over writes it down
//! here, for the status page and for scrapes.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::time::UnixTime;

/// A board with the configuration in force and the last one that was not.
#[derive(Debug)]
pub struct Reloads(Mutex<Arc<State>>);

/// The board at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The hash of the configuration in force; empty where it did not come from a file.
    pub hash: Arc<str>,
    /// Since when it is in force.
    pub since: UnixTime,
    /// Keys whose new values wait for a restart.
    pub waiting: Vec<&'static str>,
    /// The last configuration, if it was no good.
    pub refused: Option<Refused>,
    /// Configurations taken over, without the first one.
    pub applied: u64,
    /// Configurations that were refused, each as often as it was looked at.
    pub refusals: u64,
}

/// A configuration that is not in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// When it was looked at last.
    pub at: UnixTime,
    /// What is wrong with it, one by one: place, code and hint.
    pub problems: Vec<String>,
}

impl Reloads {
    /// The first configuration is in force.
    pub fn begun(now: UnixTime) -> Self {
        Self(Mutex::new(Arc::new(State {
            since: now,
            ..State::default()
        })))
    }

    /// The configuration in force came from a file.
    pub fn known_as(&self, hash: &str) {
        self.change(|state| state.hash = hash.into());
    }

    /// Another configuration is in force.
    pub fn applied(&self, hash: &str, waiting: Vec<&'static str>, now: UnixTime) {
        self.change(|state| {
            state.hash = hash.into();
            state.since = now;
            state.waiting = waiting;
            state.refused = None;
            state.applied += 1;
        });
    }

    /// Another configuration is no good. Answers whether that is news.
    pub fn refused(&self, problems: Vec<String>, now: UnixTime) -> bool {
        let mut news = false;
        self.change(|state| {
            let known = state.refused.as_ref().map(|refused| &refused.problems);
            news = known != Some(&problems);
            state.refused = Some(Refused { at: now, problems });
            state.refusals += 1;
        });
        news
    }

    /// How it stands.
    pub fn state(&self) -> Arc<State> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stands_beside_what_is_in_force_until_something_good_comes() {
        let at = UnixTime::from_millis;
        let board = Reloads::begun(at(1));
        board.known_as("a");
        assert!(board.refused(vec!["x".to_owned()], at(2)));
        assert!(!board.refused(vec!["x".to_owned()], at(3)), "no news");
        let state = board.state();
        assert_eq!((&*state.hash, state.since, state.refusals), ("a", at(1), 2));
        assert_eq!(
            state.refused.as_ref().map(|refused| refused.at),
            Some(at(3))
        );
        board.applied("b", vec!["listen"], at(4));
        let state = board.state();
        assert_eq!((&*state.hash, state.since, state.applied), ("b", at(4), 1));
        assert_eq!(state.waiting, ["listen"]);
        assert!(state.refused.is_none());
        board.applied("b", Vec::new(), at(5));
        assert!(board.state().waiting.is_empty());
    }
}
