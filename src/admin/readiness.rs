//! What probes are told: whether it lives, has started, and should be given traffic.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

/// Whether traffic should come.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
    /// Whether the store answers, if sessions cannot do without one.
    store: Mutex<Option<watch::Receiver<bool>>>,
}

impl Readiness {
    /// Depends on a store that says whether it answers.
    pub fn with_store(store: watch::Receiver<bool>) -> Self {
        Self {
            store: Mutex::new(Some(store)),
            ..Self::default()
        }
    }

    /// Depends on this store from now on, or on none.
    pub fn depend_on(&self, store: Option<watch::Receiver<bool>>) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    /// The configuration is in force and every worker accepts. Stays so until the end.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Whether the store answers, or sessions do without one.
    pub fn has_its_store(&self) -> bool {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.as_ref().is_none_or(|store| *store.borrow())
    }

    /// No more traffic should come. Stays so until the end.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Why the start is not over; empty if it is. The provider and the store have no say in it: a
    /// gateway that waited for them would be restarted for their troubles.
    pub fn unstarted(&self) -> Vec<&'static str> {
        let starting = !self.started.load(Ordering::Relaxed);
        starting.then_some(STARTING).into_iter().collect()
    }

    /// Why no traffic should come; empty if it should.
    pub fn obstacles(&self) -> Vec<&'static str> {
        let draining = self.draining.load(Ordering::Relaxed);
        let alone = !self.has_its_store();
        let further = [(draining, "draining"), (alone, "session_store")];
        let further = further.into_iter().filter(|(is, _)| *is);
        let mut obstacles = self.unstarted();
        obstacles.extend(further.map(|(_, name)| name));
        obstacles
    }
}

const STARTING: &str = "starting";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_ends_once_and_a_drain_does_not_undo_it() {
        let (store, answers) = watch::channel(false);
        let readiness = Readiness::with_store(answers);
        assert_eq!(readiness.unstarted(), ["starting"]);
        assert_eq!(readiness.obstacles(), ["starting", "session_store"]);
        readiness.set_started();
        assert!(readiness.unstarted().is_empty(), "whatever the store does");
        assert_eq!(readiness.obstacles(), ["session_store"]);
        store.send_replace(true);
        assert!(readiness.obstacles().is_empty());
        readiness.set_draining();
        assert!(readiness.unstarted().is_empty());
        assert_eq!(readiness.obstacles(), ["draining"]);
    }
}
