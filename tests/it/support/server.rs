//! An upstream with a real HTTP stack, for what a puppet cannot spell: HTTP/2, TLS, Unix sockets.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::UnixListener;
use tokio_rustls::TlsAcceptor;

pub type Body = BoxBody<Bytes, Infallible>;

/// How a server speaks.
#[derive(Clone, Default)]
pub struct Speech {
    /// TLS; the version follows from ALPN then.
    pub tls: Option<Arc<ServerConfig>>,
    /// HTTP/2 by prior knowledge.
    pub h2: bool,
    /// Streams at once on one HTTP/2 connection.
    pub max_streams: Option<u32>,
}

/// A running server. It ends with the test's runtime.
pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Serves on a port of the kernel's choice.
    pub async fn start<F, W>(speech: Speech, serve: F) -> Self
    where
        F: Fn(Request<Incoming>) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let connections: Arc<AtomicUsize> = Arc::default();
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (speech, serve) = (speech.clone(), serve.clone());
                tokio::spawn(async move {
                    let Some(tls) = speech.tls.clone() else {
                        return talk(stream, speech.h2, &speech, serve).await;
                    };
                    // A client that does not like the certificate goes away.
                    if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        talk(stream, h2, &speech, serve).await;
                    }
                });
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Serves HTTP/1.1 on a socket at `path`.
    pub fn on_unix_socket<F, W>(path: &Path, serve: F)
    where
        F: Fn(Request<Incoming>) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = UnixListener::bind(path).expect("a socket");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serve = serve.clone();
                tokio::spawn(async move { talk(stream, false, &Speech::default(), serve).await });
            }
        });
    }

    /// The connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn talk<F, W>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    h2: bool,
    speech: &Speech,
    serve: F,
) where
    F: Fn(Request<Incoming>) -> W + Send + Sync + 'static,
    W: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = serve(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    // However it ends, the test sees that at the other end.
    let _ended = if h2 {
        http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(speech.max_streams)
            .serve_connection(TokioIo::new(stream), service)
            .await
    } else {
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await
    };
}

/// A whole body.
pub fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// Says what was asked: version, target, authority, and the fields that a test asks about.
pub fn echo(request: &Request<Incoming>) -> Response<Body> {
    let host = request
        .headers()
        .get("host")
        .map(|host| format!("{host:?}"));
    let text = format!(
        "{:?} {} authority={:?} host={:?} te={:?}",
        request.version(),
        request.uri().path(),
        request.uri().authority().map(ToString::to_string),
        host,
        request.headers().get("te"),
    );
    Response::new(whole(text))
}
