//! Requests that another site may have caused (RFC 10017, cross-site request forgery).

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header;
use http::request::Parts;

use super::site::Site;
use crate::fault::Fault;
use crate::http::Origin;
use crate::telemetry::metrics::labels::Forgery;

/// What the operator says about requests from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct CrossSite {
    allowed: Box<[HeaderValue]>,
    header: Option<HeaderName>,
}

impl CrossSite {
    /// Requests from pages of `allowed` pass as our own do, and so do those with `header` from clients
    /// that say nothing of their origin: no form of another site can add a field.
    pub fn new(allowed: &[Origin], header: Option<HeaderName>) -> Self {
        Self {
            // Browsers write an origin as we do (RFC 6454 §6.2).
            allowed: allowed
                .iter()
                .filter_map(|origin| HeaderValue::try_from(origin.to_string()).ok())
                .collect(),
            header,
        }
    }

    /// Whether other origins may share what is served here.
    pub(super) fn shares(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// The other origin that a request comes from, if it is one of those that may.
    pub(super) fn allowed_origin(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        match Field::of(headers, &header::ORIGIN) {
            Field::Once(origin) => self.allowed.iter().find(|allowed| *allowed == origin),
            Field::Absent | Field::Repeated => None,
        }
    }

    /// Lets safe methods pass, and others only with proof that a page of ours or of an allowed origin
    /// sent them. A session's cookie alone proves nothing.
    pub(super) fn check(
        &self,
        method: &Method,
        headers: &HeaderMap,
        site: &Site,
    ) -> Result<(), Forgery> {
        if method.is_safe() {
            return Ok(());
        }
        self.prove(headers, site)
    }

    /// The check for a proxy in front that asks on behalf of another request. It may have kept from us
    /// what the browser said, so that silence proves nothing here; what was said still counts.
    pub(super) fn check_on_behalf(
        &self,
        method: &Method,
        headers: &HeaderMap,
        site: &Site,
    ) -> Result<(), Forgery> {
        let silent = !headers.contains_key(SEC_FETCH_SITE) && !headers.contains_key(header::ORIGIN);
        if silent {
            return Ok(());
        }
        self.check(method, headers, site)
    }

    /// The check for WebSocket handshakes, which browsers let any site send (RFC 6455 §10.2): an
    /// `Origin` that equals ours or an allowed one, nothing less.
    pub(super) fn check_websocket(&self, headers: &HeaderMap, site: &Site) -> Result<(), Forgery> {
        match Field::of(headers, &header::ORIGIN) {
            Field::Once(origin) if site.is_own(origin.as_bytes()) => Ok(()),
            _ if self.allowed_origin(headers).is_some() => Ok(()),
            _ => Err(Forgery::Websocket),
        }
    }

    /// The check for routes that other sites may link to and do nothing else with: no fetch, no image,
    /// no script, no form (Fetch Metadata, resource isolation).
    pub(super) fn check_isolation(&self, parts: &Parts) -> Result<(), Forgery> {
        let headers = &parts.headers;
        let from = Field::of(headers, &SEC_FETCH_SITE);
        let near = match from {
            Field::Absent => true,
            Field::Once(from) => matches!(from.as_bytes(), b"same-origin" | b"same-site" | b"none"),
            Field::Repeated => false,
        };
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
        let followed = matches!(parts.method, Method::GET | Method::HEAD)
            && is("sec-fetch-mode", "navigate")
            && !is("sec-fetch-dest", "object")
            && !is("sec-fetch-dest", "embed");
        if near || followed || self.allowed_origin(headers).is_some() {
            Ok(())
        } else {
            Err(Forgery::Isolated)
        }
    }

    /// Fetch Metadata, else an `Origin` that equals ours, else the configured field.
    fn prove(&self, headers: &HeaderMap, site: &Site) -> Result<(), Forgery> {
        if self.allowed_origin(headers).is_some() {
            return Ok(());
        }
        let from = Field::of(headers, &SEC_FETCH_SITE);
        let origin = Field::of(headers, &header::ORIGIN);
        let (proven, otherwise) = match (from, origin) {
            (Field::Once(from), _) => {
                let ours = matches!(from.as_bytes(), b"same-origin" | b"none");
                (ours, Forgery::Site)
            }
            (Field::Absent, Field::Once(origin)) => {
                (site.is_own(origin.as_bytes()), Forgery::Origin)
            }
            (Field::Absent, Field::Absent) => {
                let said = self.header.as_ref();
                let said = said.is_some_and(|name| headers.contains_key(name));
                (said, Forgery::Silent)
            }
            (Field::Repeated, _) | (_, Field::Repeated) => (false, Forgery::Repeated),
        };
        if proven { Ok(()) } else { Err(otherwise) }
    }
}

impl From<Forgery> for Fault {
    fn from(reason: Forgery) -> Self {
        match reason {
            Forgery::Isolated => Self::Isolated,
            _ => Self::CrossSite,
        }
    }
}

/// How often a field that stands alone is there.
#[derive(Clone, Copy)]
enum Field<'a> {
    Absent,
    Once(&'a HeaderValue),
    Repeated,
}

impl<'a> Field<'a> {
    fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Once(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::route::PathPrefix;

    fn policy() -> CrossSite {
        let app = Origin::parse("https://app.example.com").expect("an origin");
        let header = HeaderName::from_static("x-requested-with");
        CrossSite::new(&[app], Some(header))
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |&(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        fields.iter().map(field).collect()
    }

    fn site() -> Site {
        let origin = Origin::parse("https://tool.example.com").expect("an origin");
        Site::new(origin, PathPrefix::parse("/oauth2/").expect("a prefix"))
    }

    const OURS: (&str, &str) = ("origin", "https://tool.example.com");
    const THEIRS: (&str, &str) = ("origin", "https://app.example.com");
    const MARK: (&str, &str) = ("x-requested-with", "x");

    #[test]
    fn unsafe_methods_need_proof() {
        for (fields, strict, configured) in [
            (&[("sec-fetch-site", "same-origin")][..], true, true),
            (&[("sec-fetch-site", "none")], true, true),
            (&[("sec-fetch-site", "same-site"), OURS], false, false),
            (&[("sec-fetch-site", "cross-site"), OURS], false, false),
            (
                &[("sec-fetch-site", "none"), ("sec-fetch-site", "none")],
                false,
                false,
            ),
            (&[OURS], true, true),
            (&[OURS, OURS], false, false),
            (&[("origin", "https://tool.example.com.evil")], false, false),
            (&[("origin", "http://tool.example.com")], false, false),
            (&[("origin", "null")], false, false),
            (&[], false, false),
            (&[MARK], false, true),
            (&[MARK, ("sec-fetch-site", "cross-site")], false, false),
            (&[MARK, ("origin", "https://evil.example")], false, false),
            (&[MARK, ("origin", "null")], false, false),
            (&[MARK, OURS, OURS], false, false),
            (&[THEIRS], false, true),
            (&[THEIRS, ("sec-fetch-site", "cross-site")], false, true),
            (&[THEIRS, ("sec-fetch-site", "same-site")], false, true),
            (&[THEIRS, THEIRS], false, false),
            (&[THEIRS, OURS], false, false),
            (&[("origin", "HTTPS://app.example.com")], false, false),
            (&[("origin", "https://app.example.com/")], false, false),
            (&[("origin", "https://app.example.com:443")], false, false),
        ] {
            let fields = headers(fields);
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                for (policy, passes) in [(CrossSite::default(), strict), (policy(), configured)] {
                    let outcome = policy.check(&method, &fields, &site());
                    assert_eq!(outcome.is_ok(), passes, "{method} {fields:?}");
                }
            }
            assert!(policy().check(&Method::GET, &fields, &site()).is_ok());
        }
    }

    #[test]
    fn a_websocket_needs_our_origin_or_an_allowed_one() {
        for (fields, strict, configured) in [
            (&[OURS][..], true, true),
            (&[THEIRS], false, true),
            (&[], false, false),
            (&[MARK], false, false),
            (&[("origin", "https://evil.example")], false, false),
            (&[("sec-fetch-site", "same-origin")], false, false),
            (&[OURS, OURS], false, false),
        ] {
            let fields = headers(fields);
            for (policy, passes) in [(CrossSite::default(), strict), (policy(), configured)] {
                let outcome = policy.check_websocket(&fields, &site());
                assert_eq!(outcome.is_ok(), passes, "{fields:?}");
            }
        }
    }

    #[test]
    fn an_isolated_route_can_be_linked_to() {
        const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
        const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
        for (method, fields, passes) in [
            (Method::GET, &[][..], true),
            (Method::POST, &[("sec-fetch-site", "same-origin")], true),
            (Method::GET, &[("sec-fetch-site", "same-site")], true),
            (
                Method::GET,
                &[CROSS, NAVIGATE, ("sec-fetch-dest", "document")],
                true,
            ),
            (
                Method::GET,
                &[CROSS, NAVIGATE, ("sec-fetch-dest", "embed")],
                false,
            ),
            (
                Method::GET,
                &[CROSS, NAVIGATE, ("sec-fetch-dest", "object")],
                false,
            ),
            (Method::POST, &[CROSS, NAVIGATE], false),
            (Method::GET, &[CROSS, ("sec-fetch-mode", "no-cors")], false),
            (Method::GET, &[CROSS], false),
            (Method::GET, &[CROSS, THEIRS], true),
            (Method::GET, &[CROSS, CROSS, NAVIGATE], true),
            (Method::GET, &[("sec-fetch-site", "new-word")], false),
        ] {
            let mut parts = http::Request::new(()).into_parts().0;
            parts.method = method;
            parts.headers = headers(fields);
            let outcome = policy().check_isolation(&parts);
            assert_eq!(outcome.is_ok(), passes, "{parts:?}");
        }
    }
}
