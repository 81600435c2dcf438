//! Which header fields pass, in either direction.
//!
//! The forwarded section is built anew from the fields that may pass, so that nothing is forwarded
//! by oversight, and our own fields are added to the result: a client's `Connection: Authorization`
//! finds nothing of ours to remove (RFC 9110 §7.6.1).

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;

use super::cookies;
use super::cookies::CookieNames;

/// What a request may take along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRules<'a> {
    /// Our cookies, which are cut out.
    pub cookies: Option<&'a CookieNames>,
    /// Whether the client's own `Authorization` passes.
    pub authorization: bool,
    /// Whether the fields with which a browser tells where it is coming from pass.
    pub browser: bool,
    /// Whether the request's method is safe, and has to stay so: another one in a field would be a
    /// method that no check has seen.
    pub safe: bool,
}

/// A field that some readers take for `Content-Length` or `Transfer-Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field is spelt nearly like one that frames the message")]
pub struct NearlyFraming;

/// The fields of `inbound` that may be forwarded. Nothing that frames, routes, authenticates or
/// identifies is among them: the caller adds its own.
pub fn forwardable(
    inbound: &HeaderMap,
    rules: &RequestRules<'_>,
) -> Result<HeaderMap, NearlyFraming> {
    let named = ConnectionOptions::of(inbound);
    // Room for the fields that the caller adds, so that the map is not grown.
    let added = if rules.browser { FOR_TOOLS } else { FOR_APIS };
    let mut outbound = HeaderMap::with_capacity(inbound.len() + added);
    for (name, value) in inbound {
        let passes = match classify(name.as_str()) {
            Class::Plain => true,
            Class::Authorization => rules.authorization,
            Class::Browser => rules.browser,
            Class::Method => !rules.safe,
            Class::NearlyFraming => return Err(NearlyFraming),
            Class::Cookie | Class::Dropped => false,
        };
        if passes && !named.contains(name) {
            outbound.append(name, value.clone());
        }
    }
    if let Some(cookie) = rules
        .cookies
        .filter(|_| !named.contains(&header::COOKIE))
        .and_then(|names| cookies::without_ours(inbound, names))
    {
        outbound.insert(header::COOKIE, cookie);
    }
    Ok(outbound)
}

/// Whether a client's field of this name passes to a tool as it is.
pub fn is_forwardable(name: &HeaderName) -> bool {
    classify(name.as_str()) == Class::Plain
}

/// Whether `name` is `Content-Length` or `Transfer-Encoding` to a reader who makes nothing of
/// separators. The two themselves are not asked about.
pub(crate) fn is_nearly_framing(name: &[u8]) -> bool {
    if name.len() < "contentlength".len() {
        return false;
    }
    let letters = || {
        name.iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase)
    };
    letters().eq(*b"contentlength") || letters().eq(*b"transferencoding")
}

/// Takes out of an upstream's answer what ends at this hop (RFC 9110 §7.6.1), and what only this
/// gateway says: a tool that repeats what it was told would hand the token to the browser.
pub fn clean_answer(headers: &mut HeaderMap) {
    let named = ConnectionOptions::of(headers);
    let dropped = |name: &&HeaderName| ends_here(name.as_str()) || named.contains(name);
    // Mostly `Connection` alone, and then no list of names is made.
    while let Some(name) = headers.keys().find(dropped).cloned() {
        // With both lengths, the coding is the one that was followed (RFC 9112 §6.3); the other must
        // not cut the answer short.
        if name == header::TRANSFER_ENCODING {
            headers.remove(header::CONTENT_LENGTH);
        }
        headers.remove(name);
    }
}

/// Whether a field of an answer is for this hop only, or ours to say.
fn ends_here(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => matches!(
            name,
            "proxy-connection" | "proxy-authenticate" | "proxy-authorization"
        ),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        Some(b'x') => ["x-forwarded-", "x-marketing-cloud-", "x-auth-request-"]
            .iter()
            .any(|prefix| name.starts_with(prefix)),
        _ => false,
    }
}

