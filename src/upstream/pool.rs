//! Kept connections to upstreams. Each worker has a pool of its own, so nothing here is locked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::body::RequestBody;
use crate::http::Origin;

/// A connection that can take a request, and the task that drives it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    _driver: Driver,
}

impl Connection {
    /// A connection that ends with this handle.
    pub(super) fn new(sender: SendRequest<RequestBody>, driver: AbortHandle) -> Self {
        Self {
            sender,
            _driver: Driver(driver),
        }
    }
}

/// Lets go of what is still being sent: whoever waits for a client that was answered already may wait
/// for ever.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Idle connections by origin, the one used last on top.
#[derive(Clone, Debug)]
pub(super) struct Pool(Rc<Shelves>);

#[derive(Debug)]
struct Shelves {
    idle: RefCell<HashMap<Origin, Vec<Idle>>>,
    keep: Duration,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A pool that keeps connections for `keep` after their last exchange.
    pub(super) fn new(keep: Duration) -> Self {
        Self(Rc::new(Shelves {
            idle: RefCell::default(),
            keep,
        }))
    }

    /// An open connection to `origin`, if one is idle.
    pub(super) fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.0.idle.borrow_mut();
        let kept = idle.get_mut(origin)?;
        while let Some(Idle { connection, since }) = kept.pop() {
            if connection.sender.is_closed() {
                continue;
            }
            if since.elapsed() >= self.0.keep {
                // All below it are older.
                kept.clear();
                return None;
            }
            return Some(connection);
        }
        None
    }

    /// The right to give a connection back.
    pub(super) fn lease(&self, origin: &Origin, connection: Connection) -> Lease {
        Lease {
            pool: self.clone(),
            origin: origin.clone(),
            connection,
        }
    }

    /// Lets go of connections that were not used for long, and of origins without any.
    pub(super) fn sweep(&self) {
        self.0.idle.borrow_mut().retain(|_, kept| {
            kept.retain(|idle| {
                !idle.connection.sender.is_closed() && idle.since.elapsed() < self.0.keep
            });
            !kept.is_empty()
        });
    }

    /// How many connections are kept.
    pub(super) fn len(&self) -> usize {
        self.0.idle.borrow().values().map(Vec::len).sum()
    }
}

/// A connection out on loan. Dropped without [`Lease::give_back`], it is closed at once.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Pool,
    origin: Origin,
    connection: Connection,
}

impl Lease {
    /// Takes requests.
    pub(super) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.connection.sender
    }

    /// Back to the pool, unless it was closed or there are many already.
    pub(super) fn give_back(self) {
        if self.connection.sender.is_closed() {
            return;
        }
        let mut idle = self.pool.0.idle.borrow_mut();
        let kept = match idle.get_mut(&self.origin) {
            Some(kept) => kept,
            None => idle.entry(self.origin).or_default(),
        };
        if kept.len() < MAX_IDLE {
            kept.push(Idle {
                connection: self.connection,
                since: Instant::now(),
            });
        }
    }
}

/// Idle connections kept per origin and worker.
const MAX_IDLE: usize = 256;
