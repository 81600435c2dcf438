//! One exchange: a kept or a new connection, the request, the answer's head, within deadlines.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use foldhash::fast::RandomState;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::header;
use http_body::Body;
use tokio::time::Instant;
use tokio::time::timeout;

use super::alarm::Alarm;
use super::body::RequestBody;
use super::body::ResponseBody;
use super::body::Sent;
use super::body::Transit;
use super::cluster::Cluster;
use super::connect::Connector;
use super::dice::Dice;
use super::error::UpstreamError;
use super::lease::Lease;
use super::member::Member;
use super::settings::Upstream;
use super::shared::Tool;
use super::shared::Upstreams;
use super::trip::Trip;
use crate::http::Origin;
use crate::telemetry::metrics::Pool;
use crate::telemetry::metrics::TENANTS;

/// A worker's way to all upstreams.
pub struct Client {
    shared: Arc<Upstreams>,
    tools: Vec<Rc<Cluster>>,
    /// Each with whether its name has to lead to public addresses.
    tenants: RefCell<HashMap<Origin, (Rc<Cluster>, bool), RandomState>>,
    /// Counts the connections to all of them.
    of_tenants: Rc<Pool>,
    connector: Connector,
    dice: Dice,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// To a tool.
    Tool(&'a Upstream),
    /// To a tenant's API.
    Tenant {
        /// Its base URL.
        origin: &'a Origin,
        /// The same as a `Host` field says it.
        host: &'a HeaderValue,
        /// Whether its name has to lead to public addresses.
        public_only: bool,
    },
}

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(upstream) => fmt::Display::fmt(upstream, f),
            Self::Tenant { origin, .. } => fmt::Display::fmt(origin, f),
        }
    }
}

impl Client {
    /// A client without connections. `seed` is what its choices follow from.
    pub fn new(shared: Arc<Upstreams>, seed: u64) -> Self {
        Self::after(None, shared, seed)
    }

    /// One that goes on with the connections of the one `before` it, to what is still there.
    pub fn after(before: Option<&Self>, shared: Arc<Upstreams>, seed: u64) -> Self {
        let before = before.filter(|before| before.shared.pools_like(&shared));
        let known = |tool: &Arc<Tool>| {
            let before = before?;
            let mut tools = before.shared.tools.iter();
            let slot = tools.position(|known| Arc::ptr_eq(known, tool))?;
            before.tools.get(slot).map(Rc::clone)
        };
        let pools = shared.pools();
        let cluster = |tool: &Arc<Tool>| {
            known(tool).unwrap_or_else(|| {
                let pool = pools.meter(tool.pool);
                let member = |endpoint| {
                    let (endpoint, pool) = (Arc::clone(endpoint), Rc::clone(&pool));
                    Member::new(endpoint, pool, shared.limits, shared.timeouts)
                };
                Rc::new(Cluster::new(tool.endpoints.iter().map(member)))
            })
        };
        let of_tenants = before.map(|before| Rc::clone(&before.of_tenants));
        Self {
            tools: shared.tools.iter().map(cluster).collect(),
            of_tenants: of_tenants.unwrap_or_else(|| pools.meter(TENANTS)),
            tenants: before.map_or_else(RefCell::default, |before| before.tenants.clone()),
            connector: Connector::new(),
            dice: Dice::new(seed),
            shared,
        }
    }

    /// Sends a request and waits for the answer's head. `request` holds an origin-form target and a
    /// `Host` field; `again` makes the same request once more, if sending it twice does no harm:
    /// idempotent and without a body (RFC 9110 §9.2.2). `trip` learns where it went.
    ///
    /// The request is boxed: by value it would stand in the future of each step on its way, and be copied
    /// from one to the next.
    pub async fn send(
        &self,
        way: Way<'_>,
        request: Box<Request<RequestBody>>,
        again: impl FnOnce() -> Option<Request<RequestBody>>,
        trip: &mut Trip,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let cluster = self.cluster(way).ok_or(UpstreamError::Unknown)?;
        // What happens seldom has a place of its own: this future is part of every request's.
        let lease = if let Some(lease) = cluster.lease_kept(&self.dice) {
            lease
        } else {
            let leased = Box::pin(cluster.lease(&self.connector, &self.dice)).await;
            leased.inspect_err(|_| trip.missed(&cluster))?
        };
        let (is_new, member) = (lease.is_new, lease.member());
        trip.reached(&member, is_new);
        let request = match self.exchange(lease, request).await {
            Ok(response) => return Ok(response),
            Err(lost) if is_new && lost.loss != Loss::Refused => return Err(lost.error),
            // A kept connection may have been closed at the very moment we wrote to it. A request
            // that was never sent goes out again; one that was only if that does no harm, and on a
            // connection that cannot be stale.
            Err(Lost {
                unsent: Some(request),
                ..
            }) => request,
            Err(Lost {
                error: UpstreamError::Exchange(error),
                loss: Loss::Connection | Loss::Refused,
                ..
            }) if !error.is_parse() => Box::new(again().ok_or(UpstreamError::Exchange(error))?),
            Err(lost) => return Err(lost.error),
        };
        Box::pin(self.send_again(&cluster, &member, request)).await
    }

    async fn send_again(
        &self,
        cluster: &Cluster,
        member: &Rc<Member>,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let lease = cluster.lease_again(member, &self.connector, &self.dice);
        let outcome = self.exchange(lease.await?, request).await;
        outcome.map_err(|lost| lost.error)
    }

    fn cluster(&self, way: Way<'_>) -> Option<Rc<Cluster>> {
        match way {
            Way::Tool(upstream) => self.tools.get(upstream.slot).map(Rc::clone),
            Way::Tenant {
                origin,
                public_only,
                ..
            } => Some(self.tenant(origin, public_only)),
        }
    }

