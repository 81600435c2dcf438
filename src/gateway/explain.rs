//! What would become of a request, told without sending anything. All is asked of what serves real
//! requests; only the session is made up, and nothing secret is shown.

mod fields;
mod question;

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::HeaderValue;
use http::header;
use http::request::Parts;

pub use question::BadQuestion;
pub use question::Question;

use super::bounds::Bounds;
use super::claim;
use super::claim::Claim;
use super::claim::Ground;
use super::claim::SignedOut;
use super::cross_site::CrossSite;
use super::endpoints;
use super::identify::RequestIds;
use super::journey;
use super::outgoing;
use super::outgoing::Outgoing;
use super::replay;
use super::route::Access;
use super::route::Destination;
use super::route::Route;
use super::router::Router;
use super::rules::Rule;
use super::site::Site;
use super::stages::Provenance;
use super::tunnel;
use crate::crypto::OsEntropy;
use crate::crypto::secret::AccessToken;
use crate::fault::Fault;
use crate::http::Target;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::soap;
use crate::net::Peer;
use crate::net::client::Client;
use crate::net::settings::TrustedProxies;
use crate::oauth::InstanceUrl;
use crate::oauth::Provider;
use crate::oauth::token::TokenSet;
use crate::session::Live;
use crate::session::id::SessionId;
use crate::session::line::Line;
use crate::session::model::Person;
use crate::session::model::Session;
use crate::time::UnixTime;

/// What decides about requests at one host of one tenant.
#[derive(Debug)]
pub struct Terms<'a> {
    /// What operators call the tenant, where there are several.
    pub tenant: Option<&'a str>,
    /// The public side.
    pub site: Site,
    /// Which path goes where.
    pub router: Router,
    /// What is let in from other origins.
    pub cross_site: &'a CrossSite,
    /// How large a request may be.
    pub bounds: Bounds,
    /// Who may speak for others.
    pub trusted: &'a TrustedProxies,
    /// The package at Marketing Cloud.
    pub provider: &'a Provider,
}

/// What would become of a request.
#[derive(Debug, Default)]
pub struct Explanation {
    /// The tenant's name, where there are several.
    pub tenant: Option<String>,
    /// The public URL of the site; `None` if the request is for no site.
    pub site: Option<String>,
    /// The route's path, or that of the endpoints.
    pub route: Option<String>,
    /// Who may ask there.
    pub access: Option<&'static str>,
    /// Whether the cross-site check was asked, and passed.
    pub cross_site: Option<bool>,
    /// What it comes to.
    pub decision: Decision,
    /// On what it still depends, as sentences.
    pub conditions: Vec<String>,
    /// Fields of the request that do not go out as they came.
    pub removed: Vec<String>,
    /// Fields that go out as they came.
    pub kept: Vec<String>,
    /// Fields that this gateway says, with placeholders for what only a real request has.
    pub added: Vec<(String, String)>,
    /// Where it would go.
    pub to: Option<String>,
    /// The path and query that it would ask for there.
    pub target: Option<String>,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes to an upstream.
    Forward,
    /// A sign-in begins.
    SignIn,
    /// This gateway answers, by one of its endpoints or by itself.
    Own,
    /// It is refused.
    Refuse(Fault),
}

impl Default for Decision {
    fn default() -> Self {
        Self::Refuse(Fault::Internal)
    }
}

impl Decision {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::SignIn => "sign_in",
            Self::Own => "own",
            Self::Refuse(_) => "refuse",
        }
    }
}

/// Explains `question` at whichever of the sites it is for.
pub fn explain(sites: &[Terms<'_>], question: &Question) -> Explanation {
    let mut told = Explanation::default();
    let Some(first) = sites.first() else {
        return told;
    };
    let parts = match &question.parts {
        Ok(parts) => parts,
        Err(fault) => {
            told.decision = Decision::Refuse(*fault);
            return told;
        }
    };
    // A host that is nobody's is told so by the first, as in the front.
    let named = parts.headers.get(header::HOST).map(HeaderValue::as_bytes);
    let named = named.unwrap_or_default().to_ascii_lowercase();
    let own = |terms: &&Terms<'_>| {
        let mut hosts = terms.site.authorities().iter();
        hosts.any(|host| host.as_bytes() == named)
    };
    let found = sites.iter().find(own);
    if let Some(terms) = found {
        told.tenant = terms.tenant.map(ToOwned::to_owned);
        told.site = Some(terms.site.origin().to_string());
    }
    let decided = found
        .unwrap_or(first)
        .decide(parts, question.signed_in, &mut told);
    told.decision = decided.unwrap_or_else(|refusal| Decision::Refuse(refusal.fault));
    told
}

