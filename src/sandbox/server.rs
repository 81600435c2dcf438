//! A small HTTP/1.1 server: accepts, serves, and ends when told or dropped.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::Origin;
use crate::http::Scheme;
use crate::sandbox::reply::Reply;

/// Answers requests.
pub(super) trait Handler: Send + Sync + 'static {
    /// The reply, or that the connection is to be reset without one.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Result<Reply, Cut>> + Send;
}

/// The connection is to be reset; the client sees no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is reset on purpose")]
pub(super) struct Cut;

/// A socket that nobody is accepted from yet.
pub(super) struct Listener {
    socket: TcpListener,
    tasks: Tasks,
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            socket: TcpListener::bind(address).await?,
            tasks: Tasks::default(),
        })
    }

    /// How a client on this machine reaches the socket.
    pub(super) fn origin(&self) -> io::Result<Origin> {
        let mut address = self.socket.local_addr()?;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        Origin::from_authority(Scheme::Http, &address.to_string()).map_err(io::Error::other)
    }

    /// The tasks that end with the server.
    pub(super) const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(super) fn serve<H: Handler>(self, handler: Arc<H>) -> Server {
        let Self { socket, tasks } = self;
        let connections = tasks.clone();
        tasks.spawn(async move {
            loop {
                match socket.accept().await {
                    Ok((stream, peer)) => {
                        connections.spawn(serve_connection(stream, peer, Arc::clone(&handler)));
                    }
                    // For lack of descriptors, or because the client has gone again: in both
                    // cases the next one may succeed.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        Server(tasks)
    }
}

/// The tasks of one server.
#[derive(Clone, Default)]
pub(super) struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// Runs `work` until it ends or the server does.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker
            .spawn(async move { stop.run_until_cancelled(work).await });
    }
}

/// A running server.
pub(super) struct Server(Tasks);

impl Server {
    pub(super) async fn shutdown(self) {
        self.0.stop.cancel();
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}

async fn serve_connection<H: Handler>(stream: TcpStream, peer: SocketAddr, handler: Arc<H>) {
    // Without it, small replies wait for the client's delayed acknowledgement.
    stream.set_nodelay(true).ok();
    let reset = Arc::new(AtomicBool::new(false));
    let wire = Wire {
        stream,
        reset: Arc::clone(&reset),
    };
    let service = service_fn(move |request| {
        let (handler, reset) = (Arc::clone(&handler), Arc::clone(&reset));
        async move {
            let reply = handler.handle(request, peer).await;
            reset.store(reply.is_err(), Ordering::Relaxed);
            reply
        }
    });
    http1::Builder::new()
        // No timer anywhere: under a test's paused clock it would fire at once.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades()
        .await
        .ok();
}

/// A connection that can end in a reset instead of an orderly close.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            self.stream.set_zero_linger().ok();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
