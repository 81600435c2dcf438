//! One connection, from accept to its end: a PROXY protocol header and TLS if configured, then HTTP/1.1
//! or HTTP/2 by ALPN, or by prior knowledge.

mod lingering;
mod resets;
mod serving;
mod streams;

use std::future::poll_fn;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::Request;
use http::Response;
use http_body::Body;
use hyper::server::conn::http1;
use rustls_pki_types::CertificateDer;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;

use super::body::ClientBody;
use super::census::Census;
use super::guard::Entry;
use super::guard::InHand;
use super::guard::Registry;
use super::guard::Watch;
use super::preamble;
use super::prefixed::Prefixed;
use super::settings::Limits;
use super::settings::Protocols;
use super::settings::TrustedProxies;
use super::socket::Socket;
use super::watched::WriteFailure;
use crate::fault::Fault;

/// What serves requests on a connection.
pub trait Handler: 'static {
    /// The answer's body.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static;
    /// Held while a connection is open.
    type Open: 'static;

    /// A connection was accepted.
    fn connected(&self) -> Self::Open;

    /// Serves one request. `in_hand` ends with the answer's body. The future is moved several times before it
    /// runs: one of kilobytes belongs into a box.
    fn handle(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Peer,
        in_hand: InHand,
    ) -> impl Future<Output = Response<Self::Body>>;
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address the connection came from.
    pub address: SocketAddr,
    /// Whether this listener ended TLS.
    pub tls: bool,
    /// The certificate that the client has shown, as the `Client-Cert` field tells it (RFC 9440 §2.2), where
    /// that is wanted.
    pub certificate: Option<Rc<HeaderValue>>,
}

/// How the connections of a listener are served.
pub struct Manner {
    /// TLS, if this listener ends it.
    pub tls: Option<TlsAcceptor>,
    /// Whether requests come with the certificate of their client.
    pub tells_certificates: bool,
    /// What is spoken.
    pub protocols: Protocols,
    /// How much a client may ask for.
    pub limits: Limits,
    /// Who may say whom it speaks for.
    pub trusted: TrustedProxies,
    /// All connections, of every worker.
    pub census: std::sync::Arc<Census>,
    /// Writes the answer to a head that could not be read.
    pub failure: WriteFailure,
    /// Writes the answer to a connection that is not served.
    pub turned_away: fn(Fault) -> Bytes,
}

/// What the connections of a worker have in common.
pub struct Server<H> {
    handler: Rc<H>,
    registry: Rc<Registry>,
    manner: Manner,
    http1: http1::Builder,
}

impl<H: Handler> Server<H> {
    /// A server that hands requests to `handler`.
    pub fn new(handler: Rc<H>, registry: Rc<Registry>, manner: Manner) -> Self {
        Self {
            http1: serving::http1(&manner.limits),
            handler,
            registry,
            manner,
        }
    }

    /// Serves one accepted connection, to its end, in a task of its own.
    pub fn serve(self: &Rc<Self>, socket: Socket, address: SocketAddr) {
        match self.manner.census.enter() {
            Ok(seat) => {
                // Entered at once, so that a drain does not overlook what was just accepted.
                let entry = self.registry.enter(seat);
                let (this, open) = (Rc::clone(self), self.handler.connected());
                tokio::task::spawn_local(async move {
                    this.follow(socket, address, entry).await;
                    drop(open);
                });
            }
            Err(fault) => self.turn_away(&socket, fault, address.ip()),
        }
    }

    async fn follow(self: Rc<Self>, socket: Socket, address: SocketAddr, entry: Entry) {
        let begun = until_ended(
            entry.watch(),
            self.greet(Prefixed::new(socket, Bytes::new()), address, entry.watch()),
        );
        if let Some(Some((stream, address))) = begun.await {
            self.converse(stream, address, entry).await;
        }
    }

