//! The admin listener: probes and version. Nothing on it needs, shows or changes a session.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use serde_json::json;

use crate::http::reply;
use crate::net::listener::Acceptor;
use crate::net::socket::Bound;
use crate::net::socket::Listener;

/// Whether traffic should come.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Says whether traffic should come.
    pub fn set_ready(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The admin endpoints.
pub struct Admin {
    readiness: Arc<Readiness>,
}

impl Admin {
    /// Endpoints that tell of `readiness`.
    pub fn new(readiness: Arc<Readiness>) -> Self {
        Self { readiness }
    }

    /// Serves for as long as the runtime lives.
    pub async fn serve(self, listener: std::net::TcpListener) {
        let mut acceptor = match Listener::new(Bound::Tcp(listener)) {
            Ok(listener) => Acceptor::new(listener),
            Err(error) => return tracing::error!(%error, "The admin listener cannot listen."),
        };
        let this = Arc::new(self);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).max_buf_size(16 * 1024);
        loop {
            let (stream, _) = acceptor.accept().await;
            let this = Arc::clone(&this);
            let service = service_fn(move |request| {
                let answer = this.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http.serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "Admin connection ended.");
                }
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return reply::empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        match request.uri().path() {
            "/livez" => status(true),
            "/readyz" => status(self.readiness.is_ready()),
            "/version" => {
                reply::json(&json!({ "name": "sidegate", "version": env!("CARGO_PKG_VERSION") }))
            }
            _ => reply::empty(StatusCode::NOT_FOUND),
        }
    }
}

fn status(good: bool) -> Response<Full<Bytes>> {
    let mut answer = reply::json(&json!({ "status": if good { "ok" } else { "unavailable" } }));
    if !good {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    answer
}
