//! What is taken down of a request whose trace is followed, and the spans that are made of it.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::time::Duration;

use http::Method;
use http::StatusCode;
use tokio::time::Instant;

use super::identify::RequestId;
use crate::fault::Fault;
use crate::http::Origin;
use crate::telemetry::traces::Span;
use crate::telemetry::traces::TraceContext;
use crate::telemetry::traces::Tracer;
use crate::telemetry::traces::span::Kind;
use crate::telemetry::traces::span::Moment;
use crate::time::UnixTime;
use crate::upstream::Trip;

/// The notes of one request.
#[derive(Debug)]
pub(super) struct Journal {
    tracer: Tracer,
    scheme: &'static str,
    session: Option<Stay>,
    attempts: Vec<Attempt>,
}

/// How long the session was looked for and, perhaps, waited for.
#[derive(Debug)]
struct Stay {
    begun: Instant,
    ended: Instant,
    found: bool,
    refresh: Option<TraceContext>,
}

/// One time that the request was sent to an upstream.
#[derive(Debug)]
struct Attempt {
    span: NonZeroU64,
    begun: Instant,
    answered: Option<Instant>,
    connected: Option<Instant>,
    is_new: bool,
    address: Option<Box<str>>,
    outcome: Option<Result<StatusCode, Fault>>,
}

/// On whose behalf a session is made fresh.
#[derive(Debug)]
pub(super) struct Cause {
    context: TraceContext,
    begun: Instant,
    refresh: Cell<Option<TraceContext>>,
}

impl Cause {
    /// The span that asks.
    pub(super) fn context(&self) -> TraceContext {
        self.context
    }

    /// It waits for a refresh, which has a span of its own if its trace is followed.
    pub(super) fn waits_for(&self, refresh: Option<TraceContext>) {
        self.refresh.set(refresh.or_else(|| self.refresh.get()));
    }
}

/// What the record knows of the whole request.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub(super) id: &'a RequestId,
    pub(super) client: String,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) route: Option<&'a str>,
    pub(super) tenant: Option<&'a str>,
    pub(super) business_unit: Option<u64>,
    pub(super) decision: &'static str,
    pub(super) status: StatusCode,
    pub(super) fault: Option<Fault>,
    pub(super) end: &'static str,
    pub(super) ended: Instant,
    pub(super) now: UnixTime,
    pub(super) duration: Duration,
}

impl Journal {
    pub(super) fn new(tracer: Tracer, is_https: bool) -> Self {
        Self {
            tracer,
            scheme: if is_https { "https" } else { "http" },
            session: None,
            attempts: Vec::new(),
        }
    }

    /// The session is looked for.
    pub(super) fn cause(id: &RequestId) -> Cause {
        Cause {
            context: id.context().with_span(id.span(SESSION)),
            begun: Instant::now(),
            refresh: Cell::new(None),
        }
    }

    /// And is there, or is not.
    pub(super) fn session(&mut self, cause: &Cause, found: bool) {
        self.session = Some(Stay {
            begun: cause.begun,
            ended: Instant::now(),
            found,
            refresh: cause.refresh.get(),
        });
    }

    /// The request is sent to an upstream.
    pub(super) fn sends(&mut self, span: NonZeroU64) {
        self.attempts.push(Attempt {
            span,
            begun: Instant::now(),
            answered: None,
            connected: None,
            is_new: false,
            address: None,
            outcome: None,
        });
    }

