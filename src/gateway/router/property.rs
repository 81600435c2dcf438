//! What is decided on is what is forwarded, whoever reads it: under every reader of the target, the
//! forwarded path leads to the route that was found for the one that came in.

use proptest::prelude::*;

use super::Router;
use super::Served;
use crate::gateway::route::Access;
use crate::gateway::route::Destination;
use crate::gateway::route::PathPrefix;
use crate::gateway::route::Route;
use crate::gateway::route::Token;
use crate::gateway::site::Site;
use crate::gateway::stages::forwarded_target;
use crate::http::Origin;
use crate::http::Target;
use crate::upstream::settings::Address;
use crate::upstream::settings::Upstream;

/// One thing that a reader may do to a path. Written anew here, so that the test does not believe
/// what it tests.
type Reader = fn(&str) -> String;

const READERS: [Reader; 7] = [
    decode,
    |path| decode(&decode(path)),
    |path| {
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let end = if path.ends_with('/') && !parts.is_empty() {
            "/"
        } else {
            ""
        };
        format!("/{}{end}", parts.join("/"))
    },
    |path| {
        let mut url = url::Url::parse("http://h/").expect("a URL");
        url.set_path(path);
        url.path().to_owned()
    },
    |path| path.split(';').next().unwrap_or_default().to_owned(),
    |path| path.split('#').next().unwrap_or_default().to_owned(),
    |path| path.to_ascii_lowercase(),
];

/// Where among them case is folded.
const FOLD: usize = 6;

fn decode(path: &str) -> String {
    percent_encoding::percent_decode_str(path)
        .decode_utf8_lossy()
        .into_owned()
}

const PREFIXES: [&str; 7] = ["/", "/a", "/a/b/", "/a/C", "/api/", "/api/a/", "/b"];

fn router() -> (Router, Site) {
    let origin = Origin::parse("http://127.0.0.1:3000").expect("an origin");
    let route = |prefix: &str| Route {
        prefix: PathPrefix::parse(prefix).expect("a prefix"),
        to: if prefix.starts_with("/api") {
            Destination::Rest
        } else {
            Destination::Tool(Upstream::at(Address::Tcp(origin.clone())))
        },
        access: access(prefix),
        token: Token::None,
        strip_prefix: prefix.starts_with("/api"),
        isolated: false,
        rule: None,
        body_size: None,
    };
    let site = Site::new(
        Origin::parse("https://tool.example.com").expect("an origin"),
        PathPrefix::parse("/own/").expect("a prefix"),
    );
    (Router::new(PREFIXES.map(route).to_vec()), site)
}

fn access(prefix: &str) -> Access {
    match prefix {
        "/" | "/a/b/" => Access::Public,
        "/a" => Access::Optional,
        _ => Access::SignedIn,
    }
}

/// Longest prefix by whole segments, as a reader with our routes would choose.
fn prefix_of(path: &str, folds: bool) -> &'static str {
    let under = |prefix: &&&str| {
        let bare = prefix.trim_end_matches('/');
        path.split_at_checked(bare.len())
            .is_some_and(|(head, rest)| {
                let whole = rest.starts_with('/') || (rest.is_empty() && !prefix.ends_with('/'));
                whole && (head == bare || folds && head.eq_ignore_ascii_case(bare))
            })
    };
    let all = PREFIXES.iter().chain(["/own/"].iter());
    all.filter(under)
        .max_by_key(|prefix| prefix.len())
        .map_or("/", |prefix| *prefix)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn every_reader_finds_the_same_route(
        path in prop_oneof![
            // Everything, and around the routes what separates.
            "/(a|b|C|c|A|api|own|OWN|/|\\.|%61|%62|%42|%2f|%2F|%5c|%2e|%23|%3b|%3B|%3f|%25|%2523|61|2f|;|x|%C3%A4|-){1,8}",
            "(/|/a|/a/b|/api)(/|%2f|%252f|a|c|;){1,5}",
            "(/|/a/b|/api/)(\\.|%2e|%23|a|/|%2523){1,5}",
            "/(a|%61|%2561|A|b|%62|B|/|;){1,5}",
        ],
        query in proptest::option::of("[a-z%/;.=&]{0,12}"),
    ) {
        let (router, site) = router();
        let Ok(target) = Target::from_parts(&path, query.as_deref()) else { return Ok(()) };
        let Ok(Served::Route(_, route)) = router.find(&target, &site) else { return Ok(()) };
        let forwarded = forwarded_target(&target, route).expect("forwardable");
        // Not a byte is lost or added, but for the prefix that is taken off.
        prop_assert_eq!(forwarded.query(), query.as_deref());
        let bare = route.prefix.as_str().trim_end_matches('/');
        let whole = if route.strip_prefix {
            format!("{bare}{}", forwarded.path())
        } else {
            forwarded.path().to_owned()
        };
        prop_assert_eq!(&whole, &path);
        prop_assert!(Target::parse(&forwarded).is_ok());
        for (a, first) in READERS.iter().enumerate() {
            for (b, second) in READERS.iter().enumerate() {
                for (c, third) in READERS.iter().enumerate() {
                    let read = third(&second(&first(&whole)));
                    let folds = [a, b, c].contains(&FOLD);
                    let found = prefix_of(&read, folds);
                    let same = if folds {
                        // Case leads to another route only where that is for no fewer people.
                        found == "/own/" || access(found) >= route.access
                    } else {
                        found == route.prefix.as_str()
                    };
                    prop_assert!(same, "{path} is {read} to a reader: {found}, not {}", route.prefix.as_str());
                }
            }
        }
    }
}
