//! What one core has for itself of one site: the sessions it opened lately, and what runs on.

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
use crate::telemetry::traces::Tracer;
use crate::upstream::Client;

/// A core's share of one site. Nothing in it is ever locked.
pub(super) struct Worker {
    pub(super) gateway: Arc<Gateway>,
    /// Shared with the workers of other sites on this core.
    pub(super) upstream: Rc<Client>,
    /// What runs on after its request was let in.
    pub(super) streams: Streams,
    pub(super) opened: RefCell<OpenedSessions>,
    pub(super) ids: RequestIds,
    pub(super) log: Option<Rc<AccessLog>>,
    pub(super) tracer: Option<Tracer>,
    pub(super) meter: Rc<Meter>,
    /// Ends streams that would outlive the process.
    pub(super) drain: CancellationToken,
}

impl Worker {
    /// Whether nothing is under way here any more, for a worker whose front is gone.
    pub(super) fn is_done(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1 && self.streams.are_none()
    }

    /// Ends what runs in the name of sessions that are over.
    pub(super) fn end_streams(&self) {
        let gateway = &self.gateway;
        let changes = gateway.refresher.changes();
        let (now, policy) = (gateway.clock.now(), gateway.standing.policy());
        let policy = policy.unwrap_or(gateway.store.policy);
        self.streams
            .sweep(now, policy, &gateway.revocations, changes);
    }
}
