//! What pages of allowed origins may read (Fetch standard, the CORS protocol). Only origins that are
//! listed are ever named: no `*`, no `null`, nothing that is merely repeated.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http::request::Parts;

use super::cross_site::CrossSite;
use crate::http::reply;
use crate::http::reply::Reply;

impl CrossSite {
    /// The answer to a browser that asks whether a page of an allowed origin may send a request.
    pub(super) fn preflight(&self, parts: &Parts) -> Option<Reply> {
        let asked = &parts.headers;
        if parts.method != Method::OPTIONS
            || !asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        self.allowed_origin(asked)?;
        let mut reply = reply::empty(StatusCode::NO_CONTENT);
        let headers = reply.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
            && is_list_of_names(names.as_bytes())
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        headers.append(
            header::VARY,
            HeaderValue::from_static(
                "access-control-request-method, access-control-request-headers",
            ),
        );
        Some(reply)
    }

    /// Lets a page of an allowed origin read `answer`, be it a refusal of ours or a tool's. A tool with
    /// CORS fields of its own knows better.
    pub(super) fn share(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if !self.shares() || answer.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        if let Some(origin) = self.allowed_origin(request) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        // The next one who asks may come from elsewhere (RFC 9110 §12.5.5).
        answer.append(header::VARY, HeaderValue::from_static("origin"));
    }
}

/// Whether `text` is field names with commas between them, and not very many.
fn is_list_of_names(text: &[u8]) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let name = |name: &[u8]| !name.is_empty() && name.iter().all(token);
    text.len() <= MAX_NAMES && text.split(|&b| b == b',').map(<[u8]>::trim_ascii).all(name)
}

/// Longest list of field names that is answered, in bytes.
const MAX_NAMES: usize = 1024;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

const TRUE: HeaderValue = HeaderValue::from_static("true");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_are_a_list_of_tokens() {
        for (text, good) in [
            ("x-a", true),
            ("content-type, X-Requested-With", true),
            ("a,b", true),
            ("", false),
            ("a,,b", false),
            ("a b", false),
            ("a\"", false),
            ("a:b", false),
            ("*", true),
        ] {
            assert_eq!(is_list_of_names(text.as_bytes()), good, "{text:?}");
        }
        assert!(!is_list_of_names("a".repeat(MAX_NAMES + 1).as_bytes()));
    }
}
