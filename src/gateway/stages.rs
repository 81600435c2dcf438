//! Order as types: only a sanitized request can be authorized, only an authorized one be sent.

use std::net::IpAddr;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Uri;
use http::Version;
use http::header;
use http::uri::PathAndQuery;

use super::identify::RequestId;
use super::options;
use super::route::Destination;
use super::route::JourneyBody;
use super::route::Route;
use super::route::Token;
use super::site::Site;
use crate::fault::Fault;
use crate::http::Target;
use crate::http::headers;
use crate::http::headers::RequestRules;
use crate::session::Live;
use crate::upstream::RequestBody;

/// The head of a request without anything that only this gateway may say.
#[derive(Debug)]
pub(super) struct Sanitized {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// The head of a request as it goes out.
#[derive(Debug)]
pub(super) struct Authorized(Sanitized);

/// Where a request came from, for the fields that say so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provenance<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The client's certificate, in the words of its field.
    pub certificate: Option<&'a HeaderValue>,
    /// The request's id.
    pub id: &'a RequestId,
    /// The public site.
    pub site: &'a Site,
    /// Whether tools are told of permissions.
    pub permissions: bool,
}

impl Sanitized {
    /// Takes over method, target and the fields that may pass.
    pub(super) fn of(
        method: &Method,
        target: &Target<'_>,
        inbound: &HeaderMap,
        route: &Route,
        site: &Site,
    ) -> Result<Self, Fault> {
        let tool = matches!(route.to, Destination::Tool(_));
        let rules = RequestRules {
            cookies: tool.then_some(site.names()),
            authorization: tool && route.token == Token::None,
            browser: tool,
            safe: method.is_safe(),
        };
        let mut headers =
            headers::forwardable(inbound, &rules).map_err(|_| Fault::MalformedRequest)?;
        options::count_hop(method, &mut headers);
        // A fault that says that the token is refused has to be read here.
        if route.to == Destination::Soap {
            headers.remove(header::ACCEPT_ENCODING);
        }
        Ok(Self {
            method: method.clone(),
            uri: forwarded_target(target, route)?,
            headers,
        })
    }

    /// Adds what this gateway says, to a tenant's API: the token, if its place is in a field, and nothing
    /// about the person.
    pub(super) fn authorize_api(
        mut self,
        host: HeaderValue,
        live: Option<&Live>,
        from: &Provenance<'_>,
    ) -> Authorized {
        self.headers.insert(header::HOST, host);
        if let Some(live) = live {
            self.headers
                .insert(header::AUTHORIZATION, live.bearer.clone());
        }
        self.trace(from);
        Authorized(self)
    }

    /// Adds what this gateway says, to a tool: who is there, from where, and the token if the route
    /// allows it.
    pub(super) fn authorize_tool(
        mut self,
        live: Option<&Live>,
        token: Token,
        from: &Provenance<'_>,
    ) -> Result<Authorized, Fault> {
        let site = from.site;
        self.headers.insert(header::HOST, site.host().clone());
        self.headers.insert(X_FORWARDED_HOST, site.host().clone());
        self.headers.insert(
            X_FORWARDED_PROTO,
            HeaderValue::from_static(site.origin().scheme().as_str()),
        );
        // All say the same, as tools choose one of them: the client, and nothing that it said itself.
        let client = own(from.client.to_string())?;
        self.headers.insert(X_FORWARDED_FOR, client.clone());
        self.headers.insert(X_REAL_IP, client);
        self.headers
            .insert(header::FORWARDED, own(site.forwarded(from.client))?);
        if let Some(certificate) = from.certificate {
            self.headers.insert(CLIENT_CERT, certificate.clone());
        }
        if let Some(live) = live {
            for (name, value) in &live.identity {
                self.headers.insert(name, value.clone());
            }
            if let Some(value) = live.permissions.as_ref().filter(|_| from.permissions) {
                self.headers
                    .insert(X_MARKETING_CLOUD_PERMISSIONS, value.clone());
            }
            if token == Token::Bearer {
                self.headers
                    .insert(header::AUTHORIZATION, live.bearer.clone());
                self.headers
                    .insert(X_FORWARDED_ACCESS_TOKEN, live.token.clone());
            }
        }
        // What it says is between the proxies of one house.
        if let Some(state) = from.id.tracestate() {
            self.headers.insert(TRACESTATE, state.clone());
        }
        self.trace(from);
        Ok(Authorized(self))
    }

