//! The head of a request on its way out through a route, and where it goes.

use http::HeaderMap;
use http::HeaderValue;
use http::header;
use http::request::Parts;

use super::route::Access;
use super::route::Destination;
use super::route::Route;
use super::stages::Authorized;
use super::stages::Provenance;
use super::stages::Sanitized;
use crate::fault::Fault;
use crate::http::Target;
use crate::oauth::Fence;
use crate::session::Live;
use crate::telemetry::metrics::labels::Fenced;
use crate::upstream::Way;

/// All that decides what goes out, but for the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) route: &'a Route,
    pub(super) target: &'a Target<'a>,
    pub(super) parts: &'a Parts,
    pub(super) websocket: bool,
    pub(super) provenance: Provenance<'a>,
}

/// Where a route leads for this person. The fence is asked again: it stands between the token and
/// every host.
pub(super) fn way<'a>(
    route: &'a Route,
    live: Option<&'a Live>,
    fence: &Fence,
) -> Result<Way<'a>, Astray> {
    match &route.to {
        Destination::Tool(upstream) => Ok(Way::Tool(upstream)),
        Destination::Rest | Destination::Soap => {
            let session = live.map(|live| &live.session);
            let url = match &route.to {
                Destination::Soap => session.and_then(|session| session.soap.as_ref()),
                _ => session.and_then(|session| session.rest.as_ref()),
            };
            let url = url.ok_or(Astray::Nowhere)?;
            let origin = url.origin();
            let tenant = session.and_then(|session| session.tenant.as_ref());
            let fence = fence.of(tenant).ok_or(Astray::Fenced(Fenced::NotLetIn))?;
            if !fence.admits(origin) {
                return Err(Astray::Fenced(Fenced::Outside));
            }
            let public_only = !fence.names(origin);
            Ok(Way::Tenant {
                origin,
                host: url.host(),
                public_only,
            })
        }
    }
}

/// Why a route leads nowhere for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Astray {
    /// The session knows no base URL.
    Nowhere,
    /// The fence stands in between.
    Fenced(Fenced),
}

impl From<Astray> for Fault {
    fn from(astray: Astray) -> Self {
        match astray {
            Astray::Nowhere => Self::NoInstanceUrl,
            Astray::Fenced(_) => Self::OutsideFence,
        }
    }
}

impl Outgoing<'_> {
    /// The head as it goes out.
    pub(super) fn head(&self, way: Way<'_>, live: Option<&Live>) -> Result<Authorized, Fault> {
        let Self {
            route,
            target,
            parts,
            websocket,
            provenance,
        } = self;
        let sanitized = Sanitized::of(
            &parts.method,
            target,
            &parts.headers,
            route,
            provenance.site,
        )?;
        let authorized = match (way, live) {
            (Way::Tenant { host, .. }, Some(live)) => {
                let live = Some(live).filter(|_| route.to == Destination::Rest);
                sanitized.authorize_api(host.clone(), live, provenance)
            }
            (Way::Tenant { .. }, None) => return Err(Fault::Internal),
            (Way::Tool(_), live) => sanitized.authorize_tool(live, route.token, provenance)?,
        };
        Ok(if let Access::JourneyBuilder(passes) = route.access {
            authorized.signed_by_package(passes)
        } else if *websocket {
            authorized.upgrading()
        } else if route.passes_trailers() && is_grpc(&parts.headers) {
            authorized.taking_trailers()
        } else {
            authorized
        })
    }
}

/// Whether a request is a call by gRPC, which ends in trailers.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}
