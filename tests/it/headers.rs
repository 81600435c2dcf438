//! Which request fields reach an upstream: ours once, the client's own only where they may.

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Recorded;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Wire;
use crate::support::browser::SCRIPT;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_an_identity_field_gets_past_ours() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let stranger = gate.browser();
    let spellings: Vec<String> = IDENTITY
        .iter()
        .flat_map(|name| {
            [
                name.to_lowercase(),
                name.to_uppercase(),
                name.replace('-', "_"),
                name.replace('-', "."),
                name.replacen('-', "_", 1).to_uppercase(),
                name.replace('-', "~"),
            ]
        })
        .collect();
    let forged: Vec<String> = spellings
        .iter()
        .map(|name| format!("{name}: forged\r\n"))
        .collect();
    for (browser, path, token) in [
        (&ada, "/bearer/echo/x", true),
        (&ada, "/echo/x", false),
        (&ada, "/maybe/x", false),
        (&stranger, "/maybe/x", false),
        (&stranger, "/open/x", false),
        (&ada, "/open/x", false),
    ] {
        // In two requests, as there is a limit of 100 fields.
        for half in forged.chunks(40) {
            let half = half.concat();
            let request = through(&gate, browser, path, &half).await;
            assert!(
                request.headers.iter().all(|(_, value)| value != "forged"),
                "{path}: {request:?}"
            );
            let identified = browser.jar.contains_key("sidegate") && !path.starts_with("/open");
            let expected = usize::from(identified);
            for name in &IDENTITY[..7] {
                let count = values(&request, &name.to_lowercase()).len();
                assert_eq!(count, expected, "{path}: {name}");
            }
            let tokens = values(&request, "x-forwarded-access-token").len();
            assert_eq!(tokens, usize::from(token), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_authorization_passes_only_where_no_token_is_added() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let own = "Authorization: Basic b3duOm93bg==\r\n";
    let request = through(&gate, &ada, "/bearer/echo/x", own).await;
    let values_there = values(&request, "authorization");
    assert_eq!(values_there.len(), 1);
    assert!(values_there[0].starts_with("Bearer "), "{values_there:?}");
    let request = through(&gate, &ada, "/echo/x", own).await;
    assert_eq!(values(&request, "authorization"), ["Basic b3duOm93bg=="]);

    let maybe = Gate::with(Plan {
        routes: "\n  - { path: /, to: TOOL, access: optional, token: bearer }\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let request = through(&maybe, &maybe.browser(), "/echo/x", own).await;
    assert!(
        values(&request, "authorization").is_empty(),
        "a token route takes no other token: {request:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_cookies_stay_here_and_others_pass_byte_for_byte() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let sealed = &ada.jar["sidegate"];
    for (field, left) in [
        (
            format!("a=1; sidegate={sealed}; b=\"x y\""),
            Some("a=1; b=\"x y\""),
        ),
        (
            format!("theme=dark; SIDEGATE.1=x; sidegate={sealed}; Sidegate-Login-x=y; =z; q"),
            Some("theme=dark; =z; q"),
        ),
        (
            format!("sidegate={sealed};sidegateway=1"),
            Some("sidegateway=1"),
        ),
        (format!("sidegate={sealed}"), None),
    ] {
        // SIDEGATE.1 breaks the session where chunks count: a public route does not care.
        let request = raw_request(&gate, "/open/x", &format!("Cookie: {field}\r\n")).await;
        let expected: Vec<_> = left.into_iter().collect();
        assert_eq!(values(&request, "cookie"), expected, "{field}");
        assert!(!format!("{request:?}").contains(sealed.as_str()));
    }
    let split = format!("Cookie: a=1\r\nCookie: sidegate={sealed}\r\nCookie: b=2\r\n");
    let request = raw_request(&gate, "/echo/x", &split).await;
    assert_eq!(values(&request, "cookie"), ["a=1; b=2"]);
    assert_eq!(values(&request, "x-forwarded-user"), ["10654321"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_learns_nothing_of_the_browser() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    ada.jar.insert("theirs".to_owned(), "1".to_owned());
    let origin = gate.origin();
    let referer = format!("{origin}/page?secret=1");
    let mut fields = SCRIPT.to_vec();
    fields.extend([
        ("origin", origin.as_str()),
        ("referer", referer.as_str()),
        ("sec-ch-ua", "x"),
        ("authorization", "Bearer forged"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-custom", "kept"),
        ("accept-language", "de"),
    ]);
    let answer = ada
        .send(Method::POST, "/mc/rest/echo/x", &fields, Bytes::new())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let request = gate.control().last_request("/echo").expect("it arrived");
    let mut names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-language",
            "authorization",
            "content-length",
            "host",
            "traceparent",
            "via",
            "x-custom",
            "x-request-id",
        ]
    );
    let host = gate.sandbox.origin().authority();
    assert_eq!(request.header("host"), Some(host.as_str()));
    assert_ne!(request.header("authorization"), Some("Bearer forged"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_one_hop_end_here() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let fields = "Connection: x-one, keep-alive\r\nConnection: X-Two ,,x-three\r\nX-One: 1\r\nx-two: 2\r\nX-THREE: 3\r\n\
                  Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: x-late\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
                  Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nX-Four: 4\r\n";
    for path in ["/echo/x", "/mc/rest/echo/x"] {
        let request = through(&gate, &ada, path, fields).await;
        for gone in [
            "connection",
            "x-one",
            "x-two",
            "x-three",
            "keep-alive",
            "te",
            "trailer",
            "upgrade",
            "http2-settings",
            "proxy-connection",
            "proxy-authorization",
        ] {
            assert!(values(&request, gone).is_empty(), "{path}: {gone}");
        }
        assert_eq!(values(&request, "x-four"), ["4"], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_name_our_fields_away() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let fields = "Connection: authorization, x-forwarded-user, cookie, host\r\n\
                  Connection: x-forwarded-for, via, x-request-id, traceparent, x-forwarded-access-token\r\n";
    let request = through(&gate, &ada, "/bearer/echo/x", fields).await;
    for ours in [
        "authorization",
        "x-forwarded-user",
        "x-forwarded-access-token",
        "host",
        "x-forwarded-for",
        "via",
        "x-request-id",
        "traceparent",
    ] {
        assert_eq!(values(&request, ours).len(), 1, "{ours}");
    }
    let request = through(&gate, &ada, "/mc/rest/echo/x", fields).await;
    assert_eq!(values(&request, "authorization").len(), 1);
}

/// It names the session at this hop all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_that_are_for_one_hop_end_here() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let fields = "Cookie: theirs=1\r\nConnection: close, Cookie\r\n";
    let request = through(&gate, &ada, "/echo/x", fields).await;
    assert!(values(&request, "cookie").is_empty(), "{request:?}");
    assert_eq!(values(&request, "x-forwarded-user"), ["10654321"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_cannot_speak_for_others() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let request = through(&gate, &ada, "/echo/x", FORWARDED).await;
    let host = gate.address().to_string();
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", host.as_str()),
        ("x-forwarded-proto", "http"),
        ("host", host.as_str()),
        ("x-real-ip", "127.0.0.1"),
        (
            "forwarded",
            &format!("for=127.0.0.1;host=\"{host}\";proto=http"),
        ),
    ] {
        assert_eq!(values(&request, name), [value], "{name}");
    }
    assert!(values(&request, "x-forwarded-port").is_empty());
    let id = values(&request, "x-request-id")[0];
    assert!(id.len() == 32 && id != "from-outside", "{id}");
    assert!(!values(&request, "traceparent")[0].contains("4bf92f35"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_speaks_for_its_clients() {
    let gate = Gate::with(Plan {
        top: "trusted_proxies: [127.0.0.0/8]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let ada = gate.signed_in("ada").await;
    let request = through(&gate, &ada, "/echo/x", FORWARDED).await;
    let host = gate.address().to_string();
    // The nearest address that is no proxy of ours; what stands left of it is hearsay.
    assert_eq!(values(&request, "x-forwarded-for"), ["203.0.113.9"]);
    assert_eq!(values(&request, "x-real-ip"), ["203.0.113.9"]);
    let told = format!("for=203.0.113.9;host=\"{host}\";proto=http");
    assert_eq!(values(&request, "forwarded"), [told.as_str()]);
    assert_eq!(values(&request, "x-forwarded-host"), [host.as_str()]);
    assert_eq!(values(&request, "x-request-id"), ["from-outside"]);
    assert_eq!(
        values(&request, "traceparent"),
        ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
    );
    let unreadable = "X-Forwarded-For: 203.0.113.9, evil\r\n";
    let request = through(&gate, &ada, "/echo/x", unreadable).await;
    assert_eq!(values(&request, "x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_named_and_traced() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let mut ids = Vec::new();
    for path in ["/echo/x", "/mc/rest/echo/x", "/echo/x"] {
        let answer = ada.fetch(path).await;
        let request = latest(&gate, path);
        assert_eq!(values(&request, "via"), ["1.1 sidegate"]);
        let id = values(&request, "x-request-id")[0].to_owned();
        assert_eq!(answer.header("x-request-id"), id, "{path}");
        let trace = values(&request, "traceparent")[0];
        let parts: Vec<_> = trace.split('-').map(str::len).collect();
        assert_eq!(parts, [2, 32, 16, 2], "{trace}");
        assert!(!ids.contains(&id), "{id} came twice");
        ids.push(id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_trailers_are_dropped() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let puppet =
        crate::support::Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let direct = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let body = "Transfer-Encoding: chunked\r\nTrailer: X-Forwarded-User\r\n\r\n2\r\nhi\r\n0\r\nX-Forwarded-User: forged\r\nX-Other: 1\r\n\r\n";
    let mut wire = Wire::connect(direct.address()).await;
    wire.send(format!(
        "POST / HTTP/1.1\r\nHost: {}\r\n{body}",
        direct.address()
    ))
    .await;
    assert_eq!(wire.message().await.expect("an answer").status(), 200);
    // The puppet would wait for the end of the trailers and read the next request behind them.
    wire.send(format!(
        "GET /next HTTP/1.1\r\nHost: {}\r\n\r\n",
        direct.address()
    ))
    .await;
    assert_eq!(wire.message().await.expect("an answer").status(), 200);
    let seen = puppet.seen();
    assert_eq!(seen[0].text(), "hi");
    assert!(seen[0].all("trailer").is_empty());
    assert!(
        seen.iter()
            .all(|request| !format!("{request:?}").contains("forged")),
        "{seen:?}"
    );

    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "POST /echo/x HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={}\r\nSec-Fetch-Site: same-origin\r\n{body}",
        gate.address(),
        ada.jar["sidegate"]
    ))
    .await;
    let echo = wire.message().await.expect("an answer").text();
    assert!(
        echo.contains("\"body_bytes\":2") && !echo.contains("forged"),
        "{echo}"
    );
}

/// A GET with `fields` and the browser's cookie, as it arrived.
async fn through(gate: &Gate, browser: &Browser, path: &str, fields: &str) -> Recorded {
    let cookie = browser.jar.get("sidegate");
    let cookie = cookie.map_or_else(String::new, |value| format!("Cookie: sidegate={value}\r\n"));
    raw_request(gate, path, &format!("{cookie}{fields}")).await
}

async fn raw_request(gate: &Gate, path: &str, fields: &str) -> Recorded {
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n",
        gate.address()
    ))
    .await;
    let answer = wire.message().await.expect("an answer");
    assert!([200, 404].contains(&answer.status()), "{path}: {answer:?}");
    latest(gate, path)
}

fn latest(gate: &Gate, path: &str) -> Recorded {
    let requests = if path.starts_with("/mc/rest") {
        gate.control().requests()
    } else {
        gate.tool.requests()
    };
    requests.into_iter().next_back().expect("it arrived")
}

fn values<'a>(request: &'a Recorded, name: &str) -> Vec<&'a str> {
    let fields = request.headers.iter();
    fields
        .filter(|(field, _)| field == name)
        .map(|(_, value)| value.as_str())
        .collect()
}

/// Seven that say who is there, then those that say other things which only we may say.
const IDENTITY: [&str; 13] = [
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Preferred-Username",
    "X-Marketing-Cloud-Business-Unit",
    "X-Marketing-Cloud-Enterprise",
    "X-Marketing-Cloud-Rest-Url",
    "X-Marketing-Cloud-Soap-Url",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Groups",
    "X-Real-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Request-Id",
];

const FORWARDED: &str = "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.2\r\nX-Forwarded-Host: evil.example\r\n\
    X-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
    X-Request-Id: from-outside\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
