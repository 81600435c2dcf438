//! What a client may take: time for each step, sizes, connections. Each limit says its name.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::h2_floods;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_dribbles_is_answered_and_cut() {
    let gate = hasty("head").await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send("GET / HTTP/1.1\r\nHost: x").await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 408);
    assert!(answer.text().contains("SG-1009"), "{answer:?}");
    assert!(answer.text().contains("timeouts.head"), "{answer:?}");
    wire.ends().await;
    // The same on a connection that has served already.
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(get(&gate, "/open/x")).await;
    assert_eq!(wire.message().await.expect("an answer").status(), 404);
    wire.send("GET /").await;
    assert_eq!(wire.message().await.expect("an answer").status(), 408);
    wire.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stays_silent_is_closed() {
    let gate = hasty("first_byte").await;
    Wire::connect(gate.address()).await.ends().await;
    let gate = hasty("keep_alive").await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(get(&gate, "/open/x")).await;
    assert_eq!(wire.message().await.expect("an answer").status(), 404);
    wire.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_stands_still_is_cut() {
    let gate = Gate::with(Plan {
        top: "tls: self_signed\ntimeouts: { tls_handshake: 1s }".to_owned(),
        https: true,
        ..Plan::default()
    })
    .await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send([0x16, 3, 1, 2, 0, 1]).await;
    wire.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_coming_is_a_timeout_of_the_client() {
    let puppet = Puppet::playing(|_, mut line| async move {
        line.wire.rest().await;
    })
    .await;
    let gate = Gate::with(Plan {
        top: "timeouts: { body_progress: 1s }".to_owned(),
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    for framing in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(format!(
            "POST / HTTP/1.1\r\nHost: {}\r\n{framing}",
            gate.address()
        ))
        .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 408, "{answer:?}");
        assert!(answer.text().contains("SG-1012"), "{answer:?}");
        wire.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_cut() {
    let gone = Arc::new(Notify::new());
    let puppet = {
        let gone = Arc::clone(&gone);
        Puppet::playing(move |_, mut line| {
            let gone = Arc::clone(&gone);
            async move {
                line.request().await;
                line.say("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
                    .await;
                for _ in 0..100 {
                    line.say(vec![b'x'; 1_000_000]).await;
                }
                line.wire.rest().await;
                gone.notify_one();
            }
        })
        .await
    };
    let gate = Gate::with(Plan {
        top: "timeouts: { body_progress: 1s }".to_owned(),
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(get(&gate, "/")).await;
    // Not a byte is read; the upstream's connection ends with the client's.
    tokio::time::timeout(Duration::from_secs(20), gone.notified())
        .await
        .expect("it is cut");
    let read = wire.rest().await.len();
    assert!(read < 100_000_000, "{read} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_have_limits_and_routes_their_own() {
    let gate = Gate::with(Plan {
        top: "limits: { body_size: 10, target_length: 300, head_size: 8 KiB, header_count: 20 }"
            .to_owned(),
        routes: "
  - { path: /large/, to: TOOL, access: public, body_size: 20 }
  - { path: /, to: TOOL, access: public }
"
        .to_owned(),
        ..Plan::default()
    })
    .await;
    let host = format!("Host: {}\r\n", gate.address());
    let post = |path: &str, rest: &str| format!("POST {path} HTTP/1.1\r\n{host}{rest}");
    for (request, status, code) in [
        (post("/x", "Content-Length: 11\r\n\r\n"), 413, "SG-1007"),
        (
            post(
                "/x",
                "Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
            ),
            413,
            "SG-1007",
        ),
        (
            post("/large/x", "Content-Length: 21\r\n\r\n"),
            413,
            "SG-1007",
        ),
        (get(&gate, &format!("/{}", "a".repeat(300))), 414, "SG-1011"),
        (
            format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "a".repeat(8192)),
            431,
            "SG-1008",
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X: 1\r\n".repeat(20)),
            431,
            "SG-1008",
        ),
    ] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(&request).await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), status, "{request}\n{answer:?}");
        assert!(answer.text().contains(code), "{request}\n{answer:?}");
    }
    for request in [
        post("/upload", "Content-Length: 10\r\n\r\n0123456789"),
        post(
            "/large/upload",
            "Content-Length: 20\r\n\r\n01234567890123456789",
        ),
        get(&gate, &format!("/{}", "a".repeat(299))),
        format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X: 1\r\n".repeat(19)),
    ] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(&request).await;
        let status = wire.message().await.expect("an answer").status();
        assert!([200, 404].contains(&status), "{status} {request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_a_limit_are_told_so() {
    let proxied = "PROXY TCP6 2001:db8::1 2001:db8::2 1 1\r\n";
    for (limit, preamble, status, code) in [
        ("connections", "", 503, "SG-5003"),
        ("connections_per_address", proxied, 429, "SG-5004"),
    ] {
        let gate = Gate::with(Plan {
            top: format!(
                "limits: {{ {limit}: 2 }}\nproxy_protocol: {}\ntrusted_proxies: [127.0.0.1]",
                !preamble.is_empty()
            ),
            ..Plan::default()
        })
        .await;
        let connect = async || {
            let mut wire = Wire::connect(gate.address()).await;
            wire.send(preamble).await;
            wire
        };
        let mut first = connect().await;
        let mut second = connect().await;
        // Answered, so both are counted.
        for wire in [&mut first, &mut second] {
            wire.send(get(&gate, "/open/x")).await;
            assert_eq!(wire.message().await.expect("an answer").status(), 404);
        }
        let mut third = connect().await;
        let answer = third.message().await.expect("an answer");
        assert_eq!(answer.status(), status);
        assert!(answer.text().contains(code), "{answer:?}");
        assert!(answer.text().contains(limit), "{answer:?}");
        third.ends().await;
        drop(second);
        // One that has left makes room as soon as that is noticed.
        loop {
            let mut wire = connect().await;
            wire.send(get(&gate, "/open/x")).await;
            let answered = wire.message().await.map(|answer| answer.status());
            if answered == Some(404) {
                break;
            }
        }
        assert!(TcpStream::connect(gate.address()).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_wake_up_whole() {
    // Limits are kept in whole seconds: one of them may be over before a busy machine has sent anything.
    let gate = Gate::with(Plan {
        top: "timeouts: { first_byte: 2s }".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut wire = Wire::connect(gate.address()).await;
    for round in 0..3 {
        wire.send(get(&gate, "/open/x")).await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 404, "round {round}");
        // Another connection's limit is the clock: after it, this one has let go of its buffers.
        for _ in 0..3 {
            Wire::connect(gate.address()).await.ends().await;
        }
    }
    let pair = [get(&gate, "/open/x"), get(&gate, "/open/y")].concat();
    wire.send(pair).await;
    for _ in 0..2 {
        assert_eq!(wire.message().await.expect("an answer").status(), 404);
    }
    let text = raw::talk(gate.address(), "GET / HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(raw::status(&text), 400, "strict from the first byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_answer_without_a_window_is_reset_alone() {
    let gate = Gate::with(Plan {
        top: "h2c: true\ntimeouts: { body_progress: 1s }".to_owned(),
        routes: "\n  - { path: /, to: TOOL, access: public }\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut line = Frames::connect(gate.address()).await;
    // No stream may get a byte of a body.
    line.send(&h2_floods::frame(
        h2_floods::SETTINGS,
        0,
        0,
        &[0, 4, 0, 0, 0, 0],
    ))
    .await;
    line.send(&line.get(1, "/download/100000")).await;
    let (kind, stream) = line
        .next(&[h2_floods::RST_STREAM, GOAWAY])
        .await
        .expect("a reset");
    assert_eq!((kind, stream), (h2_floods::RST_STREAM, 1));
    // Others on the connection go on.
    line.send(&line.get(3, "/nothing")).await;
    let answered = line.next(&[h2_floods::HEADERS, GOAWAY]).await;
    assert_eq!(answered, Some((h2_floods::HEADERS, 3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_connection_without_a_whole_request_is_closed() {
    let gate = Gate::with(Plan {
        top: "h2c: true\ntimeouts: { first_byte: 1s }".to_owned(),
        ..Plan::default()
    })
    .await;
    for end in [
        Vec::new(),
        // A head that is never finished.
        h2_floods::headers(1, 0, h2_floods::GET),
    ] {
        let mut line = Frames::connect(gate.address()).await;
        line.send(&h2_floods::settings()).await;
        line.send(&end).await;
        assert_eq!(line.next(&[h2_floods::HEADERS]).await, None);
    }
}

/// HTTP/2 by hand.
struct Frames(Wire, String);

impl Frames {
    async fn connect(site: std::net::SocketAddr) -> Self {
        let mut wire = Wire::connect(site).await;
        wire.send(h2_floods::PREFACE).await;
        Self(wire, site.to_string())
    }

    async fn send(&mut self, frames: &[u8]) {
        self.0.send(frames).await;
    }

    /// A request for `path`, with literals only (RFC 7541 §6.2.2).
    fn get(&self, stream: u32, path: &str) -> Vec<u8> {
        let length = |text: &str| u8::try_from(text.len()).expect("short");
        let block = [
            b"\x82\x86\x04".as_slice(),
            &[length(path)],
            path.as_bytes(),
            b"\x01",
            &[length(&self.1)],
            self.1.as_bytes(),
        ]
        .concat();
        h2_floods::headers(stream, h2_floods::END_ALL, &block)
    }

    /// The next frame of one of these kinds, and its stream; `None` at the end of the connection.
    async fn next(&mut self, kinds: &[u8]) -> Option<(u8, u32)> {
        loop {
            let head = self.0.exactly(9).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let length = usize::try_from(length).expect("it fits");
            self.0.exactly(length).await?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if kinds.contains(&head[3]) {
                return Some((head[3], stream));
            }
        }
    }
}

const GOAWAY: u8 = 7;

/// A gateway with a second's patience in one thing.
async fn hasty(clock: &str) -> Gate {
    Gate::with(Plan {
        top: format!("timeouts: {{ {clock}: 1s }}"),
        ..Plan::default()
    })
    .await
}

fn get(gate: &Gate, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address())
}
