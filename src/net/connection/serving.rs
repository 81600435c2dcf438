//! The two versions of HTTP on a connection that is ready for them.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use http::HeaderValue;
use http::Request;
use http::StatusCode;
use http::Version;
use http::header;
use http_body::Body;
use hyper::body::Incoming;
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
use tokio::io::ReadBuf;

use super::Handler;
use super::Peer;
use super::Server;
use super::lingering;
use super::resets::Resets;
use super::streams::StreamExecutor;
use super::until_ended;
use crate::net::body::ClientBody;
use crate::net::guard::Entry;
use crate::net::guard::Finish;
use crate::net::guard::Guarded;
use crate::net::guard::Verdict;
use crate::net::prefixed::Prefixed;
use crate::net::settings::Limits;
use crate::net::socket::Reset;
use crate::net::watched::Watched;

/// HTTP/1.1 within `limits`.
pub(super) fn http1(limits: &Limits) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    // The guard keeps the time; hyper's own timer would count idle connections too.
    http1
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER.max(limits.head_size))
        .max_header_size(limits.head_size)
        .max_headers(limits.header_count)
        // The stream itself notices a client that leaves, without a buffer for it.
        .half_close(true);
    http1
}

/// HTTP/2 within `limits`. What h2 itself bounds stands beside what is bounded here: CONTINUATION
/// frames by the header list's size, PING and SETTINGS by answering them before reading on, empty DATA
/// frames by their count.
fn http2(limits: &Limits, executor: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let mut http2 = http2::Builder::new(executor);
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .keep_alive_timeout(KEEP_ALIVE)
        .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.concurrent_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // What one stream may have in memory while its client takes nothing.
        .max_send_buf_size(SEND_BUFFER)
        // Resets by the client, and by us in answer to its errors (CVE-2023-44487, CVE-2025-8671).
        .max_pending_accept_reset_streams(Some(20))
        .max_local_error_reset_streams(Some(64));
    http2
}

impl<H: Handler> Server<H> {
    pub(super) async fn http1<S>(&self, stream: Prefixed<S>, peer: Peer, entry: Entry)
    where
        S: AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
    {
        let watch = entry.watch();
        let registry = entry.registry();
        let mut stream = stream;
        let old = Cell::new(false);
        // Between requests that are far apart, and before the first, a connection is its socket and
        // nothing else: hyper's buffers are made when bytes come.
        loop {
            if until_ended(watch, stirs(&mut stream)).await != Some(true) {
                return say_goodbye(&mut stream).await;
            }
            watch.wakes_up();
            let watched = Watched::new(stream, watch.clone(), self.manner.failure.clone());
            let service = service_fn(|request: Request<Incoming>| {
                old.set(request.version() < Version::HTTP_11);
                let request = request.map(|body| ClientBody::new(body, registry));
                let answer =
                    Rc::clone(&self.handler).handle(request, peer.clone(), watch.begin(None));
                async {
                    let mut answer = answer.await;
                    if watch.is_draining() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                        let close = HeaderValue::from_static("close");
                        answer.headers_mut().insert(header::CONNECTION, close);
                    }
                    Ok::<_, Infallible>(answer)
                }
            });
            let mut connection = self
                .http1
                .serve_connection(TokioIo::new(watched), service)
                .with_upgrades();
            let verdict = Guarded::new(&mut connection, watch).await;
            if let Verdict::Ended(Err(error)) = &verdict {
                tracing::debug!(%error, peer = %peer.address, "Connection ended.");
            }
            let in_hand = watch.is_serving();
            let Some(parts) = connection.into_parts() else {
                return;
            };
            // To an old client the end of the connection is the end of the answer, so one that breaks off
            // ends in a reset.
            if old.get() && breaks_off(&verdict, in_hand) {
                return parts.io.into_inner().into_stream().reset();
            }
            match verdict {
                // A connection that rests has nothing in its buffer: all bytes so far made whole requests.
                Verdict::Rests if parts.read_buf.is_empty() => {
                    stream = parts.io.into_inner().into_stream();
                }
                Verdict::Rests => return,
                // Answers that broke off are no answers; what could not be read has one.
                Verdict::Ended(Err(error)) if !error.is_parse() => return,
                Verdict::Ended(_) => {
                    return lingering::hear_out(parts.io.into_inner(), watch).await;
                }
            }
        }
    }

    pub(super) async fn http2(
        &self,
        stream: Prefixed<impl AsyncRead + AsyncWrite + Unpin + 'static>,
        peer: Peer,
        entry: Entry,
    ) {
        let watch = entry.watch();
        let stream = Watched::new(stream, watch.clone(), self.manner.failure.clone());
        let executor = StreamExecutor::default();
        let (handler, registry) = (Rc::clone(&self.handler), Rc::clone(entry.registry()));
        let (next, seen, about) = (executor.clone(), watch.clone(), peer.clone());
        let resets = Resets::new(watch);
        let service = service_fn(move |request: Request<Incoming>| {
            let stall = registry.stall();
            next.expect(Rc::clone(&stall));
            let request = request.map(|body| ClientBody::new(body, &registry));
            let in_hand = seen.begin(Some(stall));
            let answer = Rc::clone(&handler).handle(request, about.clone(), in_hand);
            let expected = resets.expect();
            async {
                let answer = answer.await;
                expected.answered();
                Ok::<_, Infallible>(answer)
            }
        });
        let mut connection =
            http2(&self.manner.limits, executor).serve_connection(TokioIo::new(stream), service);
        if let Verdict::Ended(Err(error)) = Guarded::new(&mut connection, watch).await {
            tracing::debug!(%error, peer = %peer.address, "Connection ended.");
        }
    }
}

/// Whether a connection ends within an answer.
fn breaks_off(verdict: &Verdict<hyper::Error>, in_hand: bool) -> bool {
    match verdict {
        Verdict::Ended(Ok(())) => in_hand,
        Verdict::Ended(Err(error)) => !error.is_parse(),
        Verdict::Rests => false,
    }
}

/// Waits for bytes; `false` at the end of the stream. They are read on the stack, so that a connection
/// that waits holds no buffer.
async fn stirs<S: AsyncRead + Unpin>(stream: &mut Prefixed<S>) -> bool {
    poll_fn(|cx| {
        let mut beginning = [0; BEGINNING];
        let mut buffer = ReadBuf::new(&mut beginning);
        let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
        stream.put_back(buffer.filled());
        Poll::Ready(read.is_ok() && !buffer.filled().is_empty())
    })
    .await
}

/// Tells the peer that this is the end, in TLS's words too, if that can be said at once.
async fn say_goodbye(stream: &mut (impl AsyncWrite + Unpin)) {
    poll_fn(|cx| {
        let _said = Pin::new(&mut *stream).poll_shutdown(cx);
        Poll::Ready(())
    })
    .await;
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

impl<I, S> Finish for http2::Connection<I, S, StreamExecutor>
where
    S: HttpService<Incoming, ResBody: 'static>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    <S::ResBody as Body>::Error: Into<BoxError>,
    StreamExecutor: Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of a body that are read ahead.
const MAX_BUFFER: usize = 64 * 1024;

/// Bytes that are read before hyper is asked.
const BEGINNING: usize = 1024;

/// How often a silent HTTP/2 peer with requests under way is asked whether it is there, and how long
/// its answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Bytes of a body that may be on their way, on one stream and on all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of an answer that one stream holds while the client does not read.
const SEND_BUFFER: usize = 64 * 1024;
