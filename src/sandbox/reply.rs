//! Replies: JSON, text, pages, redirects, filler.

use http::HeaderName;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;
use serde_json::Value;

use crate::sandbox::body;
use crate::sandbox::body::ReplyBody;

/// What a handler answers.
pub(super) type Reply = Response<ReplyBody>;

pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    with_type(status, "application/json", value.to_string())
}

pub(super) fn text(status: StatusCode, text: &str) -> Reply {
    with_type(status, "text/plain; charset=utf-8", text.to_owned())
}

/// A page under a policy of its own; never stored, never framed by strangers.
pub(super) fn page(status: StatusCode, html: String, policy: &str) -> Reply {
    let reply = with_type(status, "text/html; charset=utf-8", html);
    let reply = with(reply, header::CONTENT_SECURITY_POLICY, policy);
    let reply = with(reply, header::CACHE_CONTROL, "no-store");
    let reply = with(reply, header::REFERRER_POLICY, "no-referrer");
    with(reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

pub(super) fn redirect(location: &str) -> Reply {
    let reply = with_type(
        StatusCode::FOUND,
        "text/plain; charset=utf-8",
        String::new(),
    );
    with(
        with(reply, header::LOCATION, location),
        header::CACHE_CONTROL,
        "no-store",
    )
}

pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(body::full(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Adds a field; a value that no field can hold is left out.
pub(super) fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().append(name, value);
    }
    reply
}

/// `length` bytes of filler.
pub(super) fn bytes(length: u64) -> Reply {
    let mut reply = Response::new(body::filler(length));
    reply.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    with(reply, header::CONTENT_LENGTH, &length.to_string())
}

/// Text that is safe between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut safe, c| {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape(r#"<a b="c" d='e'>&"#),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;"
        );
    }
}