/// Takes out of `Clear-Site-Data` what would end the session: signing out is this gateway's.
pub fn keep_cookies(headers: &mut HeaderMap) {
    let kept: Vec<HeaderValue> = headers
        .get_all(CLEAR_SITE_DATA)
        .iter()
        .flat_map(|field| field.as_bytes().split(|&b| b == b','))
        .flat_map(|kind| match kind.trim_ascii() {
            b"\"*\"" => ["\"cache\"", "\"storage\""]
                .map(HeaderValue::from_static)
                .to_vec(),
            b"\"cookies\"" => Vec::new(),
            other => HeaderValue::from_bytes(other).into_iter().collect(),
        })
        .collect();
    headers.remove(CLEAR_SITE_DATA);
    for kind in kept {
        headers.append(CLEAR_SITE_DATA, kind);
    }
}

/// How a browser fetches (Fetch Metadata).
pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What it fetches for.
pub const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Asks a browser to forget what it holds of a site.
pub const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Takes out the `Set-Cookie` lines that `refused` names.
pub fn retain_set_cookies(headers: &mut HeaderMap, refused: impl Fn(&HeaderValue) -> bool) {
    if !headers.get_all(header::SET_COOKIE).iter().any(&refused) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter(|line| !refused(line))
        .cloned()
        .collect();
    headers.remove(header::SET_COOKIE);
    for line in kept {
        headers.append(header::SET_COOKIE, line);
    }
}

/// The field names listed in all `Connection` fields.
struct ConnectionOptions(Vec<HeaderName>);

impl ConnectionOptions {
    fn of(headers: &HeaderMap) -> Self {
        let mut names = Vec::new();
        for field in headers.get_all(header::CONNECTION) {
            if field == "keep-alive" || field == "close" {
                continue;
            }
            for option in field.as_bytes().split(|&b| b == b',') {
                let option = option.trim_ascii();
                let usual = option.eq_ignore_ascii_case(b"keep-alive")
                    || option.eq_ignore_ascii_case(b"close");
                if !usual
                    && names.len() < MAX_OPTIONS
                    && let Ok(name) = HeaderName::from_bytes(option)
                {
                    names.push(name);
                }
            }
        }
        Self(names)
    }

    fn contains(&self, name: &HeaderName) -> bool {
        !self.0.is_empty() && self.0.contains(name)
    }
}

/// What becomes of a client's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Passes.
    Plain,
    /// Passes where no token is added.
    Authorization,
    /// Passes to tools only.
    Browser,
    /// Names another method; passes with unsafe ones.
    Method,
    /// Makes the request one that readers frame differently.
    NearlyFraming,
    /// Passes without our cookies.
    Cookie,
    /// Belongs to this hop, or is ours to say.
    Dropped,
}

/// Sorts a lower-case name. Names with `_`, `.` or the like are sorted by what a CGI-like reader
/// makes of them, and never pass under a name that we own (CVE-2025-64484).
fn classify(name: &str) -> Class {
    if name.bytes().any(is_odd) {
        let folded: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        return match classify_folded(&folded) {
            Class::Plain => Class::Plain,
            _ if is_nearly_framing(name.as_bytes()) => Class::NearlyFraming,
            _ => Class::Dropped,
        };
    }
    classify_folded(name)
}

/// What CGI writes as `_`, as it does with a hyphen.
fn is_odd(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && byte != b'-'
}

