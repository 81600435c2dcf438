//! What one worker counts. No lock, no shared cache line: each worker writes to memory of its own,
//! a scrape reads it from outside.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::labels::Held;
use super::labels::Method;
use super::labels::Status;
use super::latency::Latency;
use crate::fault::Fault;

/// A number with one writer, so that adding needs no atomic read-modify-write.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    pub(super) fn take(&self, amount: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_sub(amount), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Where the requests of one route are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub(super) usize);

impl Slot {
    /// Requests that no route claims.
    pub const NOWHERE: Self = Self(0);

    /// Our own endpoints.
    pub const OWN: Self = Self(1);

    /// What [`super::Traffic::slots`] has given to the route that is the `index`th of all it ever knew.
    pub const fn route(index: usize) -> Self {
        Self(index.saturating_add(2))
    }
}

/// The numbers of one worker. On cache lines of its own, and of its neighbour's prefetcher.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Cells {
    pub(super) routes: Box<[RouteCells]>,
    refusals: [Count; Fault::ALL.len()],
    open: [Count; Held::ALL.len()],
}

impl Cells {
    /// Zeroes for so many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            routes: std::iter::repeat_with(RouteCells::default)
                .take(slots)
                .collect(),
            refusals: std::array::from_fn(|_| Count::default()),
            open: std::array::from_fn(|_| Count::default()),
        }
    }

    /// Adds all that `other` counted. Nobody else may write to either at the same time.
    pub(super) fn absorb(&self, other: &Self) {
        for (route, more) in self.routes.iter().zip(&other.routes) {
            for (count, more) in route
                .requests
                .iter()
                .flatten()
                .zip(more.requests.iter().flatten())
            {
                count.add(more.get());
            }
            route.own.absorb(&more.own);
            route.whole.absorb(&more.whole);
            route.upstream.absorb(&more.upstream);
        }
        for (count, more) in self.refusals.iter().zip(&other.refusals) {
            count.add(more.get());
        }
        for (count, more) in self.open.iter().zip(&other.open) {
            count.add(more.get());
        }
    }

    /// How often `fault` was the answer.
    pub(super) fn refused(&self, fault: Fault) -> u64 {
        entry(&self.refusals, &Fault::ALL, fault).map_or(0, Count::get)
    }

    /// How many of `kind` are open. May be off by what is under way in this moment.
    pub(super) fn held(&self, kind: Held) -> u64 {
        entry(&self.open, Held::ALL, kind).map_or(0, Count::get)
    }
}

/// The numbers of one route.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct RouteCells {
    requests: [[Count; Status::ALL.len()]; Method::ALL.len()],
    pub(super) whole: Latency,
    pub(super) own: Latency,
    pub(super) upstream: Latency,
}

impl RouteCells {
    /// How many requests were of this kind.
    pub(super) fn requests(&self, method: Method, status: Status) -> u64 {
        let row = entry(&self.requests, Method::ALL, method);
        let cell = row.and_then(|row| entry(row, Status::ALL, status));
        cell.map_or(0, Count::get)
    }
}

/// What a worker counts with. Stays on its thread, and is the only one that writes to its numbers.
#[derive(Debug)]
pub struct Meter {
    cells: Arc<Cells>,
    here: PhantomData<Rc<()>>,
}

impl Meter {
    pub(super) fn new(cells: Arc<Cells>) -> Self {
        Self {
            cells,
            here: PhantomData,
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.cells.routes.len()
    }

    pub(super) fn is_on(&self, cells: &Arc<Cells>) -> bool {
        Arc::ptr_eq(&self.cells, cells)
    }

    /// A request ended.
    pub fn request(&self, ended: &Ended<'_>) {
        if let Some(fault) = ended.fault
            && let Some(count) = entry(&self.cells.refusals, &Fault::ALL, fault)
        {
            count.add(1);
        }
        let Some(route) = self.cells.routes.get(ended.slot.0) else {
            return;
        };
        let row = entry(&route.requests, Method::ALL, Method::of(ended.method));
        if let Some(cell) = row.and_then(|row| entry(row, Status::ALL, Status::of(ended.status))) {
            cell.add(1);
        }
        route.whole.add(ended.whole);
        if let Some(own) = ended.own {
            route.own.add(own);
        }
        if let Some(upstream) = ended.upstream {
            route.upstream.add(upstream);
        }
    }

    /// Counts something as open until the answer is dropped.
    pub fn open(self: &Rc<Self>, kind: Held) -> Open {
        if let Some(count) = entry(&self.cells.open, Held::ALL, kind) {
            count.add(1);
        }
        Open {
            meter: Rc::clone(self),
            kind,
        }
    }
}

/// A request that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// What served it.
    pub slot: Slot,
    /// Its method.
    pub method: &'a http::Method,
    /// The answer's status.
    pub status: http::StatusCode,
    /// Why it was refused.
    pub fault: Option<Fault>,
    /// From its head to the answer's last byte.
    pub whole: Duration,
    /// From its head to sending it on.
    pub own: Option<Duration>,
    /// From sending it on to the upstream's head.
    pub upstream: Option<Duration>,
}

/// Something that is open.
#[derive(Debug)]
pub struct Open {
    meter: Rc<Meter>,
    kind: Held,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(count) = entry(&self.meter.cells.open, Held::ALL, self.kind) {
            count.take(1);
        }
    }
}

/// The entry of `value` in a table whose order is that of `all`.
pub(super) fn entry<'a, T, V: Copy + PartialEq>(
    table: &'a [T],
    all: &[V],
    value: V,
) -> Option<&'a T> {
    table.get(all.iter().position(|known| *known == value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_once_and_in_its_place() {
        let cells = Arc::new(Cells::new(3));
        let meter = Meter::new(Arc::clone(&cells));
        meter.request(&Ended {
            slot: Slot::route(0),
            method: &http::Method::POST,
            status: http::StatusCode::FORBIDDEN,
            fault: Some(Fault::CrossSite),
            whole: Duration::from_millis(3),
            own: None,
            upstream: None,
        });
        let mut counted = Vec::new();
        for (slot, route) in cells.routes.iter().enumerate() {
            for &method in Method::ALL {
                for &status in Status::ALL {
                    counted.extend(
                        (0..route.requests(method, status)).map(|_| (slot, method, status)),
                    );
                }
            }
        }
        assert_eq!(counted, [(2, Method::Write, Status::Refused)]);
        let refused: Vec<_> = Fault::ALL
            .into_iter()
            .filter(|&fault| cells.refused(fault) > 0)
            .collect();
        assert_eq!(refused, [Fault::CrossSite]);
    }

    #[test]
    fn what_is_dropped_is_no_longer_open() {
        let cells = Arc::new(Cells::new(2));
        let meter = Rc::new(Meter::new(Arc::clone(&cells)));
        let (one, other) = (meter.open(Held::Connection), meter.open(Held::Connection));
        assert_eq!(
            (cells.held(Held::Connection), cells.held(Held::Answer)),
            (2, 0)
        );
        drop(one);
        drop(other);
        assert_eq!(cells.held(Held::Connection), 0);
    }
}
