//! From a path to what serves it: an endpoint of ours, or a route.

#[cfg(test)]
mod property;

use std::sync::Arc;

use super::route::Access;
use super::route::Route;
use super::rules::Rule;
use super::site::Site;
use crate::fault::Fault;
use crate::http::Target;

/// The routes, longest prefix first.
#[derive(Clone, Debug)]
pub struct Router(Vec<Route>);

/// What serves a request.
#[derive(Clone, Copy, Debug)]
pub enum Served<'a> {
    /// One of our endpoints, by its name below the prefix.
    Own(&'a str),
    /// A route, and its place in the router's order.
    Route(usize, &'a Route),
}

impl Router {
    /// Sorts `routes` by length.
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.as_str().len()));
        Self(routes)
    }

    /// Whether any route is not for everybody.
    pub fn has_rules(&self) -> bool {
        self.0.iter().any(|route| route.rule.is_some())
    }

    /// Whether being signed in is not enough for some route.
    pub(super) fn is_selective(&self) -> bool {
        self.has_rules() || self.takes_signed_calls()
    }

    /// Whether some route is for Journey Builder's servers.
    pub(super) fn takes_signed_calls(&self) -> bool {
        let signed = |route: &Route| matches!(route.access, Access::JourneyBuilder(_));
        self.0.iter().any(signed)
    }

    /// The routes' prefixes, in the order in which they are asked.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| route.prefix.as_str())
    }

    /// The rules of all routes.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.0.iter().filter_map(|route| route.rule.as_ref())
    }

    /// Finds what serves `target`, by whole segments, on its bytes as they are.
    pub fn find<'a>(&'a self, target: &Target<'a>, site: &Site) -> Result<Served<'a>, Fault> {
        if let Some(rest) = site.prefix().strip(target.path()) {
            if target.is_opaque() {
                return Err(Fault::AmbiguousTarget);
            }
            return Ok(Served::Own(rest.strip_prefix('/').unwrap_or(rest)));
        }
        let (index, route) = self.first(target.path())?.ok_or(Fault::NoRoute)?;
        // Customers' keys at the API may hold `%2f`, `%25` and `;`. A tool could read them as it likes.
        if target.is_opaque() && !route.to.is_api() {
            return Err(Fault::AmbiguousTarget);
        }
        // `/site/%61dmin` is `/site/admin` to a tool: all spellings have to lead to the same rules.
        if !target.is_read_as_written() {
            let readings = target.readings().ok_or(Fault::AmbiguousTarget)?;
            for reading in readings {
                let found = self.first(&reading)?;
                let same = found.is_some_and(|(_, found)| found.prefix == route.prefix);
                if !same || site.prefix().strip(&reading).is_some() {
                    return Err(Fault::AmbiguousTarget);
                }
            }
        }
        Ok(Served::Route(index, route))
    }

    /// The longest prefix above `path`. Paths are case-sensitive (RFC 9110 §4.2.3), but a tool may
    /// think otherwise, and of a last slash, too: where `/admin/` is for fewer people than `/`, `/Admin/`
    /// and `/admin` are refused.
    fn first(&self, path: &str) -> Result<Option<(usize, &Route)>, Fault> {
        let mut like = Access::Public;
        let mut ruled = false;
        for (index, route) in self.0.iter().enumerate() {
            if route.prefix.strip(path).is_some() {
                let weaker = route.access > like;
                return if weaker || ruled {
                    Err(Fault::AmbiguousTarget)
                } else {
                    Ok(Some((index, route)))
                };
            }
            if route.prefix.is_like(path) {
                like = like.min(route.access);
                ruled |= route.rule.is_some();
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::route::Destination;
    use crate::gateway::route::PathPrefix;
    use crate::gateway::route::Token;
    use crate::http::Origin;
    use crate::upstream::Upstream;
    use crate::upstream::settings::Address;

    fn find(path: &str) -> Result<String, Fault> {
        let address = Origin::parse("http://127.0.0.1:3000").expect("an origin");
        let tool = Destination::Tool(Upstream::at(Address::Tcp(address)));
        let route = |prefix: &str, to: &Destination| Route {
            prefix: PathPrefix::parse(prefix).expect("a prefix"),
            to: to.clone(),
            access: if prefix.ends_with("public") {
                Access::Public
            } else {
                Access::SignedIn
            },
            token: Token::None,
            strip_prefix: false,
            isolated: false,
            rule: None,
            body_size: None,
        };
        let router = Router::new(vec![
            route("/public", &tool),
            route("/public/staff/", &tool),
            route("/", &tool),
            route("/mc/rest/", &Destination::Rest),
            route("/mc/soap/", &Destination::Soap),
            route("/mc", &tool),
        ]);
        let site = Site::new(
            Origin::parse("https://tool.example.com").expect("an origin"),
            PathPrefix::parse("/oauth2/").expect("a prefix"),
        );
        let target = Target::from_parts(path, None).map_err(|_| Fault::AmbiguousTarget)?;
        router.find(&target, &site).map(|served| match served {
            Served::Own(name) => format!("own:{name}"),
            Served::Route(_, route) => route.prefix.as_str().to_owned(),
        })
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        for (path, served) in [
            ("/", "/"),
            ("/mc", "/mc"),
            ("/mc/x", "/mc"),
            ("/mcx", "/"),
            ("/mc/rest/", "/mc/rest/"),
            ("/mc/rest/a%2Fb;c", "/mc/rest/"),
            ("/mc/soap/a%2Fb;c", "/mc/soap/"),
            ("/mc/restless", "/mc"),
            ("/MC/rest/", "/"),
            ("/oauth2/", "own:"),
            ("/oauth2/callback", "own:callback"),
            ("/oauth2/callback/", "own:callback/"),
            ("/oauth2x", "/"),
            ("/Public/x", "/"),
            ("/public/x", "/public"),
            ("/public/staff/x", "/public/staff/"),
        ] {
            assert_eq!(find(path).as_deref(), Ok(served), "{path}");
        }
    }

    #[test]
    fn what_a_tool_could_read_in_two_ways_is_refused() {
        for path in [
            "/a%2fb",
            "/a;b",
            "/mc/a%25b",
            "/mc/rest/../x",
            "/oauth2/call;back",
            "/mc/rest%2fx",
            "/%6dc/x",
            "/mc/%72est/x",
            "/o%61uth2/callback",
            "/mc%2frest/x",
            "/public/Staff/x",
            "/public/%53taff/x",
            // Many a tool serves `/staff/` there, too.
            "/public/staff",
            "/public/Staff",
            "/public/%73taff",
        ] {
            assert_eq!(find(path), Err(Fault::AmbiguousTarget), "{path}");
        }
    }
}