    /// Learns whom the connection is for, and whether that may have one more.
    async fn greet(
        &self,
        mut stream: Prefixed<Socket>,
        mut address: SocketAddr,
        watch: &Watch,
    ) -> Option<(Prefixed<Socket>, SocketAddr)> {
        if self.manner.protocols.proxy_protocol {
            if !self.manner.trusted.contains(address.ip()) {
                tracing::debug!(peer = %address, "No trusted proxy, so its PROXY protocol header does not count.");
                return None;
            }
            match preamble::read(&mut stream).await {
                Ok((source, behind)) => {
                    address = source.unwrap_or(address);
                    stream.put_back(&behind);
                }
                Err(error) => {
                    tracing::debug!(%error, peer = %address, "Connection refused.");
                    return None;
                }
            }
        }
        if let Err(fault) = watch.belongs_to(address.ip()) {
            self.turn_away(stream.get_ref(), fault, address.ip());
            return None;
        }
        Some((stream, address))
    }

    async fn converse(&self, stream: Prefixed<Socket>, address: SocketAddr, entry: Entry) {
        if let Some(acceptor) = &self.manner.tls {
            // Boxed, so that a connection without TLS does not carry the room for it.
            return Box::pin(self.secure(acceptor, stream, address, entry)).await;
        }
        let peer = Peer {
            address,
            tls: false,
            certificate: None,
        };
        self.plain(stream, peer, entry).await;
    }

    async fn secure(
        &self,
        acceptor: &TlsAcceptor,
        stream: Prefixed<Socket>,
        address: SocketAddr,
        entry: Entry,
    ) {
        match until_ended(entry.watch(), Box::pin(acceptor.accept(stream))).await {
            Some(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates();
                let shown = shown.filter(|_| self.manner.tells_certificates);
                let peer = Peer {
                    address,
                    tls: true,
                    certificate: shown.and_then(<[_]>::first).and_then(client_cert),
                };
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                entry.watch().ready(h2);
                let stream = Prefixed::new(stream, Bytes::new());
                if h2 {
                    Box::pin(self.http2(stream, peer, entry)).await;
                } else {
                    self.http1(stream, peer, entry).await;
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, peer = %address, "TLS handshake failed.");
            }
            None => tracing::debug!(peer = %address, "TLS handshake took too long."),
        }
    }

    /// Without TLS it is HTTP/1.1, unless HTTP/2 is allowed and these are its first bytes.
    async fn plain(&self, mut stream: Prefixed<Socket>, peer: Peer, entry: Entry) {
        entry.watch().ready(false);
        if self.manner.protocols.h2c {
            match until_ended(entry.watch(), begins_http2(&mut stream, entry.watch())).await {
                Some(true) => {
                    entry.watch().ready(true);
                    return Box::pin(self.http2(stream, peer, entry)).await;
                }
                Some(false) => {}
                None => return,
            }
        }
        self.http1(stream, peer, entry).await;
    }

    /// A connection beyond a limit gets an answer where one can be read, and is closed.
    fn turn_away(&self, socket: &Socket, fault: Fault, peer: IpAddr) {
        self.manner.census.refused(fault, peer);
        if self.manner.tls.is_none() {
            // Best effort: the peer may be gone.
            let _written = socket.try_write(&(self.manner.turned_away)(fault));
        }
    }
}

/// A certificate as a byte sequence in a structured field (RFC 9440 §2.1, RFC 9651 §3.3.5).
fn client_cert(certificate: &CertificateDer<'_>) -> Option<Rc<HeaderValue>> {
    let text = format!(":{}:", STANDARD.encode(certificate));
    HeaderValue::try_from(text).ok().map(Rc::new)
}

/// `work`, or `None` as soon as the connection is told to end.
async fn until_ended<T>(watch: &Watch, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if watch.poll_ended(cx.waker()).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Whether the stream begins with HTTP/2's preface (RFC 9113 §3.4). What was read is put back.
async fn begins_http2<S: AsyncRead + Unpin>(stream: &mut Prefixed<S>, watch: &Watch) -> bool {
    let mut read = [0; PREFACE.len()];
    let mut size = 0;
    while let Some(room) = read.get_mut(size..).filter(|room| !room.is_empty()) {
        match stream.read(room).await {
            Ok(more @ 1..) => size += more,
            Ok(0) | Err(_) => break,
        }
        watch.bytes_read();
        if PREFACE.get(..size) != read.get(..size) {
            break;
        }
    }
    stream.put_back(read.get(..size).unwrap_or_default());
    read == *PREFACE
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
