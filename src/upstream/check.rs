//! Health checks: one task per address and process asks on a timer, all workers read what it found.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::time::MissedTickBehavior;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::settings::Address;
use super::settings::HealthCheck;
use super::settings::Protocol;
use crate::http::Scheme;

/// Asks for ever. An address is out after two bad answers in a row, and back after a good one.
pub(super) async fn watch(endpoint: Arc<Endpoint>, check: HealthCheck) {
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bad = 0_u32;
    loop {
        ticks.tick().await;
        let outcome = timeout(check.timeout, ask(&endpoint, &check.path)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("it took too long".to_owned()));
        bad = if outcome.is_ok() {
            0
        } else {
            bad.saturating_add(1)
        };
        let news = (bad == 0 || bad >= BAD) && endpoint.report(bad >= BAD);
        let address = endpoint.address();
        match outcome {
            Err(reason) if news => {
                tracing::warn!(event = "upstream.unhealthy", %address, reason, "A health check fails; the address is left out.");
            }
            Ok(()) if news => {
                tracing::info!(event = "upstream.healthy", %address, "The health check is good again.");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// One question on a connection of its own.
async fn ask(endpoint: &Endpoint, path: &str) -> Result<(), String> {
    let stream = endpoint.open().await.map_err(|error| error.to_string())?;
    let tls = endpoint.address().scheme() == Scheme::Https;
    let h2 = endpoint.protocol == Protocol::Http2 && (!tls || stream.agreed_on_h2());
    let host = match endpoint.address() {
        Address::Tcp(origin) => origin.authority(),
        Address::Unix(_) => "localhost".to_owned(),
    };
    let io = TokioIo::new(stream);
    let answer = if h2 {
        let scheme = endpoint.address().scheme().as_str();
        let request = Request::get(format!("{scheme}://{host}{path}"));
        let request = request.body(Empty::<Bytes>::new()).map_err(text)?;
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io)
            .await
            .map_err(text)?;
        both(sender.send_request(request), connection).await?
    } else {
        let request = Request::get(path).header(header::HOST, host);
        let request = request.body(Empty::<Bytes>::new()).map_err(text)?;
        let (mut sender, connection) = http1::handshake(io).await.map_err(text)?;
        both(sender.send_request(request), connection).await?
    };
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!("it answers {status}"))
    }
}

/// Drives a connection until the answer's head is there; it is closed then.
async fn both<T>(
    answer: impl Future<Output = hyper::Result<T>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<T, String> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer.map_err(text),
        // A connection that has ended may have left the answer behind.
        ended = connection => match ended {
            Ok(()) => answer.await.map_err(text),
            Err(error) => Err(text(error)),
        },
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// So many bad answers in a row are no accident.
const BAD: u32 = 2;
