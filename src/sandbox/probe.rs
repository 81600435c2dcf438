//! REST resources that Marketing Cloud does not have: what arrives, and replies of any size, delay
//! and status.

use std::time::Duration;

use http::StatusCode;
use hyper::Request;
use serde_json::json;

use crate::sandbox::body::Metered;
use crate::sandbox::record;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::server::Cut;

/// The request as it arrived, and the measure of its body.
pub(super) async fn echo(request: Request<Metered>) -> Result<Reply, Cut> {
    let (head, body) = request.into_parts();
    let head = Request::from_parts(head, ());
    let measure = body.measure().await.ok_or(Cut)?;
    Ok(reply::json(
        StatusCode::OK,
        &json!({
            "method": head.method().as_str(),
            "target": record::target(&head),
            "headers": record::header_list(head.headers()),
            "body_bytes": measure.bytes,
            "body_sha256": measure.sha256,
        }),
    ))
}

/// So many bytes, at most 16 GiB.
pub(super) fn bytes(length: &str) -> Reply {
    match length.parse() {
        Ok(length) if length <= MAX_BYTES => reply::bytes(length),
        _ => RestError::not_found().reply(),
    }
}

/// An answer after so many milliseconds.
pub(super) async fn slow(millis: &str) -> Reply {
    let Ok(millis) = millis.parse() else {
        return RestError::not_found().reply();
    };
    tokio::time::sleep(Duration::from_millis(millis)).await;
    reply::json(StatusCode::OK, &json!({ "waited_ms": millis }))
}

/// An answer with this status, from 200 to 999.
pub(super) fn status(code: &str) -> Reply {
    let code = code.parse().ok().filter(|&code| code >= 200);
    match code.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(status @ (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)) => {
            let mut reply = reply::text(status, "");
            reply.headers_mut().clear();
            reply
        }
        Some(status) => RestError::new(status, 0, "A status as asked for").reply(),
        None => RestError::not_found().reply(),
    }
}

const MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;
