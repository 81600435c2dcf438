//! OPTIONS requests that go no further than this gateway, and those that may go one hop less.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http::request::Parts;

use crate::http::reply;
use crate::http::reply::Reply;

/// The answer to a request that asks about this server: about no resource at all (RFC 9110 §9.3.7),
/// or with no hop left to go (§7.6.2).
pub(super) fn answer(parts: &Parts) -> Option<Reply> {
    if parts.method != Method::OPTIONS {
        return None;
    }
    let ends_here = parts.uri.path() == "*" || hops_left(&parts.headers) == Some(0);
    ends_here.then(|| {
        let mut reply = reply::empty(StatusCode::NO_CONTENT);
        reply
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(METHODS));
        reply
    })
}

/// Takes one hop off a forwarded OPTIONS (RFC 9110 §7.6.2). What is no number is not passed on.
pub(super) fn count_hop(method: &Method, headers: &mut HeaderMap) {
    if *method != Method::OPTIONS || !headers.contains_key(header::MAX_FORWARDS) {
        return;
    }
    let left = hops_left(headers).and_then(|hops| hops.checked_sub(1));
    headers.remove(header::MAX_FORWARDS);
    if let Some(left) = left {
        headers.insert(header::MAX_FORWARDS, HeaderValue::from(left));
    }
}

fn hops_left(headers: &HeaderMap) -> Option<u32> {
    let mut fields = headers.get_all(header::MAX_FORWARDS).iter();
    let first = fields.next()?.to_str().ok()?;
    let plain = first.bytes().all(|byte| byte.is_ascii_digit()) && fields.next().is_none();
    plain.then(|| first.parse().ok())?
}

/// The methods that are served. CONNECT and TRACE have no use behind a gateway and much abuse
/// (RFC 9110 §9.3.6, §9.3.8).
pub(super) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
