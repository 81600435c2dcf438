//! The control interface over HTTP, for this machine only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::Method;
use http::StatusCode;
use http::header;
use hyper::Request;
use hyper::body::Incoming;
use serde_json::json;

use crate::http::Origin;
use crate::http::Scheme;
use crate::sandbox::body::Metered;
use crate::sandbox::control::Control;
use crate::sandbox::fault::ArmedFault;
use crate::sandbox::fault::Place;
use crate::sandbox::journey;
use crate::sandbox::record::Log;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::tenant::Tenant;

/// Answers `/sandbox/…`.
pub(super) async fn answer(
    tenant: &Arc<Tenant>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Reply {
    if !peer.ip().is_loopback() || !is_local(request.headers()) {
        return reply::text(
            StatusCode::FORBIDDEN,
            "Only from this machine, and no web page.\n",
        );
    }
    let control = Control::new(Arc::clone(tenant));
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/sandbox/stats") => show(&control.stats()),
        (&Method::GET, "/sandbox/requests") => show(&control.requests()),
        (&Method::GET, "/sandbox/faults") => show(&tenant.faults.all()),
        (&Method::PUT, "/sandbox/faults") => put_faults(tenant, request).await,
        (&Method::POST, "/sandbox/journey") => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            journey::call(tenant, &query, &read(request).await).await
        }
        (&Method::POST, "/sandbox/reset") => {
            control.reset();
            done()
        }
        (&Method::POST, "/sandbox/revoke_all") => {
            control.revoke_all();
            done()
        }
        _ => reply::text(
            StatusCode::NOT_FOUND,
            "No such control; GET / lists them.\n",
        ),
    }
}

async fn put_faults(tenant: &Tenant, request: Request<Incoming>) -> Reply {
    let body = read(request).await;
    match serde_json::from_slice::<BTreeMap<Place, ArmedFault>>(&body) {
        Ok(faults) => {
            tenant.faults.replace(faults);
            show(&tenant.faults.all())
        }
        Err(error) => reply::json(
            StatusCode::BAD_REQUEST,
            &json!({ "error": error.to_string() }),
        ),
    }
}

async fn read(request: Request<Incoming>) -> Vec<u8> {
    // Calls of this interface are not recorded: their log is thrown away.
    let log: Arc<Log> = Arc::default();
    let id = log.start(&request);
    let body = Metered::new(request.into_body(), log, id)
        .read(MAX_BODY)
        .await;
    body.unwrap_or_default()
}

/// Keeps out pages of other sites, also those that rebind a name of theirs to this machine.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| Origin::from_authority(Scheme::Http, host).ok());
    host.is_some_and(|host| host.is_loopback()) && !headers.contains_key(header::ORIGIN)
}

fn show(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_value(value) {
        Ok(value) => reply::json(StatusCode::OK, &value),
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn done() -> Reply {
    reply::json(StatusCode::OK, &json!({ "done": true }))
}

const MAX_BODY: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_pages_are_kept_out() {
        for (host, origin, local) in [
            ("127.0.0.1:9100", None, true),
            ("localhost:9100", None, true),
            ("rebound.example:9100", None, false),
            ("127.0.0.1:9100", Some("https://evil.example"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a value"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("a value"));
            }
            assert_eq!(is_local(&headers), local, "{host} {origin:?}");
        }
    }
}
