//! What one core has for itself: its upstream connections and the sessions it opened lately.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::identify::RequestIds;
use super::streams::Streams;
use crate::session::OpenedSessions;
use crate::telemetry::access::AccessLog;
use crate::telemetry::metrics::Meter;
use crate::upstream::Client;

/// A core's share of the gateway. Nothing in it is ever locked.
pub struct Worker {
    pub(super) gateway: Arc<Gateway>,
    pub(super) upstream: Client,
    /// What runs on after its request was let in.
    pub(super) streams: Streams,
    pub(super) opened: RefCell<OpenedSessions>,
    pub(super) ids: RequestIds,
    pub(super) log: Option<Rc<AccessLog>>,
    pub(super) meter: Rc<Meter>,
    /// Ends streams that would outlive the process.
    pub(super) drain: CancellationToken,
}

impl Worker {
    /// A worker with nothing opened yet.
    pub fn new(
        gateway: Arc<Gateway>,
        upstream: Client,
        log: Option<AccessLog>,
        drain: CancellationToken,
    ) -> Self {
        Self {
            ids: RequestIds::new(gateway.entropy.as_ref()),
            meter: Rc::new(gateway.traffic.meter()),
            gateway,
            upstream,
            streams: Streams::default(),
            opened: RefCell::default(),
            log: log.map(Rc::new),
            drain,
        }
    }

    /// Ends what runs in the name of sessions that are over.
    pub fn end_streams(&self) {
        let gateway = &self.gateway;
        let changes = gateway.refresher.changes();
        self.streams
            .sweep(gateway.clock.now(), &gateway.revocations, changes);
    }

    /// Housekeeping, once a second.
    pub fn tick(&self) {
        self.end_streams();
        self.upstream.sweep();
        if let Some(log) = &self.log {
            log.flush();
        }
    }
}