    fn trace(&mut self, from: &Provenance<'_>) {
        self.headers.insert(X_REQUEST_ID, from.id.header().clone());
        self.headers.insert(TRACEPARENT, from.id.traceparent());
        // RFC 9110 §7.6.3: a gateway names itself; a pseudonym says no version.
        self.headers
            .insert(header::VIA, HeaderValue::from_static("1.1 sidegate"));
    }
}

impl Authorized {
    /// Lets the request ask for a WebSocket.
    #[must_use]
    pub(super) fn upgrading(mut self) -> Self {
        self.0
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        self.0
            .headers
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        self
    }

    /// Says that the package signed the body.
    #[must_use]
    pub(super) fn signed_by_package(mut self, passes: JourneyBody) -> Self {
        let headers = &mut self.0.headers;
        headers.insert(JOURNEY, HeaderValue::from_static("verified"));
        if passes == JourneyBody::Decoded {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            headers.remove(header::CONTENT_ENCODING);
        }
        self
    }

    /// Says that trailers are understood, which gRPC servers insist on.
    #[must_use]
    pub(super) fn taking_trailers(mut self) -> Self {
        self.0
            .headers
            .insert(header::TE, HeaderValue::from_static("trailers"));
        self
    }

    /// Target and fields.
    pub(super) fn head(&self) -> (&Uri, &HeaderMap) {
        (&self.0.uri, &self.0.headers)
    }

    /// The request, with its body.
    pub(super) fn into_request(self, body: RequestBody) -> Request<RequestBody> {
        let Sanitized {
            method,
            uri,
            mut headers,
        } = self.0;
        // Said also of an empty body, where one is expected (RFC 9110 §8.6): some servers want it (411).
        if matches!(body, RequestBody::Empty)
            && matches!(method, Method::POST | Method::PUT | Method::PATCH)
        {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        *request.version_mut() = Version::HTTP_11;
        request
    }
}

/// Path and query, byte for byte but for the prefix that the route takes off.
pub(super) fn forwarded_target(target: &Target<'_>, route: &Route) -> Result<Uri, Fault> {
    let mut path = target.path();
    if route.strip_prefix {
        path = route.prefix.strip(path).ok_or(Fault::Internal)?;
    }
    let query = target.query();
    let mut text = String::with_capacity(path.len() + query.map_or(0, str::len) + 2);
    text.push_str(if path.is_empty() { "/" } else { path });
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::try_from(text)
        .map(Uri::from)
        .map_err(|_| Fault::AmbiguousTarget)
}

fn own(text: String) -> Result<HeaderValue, Fault> {
    HeaderValue::try_from(text).map_err(|_| Fault::Internal)
}

/// Names with commas in between.
pub(super) const X_MARKETING_CLOUD_PERMISSIONS: HeaderName =
    HeaderName::from_static("x-marketing-cloud-permissions");
/// Says that the package signed a body.
const JOURNEY: HeaderName = HeaderName::from_static("x-marketing-cloud-journey");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_FORWARDED_ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-forwarded-access-token");
/// Names the request in logs and pages.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The certificate of the client (RFC 9440).
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::route::Access;
    use crate::gateway::route::PathPrefix;

    fn forwarded(prefix: &str, strip_prefix: bool, path: &str, query: Option<&str>) -> String {
        let route = Route {
            prefix: PathPrefix::parse(prefix).expect("a prefix"),
            to: Destination::Rest,
            access: Access::SignedIn,
            token: Token::Bearer,
            strip_prefix,
            isolated: false,
            rule: None,
            body_size: None,
        };
        let target = Target::from_parts(path, query).expect("a target");
        forwarded_target(&target, &route)
            .expect("forwardable")
            .to_string()
    }

    #[test]
    fn what_is_decided_on_is_what_is_forwarded() {
        for (prefix, strip, path, query, expected) in [
            (
                "/mc/rest/",
                true,
                "/mc/rest/asset/v1/x",
                None,
                "/asset/v1/x",
            ),
            (
                "/mc/rest/",
                true,
                "/mc/rest/",
                Some("a=%2f&b=;"),
                "/?a=%2f&b=;",
            ),
            ("/mc/rest", true, "/mc/rest", None, "/"),
            (
                "/mc/rest/",
                true,
                "/mc/rest/key:a%2Fb;c%25/x",
                None,
                "/key:a%2Fb;c%25/x",
            ),
            (
                "/",
                false,
                "/%E2%82%AC/$page",
                Some("$page=1&$pageSize=50"),
                "/%E2%82%AC/$page?$page=1&$pageSize=50",
            ),
            ("/", false, "/x", Some(""), "/x?"),
        ] {
            assert_eq!(forwarded(prefix, strip, path, query), expected);
        }
    }
}
