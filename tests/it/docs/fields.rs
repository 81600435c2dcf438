//! The page on header fields is made from these tables; requests through a real gateway show that they are
//! complete, in both directions.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sidegate::sandbox::Recorded;

use super::blocks::bless;
use super::endpoints::literals;
use super::proof;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::tell;

/// What a tool gets: name, what it says, when.
const TOOL: &[(&str, &str, When)] = &[
    (
        "Host",
        "The public host, as browsers type it.",
        When::Always,
    ),
    ("X-Forwarded-Host", "The same.", When::Always),
    (
        "X-Forwarded-Proto",
        "`https`, or `http` on loopback.",
        When::Always,
    ),
    (
        "X-Forwarded-For",
        "The client's one address: the nearest that is none of `trusted_proxies`.",
        When::Always,
    ),
    ("X-Real-IP", "The same.", When::Always),
    (
        "Forwarded",
        "The same, with host and proto (RFC 7239).",
        When::Always,
    ),
    (
        "X-Request-Id",
        "This request's name, also in the log and in the answer.",
        When::Always,
    ),
    ("traceparent", "Trace context (W3C).", When::Always),
    ("Via", "`1.1 sidegate`.", When::Always),
    (
        "X-Forwarded-User",
        "The person: `sub` of userinfo.",
        When::SignedIn,
    ),
    (
        "X-Forwarded-Email",
        "The mail address, if there is one.",
        When::SignedIn,
    ),
    (
        "X-Forwarded-Preferred-Username",
        "The name at sign-in, if there is one.",
        When::SignedIn,
    ),
    (
        "X-Marketing-Cloud-Business-Unit",
        "The business unit (MID).",
        When::SignedIn,
    ),
    (
        "X-Marketing-Cloud-Enterprise",
        "The enterprise (EID).",
        When::SignedIn,
    ),
    (
        "X-Marketing-Cloud-Rest-Url",
        "The base URL of the tenant's REST API.",
        When::SignedIn,
    ),
    (
        "X-Marketing-Cloud-Soap-Url",
        "That of its SOAP API, if there is one.",
        When::SignedIn,
    ),
    (
        "X-Marketing-Cloud-Permissions",
        "Permissions that `marketing_cloud.permissions` lists and the person has, with commas in between.",
        When::Permissions,
    ),
    (
        "Authorization",
        "`Bearer` and the access token.",
        When::Bearer,
    ),
    (
        "X-Forwarded-Access-Token",
        "The access token alone.",
        When::Bearer,
    ),
    (
        "Client-Cert",
        "The client's certificate (RFC 9440).",
        When::Test(
            "with `tls.client_cert_header`",
            "listeners::tools_are_told_of_the_certificate_and_of_none_that_was_made_up",
        ),
    ),
    (
        "X-Marketing-Cloud-Journey",
        "`verified`.",
        When::Test(
            "with `access: journey_builder`",
            "journey::a_signed_call_passes_without_a_session",
        ),
    ),
    (
        "TE",
        "`trailers`.",
        When::Test(
            "with gRPC on a route with `protocol: h2`",
            "upstream_protocols::trailers_pass_both_ways_and_only_on_such_routes",
        ),
    ),
    (
        "Connection",
        "`upgrade`.",
        When::Test("with a WebSocket", "websocket::frames_pass_both_ways"),
    ),
    (
        "Upgrade",
        "`websocket`.",
        When::Test("with a WebSocket", "websocket::frames_pass_both_ways"),
    ),
    (
        "Content-Length",
        "`0`, where an empty body has to be said.",
        When::Test(
            "with an empty POST, PUT or PATCH",
            "forwarding::an_empty_post_stays_one",
        ),
    ),
];

/// When a tool gets a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    SignedIn,
    Permissions,
    Bearer,
    /// As told; this test shows it.
    Test(&'static str, &'static str),
}

impl When {
    fn told(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::SignedIn => "somebody is signed in, and the route is not `public`",
            Self::Permissions => "the same, with `marketing_cloud.permissions`",
            Self::Bearer => "the same, with `token: bearer`",
            Self::Test(told, _) => told,
        }
    }
}

