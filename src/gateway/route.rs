//! Which path goes where, and who may ask for it.

use std::sync::Arc;

use super::rules::Rule;
use crate::upstream::Upstream;
use crate::upstream::settings::Protocol;

/// One entry of `routes`.
#[derive(Clone, Debug)]
pub struct Route {
    /// What the path has to start with.
    pub prefix: PathPrefix,
    /// Where requests go.
    pub to: Destination,
    /// Who may ask.
    pub access: Access,
    /// Whether the upstream gets the access token. Always [`Token::Bearer`] for the tenant's APIs.
    pub token: Token,
    /// Whether the prefix is taken off before forwarding. Always so for the tenant's APIs.
    pub strip_prefix: bool,
    /// Whether other sites may do no more than link here.
    pub isolated: bool,
    /// Who of those that may ask is let in.
    pub rule: Option<Arc<Rule>>,
    /// Bytes of a request's body, where this route allows more or fewer than others.
    pub body_size: Option<u64>,
}

impl Route {
    /// Whether trailers pass, as gRPC needs them.
    pub fn passes_trailers(&self) -> bool {
        matches!(&self.to, Destination::Tool(tool) if tool.protocol == Protocol::Http2)
    }

    /// The route's upstream, unless that is the tenant's API.
    pub fn tool_mut(&mut self) -> Option<&mut Upstream> {
        match &mut self.to {
            Destination::Tool(upstream) => Some(upstream),
            Destination::Rest | Destination::Soap => None,
        }
    }

    /// Whether a WebSocket can be opened. Over HTTP/2 there is another handshake (RFC 8441), which is
    /// not spoken: such a request goes on without its upgrade.
    pub fn takes_websockets(&self) -> bool {
        matches!(&self.to, Destination::Tool(tool) if tool.protocol == Protocol::Http1)
    }
}

/// Where a route's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The REST base URL of the signed-in person's tenant.
    Rest,
    /// Its SOAP base URL; the token goes into the envelope.
    Soap,
    /// The internal tool.
    Tool(Upstream),
}

impl Destination {
    /// Whether it is an API of the signed-in person's tenant.
    pub fn is_api(&self) -> bool {
        matches!(self, Self::Rest | Self::Soap)
    }
}

/// Who may ask for a route, from few to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Only servers of Journey Builder, by a body that the package signed; never with a session.
    JourneyBuilder(JourneyBody),
    /// Only with a session.
    SignedIn,
    /// Anybody; with a session the identity goes along.
    Optional,
    /// Anybody; the session is not even looked at.
    Public,
}

impl Access {
    /// Whether a session is looked for at all.
    pub fn asks_for_session(self) -> bool {
        matches!(self, Self::SignedIn | Self::Optional)
    }
}

/// What of a signed call the tool gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JourneyBody {
    /// The token as it came.
    Unchanged,
    /// Its claims, as JSON.
    Decoded,
}

/// Whether an upstream may have the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// It may not.
    None,
    /// It gets `Authorization: Bearer` and `X-Forwarded-Access-Token`.
    Bearer,
}

/// An absolute path that ends in `/` or stands for exactly itself and what is below it. Matches by
/// whole segments: `/mc` matches `/mc` and `/mc/x`, never `/mcx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(Arc<str>);

impl PathPrefix {
    /// Reads `/`, `/a`, `/a/` …: segments of unreserved characters, none empty, none a dot segment.
    pub fn parse(text: &str) -> Result<Self, PathPrefixError> {
        let inner = text.strip_prefix('/').ok_or(PathPrefixError::Relative)?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b);
        let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(plain);
        let root = text == "/";
        if !root && !inner.split('/').all(segment) {
            return Err(PathPrefixError::Segment);
        }
        Ok(Self(text.into()))
    }

    /// The prefix as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the prefix, if `path` is under it: empty or starting with `/`.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.bare())?;
        self.is_whole(rest).then_some(rest)
    }

    /// Whether `path` is under the prefix for a reader to whom case is nothing, nor a last slash.
    pub fn is_like(&self, path: &str) -> bool {
        path.split_at_checked(self.bare().len())
            .is_some_and(|(head, rest)| {
                head.eq_ignore_ascii_case(self.bare()) && (rest.is_empty() || rest.starts_with('/'))
            })
    }

    fn bare(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }

    /// `/assets/` does not speak for `/assets`, but for all below it.
    fn is_whole(&self, rest: &str) -> bool {
        rest.starts_with('/') || (rest.is_empty() && !self.0.ends_with('/'))
    }
}

/// Why a text is not a route's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathPrefixError {
    /// No `/` in front.
    #[error("must start with /")]
    Relative,
    /// An empty or dot segment, or a character that would need decoding.
    #[error("must consist of plain segments: no //, no . or .., no %, ; ? # or spaces")]
    Segment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_whole_segments() {
        for (prefix, path, rest) in [
            ("/", "/", Some("/")),
            ("/", "/x/y", Some("/x/y")),
            ("/mc/rest/", "/mc/rest/asset", Some("/asset")),
            ("/mc/rest/", "/mc/rest/", Some("/")),
            ("/mc/rest/", "/mc/rest", None),
            ("/mc/rest", "/mc/rest", Some("")),
            ("/mc/rest", "/mc/restless", None),
            ("/mc/rest", "/MC/rest", None),
        ] {
            let parsed = PathPrefix::parse(prefix).expect("a prefix");
            assert_eq!(parsed.strip(path), rest, "{prefix} {path}");
        }
    }

    #[test]
    fn a_prefix_that_needs_decoding_is_refused() {
        for text in [
            "", "x", "//", "/a//b", "/a/../b", "/./", "/a%2fb", "/a;b", "/a?b", "/a#b", "/a b",
            "/ä", "/a\\b",
        ] {
            assert!(PathPrefix::parse(text).is_err(), "{text}");
        }
    }
}
