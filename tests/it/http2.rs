//! Malformed HTTP/2, frame by frame (RFC 9113 §8): a stream error or 400, never a forwarded request.

use crate::support::Gate;
use crate::support::Puppet;
use crate::support::h2::CONTINUATION;
use crate::support::h2::DATA;
use crate::support::h2::END_HEADERS;
use crate::support::h2::END_STREAM;
use crate::support::h2::Frames;
use crate::support::h2::HEADERS;
use crate::support::h2::Outcome;
use crate::support::h2::block;
use crate::tls;

type Fields<'a> = Vec<(&'a str, &'a str)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_pseudo_fields_are_malformed() {
    let gate = tls::self_signed(None).await;
    let host = gate.address().to_string();
    let (method, scheme, path, authority) = (
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/open/x"),
        (":authority", host.as_str()),
    );
    refused(
        &gate,
        &[
            vec![method, method, scheme, path, authority],
            vec![method, scheme, scheme, path, authority],
            vec![method, scheme, path, path, authority],
            vec![method, scheme, path, authority, authority],
            vec![
                method,
                scheme,
                path,
                authority,
                (":authority", "evil.example"),
            ],
            vec![scheme, path, authority],
            vec![method, path, authority],
            vec![method, scheme, authority],
            vec![method, scheme, path],
            vec![method, scheme, (":path", ""), authority],
            vec![method, scheme, (":path", "x"), authority],
            vec![method, scheme, (":path", "*"), authority],
            vec![method, scheme, (":path", "/open/a b"), authority],
            vec![method, scheme, (":path", "/open/../x"), authority],
            vec![
                method,
                scheme,
                (":path", "https://evil.example/"),
                authority,
            ],
            vec![method, scheme, (":path", "/open/\r\nx"), authority],
            vec![(":method", "GE T"), scheme, path, authority],
            vec![(":method", ""), scheme, path, authority],
            vec![
                (":method", "GET / HTTP/1.1\r\nx: y"),
                scheme,
                path,
                authority,
            ],
            vec![method, (":scheme", ""), path, authority],
            vec![
                method,
                (":scheme", "https://evil.example/x"),
                path,
                authority,
            ],
            vec![method, scheme, path, (":authority", "")],
            vec![method, scheme, path, (":authority", "a b")],
            vec![method, scheme, path, (":authority", "evil.example")],
            vec![method, scheme, path, (":authority", "evil.example\r\nx: y")],
            vec![("accept", "*/*"), method, scheme, path, authority],
            vec![method, ("accept", "*/*"), scheme, path, authority],
            vec![method, scheme, path, ("accept", "*/*"), authority],
            vec![method, scheme, path, authority, (":status", "200")],
            vec![method, scheme, path, authority, (":protocol", "websocket")],
            vec![method, scheme, path, authority, (":unknown", "x")],
            vec![method, scheme, path, authority, (":", "x")],
            vec![(":Method", "GET"), scheme, path, authority],
            vec![(":method", "CONNECT"), authority],
            vec![(":method", "CONNECT"), scheme, path, authority],
            vec![
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                scheme,
                path,
                authority,
            ],
            vec![(":method", "TRACE"), scheme, path, authority],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_fields_are_malformed() {
    let gate = tls::self_signed(None).await;
    let host = gate.address().to_string();
    let user = format!("user@{host}");
    let usual = good(&host, "GET");
    let with = |name, value| [usual.clone(), vec![(name, value)]].concat();
    refused(
        &gate,
        &[
            with("X-Upper", "a"),
            with("accepT", "a"),
            with("", "a"),
            with("x y", "a"),
            with("x:", "a"),
            with("x\0", "a"),
            with("x\n", "a"),
            with("x\u{e4}", "a"),
            with("x", "a\r\nevil: b"),
            with("x", "a\nb"),
            with("x", "a\rb"),
            with("x", "a\0b"),
            with("x", "a\u{1}b"),
            with("x", "a\u{7f}b"),
            with("x", " a"),
            with("x", "a "),
            with("x", "\ta"),
            with("connection", "x"),
            with("connection", "close"),
            with("keep-alive", "timeout=5"),
            with("proxy-connection", "keep-alive"),
            with("transfer-encoding", "chunked"),
            with("transfer-encoding", "identity"),
            with("transfer_encoding", "chunked"),
            with("content_length", "5"),
            with("upgrade", "h2c"),
            with("upgrade", "websocket"),
            with("te", "gzip"),
            with("te", "trailers, gzip"),
            with("te", "chunked"),
            with("host", "evil.example"),
            with("host", &user),
            with("content-length", "+5"),
            with("content-length", "5, 5"),
            with("content-length", "x"),
            [
                usual.clone(),
                vec![("host", host.as_str()), ("host", host.as_str())],
            ]
            .concat(),
            [
                usual.clone(),
                vec![("content-length", "0"), ("content-length", "1")],
            ]
            .concat(),
            vec![
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/open/x"),
                (":authority", user.as_str()),
            ],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_http2_allows_passes() {
    let gate = tls::self_signed(None).await;
    let host = gate.address().to_string();
    let mut frames = open(&gate).await;
    let usual = good(&host, "GET");
    let bare = vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/open/x"),
    ];
    let passing = [
        usual.clone(),
        [usual.clone(), vec![("te", "trailers")]].concat(),
        [usual.clone(), vec![("host", host.as_str())]].concat(),
        [usual.clone(), vec![("content-length", "0")]].concat(),
        [bare, vec![("host", host.as_str())]].concat(),
        [usual, vec![("x", ""), ("x", "a\tb\u{e4}")]].concat(),
        // The library takes a fragment away: neither the decision nor the tool has it.
        vec![
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/open/x#/../y"),
            (":authority", host.as_str()),
        ],
    ];
    for (number, fields) in (1..).step_by(2).zip(&passing) {
        frames.headers(number, fields, END_STREAM).await;
        let outcome = frames.outcome(number).await;
        assert_eq!(outcome.status(), Some(404), "{fields:?}: {outcome:?}");
    }
    assert_eq!(gate.tool.requests().len(), passing.len());
    for request in gate.tool.requests() {
        assert_eq!(request.header("host"), Some(host.as_str()));
        assert_eq!(request.header("te"), None);
        assert_eq!(request.target, "/open/x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crumbs_are_one_field_to_the_tool() {
    let gate = tls::self_signed(None).await;
    let host = gate.address().to_string();
    let mut frames = open(&gate).await;
    let crumbs = vec![
        ("cookie", "a=1"),
        ("accept", "x"),
        ("cookie", "b=2"),
        ("cookie", "c=\"3 4\""),
    ];
    let fields = [good(&host, "GET"), crumbs].concat();
    frames.headers(1, &fields, END_STREAM).await;
    assert_eq!(frames.outcome(1).await.status(), Some(404));
    let seen = gate.tool.requests();
    let cookies = seen[0].headers.iter().filter(|(name, _)| name == "cookie");
    let cookies: Vec<_> = cookies.map(|(_, value)| value.as_str()).collect();
    assert_eq!(cookies, ["a=1; b=2; c=\"3 4\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_that_end_here_are_answered() {
    let gate = tls::self_signed(None).await;
    let host = gate.address().to_string();
    let mut frames = open(&gate).await;
    let about_us = vec![
        (":method", "OPTIONS"),
        (":scheme", "https"),
        (":path", "*"),
        (":authority", host.as_str()),
    ];
    let last_hop = [good(&host, "OPTIONS"), vec![("max-forwards", "0")]].concat();
    for (stream, fields) in [(1, about_us), (3, last_hop)] {
        frames.headers(stream, &fields, END_STREAM).await;
        assert_eq!(
            frames.outcome(stream).await.status(),
            Some(204),
            "{fields:?}"
        );
    }
    assert!(gate.tool.requests().is_empty());
}

/// What arrives of a body that is not as long as it was said to be is never a whole request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_not_kept_is_malformed() {
    let puppet = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gate = tls::self_signed(Some(puppet.route(", access: public"))).await;
    let host = gate.address().to_string();
    for (length, sent) in [("5", "hello!"), ("5", "hell"), ("0", "x"), ("1", "")] {
        let mut frames = open(&gate).await;
        let fields = [good(&host, "POST"), vec![("content-length", length)]].concat();
        frames.headers(1, &fields, 0).await;
        frames.send(DATA, END_STREAM, 1, sent.as_bytes()).await;
        let outcome = frames.outcome(1).await;
        assert!(is_refusal(&outcome), "{length} for {sent:?}: {outcome:?}");
    }
    // The byte comes when the gateway has long had time to forward what seemed complete.
    let mut frames = open(&gate).await;
    let fields = [good(&host, "POST"), vec![("content-length", "0")]].concat();
    frames.headers(1, &fields, 0).await;
    frames.headers(3, &good(&host, "GET"), END_STREAM).await;
    assert_eq!(frames.outcome(3).await.status(), Some(200));
    assert_eq!(puppet.seen().len(), 1, "the GET alone");
    frames.send(DATA, END_STREAM, 1, b"x").await;
    let outcome = frames.outcome(1).await;
    assert!(is_refusal(&outcome), "{outcome:?}");
    // Nothing comes: then it was empty.
    let mut frames = open(&gate).await;
    frames.headers(1, &fields, 0).await;
    frames.send(DATA, 0, 1, b"").await;
    frames.send(DATA, END_STREAM, 1, b"").await;
    assert_eq!(frames.outcome(1).await.status(), Some(200));
    assert_eq!(puppet.seen().len(), 2);
    // At the head already.
    let mut frames = open(&gate).await;
    let fields = [good(&host, "POST"), vec![("content-length", "5")]].concat();
    frames.headers(1, &fields, END_STREAM).await;
    assert!(is_refusal(&frames.outcome(1).await));
    assert_eq!(puppet.seen().len(), 2, "{:?}", puppet.seen());
}

/// HTTP/2 frames the body by itself, but who reads the fields may take another of two lengths.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_said_twice_is_malformed() {
    let puppet = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gate = tls::self_signed(Some(puppet.route(", access: public"))).await;
    let host = gate.address().to_string();
    for lengths in [["5", "5"], ["5", "6"], ["6", "5"]] {
        let mut frames = open(&gate).await;
        let twice = lengths.map(|length| ("content-length", length));
        let fields = [good(&host, "POST"), twice.to_vec()].concat();
        frames.headers(1, &fields, 0).await;
        frames.send(DATA, END_STREAM, 1, b"hello").await;
        let outcome = frames.outcome(1).await;
        assert!(is_refusal(&outcome), "{lengths:?}: {outcome:?}");
    }
    assert!(puppet.seen().is_empty(), "{:?}", puppet.seen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_reach_nobody() {
    let puppet = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gate = tls::self_signed(Some(puppet.route(", access: public"))).await;
    let host = gate.address().to_string();
    for trailers in [vec![("X-Upper", "1")], vec![("connection", "x")]] {
        let mut frames = open(&gate).await;
        frames.headers(1, &good(&host, "POST"), 0).await;
        frames.send(DATA, 0, 1, b"hello").await;
        frames.headers(1, &trailers, END_STREAM).await;
        let outcome = frames.outcome(1).await;
        assert!(is_refusal(&outcome), "{trailers:?}: {outcome:?}");
    }
    assert!(puppet.seen().is_empty(), "{:?}", puppet.seen());
    let mut frames = open(&gate).await;
    frames.headers(1, &good(&host, "POST"), 0).await;
    frames.send(DATA, 0, 1, b"hello").await;
    let trailers = [
        ("x-forwarded-user", "forged"),
        ("authorization", "forged"),
        ("x", "1"),
    ];
    frames.headers(1, &trailers, END_STREAM).await;
    assert_eq!(frames.outcome(1).await.status(), Some(200));
    let seen = puppet.seen();
    assert_eq!((seen.len(), seen[0].text().as_str()), (1, "hello"));
    assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");
}

/// RFC 9110 §9.3.1; towards the tool it would be a body that readers do not expect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_with_get_is_refused() {
    let gate = tls::self_signed(None).await;
    let host = gate.address().to_string();
    let mut frames = open(&gate).await;
    for (stream, method) in [(1, "GET"), (3, "HEAD")] {
        frames.headers(stream, &good(&host, method), 0).await;
        frames
            .send(DATA, END_STREAM, stream, b"GET /open/y HTTP/1.1")
            .await;
        let outcome = frames.outcome(stream).await;
        assert_eq!(outcome.status(), Some(400), "{outcome:?}");
    }
    assert!(gate.tool.requests().is_empty());
}

/// A field block in pieces is one block; a frame of another kind between them ends the connection
/// (RFC 9113 §6.10).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_block_is_whole_or_nothing() {
    let gate = tls::self_signed(None).await;
    let host = gate.address().to_string();
    let block = block(&good(&host, "GET"));
    let (first, second) = block.split_at(block.len() / 2);
    let mut frames = open(&gate).await;
    frames.send(HEADERS, END_STREAM, 1, first).await;
    frames.send(CONTINUATION, END_HEADERS, 1, second).await;
    assert_eq!(frames.outcome(1).await.status(), Some(404));
    frames.send(HEADERS, END_STREAM, 3, first).await;
    frames.send(DATA, 0, 1, b"x").await;
    assert!(matches!(frames.outcome(3).await, Outcome::GoneAway(1)));
    let mut frames = open(&gate).await;
    frames.send(CONTINUATION, END_HEADERS, 1, &block).await;
    assert!(matches!(frames.outcome(1).await, Outcome::GoneAway(1)));
    let mut frames = open(&gate).await;
    frames.headers(2, &good(&host, "GET"), END_STREAM).await;
    assert!(
        matches!(frames.outcome(2).await, Outcome::GoneAway(1)),
        "an even stream"
    );
    assert_eq!(gate.tool.requests().len(), 1);
}

/// Each of `heads`, with and without a body, ends in an error, and none reaches the tool.
async fn refused(gate: &Gate, heads: &[Fields<'_>]) {
    let host = gate.address().to_string();
    for fields in heads {
        for body in [false, true] {
            let mut frames = open(gate).await;
            frames
                .headers(1, fields, if body { 0 } else { END_STREAM })
                .await;
            if body {
                frames.send(DATA, END_STREAM, 1, b"hello").await;
            }
            let outcome = frames.outcome(1).await;
            assert!(is_refusal(&outcome), "{fields:?}, {body}: {outcome:?}");
            // A stream error leaves the connection to others (RFC 9113 §5.4.2).
            if matches!(outcome, Outcome::Reset(_) | Outcome::Answered { .. }) {
                frames.headers(3, &good(&host, "OPTIONS"), END_STREAM).await;
                assert!(frames.outcome(3).await.status().is_some(), "{fields:?}");
            }
        }
    }
    let seen = gate.tool.requests();
    let others = seen.iter().filter(|seen| seen.method != "OPTIONS");
    assert_eq!(others.count(), 0, "{seen:?}");
}

fn is_refusal(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Answered { status, body } => {
            matches!(status, 400 | 405 | 421) && (body.is_empty() || body.contains("SG-10"))
        }
        // PROTOCOL_ERROR, COMPRESSION_ERROR.
        Outcome::Reset(code) | Outcome::GoneAway(code) => matches!(code, 1 | 9),
        Outcome::Closed => false,
    }
}

fn good<'a>(host: &'a str, method: &'a str) -> Fields<'a> {
    vec![
        (":method", method),
        (":scheme", "https"),
        (":path", "/open/x"),
        (":authority", host),
    ]
}

async fn open(gate: &Gate) -> Frames {
    Frames::over(tls::connect(gate, &["h2"]).await.expect("a handshake")).await
}
