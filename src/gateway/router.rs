//! From a path to what serves it: an endpoint of ours, or a route.

use super::route::Destination;
use super::route::Route;
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
    /// A route.
    Route(&'a Route),
}

impl Router {
    /// Sorts `routes` by length.
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.as_str().len()));
        Self(routes)
    }

    /// Finds what serves `target`, by whole segments, on its bytes as they are.
    pub fn find<'a>(&'a self, target: &Target<'a>, site: &Site) -> Result<Served<'a>, Fault> {
        if let Some(rest) = site.prefix().strip(target.path()) {
            if target.is_opaque() {
                return Err(Fault::AmbiguousTarget);
            }
            return Ok(Served::Own(rest.strip_prefix('/').unwrap_or(rest)));
        }
        let route = self
            .0
            .iter()
            .find(|route| route.prefix.strip(target.path()).is_some())
            .ok_or(Fault::NoRoute)?;
        // `/site/%61dmin` is `/site/admin` to a tool: both spellings have to lead to the same rules.
        if target
            .decoded_path()
            .is_some_and(|decoded| !self.is_found_by(&decoded, route, site))
        {
            return Err(Fault::AmbiguousTarget);
        }
        // Customers' keys at the API may hold `%2f`, `%25` and `;`. A tool could read them as it likes.
        if target.is_opaque() && route.to != Destination::Rest {
            return Err(Fault::AmbiguousTarget);
        }
        Ok(Served::Route(route))
    }

    fn is_found_by(&self, path: &str, route: &Route, site: &Site) -> bool {
        let found = self
            .0
            .iter()
            .find(|route| route.prefix.strip(path).is_some());
        site.prefix().strip(path).is_none()
            && found.is_some_and(|found| found.prefix == route.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::route::Access;
    use crate::gateway::route::PathPrefix;
    use crate::gateway::route::Token;
    use crate::http::Origin;

    fn find(path: &str) -> Result<String, Fault> {
        let tool = Destination::Tool(Origin::parse("http://127.0.0.1:3000").expect("an origin"));
        let route = |prefix: &str, to: &Destination| Route {
            prefix: PathPrefix::parse(prefix).expect("a prefix"),
            to: to.clone(),
            access: Access::SignedIn,
            token: Token::None,
            strip_prefix: false,
            body_size: None,
        };
        let router = Router::new(vec![
            route("/", &tool),
            route("/mc/rest/", &Destination::Rest),
            route("/mc", &tool),
        ]);
        let site = Site::new(
            Origin::parse("https://tool.example.com").expect("an origin"),
            PathPrefix::parse("/oauth2/").expect("a prefix"),
        );
        let target = Target::from_parts(path, None).map_err(|_| Fault::AmbiguousTarget)?;
        router.find(&target, &site).map(|served| match served {
            Served::Own(name) => format!("own:{name}"),
            Served::Route(route) => route.prefix.as_str().to_owned(),
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
            ("/mc/restless", "/mc"),
            ("/MC/rest/", "/"),
            ("/oauth2/", "own:"),
            ("/oauth2/callback", "own:callback"),
            ("/oauth2/callback/", "own:callback/"),
            ("/oauth2x", "/"),
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
        ] {
            assert_eq!(find(path), Err(Fault::AmbiguousTarget), "{path}");
        }
    }
}