impl Terms<'_> {
    fn decide(
        &self,
        parts: &Parts,
        signed_in: bool,
        told: &mut Explanation,
    ) -> Result<Decision, Refusal> {
        match self.ground().claim(parts, declared(parts) == Some(0))? {
            Claim::Answered(_) => Ok(Decision::Own),
            Claim::Own(name) => {
                told.route = Some(self.site.prefix().as_str().to_owned());
                if !endpoints::exists(name, &self.site) {
                    return Err(Fault::NoRoute.into());
                }
                told.target = Some(self.site.path(name));
                Ok(Decision::Own)
            }
            Claim::Route(_, route, target) => self.pass(route, &target, parts, signed_in, told),
        }
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            site: &self.site,
            router: &self.router,
            cross_site: self.cross_site,
            bounds: &self.bounds,
        }
    }

    /// The way through a route, in the order of the pipeline.
    fn pass(
        &self,
        route: &Route,
        target: &Target<'_>,
        parts: &Parts,
        signed_in: bool,
        told: &mut Explanation,
    ) -> Result<Decision, Refusal> {
        told.route = Some(route.prefix.as_str().to_owned());
        told.access = Some(match route.access {
            Access::SignedIn => "signed_in",
            Access::Optional => "optional",
            Access::Public => "public",
            Access::JourneyBuilder(_) => "journey_builder",
        });
        let most = route.body_size.unwrap_or(self.bounds.body_size);
        if declared(parts).is_some_and(|size| size > most) {
            return Err(Fault::BodyTooLarge.into());
        }
        if route.isolated {
            told.cross_site = Some(false);
            self.cross_site
                .check_isolation(parts)
                .map_err(Fault::from)?;
            told.cross_site = Some(true);
        }
        if matches!(route.access, Access::JourneyBuilder(_)) {
            journey::only_post(parts)?;
            if !journey::is_token(parts) {
                return Err(Fault::JourneyUnsigned.into());
            }
            told.depends("the package signed the body", Fault::JourneyUnsigned);
        }
        let websocket = tunnel::is_handshake(parts)? && route.takes_websockets();
        if route.access == Access::SignedIn && !signed_in {
            let soap = (route.to == Destination::Soap).then(|| soap::Version::of(&parts.headers));
            let usual = || {
                soap.flatten().map_or_else(
                    || Audience::of(&parts.method, &parts.headers),
                    Audience::Soap,
                )
            };
            let audience = claim::audience(&self.site, &parts.headers, usual);
            return match SignedOut::of(audience, &parts.method) {
                SignedOut::SignIn => Ok(Decision::SignIn),
                SignedOut::Refused(fault) => Err(fault.into()),
            };
        }
        let live = if route.access.asks_for_session() && signed_in {
            told.cross_site = Some(false);
            let checked = self.ground().check_session(parts, websocket);
            checked.map_err(Fault::from)?;
            told.cross_site = Some(true);
            Some(self.somebody(route.rule.as_deref()))
        } else {
            None
        };
        if route.rule.is_some() && live.is_some() {
            told.conditions
                .push("The person fulfils the route's rule.".to_owned());
        }
        if route.to == Destination::Soap && replay::takes_envelope(parts)? {
            told.conditions
                .push("The envelope is in order; the token goes into its header.".to_owned());
        }
        self.send(route, target, parts, websocket, live.as_ref(), told)?;
        Ok(Decision::Forward)
    }

    fn send(
        &self,
        route: &Route,
        target: &Target<'_>,
        parts: &Parts,
        websocket: bool,
        live: Option<&Live>,
        told: &mut Explanation,
    ) -> Result<(), Fault> {
        let peer = Peer {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: false,
            certificate: None,
        };
        let client = Client::of(&peer, &parts.headers, self.trusted);
        let id = RequestIds::new(&OsEntropy).identify(&parts.headers, client.vouched);
        let outgoing = Outgoing {
            route,
            target,
            parts,
            websocket,
            provenance: Provenance {
                certificate: None,
                client: client.address,
                id: &id,
                site: &self.site,
                permissions: self.provider.permissions.are_told(),
            },
        };
        let way = outgoing::way(route, live, &self.provider.fence).map_err(Fault::from)?;
        let head = outgoing.head(way, live)?;
        let (uri, headers) = head.head();
        told.to = Some(way.to_string());
        told.target = Some(uri.to_string());
        let unknown = client.address == peer.address.ip();
        fields::compare(&parts.headers, headers, unknown, told);
        Ok(())
    }

    /// A session as one would be, with nothing in it that is anybody's.
    fn somebody(&self, rule: Option<&Rule>) -> Live {
        let subdomain = self.provider.subdomain.as_str();
        let fence = &self.provider.fence;
        let host = |api: &str| -> Option<InstanceUrl> {
            let usual = format!("https://{subdomain}.{api}.marketingcloudapis.com");
            // In a sandbox all of a tenant is in one place.
            let own = self.provider.auth.to_string();
            fence.admit(&usual).or_else(|_| fence.admit(&own)).ok()
        };
        let permissions = rule.map(|rule| rule.permissions.iter());
        let permissions = permissions.into_iter().flatten();
        let now = UnixTime::default();
        Live::new(Arc::new(Session {
            id: SessionId::parse(&"0".repeat(32))
                .unwrap_or_else(|| SessionId::generate(&OsEntropy)),
            tenant: None,
            tokens: TokenSet {
                access: token(),
                refresh: None,
                expires_at: now,
                lifetime: std::time::Duration::ZERO,
            },
            person: Person {
                sub: "somebody".to_owned(),
                email: Some("somebody".to_owned()),
                preferred_username: Some("somebody".to_owned()),
                enterprise: Some(1),
                business_unit: Some(1),
                permissions: permissions
                    .map(|name| name.as_str().to_owned())
                    .chain(["somebody's".to_owned()])
                    .collect(),
                ..Person::default()
            },
            rest: host("rest"),
            soap: host("soap"),
            scope: None,
            signed_in_at: now,
            ends_at: now,
            idle_until: now,
            seen_at: Some(now),
            line: Line::default(),
            ticket: None,
        }))
    }
}

#[expect(clippy::expect_used, reason = "letters are a token")]
fn token() -> AccessToken {
    AccessToken::parse("token").expect("a token")
}

impl Explanation {
    fn depends(&mut self, on: &str, otherwise: Fault) {
        self.conditions
            .push(format!("If {on}; otherwise {}.", otherwise.code()));
    }
}

/// Bytes of the body as the head says it; `None` if it does not say how many.
fn declared(parts: &Parts) -> Option<u64> {
    let headers: &HeaderMap = &parts.headers;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    match headers.get(header::CONTENT_LENGTH) {
        None => Some(0),
        Some(length) => length.to_str().ok()?.parse().ok(),
    }
}
