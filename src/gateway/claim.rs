//! What a request's head alone decides: whether it is taken at all, and what serves it. The pipeline
//! asks this first, and `explain` asks nothing else.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Version;
use http::header;
use http::request::Parts;

use super::Gateway;
use super::bounds::Bounds;
use super::cross_site::CrossSite;
use super::options;
use super::route::Route;
use super::router::Router;
use super::router::Served;
use super::site::Site;
use crate::fault::Fault;
use crate::http::Target;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply::Reply;
use crate::telemetry::metrics::labels::Forgery;

/// What decides about heads at one site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    pub(super) site: &'a Site,
    pub(super) router: &'a Router,
    pub(super) cross_site: &'a CrossSite,
    pub(super) bounds: &'a Bounds,
}

/// Who serves a request.
#[derive(Debug)]
pub(super) enum Claim<'a> {
    /// This gateway at once, with this answer.
    Answered(Reply),
    /// The endpoint of this name below the prefix.
    Own(&'a str),
    /// A route, which has this place in the router's order.
    Route(usize, &'a Route, Target<'a>),
}

impl Gateway {
    /// What decides about heads here.
    pub(super) fn ground(&self) -> Ground<'_> {
        Ground {
            site: &self.site,
            router: &self.router,
            cross_site: &self.cross_site,
            bounds: &self.bounds,
        }
    }
}

impl<'a> Ground<'a> {
    /// Finds who serves a request with this head, and whether there is `no_body` behind it.
    pub(super) fn claim(self, parts: &'a Parts, no_body: bool) -> Result<Claim<'a>, Refusal> {
        if matches!(parts.method, Method::CONNECT | Method::TRACE) {
            let allow = Some(options::METHODS);
            return Err(Refusal {
                allow,
                ..Fault::MethodNotAllowed.into()
            });
        }
        // An authority in the target does not stand in for it (RFC 9112 §3.2).
        let malformed = if parts.version < Version::HTTP_2 {
            !parts.headers.contains_key(header::HOST)
        } else {
            // HTTP/1 has no blanks around a value, and none may appear there (RFC 9113 §8.2.1).
            // Two lengths are as bad here, though neither frames the body: others read them (RFC 9110 §8.6).
            let lengths = parts.headers.get_all(header::CONTENT_LENGTH);
            lengths.iter().nth(1).is_some() || parts.headers.values().any(is_padded)
        };
        let web = matches!(parts.uri.scheme_str(), Some("https" | "http"));
        if malformed || web != parts.uri.authority().is_some() {
            return Err(Fault::MalformedRequest.into());
        }
        // Where a reader in front sees no body, ours would hold its next request (RFC 9110 §9.3.1).
        if matches!(parts.method, Method::GET | Method::HEAD) && !no_body {
            return Err(Fault::UnexpectedBody.into());
        }
        if let Err(fault) = self.site.admit(&parts.uri, &parts.headers) {
            let note = self.site.misdirected(&parts.uri, &parts.headers);
            let note = note.filter(|_| fault == Fault::UnknownHost);
            return Err(Refusal {
                note: note.map(Box::new),
                ..fault.into()
            });
        }
        if let Some(reply) = options::answer(parts) {
            return Ok(Claim::Answered(reply));
        }
        self.bounds.admit(parts)?;
        let target = Target::parse(&parts.uri).map_err(|_| Fault::AmbiguousTarget)?;
        if let Some(reply) = self.cross_site.preflight(parts) {
            return Ok(Claim::Answered(reply));
        }
        Ok(match self.router.find(&target, self.site)? {
            Served::Own(name) => Claim::Own(name),
            Served::Route(index, route) => Claim::Route(index, route, target),
        })
    }

    /// The cross-site check of a request that has a session.
    pub(super) fn check_session(self, parts: &Parts, websocket: bool) -> Result<(), Forgery> {
        if websocket {
            self.cross_site.check_websocket(&parts.headers, self.site)
        } else {
            self.cross_site
                .check(&parts.method, &parts.headers, self.site)
        }
    }
}

/// What a request gets that needs a session and has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignedOut {
    /// A sign-in begins, by way of a redirect or a page.
    SignIn,
    /// A refusal that says where to sign in.
    Refused(Fault),
}

impl SignedOut {
    /// Goes by who reads the answer.
    pub(super) fn of(audience: Audience, method: &Method) -> Self {
        match (audience, method) {
            (Audience::Person, &Method::GET | &Method::HEAD) => Self::SignIn,
            // A redirect would turn the form into a GET, and lose it without a word.
            (Audience::Person, _) => Self::Refused(Fault::FormNotSent),
            (Audience::Program | Audience::Soap(_), _) => Self::Refused(Fault::SignInRequired),
        }
    }
}

/// Who reads what is said to a request without a session: a frame shows it to a person.
pub(super) fn audience(
    site: &Site,
    headers: &HeaderMap,
    otherwise: impl FnOnce() -> Audience,
) -> Audience {
    if site.is_framed(headers) {
        Audience::Person
    } else {
        otherwise()
    }
}

fn is_padded(value: &HeaderValue) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    blank(value.as_bytes().first()) || blank(value.as_bytes().last())
}