    /// Lets go of connections that were not used for long, and of tenants without any.
    pub fn sweep(&self) {
        for member in self.tools.iter().flat_map(|cluster| cluster.members()) {
            member.sweep();
        }
        self.tenants.borrow_mut().retain(|_, (cluster, _)| {
            cluster.members().iter().for_each(|member| member.sweep());
            !cluster.members().iter().all(|member| member.is_unused())
        });
    }

    /// How many connections are kept.
    pub fn idle_connections(&self) -> usize {
        let tenants = self.tenants.borrow();
        let tenants = tenants.values().flat_map(|(cluster, _)| cluster.members());
        let tools = self.tools.iter().flat_map(|cluster| cluster.members());
        tools.chain(tenants).map(|member| member.kept()).sum()
    }

    fn tenant(&self, origin: &Origin, public_only: bool) -> Rc<Cluster> {
        let mut tenants = self.tenants.borrow_mut();
        // Whether a host has to be public may change with the configuration.
        if let Some((cluster, _)) = tenants
            .get(origin)
            .filter(|(_, asked)| *asked == public_only)
        {
            return Rc::clone(cluster);
        }
        let endpoint = self.shared.tenant(origin, public_only);
        let pool = Rc::clone(&self.of_tenants);
        let member = Member::new(endpoint, pool, self.shared.limits, self.shared.timeouts);
        let cluster = Rc::new(Cluster::new([member]));
        tenants.insert(origin.clone(), (Rc::clone(&cluster), public_only));
        cluster
    }

    async fn exchange(
        &self,
        lease: Lease,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, Lost> {
        // Dropped on every way out but the good one, it ends the connection.
        let mut lease = lease;
        if !lease.is_ready() && !Box::pin(settles(&mut lease)).await {
            // Its last answer ended, but so did the connection, or it is not free yet.
            return Err(Lost {
                error: UpstreamError::Closed,
                unsent: Some(request),
                loss: Loss::Connection,
            });
        }
        let sent = Sent::of(request.body());
        let transit = request.body().transit();
        let limit = self.shared.timeouts.response;
        let deadline = Instant::now() + limit;
        let mut alarm = lease.take_alarm(deadline);
        let answered = {
            let answer = std::pin::pin!(lease.send(request, transit.as_ref()));
            within(deadline, limit, &mut alarm, transit.as_deref(), answer).await
        };
        lease.keep_alarm(alarm);
        let outcome = answered.map_err(|error| Lost {
            error,
            unsent: None,
            loss: Loss::Exchange,
        })?;
        let response = outcome.map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            if unsent.is_some() {
                lease.spare_upload();
            }
            let broken = transit.and_then(|transit| transit.fault());
            let error = error.into_error();
            let loss = if is_refused(&error) {
                Loss::Refused
            } else if lease.is_closed() {
                Loss::Connection
            } else {
                Loss::Exchange
            };
            Lost {
                error: match broken {
                    Some(fault) => UpstreamError::ClientBody(fault),
                    None => UpstreamError::Exchange(error),
                },
                unsent,
                loss,
            }
        })?;
        if !is_coded_plainly(&response) {
            return Err(Lost {
                error: UpstreamError::Coding,
                unsent: None,
                loss: Loss::Exchange,
            });
        }
        lease.learn(&response);
        Ok(response.map(|body| ResponseBody::new(body, lease, sent)))
    }
}

/// Whether the connection can take a request in a moment.
async fn settles(lease: &mut Lease) -> bool {
    timeout(SETTLE, lease.ready()).await.unwrap_or(false)
}

/// A connection that was given back is free after its task ran once more.
const SETTLE: Duration = Duration::from_millis(50);

/// An exchange that failed, and the request if none of it was sent.
struct Lost {
    error: UpstreamError,
    unsent: Option<Box<Request<RequestBody>>>,
    loss: Loss,
}

/// What was lost with an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Nothing else.
    Exchange,
    /// Its connection.
    Connection,
    /// Not even that: the upstream says that it has not looked at the request.
    Refused,
}

/// Whether the body is as its fields describe it once chunks are put together. hyper takes no other coding
/// off, and the field that names it ends here (RFC 9112 §6.1): the client would take it for the content.
fn is_coded_plainly<B: Body>(response: &Response<B>) -> bool {
    if response.body().size_hint().exact().is_some() {
        return true;
    }
    let mut codings = response
        .headers()
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .map(HeaderValue::as_bytes);
    let chunked = codings
        .next()
        .is_none_or(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    chunked && codings.next().is_none()
}

/// A stream beyond what the upstream takes, or behind its `GOAWAY` (RFC 9113 §8.7).
fn is_refused(error: &hyper::Error) -> bool {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.reason() == Some(h2::Reason::REFUSED_STREAM)
            || (cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR))
    })
}

/// Waits for `answer` as long as the client's body moves, and `limit` after its last frame.
async fn within<T>(
    deadline: Instant,
    limit: Duration,
    alarm: &mut Alarm,
    transit: Option<&Transit>,
    mut answer: Pin<&mut impl Future<Output = T>>,
) -> Result<T, UpstreamError> {
    let mut deadline = deadline;
    let mut before = transit.map(Transit::frames);
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            ready!(alarm.poll_passed(deadline, cx));
            let frames = transit.map(Transit::frames);
            if frames == before {
                return Poll::Ready(Err(UpstreamError::ResponseTimeout));
            }
            before = frames;
            deadline = Instant::now() + limit;
        }
    })
    .await
}
