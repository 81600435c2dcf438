//! What reaches an upstream: the right one, the same bytes, only when it may.

use bytes::Bytes;
use http::Method;
use sha2::Digest as _;
use sha2::Sha256;
use sidegate::sandbox::Recorded;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Wire;
use crate::support::browser::SCRIPT;
use crate::support::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_prefix_of_whole_segments_wins() {
    let gate = Gate::with(Plan {
        routes: "
  - { path: /, to: TOOL }
  - { path: /echo, to: TOOL, strip_prefix: true }
  - { path: /echo/deep/, to: TOOL, access: public }
"
        .to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    for (path, target, identified) in [
        ("/echo", "/", true),
        ("/echo/echo/x", "/echo/x", true),
        ("/echo/deep", "/deep", true),
        ("/echo/deep/", "/echo/deep/", false),
        ("/echo/deep/x", "/echo/deep/x", false),
        ("/echo/deeper", "/deeper", true),
        ("/echoes/x", "/echoes/x", true),
        ("/ECHO/x", "/ECHO/x", true),
    ] {
        let answer = browser.fetch(path).await;
        assert_ne!(answer.status, 401, "{path}");
        let request = last(&gate);
        assert_eq!(request.target, target, "{path}");
        assert_eq!(
            request.header("x-forwarded-user").is_some(),
            identified,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rest_route_passes_path_and_query_byte_for_byte() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for rest in [
        "/echo/x?$page=2&$pageSize=10&$filter=a%20eq%20'b'",
        "/echo/key:a%2Fb/rowset",
        "/echo/key:a%2fb;c=d/100%25",
        "/echo/%E2%82%AC/a%20b/{id}?q=%2F;%25&empty=&=x&&",
        "/echo/x?",
        "/echo/!$&'()*+,=:@~-._",
    ] {
        let answer = browser.fetch(&format!("/mc/rest{rest}")).await;
        assert_eq!(answer.status, 200, "{rest}: {answer:?}");
        assert_eq!(answer.json()["target"], rest);
        let request = gate.control().last_request("/echo").expect("it arrived");
        assert_eq!(request.target, rest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_could_read_in_two_ways_is_refused() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for path in [
        "/echo/a%2Fb",
        "/echo/a%2fb",
        "/echo/a;b",
        "/echo/a%25b",
        "/echo/a%3Bb",
        "/open/a;b",
        "/maybe/a%2fb",
    ] {
        let answer = browser.fetch(path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "SG-1002"),
            "{path}"
        );
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_targets_are_refused_on_every_route() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let cookie = &browser.jar["sidegate"];
    let calls = gate.control().stats().rest_calls;
    let tails = [
        "..",
        ".",
        "../x",
        "./x",
        "%2e%2e/x",
        "%2E/x",
        ".%2e/x",
        "..;/x",
        "%252e%252e/x",
        "a%2f..%2fb",
        "/x",
        "x//y",
        "a\\b",
        "a%5cb",
        "a%00",
        "a%0d%0ab",
        "%zz",
        "%",
        "%c0%ae/x",
        "a#b",
    ];
    for prefix in [
        "/",
        "/mc/rest/",
        "/open/",
        "/maybe/",
        "/bearer/",
        "/oauth2/",
    ] {
        for tail in tails {
            let text = raw::talk(
                gate.address(),
                format!(
                    "GET {prefix}{tail} HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={cookie}\r\nConnection: close\r\n\r\n",
                    gate.address()
                ),
            )
            .await;
            assert_eq!(raw::status(&text), 400, "{prefix}{tail}: {text}");
            assert!(
                text.contains("SG-1002") || text.contains("SG-1001"),
                "{prefix}{tail}: {text}"
            );
        }
    }
    assert!(gate.tool.requests().is_empty());
    assert_eq!(gate.control().stats().rest_calls, calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_with_a_length_arrive_intact() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let body: Bytes = (0..=255).cycle().take(300_000).collect();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for path in ["/echo/x", "/mc/rest/echo/x"] {
            let answer = browser
                .send(method.clone(), path, &SCRIPT, body.clone())
                .await;
            assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
            let echo = answer.json();
            assert_eq!(echo["method"], method.as_str());
            assert_eq!(echo["body_bytes"], 300_000);
            assert_eq!(echo["body_sha256"], digest(&body), "{method} {path}");
            assert_eq!(echoed(&answer, "content-length"), ["300000"]);
            assert_eq!(echoed(&answer, "transfer-encoding"), [""; 0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_bodies_arrive_intact() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "POST /echo/x HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={}\r\nSec-Fetch-Site: same-origin\r\n\
         Transfer-Encoding: Chunked\r\n\r\n5;name=value\r\nhello\r\n00006\r\n world\r\n",
        gate.address(),
        browser.jar["sidegate"],
    ))
    .await;
    wire.send("0\r\n\r\n").await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    let request = last(&gate);
    assert_eq!(request.body_bytes, 11);
    assert_eq!(request.body_sha256, digest(b"hello world"));
    assert_eq!(request.header("transfer-encoding"), Some("chunked"));
    assert_eq!(request.header("content-length"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_post_stays_one() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for path in ["/echo/x", "/mc/rest/echo/x"] {
        let answer = browser.post(path, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["body_bytes"], 0);
        // Some servers refuse a POST that says nothing of its length (411).
        assert_eq!(echoed(&answer, "content-length"), ["0"], "{path}");
    }
    let answer = browser.fetch("/echo/x").await;
    assert_eq!(
        echoed(&answer, "content-length"),
        [""; 0],
        "a GET has no body"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_bearer_route_gets_the_token() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let with = browser.fetch("/bearer/echo/x").await;
    assert_eq!(with.json()["target"], "/echo/x", "the prefix is taken off");
    let [authorization] = &echoed(&with, "authorization")[..] else {
        panic!("one: {with:?}");
    };
    let token = authorization.strip_prefix("Bearer ").expect("a bearer");
    assert_eq!(token.len(), 512);
    assert_eq!(echoed(&with, "x-forwarded-access-token"), [token]);

    let without = browser.fetch("/echo/x").await;
    assert_eq!(echoed(&without, "authorization"), [""; 0]);
    assert_eq!(echoed(&without, "x-forwarded-access-token"), [""; 0]);
    assert!(!without.text().contains(token));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_decides_who_may_ask() {
    let gate = Gate::with(Plan {
        routes: "
  - { path: /open/, to: TOOL, access: public, strip_prefix: true }
  - { path: /maybe/, to: TOOL, access: optional, strip_prefix: true }
  - { path: /, to: TOOL }
"
        .to_owned(),
        ..Plan::default()
    })
    .await;
    let mut stranger = gate.browser();
    let mut ada = gate.signed_in("ada").await;
    for (path, user) in [("/open/echo/x", None), ("/maybe/echo/x", Some("10654321"))] {
        let answer = stranger.fetch(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(echoed(&answer, "x-forwarded-user"), [""; 0]);
        let answer = ada.fetch(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let expected: Vec<_> = user.into_iter().collect();
        assert_eq!(echoed(&answer, "x-forwarded-user"), expected, "{path}");
    }
    let seen = gate.tool.requests().len();
    let answer = stranger.fetch("/echo/x").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "SG-2001"));
    assert_eq!(gate.tool.requests().len(), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsafe_methods_without_proof_of_origin_are_refused() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let calls = gate.control().stats().rest_calls;
    let origin = gate.origin();
    for fields in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", &origin)],
        &[("sec-fetch-site", "same-site")],
    ] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for path in ["/echo/x", "/maybe/x", "/mc/rest/echo/x"] {
                let answer = browser
                    .send(method.clone(), path, fields, Bytes::from_static(b"x"))
                    .await;
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (403, "SG-1006"),
                    "{method} {path} {fields:?}"
                );
            }
        }
    }
    assert!(gate.tool.requests().is_empty());
    assert_eq!(gate.control().stats().rest_calls, calls);
    let answer = browser
        .send(
            Method::POST,
            "/echo/x",
            &[("origin", &origin)],
            Bytes::new(),
        )
        .await;
    assert_eq!(answer.status, 200, "our own origin is proof");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_is_misdirected() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let port = gate.address().port();
    for host in [
        "evil.example".to_owned(),
        format!("localhost:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
    ] {
        let answer = browser
            .send(Method::GET, "/echo/x", &[("host", &host)], Bytes::new())
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (421, "SG-1003"),
            "{host}"
        );
        assert_eq!(answer.header("location"), "");
    }
    assert!(gate.tool.requests().is_empty());
}

/// The tool's latest request.
fn last(gate: &Gate) -> Recorded {
    gate.tool.requests().pop().expect("it arrived")
}

/// The values of a field in an echo.
fn echoed(answer: &Answer, name: &str) -> Vec<String> {
    let echo = answer.json();
    let headers = echo["headers"].as_array().expect("a list").iter();
    headers
        .filter(|field| field[0] == name)
        .map(|field| field[1].as_str().expect("text").to_owned())
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    let pairs = Sha256::digest(bytes).into_iter();
    let pairs: Vec<_> = pairs.map(|byte| format!("{byte:02x}")).collect();
    pairs.concat()
}
