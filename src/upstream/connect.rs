//! New connections: TCP, TLS where the origin says so, HTTP/1.1 on top.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::UpstreamError;
use super::pool::Connection;
use crate::http::Origin;
use crate::http::Scheme;

/// Opens connections for one worker.
pub(super) struct Connector {
    tls: TlsConnector,
    http: http1::Builder,
}

impl Connector {
    /// A connector that trusts what `tls` trusts.
    pub(super) fn new(tls: Arc<ClientConfig>) -> Self {
        let mut http = http1::Builder::new();
        http.max_headers(MAX_RESPONSE_FIELDS)
            .max_buf_size(MAX_RESPONSE_HEAD);
        Self {
            tls: TlsConnector::from(tls),
            http,
        }
    }

    /// A connection to `origin` that is driven by a task of this worker.
    pub(super) async fn connect(&self, origin: &Origin) -> Result<Connection, UpstreamError> {
        let stream = self.open(origin).await.map_err(UpstreamError::Connect)?;
        let handshake = self.http.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(UpstreamError::Exchange)?;
        let driver = tokio::task::spawn_local(async move {
            // Whoever waits for an answer on this connection learns of its end by itself.
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "Upstream connection ended.");
            }
        });
        Ok(Connection::new(sender, driver.abort_handle()))
    }

    async fn open(&self, origin: &Origin) -> io::Result<Stream> {
        let host = origin.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let tcp = TcpStream::connect((bare, origin.port())).await?;
        tcp.set_nodelay(true)?;
        match origin.scheme() {
            Scheme::Http => Ok(Stream::Plain(tcp)),
            Scheme::Https => {
                let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
                Ok(Stream::Tls(Box::new(self.tls.connect(name, tcp).await?)))
            }
        }
    }
}

/// Fields in an answer's head, at most.
const MAX_RESPONSE_FIELDS: usize = 128;

/// Bytes in an answer's head, at most.
const MAX_RESPONSE_HEAD: usize = 64 * 1024;

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
