//! Which fields of an upstream's answer reach the client.

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_cannot_set_our_cookies() {
    let (gate, _puppet) = behind(
        "set-cookie: sidegate=evil; Path=/\r\nSet-Cookie: SideGate.1=evil\r\nset-cookie: sidegate-login-x=evil\r\n\
         set-cookie: =sidegate=evil\r\nset-cookie:  sidegate =evil\r\nset-cookie: sidegate\r\n\
         set-cookie: theirs=1; Path=/; HttpOnly\r\nset-cookie: sidegateway=2\r\nset-cookie: third=sidegate\r\n",
    )
    .await;
    let answer = fetched(&gate).await;
    assert_eq!(
        answer.set_cookies(),
        [
            "theirs=1; Path=/; HttpOnly",
            "sidegateway=2",
            "third=sidegate"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_sets_neither_cookies_nor_policies() {
    let puppet = Puppet::saying(answer(
        "set-cookie: theirs=1\r\nstrict-transport-security: max-age=0\r\nclear-site-data: \"*\"\r\nx-kept: 1\r\n",
    ))
    .await;
    let gate = Gate::with(Plan {
        sandbox: sidegate::sandbox::Settings {
            rest_instance_url: Some(puppet.origin()),
            ..Default::default()
        },
        instance_hosts: Some("127.0.0.1".to_owned()),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    let answer = browser.fetch("/mc/rest/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-kept"), "1");
    for gone in ["set-cookie", "strict-transport-security", "clear-site-data"] {
        assert!(!answer.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_cannot_end_the_session_or_tell_the_token() {
    let (gate, _puppet) = behind(
        "clear-site-data: \"cache\", \"cookies\"\r\nclear-site-data: \"*\"\r\nstrict-transport-security: max-age=0\r\n\
         x-forwarded-access-token: secret\r\nX-Forwarded-User: 1\r\nx-marketing-cloud-rest-url: u\r\nx-kept: 1\r\n",
    )
    .await;
    let answer = fetched(&gate).await;
    let kinds = answer.headers.get_all("clear-site-data");
    let kinds: Vec<_> = kinds
        .iter()
        .map(|kind| kind.to_str().expect("text"))
        .collect();
    assert_eq!(kinds, ["\"cache\"", "\"cache\"", "\"storage\""]);
    assert_eq!(answer.header("x-kept"), "1");
    for gone in [
        "strict-transport-security",
        "x-forwarded-access-token",
        "x-forwarded-user",
        "x-marketing-cloud-rest-url",
    ] {
        assert!(!answer.headers.contains_key(gone), "{gone}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_the_other_hop_end_here() {
    let (gate, _puppet) = behind(
        "Connection: x-one, keep-alive\r\nConnection: X-Two\r\nx-one: 1\r\nX-TWO: 2\r\nkeep-alive: timeout=5\r\n\
         proxy-authenticate: Basic\r\nproxy-connection: keep-alive\r\nte: trailers\r\ntrailer: x-late\r\nupgrade: h2c\r\n\
         x-three: 3\r\nserver: theirs\r\n",
    )
    .await;
    let answer = fetched(&gate).await;
    for gone in [
        "connection",
        "x-one",
        "x-two",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    ] {
        assert!(!answer.headers.contains_key(gone), "{gone}: {answer:?}");
    }
    assert_eq!(answer.header("x-three"), "3");
    assert_eq!(answer.header("server"), "theirs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstreams_trailers_are_dropped() {
    let puppet = Puppet::saying(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n2\r\nhi\r\n0\r\nx-late: 1\r\nset-cookie: sidegate=evil\r\n\r\n",
    )
    .await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nTE: trailers\r\nConnection: te, close\r\n\r\n",
        gate.address()
    ))
    .await;
    let text = String::from_utf8(wire.rest().await).expect("text");
    assert!(text.ends_with("\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), "{text}");
    assert!(!text.contains("x-late"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn personal_answers_are_private_unless_the_upstream_says_otherwise() {
    for (fields, expected) in [
        ("", "private"),
        ("cache-control: no-store\r\n", "no-store"),
        (
            "cache-control: public, max-age=60\r\n",
            "public, max-age=60",
        ),
        ("cache-control: max-age=60\r\n", "max-age=60"),
    ] {
        let (gate, _puppet) = behind(fields).await;
        let answer = fetched(&gate).await;
        assert_eq!(answer.header("cache-control"), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_not_stored_unless_the_upstream_says_otherwise() {
    for (fields, page, call) in [
        ("", "no-store", "private"),
        ("cache-control: max-age=60\r\n", "max-age=60", "max-age=60"),
    ] {
        let (gate, _puppet) = behind(fields).await;
        let mut browser = gate.signed_in("ada").await;
        let navigated = browser.navigate("/x").await;
        assert_eq!(navigated.header("cache-control"), page);
        let fetched = browser.fetch("/x").await;
        assert_eq!(fetched.header("cache-control"), call);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_nobody_keep_their_caching() {
    let puppet = Puppet::saying(answer("")).await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.browser();
    let answer = browser.fetch("/").await;
    assert!(!answer.headers.contains_key("cache-control"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_for_everybody_carries_no_cookie_of_somebody() {
    for (fields, renewed) in [
        ("", true),
        ("cache-control: max-age=60\r\n", true),
        ("cache-control: public, max-age=60\r\n", false),
        ("cache-control: max-age=1, PUBLIC\r\n", false),
        (
            "cache-control: max-age=1\r\ncache-control: public\r\n",
            false,
        ),
        ("cache-control: s-maxage=60\r\n", false),
    ] {
        let (gate, _puppet) = behind(fields).await;
        let mut browser = gate.signed_in("ada").await;
        // Long enough for the idle limit to move, too short for the token to need a refresh.
        gate.advance(600);
        let answer = browser.fetch("/x").await;
        assert_eq!(answer.status, 200);
        let cookies = answer.set_cookies();
        assert_eq!(
            cookies.iter().any(|line| line.starts_with("sidegate=")),
            renewed,
            "{fields:?}: {cookies:?}"
        );
    }
}

/// A gateway before an upstream whose every answer has `fields`.
async fn behind(fields: &str) -> (Gate, Puppet) {
    let puppet = Puppet::saying(answer(fields)).await;
    let gate = Gate::with(Plan {
        routes: puppet.route(""),
        ..Plan::default()
    })
    .await;
    (gate, puppet)
}

async fn fetched(gate: &Gate) -> Answer {
    let answer = gate.signed_in("ada").await.peek("/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn answer(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nhi")
}
