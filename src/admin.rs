//! The admin listener: probes, metrics, version and the status page. Nothing on it needs, shows or
//! changes a session.

mod attention;
pub mod files;
mod history;
mod names;
mod page;
mod problems;
mod readiness;
pub mod reloads;
mod report;
mod status;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub use names::Names;
pub use readiness::Readiness;
pub use status::Sources;
pub use status::TenantSource;

use crate::http::reply;
use crate::net::listener::Acceptor;
use crate::net::socket::Bound;
use crate::net::socket::Listener;
use crate::telemetry::metrics::exposition;
use crate::telemetry::metrics::exposition::Format;
use status::Status;

/// The admin endpoints.
pub struct Admin {
    status: Arc<Status>,
    metrics: ArcSwap<Registry>,
    names: ArcSwap<Names>,
}

impl Admin {
    /// Endpoints that tell of `sources` and `metrics`; the status page under `names` only.
    pub fn new(sources: Sources, metrics: Registry, names: Names) -> Self {
        let status = Arc::new(Status::new(sources));
        Self {
            status,
            metrics: ArcSwap::from_pointee(metrics),
            names: ArcSwap::from_pointee(names),
        }
    }

    /// Tells of these from now on. What is remembered of the tenants that are still there stays.
    pub fn tell_of(&self, sources: Sources, metrics: Registry, names: Names) {
        self.status.look_at(sources);
        self.metrics.store(Arc::new(metrics));
        self.names.store(Arc::new(names));
    }

    /// Serves for as long as the runtime lives.
    pub async fn serve(self: Arc<Self>, listener: std::net::TcpListener) {
        let mut acceptor = match Listener::new(Bound::Tcp(listener)) {
            Ok(listener) => Acceptor::new(listener),
            Err(error) => return tracing::error!(%error, "The admin listener cannot listen."),
        };
        tokio::spawn(Arc::clone(&self.status).watch());
        let this = self;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_SIZE)
            .max_headers(FIELDS);
        let mut guests = Guests::default();
        loop {
            let (stream, _) = acceptor.accept().await;
            let this = Arc::clone(&this);
            let service = service_fn(move |request| {
                let answer = this.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let guest = tokio::spawn(async move {
                let mut connection = pin!(connection);
                let outcome = if let Ok(outcome) = timeout(STAY, connection.as_mut()).await {
                    outcome
                } else {
                    connection.as_mut().graceful_shutdown();
                    timeout(HEAD, connection).await.unwrap_or(Ok(()))
                };
                if let Err(error) = outcome {
                    tracing::debug!(%error, "Admin connection ended.");
                }
            });
            guests.seat(guest.abort_handle());
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return reply::empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let sources = self.status.sources();
        let readiness = &sources.readiness;
        match request.uri().path() {
            "/" | "/status.json" if !self.names.load().admit(request.headers()) => stranger(),
            "/" => page::show(&self.status.report()),
            "/status.json" => match serde_json::to_value(self.status.report()) {
                Ok(report) => reply::json(&report),
                Err(_) => reply::empty(StatusCode::INTERNAL_SERVER_ERROR),
            },
            "/livez" => probe(&[]),
            "/startupz" => probe(&readiness.unstarted()),
            "/readyz" => probe(&readiness.obstacles()),
            "/version" => {
                reply::json(&json!({ "name": "sidegate", "version": env!("CARGO_PKG_VERSION") }))
            }
            "/metrics" => self.metrics(request),
            _ => reply::empty(StatusCode::NOT_FOUND),
        }
    }

    fn metrics(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let accept = request.headers().get(header::ACCEPT);
        let accept = accept.and_then(|field| field.to_str().ok());
        let format = Format::of(accept.unwrap_or_default());
        match exposition::render(&self.metrics.load(), format) {
            Ok(text) => reply::text(text, format.content_type()),
            Err(error) => {
                tracing::error!(%error, "The metrics cannot be written.");
                reply::empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// The connections that are open. A new one is never turned away, since it may be a probe on which the
/// life of this process depends: the one that has been here longest goes in its place.
#[derive(Default)]
struct Guests(VecDeque<AbortHandle>);

impl Guests {
    fn seat(&mut self, guest: AbortHandle) {
        if self.0.len() >= SEATS {
            self.0.retain(|guest| !guest.is_finished());
        }
        if self.0.len() >= SEATS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(guest);
    }
}

/// Connections at once.
const SEATS: usize = 64;

/// Bytes and fields of a head.
const HEAD_SIZE: usize = 16 * 1024;
const FIELDS: usize = 64;

/// How long a head may take, and the time before it.
const HEAD: Duration = Duration::from_secs(20);

/// How long a connection may stay, whatever it does.
const STAY: Duration = Duration::from_mins(5);

fn stranger() -> Response<Full<Bytes>> {
    let text = "The status page is not shown under this name. Ask for it by address, or add the name to admin_hosts.\n";
    let mut answer = reply::text(text.to_owned(), "text/plain; charset=utf-8");
    *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    answer
}

fn probe(obstacles: &[&str]) -> Response<Full<Bytes>> {
    if obstacles.is_empty() {
        return reply::json(&json!({ "status": "ok" }));
    }
    let mut answer = reply::json(&json!({ "status": "unavailable", "reasons": obstacles }));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer
}
