//! Which site a request is for. A gateway has one, or several that tell tenants apart by their hosts.
//!
//! Each site is a whole gateway of its own: credentials, sessions, routes, refreshes. What is shared by all
//! is named in [`House`] and in the composition root, and nothing that a request brings decides about it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::Either;
use http::HeaderMap;
use http::Request;
use http::Response;
use http::Uri;
use http::Version;
use http::header;
use http::uri::Authority;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Gateway;
use super::body::AnswerBody;
use super::identify::RequestIds;
use super::pipeline::CLOSE;
use super::pipeline::ends_connection;
use super::record::Record;
use super::stages::X_REQUEST_ID;
use super::streams::Streams;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::net::ClientBody;
use crate::net::Handler;
use crate::net::InHand;
use crate::net::Peer;
use crate::net::client::Client as Whence;
use crate::telemetry::access::AccessLog;
use crate::telemetry::metrics::Meter;
use crate::telemetry::metrics::Open;
use crate::telemetry::metrics::Traffic;
use crate::telemetry::metrics::labels::Held;
use crate::telemetry::traces::Tracer;
use crate::upstream::Client;

/// All sites of a process.
pub struct House {
    /// The only one, or the first.
    pub first: Arc<Gateway>,
    /// The others. No two have a host in common.
    pub more: Vec<Arc<Gateway>>,
    /// Counts what is of no site: connections, and requests for hosts that are not served.
    pub hall: Arc<Traffic>,
    /// Takes the spans of traces that are followed, where any are.
    pub tracer: Option<Tracer>,
}

