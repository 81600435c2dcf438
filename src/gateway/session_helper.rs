//! `GET /oauth2/session.js`: a small script that a tool may include. It warns before the session ends and
//! renews it in place, by our own userinfo endpoint; it knows times, and nothing else.

use std::sync::LazyLock;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header;

use crate::http::pages;
use crate::http::reply;
use crate::http::reply::Reply;

/// The script, or that the browser has it already.
pub(super) fn answer(headers: &HeaderMap) -> Reply {
    let asked = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut reply = if asked.map(HeaderValue::as_bytes).any(has_ours) {
        let mut reply = reply::empty(StatusCode::NOT_MODIFIED);
        reply.headers_mut().remove(header::CONTENT_TYPE);
        reply
    } else {
        reply::text(SCRIPT.to_owned(), "text/javascript; charset=utf-8")
    };
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHED);
    headers.insert(CORP, HeaderValue::from_static("same-origin"));
    if let Ok(tag) = HeaderValue::try_from(&*TAG) {
        headers.insert(header::ETAG, tag);
    }
    reply
}

/// Whether one of the tags in an `If-None-Match` is ours, weak or strong (RFC 9110 §13.1.2).
fn has_ours(field: &[u8]) -> bool {
    let mut tags = field.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == TAG.as_bytes())
}

const SCRIPT: &str = include_str!("session_helper.js");

static TAG: LazyLock<String> = LazyLock::new(|| format!("\"{}\"", pages::hash(SCRIPT)));

/// An hour, and then a question that costs nothing.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=3600");

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small() {
        assert!(SCRIPT.len() <= 2048, "{}", SCRIPT.len());
    }

    #[test]
    fn a_tag_is_found_among_others() {
        for field in [TAG.clone(), format!("\"x\", W/{}", *TAG), "*".to_owned()] {
            assert!(has_ours(field.as_bytes()), "{field}");
        }
        for field in ["", "\"x\"", "W/", "x,y"] {
            assert!(!has_ours(field.as_bytes()), "{field}");
        }
    }
}
