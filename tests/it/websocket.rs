//! Tunnels: who may open a `WebSocket`, what is none, and when one ends.

use std::time::Duration;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_pass_both_ways() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let mut wire = open(&gate, &ada).await;
    // RFC 6455 §5.7: a masked "Hello", and the same unmasked.
    wire.send(HELLO).await;
    assert_eq!(wire.exactly(7).await.expect("an echo"), b"\x81\x05Hello");
    wire.send([0x89, 0x80, 1, 2, 3, 4]).await;
    assert_eq!(wire.exactly(2).await.expect("a pong"), [0x8a, 0]);
    wire.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await;
    assert_eq!(
        wire.rest().await,
        [0x88, 2, 0x03, 0xe8],
        "closes on both sides"
    );

    let request = gate.tool.requests().pop().expect("it arrived");
    assert_eq!(request.header("x-forwarded-user"), Some("10654321"));
    assert_eq!(request.header("connection"), Some("upgrade"));
    assert_eq!(request.header("sec-websocket-key"), Some(KEY));
    assert!(!format!("{request:?}").contains("sidegate="), "{request:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_a_401_and_never_a_redirect() {
    let gate = Gate::start().await;
    let own = format!("Origin: {}\r\n", gate.origin());
    for fields in [
        own.clone(),
        format!("{own}Sec-Fetch-Mode: websocket\r\nSec-Fetch-Dest: empty\r\n"),
        format!("{own}Cookie: sidegate=forged\r\n"),
    ] {
        let (_wire, answer) = shake(&gate, &fields, GOOD).await;
        assert_eq!(answer.status(), 401, "{answer:?}");
        assert!(answer.text().contains("SG-2001"));
        assert!(answer.all("location").is_empty());
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_our_own_pages_may_open_one() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let own = gate.origin();
    for origin in [
        String::new(),
        "Origin: https://evil.example\r\n".to_owned(),
        "Origin: null\r\n".to_owned(),
        "Sec-Fetch-Site: same-origin\r\n".to_owned(),
        format!("Origin: {own}.evil.example\r\n"),
        format!("Origin: {own}\r\nOrigin: https://evil.example\r\n"),
        format!("Origin: {}\r\n", own.replace("http:", "https:")),
    ] {
        let fields = format!("{}{origin}", cookie(&ada));
        let (_wire, answer) = shake(&gate, &fields, GOOD).await;
        assert_eq!(answer.status(), 403, "{origin}: {answer:?}");
        assert!(answer.text().contains("SG-1006"), "{origin}");
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_resembles_a_handshake_is_refused() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let fields = format!("{}Origin: {}\r\n", cookie(&ada), gate.origin());
    for handshake in [
        GOOD.replace("13", "8"),
        GOOD.replace("Sec-WebSocket-Version: 13\r\n", ""),
        GOOD.replace(KEY, "short"),
        GOOD.replace("Sec-WebSocket-Key", "X-Key"),
        GOOD.replace("Connection: Upgrade", "Connection: keep-alive"),
        GOOD.replace("Upgrade: websocket", "Upgrade: websocket, h2c"),
        GOOD.replace("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"),
        format!("{GOOD}Sec-WebSocket-Key: {KEY}\r\n"),
        format!("{GOOD}Content-Length: 5\r\n"),
        format!("{GOOD}Transfer-Encoding: chunked\r\n"),
    ] {
        let (_wire, answer) = shake(&gate, &fields, &handshake).await;
        assert_eq!(answer.status(), 400, "{handshake}: {answer:?}");
        let body = handshake.contains("Content-Length") || handshake.contains("Transfer-Encoding");
        let code = if body { "SG-1015" } else { "SG-1010" };
        assert!(answer.text().contains(code), "{handshake}");
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_upgrades_are_plain_requests() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    for upgrade in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.3\r\n",
    ] {
        let mut wire = Wire::connect(gate.address()).await;
        for _ in 0..2 {
            wire.send(format!(
                "GET /echo/x HTTP/1.1\r\nHost: {}\r\n{}{upgrade}\r\n",
                gate.address(),
                cookie(&ada)
            ))
            .await;
            let answer = wire.message().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{upgrade}");
            assert!(
                !answer.text().to_lowercase().contains("\"upgrade\""),
                "{answer:?}"
            );
        }
    }
    // A handshake over HTTP/1.0 is none.
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "GET /ws HTTP/1.0\r\nHost: {}\r\n{}{GOOD}\r\n",
        gate.address(),
        cookie(&ada)
    ))
    .await;
    assert_eq!(wire.message().await.expect("an answer").status(), 426);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_that_nobody_asked_for_is_not_opened() {
    let puppet = Puppet::saying(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    )
    .await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    for extra in ["", "Connection: upgrade\r\nUpgrade: h2c\r\n"] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(format!(
            "GET / HTTP/1.1\r\nHost: {}\r\n{extra}\r\n",
            gate.address()
        ))
        .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 502, "{answer:?}");
        assert!(answer.text().contains("SG-4003"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstreams_refusal_of_a_handshake_passes() {
    let puppet = Puppet::saying("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    let gate = Gate::with(Plan {
        routes: puppet.route(""),
        ..Plan::default()
    })
    .await;
    let ada = gate.signed_in("ada").await;
    let fields = format!("{}Origin: {}\r\n", cookie(&ada), gate.origin());
    let (mut wire, answer) = shake(&gate, &fields, GOOD).await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
    // Still HTTP: what follows is a request.
    wire.send(format!(
        "GET / HTTP/1.1\r\nHost: {}\r\n\r\n",
        gate.address()
    ))
    .await;
    assert_eq!(wire.message().await.expect("an answer").status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_with_its_session() {
    let gate = Gate::with(Plan {
        session: "  lifetime: 2s\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let ada = gate.signed_in("ada").await;
    let mut wire = open(&gate, &ada).await;
    wire.send(HELLO).await;
    assert_eq!(wire.exactly(7).await.expect("an echo"), b"\x81\x05Hello");
    gate.advance(2);
    assert_eq!(wire.rest().await, b"\x88\x0d\x03\xf0session end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_page_counts_what_ends_with_the_session() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let mut jonas = gate.signed_in("jonas").await;
    let _wires = (open(&gate, &ada).await, open(&gate, &ada).await);
    let counted = async {
        while !ada
            .navigate("/oauth2/")
            .await
            .text()
            .contains("2 that end with this session")
        {}
    };
    // Every worker tells of its own once a second.
    let waited = tokio::time::timeout(Duration::from_secs(20), counted).await;
    waited.expect("both are counted");
    let page = jonas.navigate("/oauth2/").await.text();
    assert!(page.contains("none that last"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_with_the_process() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let mut wire = open(&gate, &ada).await;
    wire.send(HELLO).await;
    wire.exactly(7).await.expect("an echo");
    let (said, ()) = tokio::join!(wire.rest(), gate.stop());
    assert_eq!(said, b"\x88\x0a\x03\xe9stopping", "1001");
}

pub async fn open(gate: &Gate, browser: &Browser) -> Wire {
    let fields = format!("{}Origin: {}\r\n", cookie(browser), gate.origin());
    let (wire, answer) = shake(gate, &fields, GOOD).await;
    assert_eq!(answer.status(), 101, "{answer:?}");
    // The answer to the key, from RFC 6455 §1.3.
    assert_eq!(
        answer.all("sec-websocket-accept"),
        ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    );
    assert_eq!(answer.all("upgrade"), ["websocket"]);
    wire
}

async fn shake(
    gate: &Gate,
    fields: &str,
    handshake: impl AsRef<str>,
) -> (Wire, crate::support::wire::Message) {
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\n{fields}{}\r\n",
        gate.address(),
        handshake.as_ref()
    ))
    .await;
    let answer = wire.message().await.expect("an answer");
    (wire, answer)
}

fn cookie(browser: &Browser) -> String {
    format!("Cookie: sidegate={}\r\n", browser.jar["sidegate"])
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const GOOD: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

const HELLO: [u8; 11] = [
    0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
];
