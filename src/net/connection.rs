//! One connection, from accept to its end: TLS if configured, then HTTP/1.1 or HTTP/2 by ALPN.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::rt::Read;
use hyper::rt::Write;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::http1;
use hyper::server::conn::http2;
use hyper::service::HttpService;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::guard::Finish;
use super::guard::Guarded;
use super::guard::InHand;
use super::guard::Registry;
use super::watched::Watched;
use super::watched::WriteFailure;

/// What serves requests on a connection.
pub trait Handler: 'static {
    /// The answer's body.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static;

    /// Serves one request. `in_hand` ends with the answer's body.
    fn handle(
        self: Rc<Self>,
        request: Request<Incoming>,
        peer: Peer,
        in_hand: InHand,
    ) -> impl Future<Output = Response<Self::Body>>;
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address the connection came from.
    pub address: SocketAddr,
    /// Whether this listener ended TLS.
    pub tls: bool,
}

/// What the connections of a worker have in common.
pub struct Server<H> {
    handler: Rc<H>,
    registry: Rc<Registry>,
    tls: Option<TlsAcceptor>,
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
    failure: WriteFailure,
}

impl<H: Handler> Server<H> {
    /// A server that hands requests to `handler`.
    pub fn new(
        handler: Rc<H>,
        registry: Rc<Registry>,
        tls: Option<TlsAcceptor>,
        failure: WriteFailure,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        // The guard keeps the time; hyper's own timer would count idle connections too.
        http1
            .header_read_timeout(None)
            .max_buf_size(MAX_BUFFER)
            .max_headers(MAX_FIELDS)
            .half_close(false);
        let mut http2 = http2::Builder::new(LocalExecutor);
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .max_header_list_size(MAX_HEADER_LIST)
            .max_concurrent_streams(100)
            .max_pending_accept_reset_streams(Some(20))
            .max_local_error_reset_streams(Some(64));
        Self {
            handler,
            registry,
            tls,
            http1,
            http2,
            failure,
        }
    }

    /// Serves one accepted connection to its end.
    pub async fn serve(self: Rc<Self>, stream: TcpStream, address: SocketAddr) {
        let Some(acceptor) = &self.tls else {
            return self
                .http1(
                    stream,
                    Peer {
                        address,
                        tls: false,
                    },
                )
                .await;
        };
        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = Peer { address, tls: true };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    self.http2(stream, peer).await;
                } else {
                    self.http1(stream, peer).await;
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, peer = %address, "TLS handshake failed."),
            Err(_) => tracing::debug!(peer = %address, "TLS handshake took too long."),
        }
    }

    async fn http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
    ) {
        let entry = self.registry.enter(false);
        let watch = entry.watch();
        let stream = Watched::new(stream, entry.watch(), self.failure.clone());
        let service = service_fn(|request| {
            let answer = Rc::clone(&self.handler).handle(request, peer, watch.begin());
            async { Ok::<_, Infallible>(answer.await) }
        });
        let connection = self
            .http1
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = Guarded::new(connection, entry).await {
            tracing::debug!(%error, peer = %peer.address, "Connection ended.");
        }
    }

    async fn http2(&self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: Peer) {
        let entry = self.registry.enter(true);
        let watch = entry.watch();
        let stream = Watched::new(stream, entry.watch(), self.failure.clone());
        let handler = Rc::clone(&self.handler);
        let service = service_fn(move |request| {
            let answer = Rc::clone(&handler).handle(request, peer, watch.begin());
            async { Ok::<_, Infallible>(answer.await) }
        });
        let connection = self.http2.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = Guarded::new(connection, entry).await {
            tracing::debug!(%error, peer = %peer.address, "Connection ended.");
        }
    }
}

/// Runs HTTP/2's tasks on the worker that accepted the connection.
#[derive(Clone, Copy, Debug)]
pub struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

impl<I, S> Finish for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody: 'static>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    <S::ResBody as Body>::Error: Into<BoxError>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Finish for http2::Connection<I, S, LocalExecutor>
where
    S: HttpService<Incoming, ResBody: 'static>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    <S::ResBody as Body>::Error: Into<BoxError>,
    LocalExecutor: Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// TLS handshakes take no longer than this.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bytes of a head, and of a body that is read ahead.
const MAX_BUFFER: usize = 64 * 1024;

/// Fields of a head.
const MAX_FIELDS: usize = 100;

/// Bytes of an HTTP/2 header list.
const MAX_HEADER_LIST: u32 = 32 * 1024;
