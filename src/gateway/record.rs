//! What is kept of a request until it ends, to be recorded then: also when the client goes away.

use std::cell::Cell;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::Uri;
use http::request::Parts;
use tokio::time::Instant;

use super::explain::Decision;
use super::fairness::Ticket;
use super::identify::RequestId;
use super::journal::Cause;
use super::journal::Journal;
use super::journal::Whole;
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
use crate::telemetry::traces::TraceContext;
use crate::telemetry::traces::Tracer;
use crate::time::Clock;
use crate::upstream::Trip;

/// A request on its way to becoming an access record and a few numbers, when this is dropped.
pub(super) struct Record {
    log: Option<Rc<AccessLog>>,
    meter: Rc<Meter>,
    clock: Arc<dyn Clock>,
    started: Instant,
    asked: Option<Instant>,
    own: Option<Duration>,
    waited: Option<Duration>,
    /// Until the answer's head.
    head: Option<Duration>,
    trip: Trip,
    journal: Option<Box<Journal>>,
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
    decision: Decision,
    /// Whether the request is recorded in any case.
    notable: bool,
    status: StatusCode,
    fault: Option<Fault>,
    read: Option<Rc<Cell<u64>>>,
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
            waited: None,
            head: None,
            trip: Trip::default(),
            journal: None,
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
            decision: Decision::Own,
            notable: false,
            status: StatusCode::OK,
            fault: None,
            read: None,
            bytes: 0,
            end: "aborted",
            ticket: None,
        })
    }

    /// The request's trace is followed.
    pub(super) fn follow(&mut self, tracer: &Tracer, is_https: bool) {
        self.journal = Some(Box::new(Journal::new(tracer.clone(), is_https)));
        self.trip = Trip::timed();
    }

    /// Counts what is read of the request's body.
    pub(super) fn reads(&mut self, read: Option<Rc<Cell<u64>>>) {
        self.read = read;
    }

    /// Such requests are few, and each of them counts.
    pub(super) fn is_notable(&mut self) {
        self.notable = true;
    }

    /// The session is looked for, on behalf of a trace that is followed.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.journal.as_ref().map(|_| Journal::cause(&self.id))
    }

    /// This request's own span, where its trace is followed.
    pub(super) fn context(&self) -> Option<TraceContext> {
        self.journal.as_ref().map(|_| self.id.context())
    }

    /// And is there, or is not.
    pub(super) fn session(&mut self, cause: Option<&Cause>, found: bool) {
        if let (Some(journal), Some(cause)) = (&mut self.journal, cause) {
            journal.session(cause, found);
        }
    }

    /// The request is sent, with this span.
    pub(super) fn sends(&mut self, span: NonZeroU64) -> &mut Trip {
        if let Some(journal) = &mut self.journal {
            journal.sends(span);
        }
        &mut self.trip
    }

    /// And has been answered, or has not.
    pub(super) fn sent_on(&mut self, outcome: Result<StatusCode, Fault>) {
        if let Some(journal) = &mut self.journal {
            journal.sent(&self.trip, outcome);
        }
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
        self.decision = Decision::Forward;
        let now = Instant::now();
        self.asked = Some(now);
        self.own = Some(now.saturating_duration_since(self.started));
    }

    /// The upstream answered.
    pub(super) fn answered(&mut self) {
        self.waited = self.asked.map(|asked| asked.elapsed());
    }

    /// The request was refused, or the upstream failed.
    pub(super) fn refused(&mut self, fault: Fault) {
        self.fault = Some(fault);
        if self.decision != Decision::Forward {
            self.decision = Decision::Refuse(fault);
        }
    }

    /// The request starts a sign-in instead.
    pub(super) fn signs_in(&mut self) {
        self.decision = Decision::SignIn;
    }

    /// The request has a share of the API.
    pub(super) fn holds(&mut self, ticket: Option<Ticket>) {
        self.ticket = ticket;
    }

    /// The answer's head.
    pub(super) fn status(&mut self, status: StatusCode) {
        self.status = status;
        self.head = Some(self.started.elapsed());
    }

    /// A part of the answer's body.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The whole answer was handed over.
    pub(super) fn complete(&mut self) {
        self.end = COMPLETE;
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

impl Record {
    /// Whether something is worth a record beyond that there was a request.
    fn is_remarkable(&self, log: &AccessLog, until_head: Duration) -> bool {
        self.notable
            || self.fault.is_some()
            || self.status.is_server_error()
            || self.end != COMPLETE
            || log.is_slow(until_head)
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
            upstream: self.waited,
        });
        let person = self.live.as_ref().map(|live| &live.session.person);
        let business_unit = person.and_then(|person| person.business_unit);
        if let Some(journal) = self.journal.take() {
            journal.close(&Whole {
                id: &self.id,
                client: self.client.to_string(),
                method: &self.method,
                path: self.uri.path(),
                route: self.route.as_ref().map(PathPrefix::as_str),
                tenant: self.tenant.as_deref(),
                business_unit,
                decision: self.decision.as_str(),
                status: self.status,
                fault: self.fault,
                end: self.end,
                ended: self.started + whole,
                now: self.clock.now(),
                duration: whole,
            });
        }
        let Some(log) = &self.log else { return };
        let until_head = self.head.unwrap_or(whole);
        let remarkable = self.is_remarkable(log, until_head);
        let Some(sample) = log.keeps(remarkable, self.id.lot()) else {
            return;
        };
        let trace = self.id.trace();
        log.write(&AccessRecord {
            at: self.clock.now(),
            id: self.id.as_str(),
            trace: trace.as_ref().and_then(|id| std::str::from_utf8(id).ok()),
            client: self.client,
            method: &self.method,
            path: self.uri.path(),
            status: self.status.as_u16(),
            tenant: self.tenant.as_deref(),
            route: self.route.as_ref().map_or("-", PathPrefix::as_str),
            user: person.map(|person| person.sub.as_str()),
            business_unit,
            decision: self.decision.as_str(),
            fault: self.fault.map(Fault::code),
            upstream: self.trip.address(),
            duration: whole,
            gateway: until_head.saturating_sub(self.waited.unwrap_or_default()),
            waited: self.waited,
            bytes_in: self.read.as_ref().map_or(0, |read| read.get()),
            bytes: self.bytes,
            end: self.end,
            sample,
        });
    }
}

/// How a request ends that goes well.
const COMPLETE: &str = "complete";

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id.as_str())
            .finish_non_exhaustive()
    }
}
