//! Resources to try a proxy with: echoes, streams, sizes, delays, cookies.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;
use hyper::Request;
use serde_json::json;
use url::form_urlencoded;

use crate::sandbox::body;
use crate::sandbox::body::Metered;
use crate::sandbox::probe;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::server::Cut;

/// `/echo/…`: the request as it arrived, and the measure of its body.
pub(super) async fn echo(request: Request<Metered>) -> Result<Reply, Cut> {
    probe::echo(request).await
}

/// `/upload`: how much came, and its digest.
pub(super) async fn upload(request: Request<Metered>) -> Result<Reply, Cut> {
    let measure = request.into_body().measure().await.ok_or(Cut)?;
    Ok(reply::json(
        StatusCode::OK,
        &json!({ "body_bytes": measure.bytes, "body_sha256": measure.sha256 }),
    ))
}

/// `/download/{n}`: so many bytes.
pub(super) fn download(length: &str) -> Reply {
    probe::bytes(length)
}

/// `/slow/{ms}`
pub(super) async fn slow(millis: &str) -> Reply {
    probe::slow(millis).await
}

/// `/set-cookie?name=…&value=…`: one `Set-Cookie` for each `name`, with the `value` behind it.
pub(super) fn set_cookies(request: &Request<Metered>) -> Reply {
    let query = request.uri().query().unwrap_or_default();
    let mut reply = reply::text(StatusCode::OK, "Cookies set.\n");
    let mut name = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "name" => name = Some(value),
            "value" => {
                let cookie = format!("{}={value}; Path=/", name.take().unwrap_or_default());
                reply = reply::with(reply, header::SET_COOKIE, &cookie);
            }
            _ => {}
        }
    }
    reply
}

/// `/sse?n=…&ms=…`: `n` events (default 5, 0 without end), one every `ms` milliseconds
/// (default 1000) of `tokio` time, the first at once.
pub(super) fn events(request: &Request<Metered>) -> Reply {
    let query = request.uri().query().unwrap_or_default();
    let number = |name: &str, default: u64| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(default)
    };
    let (count, every) = (number("n", 5), Duration::from_millis(number("ms", 1000)));
    let events = stream::unfold(0, move |n| async move {
        if count != 0 && n == count {
            return None;
        }
        if n > 0 {
            tokio::time::sleep(every).await;
        }
        let event = format!("id: {n}\nevent: tick\ndata: {{\"n\":{n}}}\n\n");
        Some((Bytes::from(event), n + 1))
    });
    let mut reply = Response::new(body::streamed(events));
    let headers = reply.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}
