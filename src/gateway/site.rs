//! The public side: what browsers call this gateway, and where its own endpoints are.

use std::net::IpAddr;

use http::HeaderMap;
use http::HeaderValue;
use http::Uri;
use http::header;
use http::uri::Authority;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use super::route::PathPrefix;
use crate::fault::Fault;
use crate::http::CookieNames;
use crate::http::Framing;
use crate::http::Origin;
use crate::http::Scheme;
use crate::http::refusal::Note;

/// The public URL and what follows from it.
#[derive(Clone, Debug)]
pub struct Site {
    origin: Origin,
    authorities: Vec<String>,
    base: String,
    host: HeaderValue,
    forwarded: String,
    prefix: PathPrefix,
    names: CookieNames,
    framing: Option<Framing>,
}

impl Site {
    /// The site at `origin`, with endpoints under `prefix`.
    pub fn new(origin: Origin, prefix: PathPrefix) -> Self {
        let with_port = format!("{}:{}", origin.host(), origin.port());
        let mut authorities = vec![origin.authority(), with_port];
        authorities.dedup();
        let names = CookieNames::new(origin.scheme() == Scheme::Https);
        // A host name or an address in brackets, which a field may always hold.
        let host = HeaderValue::try_from(origin.authority())
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        let scheme = origin.scheme().as_str();
        Self {
            forwarded: format!(";host=\"{}\";proto={scheme}", origin.authority()),
            host,
            base: origin.to_string(),
            authorities,
            origin,
            prefix,
            names,
            framing: None,
        }
    }

    /// The same inside frames of other sites, if there are any.
    #[must_use]
    pub fn framed_by(self, framing: Option<Framing>) -> Self {
        let Some(framing) = framing else { return self };
        Self {
            names: self.names.embedded(),
            framing: Some(framing),
            ..self
        }
    }

    /// Who may frame this site, if anybody may.
    pub fn framing(&self) -> Option<&Framing> {
        self.framing.as_ref()
    }

    /// Whether a request loads a document into a frame, where that may be.
    pub fn is_framed(&self, headers: &HeaderMap) -> bool {
        self.framing.is_some() && Framing::is_frame(headers)
    }

    /// The public origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Every way to write the public host, in lower case.
    pub(super) fn authorities(&self) -> &[String] {
        &self.authorities
    }

    /// The `Host` field that browsers send.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// What a tool is told of `client` and this site in one field (RFC 7239 §4).
    pub fn forwarded(&self, client: IpAddr) -> String {
        match client {
            IpAddr::V4(address) => format!("for={address}{}", self.forwarded),
            // Brackets and colons need quotes (RFC 7239 §6).
            IpAddr::V6(address) => format!("for=\"[{address}]\"{}", self.forwarded),
        }
    }

    /// Whether browsers come by https.
    pub fn is_https(&self) -> bool {
        self.origin.scheme() == Scheme::Https
    }

    /// What our cookies are called.
    pub fn names(&self) -> &CookieNames {
        &self.names
    }

    /// The prefix of our own endpoints, ending in `/`.
    pub fn prefix(&self) -> &PathPrefix {
        &self.prefix
    }

    /// The path of one of our endpoints.
    pub fn path(&self, endpoint: &str) -> String {
        format!("{}/{endpoint}", self.prefix.as_str().trim_end_matches('/'))
    }

    /// The redirect URI: from configuration, never from a request (RFC 6749 §4.1.3).
    pub fn redirect_uri(&self) -> String {
        format!("{}{}", self.base, self.path("callback"))
    }

    /// Where a program sends its user to sign in and come back to `path`.
    pub fn login_url(&self, path: &str) -> String {
        format!(
            "{}{}?rd={}",
            self.base,
            self.path("start"),
            utf8_percent_encode(path, QUERY_VALUE)
        )
    }

    /// Whether `origin`, as a browser writes it into `Origin`, is ours.
    pub fn is_own(&self, origin: &[u8]) -> bool {
        origin == self.base.as_bytes()
    }