impl House {
    /// Every site.
    pub fn sites(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// One core's workers, one for each site, behind one door.
pub struct Front {
    first: Rc<Worker>,
    /// Empty where there is one site: then nothing is looked up.
    by_host: HashMap<Box<str>, Rc<Worker>>,
    /// Each once.
    workers: Vec<Rc<Worker>>,
    upstream: Rc<Client>,
    log: Option<Rc<AccessLog>>,
    meter: Rc<Meter>,
    ids: RequestIds,
}

impl Front {
    /// Workers for all sites of `house`, which share the connections to upstreams and the log. They go
    /// on counting where those of the front `before` do.
    pub fn new(
        before: Option<&Self>,
        house: &House,
        upstream: Client,
        log: Option<AccessLog>,
        drain: &CancellationToken,
    ) -> Self {
        let (upstream, log) = (Rc::new(upstream), log.map(Rc::new));
        let meter = |traffic: &Traffic| {
            let before = before.into_iter();
            let mut known = before.flat_map(Self::meters);
            let known = known.find(|meter| traffic.is_of(meter)).cloned();
            known.unwrap_or_else(|| Rc::new(traffic.meter()))
        };
        let sample = house.tracer.as_ref().map(Tracer::sample);
        let worker = |gateway: &Arc<Gateway>| {
            Rc::new(Worker {
                ids: RequestIds::new(gateway.entropy.as_ref()).following(sample),
                tracer: house.tracer.clone(),
                meter: meter(&gateway.traffic),
                gateway: Arc::clone(gateway),
                upstream: Rc::clone(&upstream),
                streams: Streams::shown_by(&gateway.standing),
                opened: RefCell::default(),
                log: log.clone(),
                drain: drain.clone(),
            })
        };
        let workers: Vec<_> = house.sites().map(worker).collect();
        let first = workers.first().cloned();
        let first = first.unwrap_or_else(|| worker(&house.first));
        let mut by_host = HashMap::new();
        for worker in workers.iter().filter(|_| !house.more.is_empty()) {
            for host in worker.gateway.site.authorities() {
                by_host.insert(host.as_str().into(), Rc::clone(worker));
            }
        }
        let meter = if house.more.is_empty() {
            Rc::clone(&first.meter)
        } else {
            meter(&house.hall)
        };
        Self {
            ids: RequestIds::new(house.first.entropy.as_ref()),
            first,
            by_host,
            workers,
            upstream,
            log,
            meter,
        }
    }

    /// Its way to upstreams.
    pub fn upstream(&self) -> &Client {
        &self.upstream
    }

    fn meters(&self) -> impl Iterator<Item = &Rc<Meter>> {
        let meters = self.workers.iter().map(|worker| &worker.meter);
        meters.chain([&self.meter])
    }

    /// Where its requests leave their records.
    pub(super) fn log(&self) -> Option<&Rc<AccessLog>> {
        self.log.as_ref()
    }

    /// Its workers, each once.
    pub(super) fn workers(&self) -> &[Rc<Worker>] {
        &self.workers
    }

    /// Ends what runs in the name of sessions that are over.
    pub fn end_streams(&self) {
        for worker in &self.workers {
            worker.end_streams();
        }
    }

    /// Housekeeping, once a second.
    pub fn tick(&self) {
        self.end_streams();
        self.upstream.sweep();
        if let Some(log) = &self.log {
            log.flush();
        }
    }

    /// The worker of the site that a request names. Whether it names that one alone is for the site to see.
    fn site(&self, uri: &Uri, headers: &HeaderMap) -> Option<&Rc<Worker>> {
        if self.by_host.is_empty() {
            return Some(&self.first);
        }
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let named = uri.authority().map(Authority::as_str).or(host)?;
        self.by_host
            .get(named)
            .or_else(|| self.by_host.get(named.to_ascii_lowercase().as_str()))
    }

    /// The answer to a request that is for none of the sites. It tells of none either.
    fn turn_away(
        &self,
        request: Request<ClientBody>,
        peer: &Peer,
        in_hand: InHand,
    ) -> Response<AnswerBody> {
        let (parts, _body) = request.into_parts();
        let gateway = &self.first.gateway;
        let client = Whence::of(peer, &parts.headers, &gateway.trusted);
        let id = self.ids.identify(&parts.headers, client.vouched);
        let fault = match gateway.site.admit(&parts.uri, &parts.headers) {
            Err(fault) => fault,
            // Not the way here: whoever names the first site is served by it.
            Ok(()) => Fault::UnknownHost,
        };
        let audience = Audience::of(&parts.method, &parts.headers);
        let mut answer =
            Refusal::from(fault).reply(audience, &gateway.pages.to(&parts.headers), id.as_str());
        if ends_connection(fault) && parts.version < Version::HTTP_2 {
            answer.headers_mut().insert(header::CONNECTION, CLOSE);
        }
        let (log, meter) = (self.log.clone(), Rc::clone(&self.meter));
        let clock = Arc::clone(&gateway.clock);
        let mut record = Record::begin(
            log,
            meter,
            clock,
            id,
            client.address,
            parts.method,
            parts.uri,
        );
        record.refused(fault);
        answer
            .headers_mut()
            .insert(X_REQUEST_ID, record.id().header().clone());
        record.status(answer.status());
        answer
            .map(AnswerBody::from)
            .map(|body| body.ending(record, in_hand, &self.first.streams))
    }
}

impl Handler for Front {
    type Body = AnswerBody;
    type Open = Open;

    fn connected(&self) -> Open {
        self.meter.open(Held::Connection)
    }

    fn handle(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Peer,
        in_hand: InHand,
    ) -> impl Future<Output = Response<AnswerBody>> {
        let worker = self.site(request.uri(), request.headers()).cloned();
        match worker {
            Some(worker) if self.by_host.is_empty() => {
                Either::Left(in_place(|| worker.handle(request, peer, in_hand)))
            }
            Some(worker) => {
                let span = worker.gateway.span.clone();
                let named = in_place(|| worker.handle(request, peer, in_hand).instrument(span));
                Either::Right(Either::Left(named))
            }
            None => Either::Right(Either::Right(ready(
                self.turn_away(request, &peer, in_hand),
            ))),
        }
    }
}

/// The future that `make` makes, boxed. Those of requests have kilobytes, of which little is filled in at first:
/// its place is there before it is, or all of them would be copied into it.
fn in_place<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let place = Box::new_uninit();
    Box::into_pin(Box::write(place, make()))
}
