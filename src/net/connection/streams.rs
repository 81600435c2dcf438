//! Where HTTP/2's streams run: on the worker that accepted the connection, and only as long as their
//! client takes what it asked for.

use std::cell::RefCell;
use std::rc::Rc;

use hyper::rt::Executor;

use crate::net::guard::Abandonable;
use crate::net::guard::Stall;

/// Spawns the tasks of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamExecutor {
    /// Whom the next task belongs to: hyper spawns a stream's task right after it called the service.
    next: Rc<RefCell<Option<Rc<Stall>>>>,
}

impl StreamExecutor {
    /// The next task ends when `stall` is over.
    pub(super) fn expect(&self, stall: Rc<Stall>) {
        *self.next.borrow_mut() = Some(stall);
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        match self.next.borrow_mut().take() {
            Some(stall) => {
                tokio::task::spawn_local(Abandonable::new(task, stall));
            }
            None => {
                tokio::task::spawn_local(task);
            }
        }
    }
}
