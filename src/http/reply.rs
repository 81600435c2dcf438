//! Answers of our own: documents, pages and redirects.

use bytes::Bytes;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;
use http_body::Body as _;
use http_body_util::Full;

/// An answer that we wrote ourselves, whole.
pub type Reply = Response<Full<Bytes>>;

/// A JSON document.
pub fn json(document: &serde_json::Value) -> Reply {
    own(document.to_string().into(), "application/json")
}

/// A problem document.
pub fn problem(document: &serde_json::Value) -> Reply {
    own(document.to_string().into(), "application/problem+json")
}

/// Text of any type, as it is.
pub fn text(text: String, content_type: &'static str) -> Reply {
    own(text.into(), content_type)
}

/// A page. A policy that no field can hold leaves the strictest in place.
pub fn html(page: String, policy: &str) -> Reply {
    let mut reply = own(page.into(), "text/html; charset=utf-8");
    if let Ok(policy) = HeaderValue::try_from(policy) {
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    reply
}

/// An empty answer.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = own(Bytes::new(), "text/plain; charset=utf-8");
    *reply.status_mut() = status;
    reply
}

/// A redirect; `None` if `location` cannot stand in a header.
pub fn redirect(status: StatusCode, location: &str) -> Option<Reply> {
    let location = HeaderValue::try_from(location).ok()?;
    let mut reply = empty(status);
    reply.headers_mut().insert(header::LOCATION, location);
    Some(reply)
}

/// The body of an answer of ours.
pub fn into_bytes(reply: Reply) -> Bytes {
    // A `Full` that was never polled holds all there is.
    let mut body = std::pin::pin!(reply.into_body());
    let polled = body
        .as_mut()
        .poll_frame(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    match polled {
        std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

/// No cache keeps an answer of ours, no other site learns our URLs, and nothing guesses its type.
fn own(body: Bytes, content_type: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(body));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    reply
}
