//! What is kept of a request until it ends, to be recorded then: also when the client goes away.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::Uri;
use http::request::Parts;
use tokio::time::Instant;

use super::fairness::Ticket;
use super::identify::RequestId;
use super::route::PathPrefix;
use super::rules::Rule;
use crate::fault::Fault;
use crate::http::refusal::Audience;
use crate::http::soap;
use crate::session::Live;
use crate::telemetry::access::AccessLog;
use crate::telemetry::access::AccessRecord;
use crate::telemetry::metrics::Meter;
use crate::telemetry::metrics::Slot;
use crate::telemetry::metrics::meter::Ended;
use crate::time::Clock;

/// A request on its way to becoming an access record and a few numbers, when this is dropped.
pub(super) struct Record {
    log: Option<Rc<AccessLog>>,
    meter: Rc<Meter>,
    clock: Arc<dyn Clock>,
    started: Instant,
    asked: Option<Instant>,
    own: Option<std::time::Duration>,
    upstream: Option<std::time::Duration>,
    id: RequestId,
    client: IpAddr,
    certificate: Option<Rc<HeaderValue>>,
    method: Method,
    uri: Uri,
    tenant: Option<Arc<str>>,
    route: Option<PathPrefix>,
    soap: Option<soap::Version>,
    slot: Slot,
    live: Option<Arc<Live>>,
    rule: Option<Arc<Rule>>,
    status: StatusCode,
    fault: Option<Fault>,
    bytes: u64,
    end: &'static str,
    /// A share of the API, until the request ends.
    ticket: Option<Ticket>,
}

impl Record {
    /// Begins with what is known of every request, in a place of its own: the answer that it is tied to moves
    /// around.
    pub(super) fn begin(
        log: Option<Rc<AccessLog>>,
        meter: Rc<Meter>,
        clock: Arc<dyn Clock>,
        id: RequestId,
        client: IpAddr,
        method: Method,
        uri: Uri,
    ) -> Box<Self> {
        Box::new(Self {
            log,
            meter,
            clock,
            started: Instant::now(),
            asked: None,
            own: None,
            upstream: None,
            id,
            client,
            certificate: None,
            method,
            uri,
            tenant: None,
            route: None,
            soap: None,
            slot: Slot::NOWHERE,
            live: None,
            rule: None,
            status: StatusCode::OK,
            fault: None,
            bytes: 0,
            end: "aborted",
            ticket: None,
        })
    }

    /// The tenant whose site was asked, by its name.
    pub(super) fn of(&mut self, tenant: Option<&Arc<str>>) {
        self.tenant = tenant.cloned();
    }

    /// The request's name.
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// The client has shown a certificate.
    pub(super) fn certified(&mut self, certificate: Option<Rc<HeaderValue>>) {
        self.certificate = certificate;
    }

    /// The certificate of the client, for tools.
    pub(super) fn certificate(&self) -> Option<Rc<HeaderValue>> {
        self.certificate.clone()
    }

    /// The client's address.
    pub(super) fn client(&self) -> IpAddr {
        self.client
    }

    /// The route was found.
    pub(super) fn routed(&mut self, slot: Slot, prefix: &PathPrefix) {
        self.slot = slot;
        self.route = Some(prefix.clone());
    }

    /// The route leads to an API that speaks SOAP, and so does the client if its request says so.
    pub(super) fn speaks_soap(&mut self, request: &Parts) {
        self.soap = soap::Version::of(&request.headers);
    }

    /// Who reads a refusal of this request.
    pub(super) fn audience(&self, request: &Parts) -> Audience {
        self.soap.map_or_else(
            || Audience::of(&request.method, &request.headers),
            Audience::Soap,
        )
    }

    /// The person is known.
    pub(super) fn identified(&mut self, live: &Arc<Live>) {
        self.live = Some(Arc::clone(live));
    }

    /// The request goes to an upstream.
    pub(super) fn asked(&mut self) {
        let now = Instant::now();
        self.asked = Some(now);
        self.own = Some(now.saturating_duration_since(self.started));
    }

    /// The upstream answered.
    pub(super) fn answered(&mut self) {
        self.upstream = self.asked.map(|asked| asked.elapsed());
    }

    /// The request was refused.
    pub(super) fn refused(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// The request has a share of the API.
    pub(super) fn holds(&mut self, ticket: Option<Ticket>) {
        self.ticket = ticket;
    }

    /// The answer's head.
    pub(super) fn status(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// A part of the answer's body.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The whole answer was handed over.
    pub(super) fn complete(&mut self) {
        self.end = "complete";
    }

    /// The session ended before the answer did.
    pub(super) fn cut(&mut self) {
        self.end = "session_ended";
    }

    /// The request was let in by this rule, which goes on to hold for what comes of it.
    pub(super) fn ruled(&mut self, rule: &Arc<Rule>) {
        self.rule = Some(Arc::clone(rule));
    }

    /// That rule.
    pub(super) fn rule(&self) -> Option<&Arc<Rule>> {
        self.rule.as_ref()
    }

    /// Who asked, if that is known.
    pub(super) fn live(&self) -> Option<&Arc<Live>> {
        self.live.as_ref()
    }

    /// What this is counted with.
    pub(super) fn meter(&self) -> &Rc<Meter> {
        &self.meter
    }

    /// The upstream broke its answer off.
    pub(super) fn broke_off(&mut self) {
        self.end = "upstream_broke_off";
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let whole = self.started.elapsed();
        self.meter.request(&Ended {
            slot: self.slot,
            method: &self.method,
            status: self.status,
            fault: self.fault,
            whole,
            own: self.own,
            upstream: self.upstream,
        });
        let Some(log) = &self.log else { return };
        let person = self.live.as_ref().map(|live| &live.session.person);
        log.write(&AccessRecord {
            at: self.clock.now(),
            id: self.id.as_str(),
            client: self.client,
            method: self.method.as_str(),
            path: self.uri.path(),
            status: self.status.as_u16(),
            tenant: self.tenant.as_deref(),
            route: self.route.as_ref().map_or("-", PathPrefix::as_str),
            user: person.map(|person| person.sub.as_str()),
            business_unit: person.and_then(|person| person.business_unit),
            fault: self.fault.map(Fault::code),
            duration: whole,
            upstream: self.upstream,
            bytes: self.bytes,
            end: self.end,
        });
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id.as_str())
            .finish_non_exhaustive()
    }
}
