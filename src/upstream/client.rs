//! One exchange: a kept or a new connection, the request, the answer's head, within deadlines.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::Response;
use rustls::ClientConfig;
use tokio::time::timeout;

use super::body::RequestBody;
use super::body::ResponseBody;
use super::body::Sent;
use super::body::Transit;
use super::connect::Connector;
use super::error::UpstreamError;
use super::pool::Connection;
use super::pool::Pool;
use super::settings::Timeouts;
use crate::http::Origin;

/// A worker's way to all upstreams.
pub struct Client {
    pool: Pool,
    connector: Connector,
    timeouts: Timeouts,
}

impl Client {
    /// A client with an empty pool.
    pub fn new(tls: Arc<ClientConfig>, timeouts: Timeouts) -> Self {
        Self {
            pool: Pool::new(timeouts.idle),
            connector: Connector::new(tls),
            timeouts,
        }
    }

    /// Sends a request to `origin` and waits for the answer's head. `request` holds an origin-form
    /// target and a `Host` field; `again` makes the same request once more, if sending it twice does
    /// no harm: idempotent and without a body (RFC 9110 §9.2.2).
    pub async fn send(
        &self,
        origin: &Origin,
        request: Request<RequestBody>,
        again: impl FnOnce() -> Option<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let Some(connection) = self.pool.take(origin) else {
            return self.send_on_new(origin, request).await;
        };
        match self.exchange(origin, connection, request).await {
            Ok(response) => Ok(response),
            // A kept connection may have been closed at the very moment we wrote to it. A request
            // that was never sent goes out again; one that was only if that does no harm, and on a
            // connection that cannot be stale.
            Err(Lost {
                unsent: Some(request),
                ..
            }) => self.send_on_new(origin, *request).await,
            Err(Lost {
                error: UpstreamError::Exchange(error),
                ..
            }) if !error.is_parse() => match again() {
                Some(request) => self.send_on_new(origin, request).await,
                None => Err(UpstreamError::Exchange(error)),
            },
            Err(Lost { error, .. }) => Err(error),
        }
    }

    /// Lets go of connections that were not used for long.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// How many connections are kept.
    pub fn idle_connections(&self) -> usize {
        self.pool.len()
    }

    async fn send_on_new(
        &self,
        origin: &Origin,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let connected = timeout(self.timeouts.connect, self.connector.connect(origin)).await;
        let connection = connected.map_err(|_| UpstreamError::ConnectTimeout)??;
        self.exchange(origin, connection, request)
            .await
            .map_err(|lost| lost.error)
    }

    async fn exchange(
        &self,
        origin: &Origin,
        connection: Connection,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Lost> {
        // Dropped on every way out but the good one, it ends the connection.
        let mut lease = self.pool.lease(origin, connection);
        let sender = lease.sender();
        if !sender.is_ready() && !matches!(timeout(SETTLE, sender.ready()).await, Ok(Ok(()))) {
            // Its last answer ended, but so did the connection, or it is not free yet.
            return Err(Lost {
                error: UpstreamError::Closed,
                unsent: Some(Box::new(request)),
            });
        }
        let sent = Sent::of(request.body());
        let transit = request.body().transit();
        let answer = std::pin::pin!(sender.try_send_request(request));
        let answered = within(self.timeouts.response, transit.as_deref(), answer).await;
        let outcome = answered.map_err(|error| Lost {
            error,
            unsent: None,
        })?;
        let response = outcome.map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            let broken = transit.and_then(|transit| transit.fault());
            let error = error.into_error();
            Lost {
                error: match broken {
                    Some(fault) => UpstreamError::ClientBody(fault),
                    None => UpstreamError::Exchange(error),
                },
                unsent,
            }
        })?;
        Ok(response.map(|body| ResponseBody::new(body, lease, sent)))
    }
}

/// A connection that was given back is free after its task ran once more.
const SETTLE: Duration = Duration::from_millis(50);

/// An exchange that failed, and the request if none of it was sent.
struct Lost {
    error: UpstreamError,
    unsent: Option<Box<Request<RequestBody>>>,
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