    /// And has been answered, or has not.
    pub(super) fn sent(&mut self, trip: &Trip, outcome: Result<StatusCode, Fault>) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.answered = Some(Instant::now());
            attempt.connected = trip.connected();
            attempt.is_new = trip.is_new();
            attempt.address = trip.address().map(Box::from);
            attempt.outcome = Some(outcome);
        }
    }

    /// The request is over.
    pub(super) fn close(self, whole: &Whole<'_>) {
        let at = |instant: Instant| {
            Moment::before(whole.now, whole.ended.saturating_duration_since(instant))
        };
        let end = at(whole.ended);
        let context = whole.id.context();
        let method = known(whole.method);
        let server = server_span(whole, context, self.scheme, end);
        if let Some(stay) = self.session {
            let own = context.with_span(whole.id.span(SESSION));
            let times = (at(stay.begun), at(stay.ended));
            let mut span = Span::new("session", Kind::Internal, own, Some(context.span), times)
                .flag("sidegate.session.found", stay.found);
            if let Some(refresh) = stay.refresh {
                span = span.link(refresh);
            }
            self.tracer.record(span);
        }
        for attempt in self.attempts {
            // The last one goes on until the answer's last byte.
            let answered = attempt.answered.unwrap_or(whole.ended);
            let last = matches!(attempt.outcome, Some(Ok(status)) if status == whole.status);
            let until = if last { end } else { at(answered) };
            self.tracer.record(attempt.span(context, method, until, at));
        }
        self.tracer.record(server);
    }
}

impl Attempt {
    fn span(
        self,
        context: TraceContext,
        method: &'static str,
        until: Moment,
        at: impl Fn(Instant) -> Moment,
    ) -> Span {
        let own = context.with_span(self.span);
        let times = (at(self.begun), until);
        let mut span = Span::new(method, Kind::Client, own, Some(context.span), times)
            .text("http.request.method", method)
            .flag("sidegate.connection.new", self.is_new);
        if let Some(address) = &self.address {
            span = match Origin::parse(address) {
                Ok(origin) => span
                    .text("server.address", origin.host())
                    .number("server.port", origin.port().into()),
                // A socket in the file system.
                Err(_) => span.text("server.address", &**address),
            };
        }
        if let Some(connected) = self.connected {
            span = span.event("connected", at(connected));
        }
        match self.outcome {
            Some(Ok(status)) => {
                span = span.number("http.response.status_code", status.as_u16().into());
                if let Some(answered) = self.answered {
                    span = span.event("first_byte", at(answered));
                }
                // To a client, what it is refused is an error too.
                if status.is_client_error() || status.is_server_error() {
                    span = span.failed(status.as_str());
                }
                span
            }
            Some(Err(fault)) => span.failed(fault.code()),
            None => span.failed("aborted"),
        }
    }
}

fn server_span(
    whole: &Whole<'_>,
    context: TraceContext,
    scheme: &'static str,
    end: Moment,
) -> Span {
    let start = Moment::before(whole.now, whole.duration);
    let method = known(whole.method);
    let name = match whole.route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    };
    let mut span = Span::new(name, Kind::Server, context, whole.id.parent(), (start, end))
        .text("http.request.method", method)
        .text("url.scheme", scheme)
        .text("url.path", whole.path)
        .number("http.response.status_code", whole.status.as_u16().into())
        .text("client.address", &*whole.client)
        .text("sidegate.request_id", whole.id.as_str())
        .text("sidegate.decision", whole.decision)
        .text("sidegate.end", whole.end);
    if let Some(state) = whole.id.tracestate().and_then(|state| state.to_str().ok()) {
        span = span.state(state);
    }
    if let Some(route) = whole.route {
        span = span.text("http.route", route);
    }
    if let Some(tenant) = whole.tenant {
        span = span.text("sidegate.tenant", tenant);
    }
    if let Some(unit) = whole.business_unit {
        span = span.number("sidegate.business_unit", unit);
    }
    if let Some(fault) = whole.fault {
        span = span.text("sidegate.code", fault.code());
    }
    // A server is not to blame for what it refuses.
    if whole.status.is_server_error() {
        span = match whole.fault {
            Some(fault) => span.failed(fault.code()),
            None => span.failed(whole.status.as_str()),
        };
    }
    span
}

/// A method by its name, if it is one that everybody knows: others are the client's own words.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// The number of the session's span.
const SESSION: u8 = 1;