/// What the tenant's REST API gets.
const API: &[(&str, &str)] = &[
    ("Host", "The tenant's host."),
    (
        "Authorization",
        "`Bearer` and the access token. Not to SOAP, whose envelope has it.",
    ),
    ("X-Request-Id", "This request's name."),
    ("traceparent", "Trace context (W3C)."),
    ("Via", "`1.1 sidegate`."),
];

/// What becomes of a client's fields: those that never pass, whatever the route.
const DROPPED: &[(&str, &[&str])] = &[
    (
        "Ours to say",
        &[
            "X-Forwarded-*",
            "X-Marketing-Cloud-*",
            "X-Real-*",
            "X-Original-*",
            "X-Rewrite-*",
            "X-Auth-*",
            "X-Envoy-*",
            "X-Forwarded",
            "X-Request-Id",
            "traceparent",
            "tracestate",
            "Via",
            "Host",
            "Forwarded",
            "Client-Cert",
            "Client-Cert-Chain",
        ],
    ),
    (
        "What others use for who or where a client is",
        &[
            "Remote-User",
            "Remote-Email",
            "Remote-Name",
            "Remote-Groups",
            "X-Remote-User",
            "X-Webauth-User",
            "X-Client-Ip",
            "Client-Ip",
            "True-Client-Ip",
            "X-Cluster-Client-Ip",
            "Cf-Connecting-Ip",
            "Cf-Connecting-Ipv6",
            "Fastly-Client-Ip",
            "X-Azure-Clientip",
            "X-Azure-Socketip",
            "X-Appengine-User-Ip",
            "X-Host",
            "X-Http-Host-Override",
            "X-Scheme",
            "X-Url-Scheme",
        ],
    ),
    (
        "Of one hop (RFC 9110 7.6.1), and what `Connection` names",
        &[
            "Connection",
            "Keep-Alive",
            "Proxy-Connection",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "Proxy",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Content-Length",
            "Upgrade",
            "HTTP2-Settings",
            "Expect",
        ],
    ),
];

/// Those that pass in some cases.
const SOMETIMES: &[(&str, &str, &str)] = &[
    (
        "Cookie",
        "To tools, without our own cookies; never to the tenant's API.",
        "headers::our_cookies_stay_here_and_others_pass_byte_for_byte",
    ),
    (
        "Authorization",
        "To tools on routes without a token; the tenant's API gets ours alone.",
        "headers::the_clients_authorization_passes_only_where_no_token_is_added",
    ),
    (
        "Origin",
        "To tools only.",
        "headers::an_api_learns_nothing_of_the_browser",
    ),
    (
        "Referer",
        "To tools only.",
        "headers::an_api_learns_nothing_of_the_browser",
    ),
    (
        "Sec-*",
        "To tools only.",
        "headers::an_api_learns_nothing_of_the_browser",
    ),
    (
        "X-Http-Method-Override",
        "With unsafe methods only.",
        "src/http/headers.rs::a_safe_method_stays_the_method",
    ),
    (
        "X-Http-Method",
        "With unsafe methods only.",
        "src/http/headers.rs::a_safe_method_stays_the_method",
    ),
    (
        "X-Method-Override",
        "With unsafe methods only.",
        "src/http/headers.rs::a_safe_method_stays_the_method",
    ),
    (
        "X-Auth-Token",
        "As other fields do: the only one of `X-Auth-*`.",
        "src/http/headers.rs::other_fields_pass_with_every_value",
    ),
];

/// What does not come back from an upstream.
const ANSWER: &[(&str, &str)] = &[
    ("X-Forwarded-*", "Ours to say."),
    ("X-Marketing-Cloud-*", "Ours to say."),
    ("X-Auth-Request-*", "Ours to say."),
    ("Connection", "Of one hop, with all that it names."),
    ("Keep-Alive", "Of one hop."),
    ("Proxy-Connection", "Of one hop."),
    ("Proxy-Authenticate", "Of one hop."),
    ("Proxy-Authorization", "Of one hop."),
    ("TE", "Of one hop."),
    ("Trailer", "Of one hop."),
    ("Transfer-Encoding", "Of one hop; the body is framed anew."),
    ("Upgrade", "Of one hop."),
];

