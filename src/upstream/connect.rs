//! HTTP on top of a new connection, driven by a task of this worker.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;
use http::Request;
use http::Uri;
use http::Version;
use http::header;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::task::AbortHandle;

use super::alarm::Alarm;
use super::body::RequestBody;
use super::endpoint::Endpoint;
use super::error::UpstreamError;
use super::settings::Protocol;
use super::stream::Stream;
use crate::http::Scheme;
use crate::telemetry::metrics::PoolHeld;

/// Opens connections for one worker.
pub(super) struct Connector {
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
}

/// A new connection, by the version that was agreed on.
pub(super) enum Connected {
    Own(Connection),
    Shared(Multiplexed),
}

impl Connected {
    /// Counted as open until it is dropped.
    pub(super) fn counted(mut self, held: PoolHeld) -> Self {
        match &mut self {
            Self::Own(connection) => connection.counted = Some(held),
            Self::Shared(shared) => shared.counted = Some(Rc::new(held)),
        }
        self
    }
}

impl Connector {
    pub(super) fn new() -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .max_headers(MAX_RESPONSE_FIELDS)
            .max_buf_size(MAX_RESPONSE_HEAD);
        let mut http2 = http2::Builder::new(LocalExecutor);
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(PING))
            // Until the upstream has said how many streams it takes.
            .initial_max_send_streams(1)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEADER_LIST);
        Self { http1, http2 }
    }

    /// A connection to `endpoint`.
    pub(super) async fn connect(&self, endpoint: &Endpoint) -> Result<Connected, UpstreamError> {
        let stream = endpoint.open().await?;
        let tls = endpoint.address().scheme() == Scheme::Https;
        let h2 = match endpoint.protocol {
            Protocol::Http1 => false,
            Protocol::Http2 => !tls || stream.agreed_on_h2(),
        };
        if h2 {
            self.multiplexed(stream, tls).await
        } else {
            self.own(stream).await
        }
    }

    async fn own(&self, stream: Stream) -> Result<Connected, UpstreamError> {
        let handshake = self.http1.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(UpstreamError::Exchange)?;
        let driver = tokio::task::spawn_local(async move {
            // Whoever waits for an answer on this connection learns of its end by itself.
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "Upstream connection ended.");
            }
        });
        Ok(Connected::Own(Connection {
            sender,
            keep: Cell::new(None),
            alarm: None,
            counted: None,
            _driver: Driver(driver.abort_handle()),
        }))
    }

    async fn multiplexed(&self, stream: Stream, tls: bool) -> Result<Connected, UpstreamError> {
        let handshake = self.http2.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(UpstreamError::Exchange)?;
        let driver = tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "Upstream connection ended.");
            }
        });
        Ok(Connected::Shared(Multiplexed {
            sender,
            tls,
            counted: None,
            _driver: Rc::new(Driver(driver.abort_handle())),
        }))
    }
}

/// An HTTP/1.1 connection that can take a request, and the task that drives it.
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<RequestBody>,
    /// How long it may be idle, where the upstream has said so.
    pub(super) keep: Cell<Option<Duration>>,
    /// For the deadlines of its requests.
    pub(super) alarm: Option<Alarm>,
    counted: Option<PoolHeld>,
    _driver: Driver,
}

impl Connection {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// `Keep-Alive: timeout=5`: let go before the upstream does, or a request meets it closing.
    pub(super) fn learn(&self, answer: &HeaderMap) {
        let field = answer
            .get("keep-alive")
            .and_then(|field| field.to_str().ok());
        let seconds = field.and_then(|field| {
            let mut parameters = field.split(',').map(str::trim);
            let timeout = parameters.find_map(|parameter| parameter.strip_prefix("timeout="))?;
            timeout.parse().ok()
        });
        if let Some(seconds) = seconds {
            let keep = Duration::from_secs(seconds).saturating_sub(MARGIN);
            self.keep.set(Some(keep));
        }
    }
}

/// An HTTP/2 connection that many requests share. It ends with its last handle.
#[derive(Clone)]
pub(super) struct Multiplexed {
    pub(super) sender: http2::SendRequest<RequestBody>,
    tls: bool,
    counted: Option<Rc<PoolHeld>>,
    _driver: Rc<Driver>,
}

impl Multiplexed {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// `Host` becomes `:authority`, and the scheme is named (RFC 9113 §8.3.1).
    pub(super) fn address(&self, mut request: Request<RequestBody>) -> Request<RequestBody> {
        *request.version_mut() = Version::HTTP_2;
        let Some(host) = request.headers_mut().remove(header::HOST) else {
            // It was addressed before, and came back unsent.
            return request;
        };
        let path = request.uri().path_and_query().cloned();
        let absolute = Uri::builder()
            .scheme(if self.tls { "https" } else { "http" })
            .authority(host.as_bytes())
            .path_and_query(path.map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()));
        match absolute.build() {
            Ok(uri) => *request.uri_mut() = uri,
            // Then the upstream has to do with the field.
            Err(_) => drop(request.headers_mut().insert(header::HOST, host)),
        }
        request
    }
}

/// Lets go of what is still being sent: whoever waits for a client that was answered already may wait
/// for ever.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs HTTP/2's tasks on the worker that opened the connection.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// Fields in an answer's head, at most.
const MAX_RESPONSE_FIELDS: usize = 128;

/// Bytes in an answer's head, at most.
const MAX_RESPONSE_HEAD: usize = 64 * 1024;

/// Bytes in an answer's header list, at most.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// Bytes of one answer that may be under way unread.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Bytes of all answers on a connection that may be under way unread.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Bytes of one request that wait to be written.
const SEND_BUFFER: usize = 256 * 1024;

/// A connection on which nothing comes for so long is asked whether it lives.
const PING: Duration = Duration::from_secs(20);

/// Before the upstream closes an idle connection.
const MARGIN: Duration = Duration::from_secs(1);
