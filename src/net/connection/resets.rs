//! Requests that an HTTP/2 client takes back before they are answered. They do not count as streams any
//! more, but the tool has begun to work on them (CVE-2023-44487).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::guard::Watch;

/// Weighs what is taken back on one connection against what is answered.
#[derive(Debug)]
pub(super) struct Resets {
    watch: Arc<Watch>,
    beyond: Cell<u32>,
}

impl Resets {
    pub(super) fn new(watch: &Arc<Watch>) -> Rc<Self> {
        Rc::new(Self {
            watch: Arc::clone(watch),
            beyond: Cell::new(0),
        })
    }

    /// A request begins.
    pub(super) fn expect(self: &Rc<Self>) -> Expected {
        Expected(Some(Rc::clone(self)))
    }

    fn taken_back(&self) {
        let beyond = self.beyond.get() + 1;
        self.beyond.set(beyond);
        if beyond == MOST {
            tracing::info!(
                event = "connections.cut",
                limit = "requests taken back",
                connections = 1,
                "A client takes back nearly all that it asks for."
            );
            self.watch.cut();
        }
    }
}

/// A request whose answer is expected; dropped before that, it was taken back.
#[derive(Debug)]
pub(super) struct Expected(Option<Rc<Resets>>);

impl Expected {
    /// The answer is there.
    pub(super) fn answered(mut self) {
        if let Some(resets) = self.0.take() {
            resets.beyond.set(resets.beyond.get().saturating_sub(1));
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if let Some(resets) = self.0.take() {
            resets.taken_back();
        }
    }
}

/// Requests that a client may take back beyond those that it lets be answered.
const MOST: u32 = 200;