/// With `BLESS=1` the page is written anew.
#[test]
fn the_page_on_fields_is_these_tables() {
    let mut page = HEAD.to_owned();
    page.push_str("\n## What a tool gets\n\n| field | what it says | when |\n|---|---|---|\n");
    for (name, says, when) in TOOL {
        writeln!(page, "| `{name}` | {says} | {} |", when.told()).expect("a string");
    }
    page.push_str(API_HEAD);
    for (name, says) in API {
        writeln!(page, "| `{name}` | {says} |").expect("a string");
    }
    page.push_str(DROPPED_HEAD);
    for (why, names) in DROPPED {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        writeln!(page, "| {why} | {} |", names.join(", ")).expect("a string");
    }
    page.push_str("\nThese pass in some cases:\n\n| field | when |\n|---|---|\n");
    for (name, when, _) in SOMETIMES {
        writeln!(page, "| `{name}` | {when} |").expect("a string");
    }
    page.push_str(ANSWER_HEAD);
    for (name, why) in ANSWER {
        writeln!(page, "| `{name}` | {why} |").expect("a string");
    }
    page.push_str(ANSWER_TAIL);
    bless("deploy/docs/headers.md", &page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_gets_what_the_page_says_and_nothing_else() {
    let gate = Gate::with(Plan {
        marketing_cloud: "  permissions: [Email.Read]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let plain = Gate::start().await;
    let sets = |wanted: &[When]| -> BTreeSet<String> {
        let rows = TOOL.iter().filter(|(_, _, when)| wanted.contains(when));
        rows.map(|(name, _, _)| name.to_lowercase()).collect()
    };
    let (always, known) = (When::Always, When::SignedIn);
    let ada = gate.signed_in("ada").await;
    let other = plain.signed_in("ada").await;
    for (gate, browser, path, wanted) in [
        (&plain, None, "/open/echo/x", &[always][..]),
        (&plain, Some(&other), "/open/echo/x", &[always]),
        (&plain, None, "/maybe/echo/x", &[always]),
        (&plain, Some(&other), "/echo/x", &[always, known]),
        (
            &plain,
            Some(&other),
            "/bearer/echo/x",
            &[always, known, When::Bearer],
        ),
        (
            &gate,
            Some(&ada),
            "/bearer/echo/x",
            &[always, known, When::Bearer, When::Permissions],
        ),
    ] {
        let arrived = through(gate, browser, path, "").await;
        assert_eq!(names(&arrived), sets(wanted), "{path}");
    }
    for (name, _, when) in TOOL {
        if let When::Test(_, test) = when {
            assert!(proof::exists(test), "{name}: {test}");
        }
    }
    let api: BTreeSet<String> = API.iter().map(|(name, _)| name.to_lowercase()).collect();
    through(&plain, Some(&other), "/mc/rest/echo/x", "").await;
    let arrived = plain.control().last_request("/echo").expect("it arrived");
    let arrived: BTreeSet<String> = arrived
        .headers
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(arrived, api);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_page_drops_does_not_arrive() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let all: Vec<String> = DROPPED
        .iter()
        .flat_map(|(_, names)| names.iter())
        .map(|name| name.replace('*', "Anything"))
        .collect();
    // These frame or route the request itself: other tests send them.
    let apart = [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Expect",
        "Upgrade",
    ];
    let sent: Vec<_> = all
        .iter()
        .filter(|name| !apart.contains(&name.as_str()))
        .collect();
    let lines: Vec<_> = sent
        .iter()
        .map(|name| format!("{name}: forged\r\n"))
        .collect();
    let fields = lines.concat();
    for path in ["/open/echo/x", "/echo/x", "/bearer/echo/x"] {
        let arrived = through(&gate, Some(&ada), path, &fields).await;
        let forged: Vec<_> = arrived
            .headers
            .iter()
            .filter(|(_, value)| value.contains("forged"))
            .collect();
        assert!(forged.is_empty(), "{path}: {forged:?}");
    }
    for (name, _, test) in SOMETIMES {
        assert!(proof::exists(test), "{name}: {test}");
    }
    tell(&format!(
        "fields: {} of a client's {} that are dropped were sent",
        sent.len(),
        all.len()
    ));
}

/// The names that the code sorts stand on the page, and the other way round.
#[test]
fn no_name_is_missing_from_the_page() {
    let source = include_str!("../../../src/http/headers.rs");
    let sorted = literals(source, "fn classify_folded");
    let dropped = DROPPED.iter().flat_map(|(_, names)| names.iter().copied());
    let listed: BTreeSet<String> = dropped
        .chain(SOMETIMES.iter().map(|(name, _, _)| *name))
        .map(|name| name.trim_end_matches('*').to_lowercase())
        .collect();
    assert_eq!(sorted, listed);
    let sorted = literals(source, "fn ends_here");
    let listed: BTreeSet<String> = ANSWER
        .iter()
        .map(|(name, _)| name.trim_end_matches('*').to_lowercase())
        .collect();
    assert_eq!(sorted, listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_may_not_say_does_not_come_back() {
    let mut answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-own: kept\r\nset-cookie: theirs=kept; Path=/\r\nset-cookie: sidegate=forged\r\n\
        clear-site-data: \"cookies\"\r\n"
        .to_owned();
    // They frame the answer itself.
    for (name, _) in ANSWER
        .iter()
        .filter(|(name, _)| !["Transfer-Encoding", "Connection"].contains(name))
    {
        write!(answer, "{}: forged\r\n", name.replace('*', "Anything")).expect("a string");
    }
    answer.push_str("\r\n");
    let puppet = Puppet::saying(answer).await;
    let gate = Gate::with(Plan {
        routes: puppet.route(""),
        ..Plan::default()
    })
    .await;
    let mut ada = gate.signed_in("ada").await;
    let answer = ada.fetch("/x").await;
    let names: BTreeSet<&str> = answer
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    let expected = [
        "cache-control",
        "content-length",
        "date",
        "set-cookie",
        "x-own",
        "x-request-id",
    ];
    assert_eq!(names, expected.into());
    assert_eq!(answer.set_cookies(), ["theirs=kept; Path=/"]);
    assert!(!format!("{answer:?}").contains("forged"), "{answer:?}");
}

async fn through(gate: &Gate, browser: Option<&Browser>, path: &str, fields: &str) -> Recorded {
    let cookie = browser.map_or_else(String::new, |browser| {
        format!("Cookie: sidegate={}\r\n", browser.jar["sidegate"])
    });
    let mut wire = Wire::connect(gate.address()).await;
    let host = gate.address();
    wire.send(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n{cookie}{fields}\r\n"
    ))
    .await;
    let answer = wire.message().await.expect("an answer");
    assert!([200, 404].contains(&answer.status()), "{path}: {answer:?}");
    let requests = if path.starts_with("/mc/") {
        gate.control().requests()
    } else {
        gate.tool.requests()
    };
    requests.into_iter().next_back().expect("it arrived")
}

fn names(request: &Recorded) -> BTreeSet<String> {
    request
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect()
}

const HEAD: &str = "# Header fields

Which fields a tool and the tenant's API get, which never pass, and which do not come back. Every other field passes as it is. A name with
`_`, `.` or the like in place of `-` is treated as the one that a CGI-like reader makes of it. What is spelt nearly like `Content-Length`
or `Transfer-Encoding` is refused (`SG-1001`), trailers are dropped but for gRPC. This page is made from tables in
`tests/it/docs/fields.rs`; tests send requests through a running gateway and compare what arrives.
";

const API_HEAD: &str = "
## What the tenant's API gets

Beside what passes of the client's own fields:

| field | what it says |
|---|---|
";

const DROPPED_HEAD: &str = "
## What never passes from a client

| why | fields |
|---|---|
";

const ANSWER_HEAD: &str = "
## What does not come back from a tool

| field | why |
|---|---|
";

const ANSWER_TAIL: &str = "
Of `Set-Cookie`, lines under our names are dropped one by one, and `Clear-Site-Data` loses `cookies`: signing out is the gateway's. The
tenant's API sets neither cookies nor policies. What comes back to a request with a session, and says nothing of caching, gets
`Cache-Control: private`. Every answer has `X-Request-Id`, and with `allowed_origins` those of CORS.
";
