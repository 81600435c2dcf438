//! One exchange: a kept or a new connection, the request, the answer's head, within deadlines.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::Response;
use tokio::time::timeout;

use super::body::RequestBody;
use super::body::ResponseBody;
use super::body::Sent;
use super::body::Transit;
use super::cluster::Cluster;
use super::connect::Connector;
use super::dice::Dice;
use super::endpoint::Endpoint;
use super::error::UpstreamError;
use super::lease::Lease;
use super::member::Member;
use super::settings::Upstream;
use super::shared::Upstreams;
use crate::http::Origin;

/// A worker's way to all upstreams.
pub struct Client {
    shared: Arc<Upstreams>,
    tools: Vec<Cluster>,
    tenants: RefCell<HashMap<Origin, Rc<Cluster>>>,
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
        let cluster = |endpoints: &Vec<Arc<Endpoint>>| {
            let member =
                |endpoint| Member::new(Arc::clone(endpoint), shared.limits, shared.timeouts);
            Cluster::new(endpoints.iter().map(member))
        };
        Self {
            tools: shared
                .tools
                .iter()
                .map(|tool| cluster(&tool.endpoints))
                .collect(),
            tenants: RefCell::default(),
            connector: Connector::new(),
            dice: Dice::new(seed),
            shared,
        }
    }

    /// Sends a request and waits for the answer's head. `request` holds an origin-form target and a
    /// `Host` field; `again` makes the same request once more, if sending it twice does no harm:
    /// idempotent and without a body (RFC 9110 §9.2.2).
    pub async fn send(
        &self,
        way: Way<'_>,
        request: Request<RequestBody>,
        again: impl FnOnce() -> Option<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        match way {
            Way::Tool(upstream) => {
                let cluster = self
                    .tools
                    .get(upstream.slot)
                    .ok_or(UpstreamError::Unknown)?;
                self.send_to(cluster, request, again).await
            }
            Way::Tenant {
                origin,
                public_only,
            } => {
                let cluster = self.tenant(origin, public_only);
                self.send_to(&cluster, request, again).await
            }
        }
    }

    /// Lets go of connections that were not used for long, and of tenants without any.
    pub fn sweep(&self) {
        for member in self.tools.iter().flat_map(Cluster::members) {
            member.sweep();
        }
        self.tenants.borrow_mut().retain(|_, cluster| {
            cluster.members().iter().for_each(|member| member.sweep());
            !cluster.members().iter().all(|member| member.is_unused())
        });
    }

    /// How many connections are kept.
    pub fn idle_connections(&self) -> usize {
        let tenants = self.tenants.borrow();
        let tenants = tenants.values().flat_map(|cluster| cluster.members());
        let tools = self.tools.iter().flat_map(Cluster::members);
        tools.chain(tenants).map(|member| member.kept()).sum()
    }

    fn tenant(&self, origin: &Origin, public_only: bool) -> Rc<Cluster> {
        let mut tenants = self.tenants.borrow_mut();
        if let Some(cluster) = tenants.get(origin) {
            return Rc::clone(cluster);
        }
        let endpoint = self.shared.tenant(origin, public_only);
        let member = Member::new(endpoint, self.shared.limits, self.shared.timeouts);
        let cluster = Rc::new(Cluster::new([member]));
        tenants.insert(origin.clone(), Rc::clone(&cluster));
        cluster
    }

    async fn send_to(
        &self,
        cluster: &Cluster,
        request: Request<RequestBody>,
        again: impl FnOnce() -> Option<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let lease = cluster.lease(&self.connector, &self.dice).await?;
        let (is_new, member) = (lease.is_new, lease.member());
        let request = match self.exchange(lease, request).await {
            Ok(response) => return Ok(response),
            Err(lost) if is_new && lost.loss != Loss::Refused => return Err(lost.error),
            // A kept connection may have been closed at the very moment we wrote to it. A request
            // that was never sent goes out again; one that was only if that does no harm, and on a
            // connection that cannot be stale.
            Err(Lost {
                unsent: Some(request),
                ..
            }) => *request,
            Err(Lost {
                error: UpstreamError::Exchange(error),
                loss: Loss::Connection | Loss::Refused,
                ..
            }) if !error.is_parse() => again().ok_or(UpstreamError::Exchange(error))?,
            Err(lost) => return Err(lost.error),
        };
        let lease = cluster
            .lease_again(&member, &self.connector, &self.dice)
            .await?;
        let outcome = self.exchange(lease, request).await;
        outcome.map_err(|lost| lost.error)
    }

    async fn exchange(
        &self,
        lease: Lease,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Lost> {
        // Dropped on every way out but the good one, it ends the connection.
        let mut lease = lease;
        if !lease.is_ready() && !matches!(timeout(SETTLE, lease.ready()).await, Ok(true)) {
            // Its last answer ended, but so did the connection, or it is not free yet.
            return Err(Lost {
                error: UpstreamError::Closed,
                unsent: Some(Box::new(request)),
                loss: Loss::Connection,
            });
        }
        let sent = Sent::of(request.body());
        let transit = request.body().transit();
        let limit = self.shared.timeouts.response;
        let answered = {
            let answer = std::pin::pin!(lease.send(request, transit.as_ref()));
            within(limit, transit.as_deref(), answer).await
        };
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
        lease.learn(&response);
        Ok(response.map(|body| ResponseBody::new(body, lease, sent)))
    }
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
    limit: Duration,
    transit: Option<&Transit>,
    mut answer: std::pin::Pin<&mut impl Future<Output = T>>,
) -> Result<T, UpstreamError> {
    loop {
        let before = transit.map(Transit::frames);
        match timeout(limit, answer.as_mut()).await {
            Ok(answer) => return Ok(answer),
            Err(_) if transit.map(Transit::frames) != before => {}
            Err(_) => return Err(UpstreamError::ResponseTimeout),
        }
    }
}