    /// The path of a page of ours that `Referer` names.
    pub fn own_referer<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let referer = headers.get(header::REFERER)?.to_str().ok()?;
        referer
            .strip_prefix(&self.base)
            .filter(|rest| rest.starts_with('/'))
    }

    /// What was asked for and where it is, for a request whose one authority is not ours. Whoever shows
    /// it has to escape it.
    pub fn misdirected(&self, uri: &Uri, headers: &HeaderMap) -> Option<Note> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let asked = host.or_else(|| uri.authority().map(Authority::as_str))?;
        let asked = Origin::from_authority(self.origin.scheme(), asked).ok()?;
        let (asked, ours) = (asked.authority(), self.base.clone());
        Some(Note::Misdirected { asked, ours })
    }

    /// Requires exactly one authority, that it is ours, and that target and `Host` agree on it
    /// (RFC 9112 §3.2, RFC 9113 §8.3.1).
    pub fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
        let mut hosts = headers
            .get_all(header::HOST)
            .iter()
            .map(HeaderValue::as_bytes);
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(Fault::MalformedRequest);
        }
        let target = uri
            .authority()
            .map(|authority| authority.as_str().as_bytes());
        let authority = match (host, target) {
            (None, None) => return Err(Fault::MalformedRequest),
            (Some(host), Some(target)) if !host.eq_ignore_ascii_case(target) => {
                return Err(Fault::MalformedRequest);
            }
            (Some(only), _) | (None, Some(only)) => only,
        };
        if self
            .authorities
            .iter()
            .any(|ours| ours.as_bytes().eq_ignore_ascii_case(authority))
        {
            return Ok(());
        }
        let text = std::str::from_utf8(authority).map_err(|_| Fault::MalformedRequest)?;
        match Origin::from_authority(self.origin.scheme(), text) {
            Ok(_) => Err(Fault::UnknownHost),
            Err(_) => Err(Fault::MalformedRequest),
        }
    }
}

/// Everything but unreserved characters and `/`.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    fn site(url: &str) -> Site {
        Site::new(
            Origin::parse(url).expect("an origin"),
            PathPrefix::parse("/oauth2/").expect("a prefix"),
        )
    }

    fn admit(site: &Site, uri: &'static str, hosts: &[&'static str]) -> Result<(), Fault> {
        let headers = hosts
            .iter()
            .map(|host| (header::HOST, HeaderValue::from_static(host)))
            .collect();
        site.admit(&Uri::from_static(uri), &headers)
    }

    #[test]
    fn urls_follow_from_the_public_url() {
        let site = site("https://tool.example.com/");
        assert_eq!(
            site.redirect_uri(),
            "https://tool.example.com/oauth2/callback"
        );
        assert_eq!(
            site.login_url("/a?b=c&d"),
            "https://tool.example.com/oauth2/start?rd=/a%3Fb%3Dc%26d"
        );
        assert!(site.is_own(b"https://tool.example.com"));
        assert!(!site.is_own(b"http://tool.example.com") && !site.is_own(b"null"));
    }

    #[test]
    fn what_is_forwarded_is_told_in_the_standards_words() {
        let site = site("https://tool.example.com:8443");
        for (client, told) in [
            (
                "192.0.2.1",
                "for=192.0.2.1;host=\"tool.example.com:8443\";proto=https",
            ),
            (
                "2001:db8::1",
                "for=\"[2001:db8::1]\";host=\"tool.example.com:8443\";proto=https",
            ),
        ] {
            assert_eq!(site.forwarded(client.parse().expect("an address")), told);
        }
        assert_eq!(site.host(), "tool.example.com:8443");
    }

    #[test]
    fn one_authority_and_it_is_ours() {
        let site = site("https://tool.example.com");
        assert_eq!(admit(&site, "/", &["tool.example.com"]), Ok(()));
        assert_eq!(admit(&site, "/", &["TOOL.example.com:443"]), Ok(()));
        assert_eq!(
            admit(&site, "https://tool.example.com/", &["tool.example.com"]),
            Ok(())
        );
        assert_eq!(admit(&site, "https://tool.example.com/", &[]), Ok(()));
        for hosts in [
            &["other.example.com"][..],
            &["tool.example.com:8443"],
            &["tool.example.com.evil"],
            &["127.0.0.1"],
        ] {
            assert_eq!(
                admit(&site, "/", hosts),
                Err(Fault::UnknownHost),
                "{hosts:?}"
            );
        }
        for hosts in [
            &[][..],
            &["tool.example.com", "tool.example.com"],
            &["a b"],
            &[""],
            &["u@tool.example.com"],
            &["x/y"],
        ] {
            assert_eq!(
                admit(&site, "/", hosts),
                Err(Fault::MalformedRequest),
                "{hosts:?}"
            );
        }
        assert_eq!(
            admit(&site, "https://evil.example/", &["tool.example.com"]),
            Err(Fault::MalformedRequest)
        );
    }
}