fn classify_folded(name: &str) -> Class {
    let dropped = match name.as_bytes().first() {
        Some(b'a') if name == "authorization" => return Class::Authorization,
        Some(b'c') => match name {
            "cookie" => return Class::Cookie,
            "connection" | "content-length" | "client-ip" | "client-cert" | "client-cert-chain"
            | "cf-connecting-ip" | "cf-connecting-ipv6" => true,
            _ if is_nearly_framing(name.as_bytes()) => return Class::NearlyFraming,
            _ => false,
        },
        Some(b'e') => name == "expect",
        Some(b'f') => matches!(name, "forwarded" | "fastly-client-ip"),
        Some(b'h') => matches!(name, "host" | "http2-settings"),
        Some(b'k') => name == "keep-alive",
        Some(b'o') if name == "origin" => return Class::Browser,
        Some(b'p') => matches!(
            name,
            "proxy-connection" | "proxy-authenticate" | "proxy-authorization" | "proxy"
        ),
        Some(b'r') if name == "referer" => return Class::Browser,
        Some(b'r') => {
            matches!(
                name,
                "remote-user" | "remote-email" | "remote-name" | "remote-groups"
            )
        }
        Some(b's') if name.starts_with("sec-") => return Class::Browser,
        Some(b't') => {
            let ours = matches!(
                name,
                "te" | "trailer"
                    | "transfer-encoding"
                    | "traceparent"
                    | "tracestate"
                    | "true-client-ip"
            );
            if !ours && is_nearly_framing(name.as_bytes()) {
                return Class::NearlyFraming;
            }
            ours
        }
        Some(b'u') => name == "upgrade",
        Some(b'v') => name == "via",
        Some(b'x') => {
            if matches!(
                name,
                "x-http-method-override" | "x-http-method" | "x-method-override"
            ) {
                return Class::Method;
            }
            [
                "x-forwarded-",
                "x-marketing-cloud-",
                "x-original-",
                "x-rewrite-",
                "x-real-",
                "x-envoy-",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
                || (name.starts_with("x-auth-") && name != "x-auth-token")
                || matches!(
                    name,
                    "x-forwarded"
                        | "x-request-id"
                        | "x-client-ip"
                        | "x-remote-user"
                        | "x-webauth-user"
                        | "x-host"
                        | "x-http-host-override"
                        | "x-scheme"
                        | "x-url-scheme"
                        | "x-cluster-client-ip"
                        | "x-azure-clientip"
                        | "x-azure-socketip"
                        | "x-appengine-user-ip"
                )
        }
        _ => false,
    };
    if dropped {
        Class::Dropped
    } else {
        Class::Plain
    }
}

/// Options looked at; a client that names more only keeps its own fields.
const MAX_OPTIONS: usize = 32;

/// The fields that a request to a tool gains, at most, and one to a tenant's API.
const FOR_TOOLS: usize = 16;
const FOR_APIS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIES: CookieNames = CookieNames::new(true);
    const TOOL: RequestRules<'_> = RequestRules {
        cookies: Some(&COOKIES),
        authorization: false,
        browser: true,
        safe: true,
    };

    fn passed(inbound: &HeaderMap, rules: &RequestRules<'_>) -> HeaderMap {
        forwardable(inbound, rules).expect("clear framing")
    }

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (
                HeaderName::try_from(*name).expect("a name"),
                HeaderValue::try_from(*value).expect("a value"),
            )
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn no_spelling_of_a_field_of_ours_passes() {
        for name in [
            "X-Forwarded-User",
            "x-forwarded-email",
            "X_Forwarded_User",
            "x-forwarded_user",
            "X.Forwarded.User",
            "X-Forwarded-Anything",
            "Forwarded",
            "X-Real-IP",
            "X-Marketing-Cloud-Business-Unit",
            "X_Marketing_Cloud_Rest_Url",
            "Authorization",
            "AUTHORIZATION",
            "X-Request-Id",
            "Traceparent",
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "TE",
            "Upgrade",
            "Proxy-Authorization",
            "X-Original-URL",
            "X-Rewrite-Url",
            "X-Original-Uri",
            "Via",
            "Proxy",
            "Expect",
            "X-Auth-Request-User",
            "HTTP2-Settings",
            "Keep-Alive",
            "Connection",
            "X!Forwarded~User",
            "X-Auth-User",
            "X_Auth_Roles",
            "Remote-User",
            "REMOTE_USER",
            "X-Remote-User",
            "X-HTTP-Host-Override",
            "Fastly-Client-IP",
            "X-HTTP-Method-Override",
            "x_http_method",
        ] {
            assert!(passed(&map(&[(name, "1")]), &TOOL).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_spelt_nearly_like_framing_is_refused() {
        for name in [
            "Transfer_Encoding",
            "transfer.encoding",
            "Transfer---Encoding",
            "TransferEncoding",
            "Content_Length",
            "content-length-",
            "Content--Length",
        ] {
            let inbound = map(&[("accept", "a"), (name, "1")]);
            assert_eq!(forwardable(&inbound, &TOOL), Err(NearlyFraming), "{name}");
        }
        let others = map(&[
            ("content-lengths", "1"),
            ("content-type", "t"),
            ("x-content-length", "1"),
        ]);
        assert_eq!(forwardable(&others, &TOOL), Ok(others));
    }

    #[test]
    fn a_safe_method_stays_the_method() {
        let inbound = map(&[("x-http-method-override", "DELETE")]);
        assert!(passed(&inbound, &TOOL).is_empty());
        let rules = RequestRules {
            safe: false,
            ..TOOL
        };
        assert_eq!(passed(&inbound, &rules), inbound);
        let odd = map(&[("x_http_method_override", "DELETE")]);
        assert!(passed(&odd, &rules).is_empty());
    }

    #[test]
    fn other_fields_pass_with_every_value() {
        let inbound = map(&[
            ("accept", "a"),
            ("accept", "b"),
            ("x-custom", "1"),
            ("x_custom", "2"),
            ("x-auth-token", "3"),
            ("origin", "o"),
        ]);
        assert_eq!(passed(&inbound, &TOOL), inbound);
        let api = RequestRules {
            cookies: None,
            authorization: false,
            browser: false,
            safe: true,
        };
        let inbound = map(&[
            ("origin", "o"),
            ("referer", "r"),
            ("sec-fetch-site", "s"),
            ("cookie", "a=1"),
            ("range", "b"),
        ]);
        assert_eq!(passed(&inbound, &api), map(&[("range", "b")]));
    }

    #[test]
    fn every_connection_field_counts() {
        let inbound = map(&[
            ("connection", "x-a"),
            ("connection", "keep-alive, X-B"),
            ("x-a", "1"),
            ("x-b", "1"),
            ("x-c", "1"),
        ]);
        assert_eq!(passed(&inbound, &TOOL), map(&[("x-c", "1")]));
        let mut answer = inbound;
        clean_answer(&mut answer);
        assert_eq!(answer, map(&[("x-c", "1")]));
    }

    #[test]
    fn an_answer_keeps_what_is_its_own() {
        let mut answer = map(&[
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "h2c"),
            ("x-forwarded-access-token", "secret"),
            ("x-marketing-cloud-rest-url", "u"),
            ("server", "s"),
        ]);
        clean_answer(&mut answer);
        assert_eq!(answer, map(&[("server", "s")]));
    }

    #[test]
    fn an_answer_does_not_end_the_session() {
        for (told, kept) in [
            (&["\"cookies\""][..], &[][..]),
            (
                &["\"cache\", \"cookies\"", "\"storage\""],
                &["\"cache\"", "\"storage\""],
            ),
            (&["\"*\""], &["\"cache\"", "\"storage\""]),
        ] {
            let fields = |values: &[&'static str]| {
                let field = |value: &&'static str| ("clear-site-data", *value);
                map(&values.iter().map(field).collect::<Vec<_>>())
            };
            let mut answer = fields(told);
            keep_cookies(&mut answer);
            assert_eq!(answer, fields(kept), "{told:?}");
        }
    }

    #[test]
    fn the_clients_authorization_passes_only_where_no_token_is_added() {
        let inbound = map(&[("authorization", "Basic x")]);
        assert!(passed(&inbound, &TOOL).is_empty());
        assert_eq!(
            passed(
                &inbound,
                &RequestRules {
                    authorization: true,
                    ..TOOL
                }
            ),
            inbound
        );
    }

    #[test]
    fn set_cookie_lines_are_dropped_one_by_one() {
        let mut answer = map(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "__Host-Http-sidegate=x"),
            ("set-cookie", "b=2"),
        ]);
        retain_set_cookies(&mut answer, |line| cookies::sets_ours(line, &COOKIES));
        assert_eq!(answer, map(&[("set-cookie", "a=1"), ("set-cookie", "b=2")]));
    }
}
