//! Requests that another site may have caused (RFC 10017, cross-site request forgery).

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;

use super::site::Site;
use crate::fault::Fault;

/// Lets safe methods pass, and others only with proof that a page of ours sent them: Fetch Metadata,
/// else an `Origin` that equals ours. A session's cookie alone proves nothing.
pub(super) fn check(method: &Method, headers: &HeaderMap, site: &Site) -> Result<(), Fault> {
    if method.is_safe() {
        Ok(())
    } else {
        same_origin(headers, site)
    }
}

/// The check for WebSocket handshakes, which browsers let any site send (RFC 6455 §10.2): an
/// `Origin` that equals ours, nothing less.
pub(super) fn check_websocket(headers: &HeaderMap, site: &Site) -> Result<(), Fault> {
    match one(headers, header::ORIGIN.as_str()) {
        Some(origin) if site.is_own(origin) => Ok(()),
        _ => Err(Fault::CrossSite),
    }
}

fn same_origin(headers: &HeaderMap, site: &Site) -> Result<(), Fault> {
    let proven = match one(headers, "sec-fetch-site") {
        Some(from) => matches!(from, b"same-origin" | b"none"),
        None => one(headers, header::ORIGIN.as_str()).is_some_and(|origin| site.is_own(origin)),
    };
    proven.then_some(()).ok_or(Fault::CrossSite)
}

/// The field's value, if it is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::gateway::route::PathPrefix;
    use crate::http::Origin;

    fn outcome(method: &Method, fields: &[(&'static str, &'static str)]) -> Result<(), Fault> {
        let origin = Origin::parse("https://tool.example.com").expect("an origin");
        let site = Site::new(origin, PathPrefix::parse("/oauth2/").expect("a prefix"));
        let field = |&(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let headers = fields.iter().map(field).collect();
        match *method {
            Method::CONNECT => check_websocket(&headers, &site),
            _ => check(method, &headers, &site),
        }
    }

    #[test]
    fn unsafe_methods_need_proof() {
        const OURS: (&str, &str) = ("origin", "https://tool.example.com");
        for (fields, passes) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site"), OURS], false),
            (&[("sec-fetch-site", "cross-site"), OURS], false),
            (&[OURS], true),
            (&[OURS, OURS], false),
            (&[("origin", "https://tool.example.com.evil")], false),
            (&[("origin", "http://tool.example.com")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                assert_eq!(
                    outcome(&method, fields).is_ok(),
                    passes,
                    "{method} {fields:?}"
                );
            }
            assert!(outcome(&Method::GET, fields).is_ok());
        }
    }

    #[test]
    fn a_websocket_needs_our_origin() {
        assert!(outcome(&Method::CONNECT, &[("origin", "https://tool.example.com")]).is_ok());
        for fields in [
            &[][..],
            &[("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert!(outcome(&Method::CONNECT, fields).is_err(), "{fields:?}");
        }
    }
}
