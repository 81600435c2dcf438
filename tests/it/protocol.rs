//! The rules of HTTP that this gateway keeps, each with the test that holds it to them, and those
//! tests that stand nowhere else.
//!
//! `H` are rules of HTTP/1.1 and HTTP as such (RFC 9110, 9112), `T` those of HTTP/2, TLS and
//! WebSocket (RFC 9113, 8446, 6455). [`RULES`] is the table.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::raw;
use crate::tls;

/// A rule, what it asks for, and its tests: `module::test` below `tests/it`, or a path below `src`.
const RULES: [(&str, &str, &[&str]); 34] = [
    (
        "H1",
        "malformed request lines: 400 and close",
        &["raw_http::malformed_request_lines_are_refused"],
    ),
    (
        "H2",
        "stray CR and LF: refused",
        &["raw_http::stray_line_ends_are_refused"],
    ),
    (
        "H3",
        "white space before a colon or the first field: 400",
        &["raw_http::malformed_fields_are_refused"],
    ),
    (
        "H4",
        "folded lines: 400",
        &["raw_http::malformed_fields_are_refused"],
    ),
    (
        "H5",
        "controls in a value: refused",
        &["raw_http::malformed_fields_are_refused"],
    ),
    (
        "H6",
        "one Host, and a valid one",
        &["raw_http::there_is_one_valid_host_and_it_is_ours"],
    ),
    (
        "H7",
        "absolute form: agrees with Host and loses its authority",
        &[
            "protocol::an_absolute_target_is_taken_by_its_path",
            "raw_http::there_is_one_valid_host_and_it_is_ours",
        ],
    ),
    (
        "H8",
        "an authority of others: 421",
        &["forwarding::another_host_is_misdirected"],
    ),
    (
        "H9",
        "a coding that is not one `chunked`, or beside a length: 400 and close",
        &[
            "raw_http::odd_transfer_codings_are_refused",
            "raw_http::ambiguous_lengths_are_refused",
            "desync::what_readers_frame_differently_is_never_forwarded",
        ],
    ),
    (
        "H10",
        "a length that is none, or two: 400 and close",
        &["raw_http::ambiguous_lengths_are_refused"],
    ),
    (
        "H11",
        "bad chunks: 400 and close; what stands around them is bounded",
        &[
            "raw_http::bad_chunks_are_the_clients_fault_and_arrive_incomplete",
            "protocol::what_surrounds_chunks_is_bounded",
        ],
    ),
    (
        "H12",
        "trailers are dropped",
        &[
            "headers::a_clients_trailers_are_dropped",
            "answer_headers::an_upstreams_trailers_are_dropped",
        ],
    ),
    (
        "H13",
        "Connection is taken out with all it names, then ours comes",
        &[
            "headers::fields_of_one_hop_end_here",
            "headers::cookies_that_are_for_one_hop_end_here",
            "headers::a_client_cannot_name_our_fields_away",
        ],
    ),
    (
        "H14",
        "fields of one hop end here, both ways",
        &[
            "headers::fields_of_one_hop_end_here",
            "answer_headers::fields_of_the_other_hop_end_here",
        ],
    ),
    (
        "H15",
        "Max-Forwards: 0 is answered; no TRACE, no CONNECT",
        &[
            "protocol::options_without_a_hop_left_are_answered_here",
            "raw_http::connect_and_trace_are_not_served",
        ],
    ),
    (
        "H16",
        "Via on each request",
        &["headers::every_request_is_named_and_traced"],
    ),
    (
        "H17",
        "nobody speaks for others, in any spelling",
        &[
            "headers::no_spelling_of_an_identity_field_gets_past_ours",
            "headers::a_stranger_cannot_speak_for_others",
            "headers::a_trusted_proxy_speaks_for_its_clients",
        ],
    ),
    (
        "H18",
        "only a well-formed WebSocket handshake upgrades, and only after 101",
        &[
            "websocket::what_only_resembles_a_handshake_is_refused",
            "websocket::other_upgrades_are_plain_requests",
            "websocket::a_tunnel_that_nobody_asked_for_is_not_opened",
        ],
    ),
    (
        "H19",
        "Expect is kept or ignored; 1xx is never the final answer",
        &[
            "answers::a_client_that_waits_for_leave_to_send_its_body_gets_it",
            "answers::interim_answers_are_not_taken_for_the_final_one",
            "protocol::other_expectations_are_ignored",
        ],
    ),
    (
        "H20",
        "pipelined requests: in order, and not without bound",
        &[
            "pipelining::pipelined_requests_are_answered_in_order",
            "protocol::pipelined_requests_wait_in_the_network",
        ],
    ),
    (
        "H21",
        "a broken answer never looks whole",
        &[
            "streaming::an_answer_that_breaks_off_never_looks_complete",
            "tls::an_http2_answer_that_breaks_off_is_an_error",
            "answer_framing::an_old_client_can_tell_an_answer_that_broke_off",
            "answer_framing::a_length_is_said_once_and_in_digits",
            "answer_framing::an_answer_in_a_coding_other_than_chunked_is_a_broken_upstream",
        ],
    ),
    (
        "H22",
        "one retry, of idempotent requests without a body",
        &[
            "upstream_faults::a_get_on_a_stale_connection_is_sent_once_more_on_a_fresh_one",
            "upstream_faults::a_request_is_sent_once_more_and_not_again",
            "upstream_faults::a_post_that_was_sent_on_a_stale_connection_is_not_sent_again",
        ],
    ),
    (
        "H23",
        "an unread body is never the next request",
        &[
            "pipelining::a_refused_requests_body_is_never_the_next_request",
            "pipelining::an_early_answer_of_the_tool_leaves_no_body_behind",
        ],
    ),
    (
        "H24",
        "one target, decided on and forwarded byte for byte, the same to every reader",
        &[
            "forwarding::ambiguous_targets_are_refused_on_every_route",
            "forwarding::a_rest_route_passes_path_and_query_byte_for_byte",
            "src/gateway/router/property.rs::every_reader_finds_the_same_route",
        ],
    ),
    (
        "H25",
        "paths are case-sensitive, hosts are not",
        &["protocol::case_matters_in_paths_and_not_in_hosts"],
    ),
    (
        "T1",
        "malformed HTTP/2 is a stream error",
        &[
            "http2::wrong_pseudo_fields_are_malformed",
            "http2::wrong_fields_are_malformed",
        ],
    ),
    (
        "T2",
        "cookie crumbs become one field",
        &[
            "http2::crumbs_are_one_field_to_the_tool",
            "tls::cookies_that_http2_splits_are_put_together",
        ],
    ),
    (
        "T3",
        "Host equals :authority",
        &[
            "tls::an_http2_host_that_differs_from_the_authority_is_refused",
            "http2::wrong_fields_are_malformed",
        ],
    ),
    (
        "T4",
        "content-length equals DATA",
        &[
            "http2::a_length_that_is_not_kept_is_malformed",
            "http2::a_length_that_is_said_twice_is_malformed",
        ],
    ),
    (
        "T5",
        "field blocks are whole; floods are bounded by limits of their own",
        &[
            "http2::a_field_block_is_whole_or_nothing",
            "h2_floods::no_flood_grows_the_process_or_keeps_others_waiting",
            "resets::who_takes_back_what_it_asked_for_is_let_go",
        ],
    ),
    (
        "T6",
        "ALPN, and no plain text on the TLS port",
        &[
            "tls::both_versions_of_http_are_spoken_by_alpn",
            "tls::plain_text_on_the_tls_port_is_refused",
            "protocol::old_tls_and_old_ciphers_are_refused",
        ],
    ),
    (
        "T7",
        "every phase of a connection has its limit",
        &[
            "src/net/guard/tests.rs::each_phase_has_its_limit",
            "src/net/guard/tests.rs::a_dribbled_head_is_late_and_then_cut",
        ],
    ),
    (
        "T8",
        "certificates are verified",
        &["src/oauth/endpoint/tests.rs::a_certificate_that_nobody_vouches_for_is_refused"],
    ),
    (
        "T9",
        "frames pass untouched and end with the session",
        &[
            "websocket::frames_pass_both_ways",
            "websocket::a_websocket_ends_with_its_session",
        ],
    ),
];

#[test]
fn every_rule_has_its_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (rule, asks, tests) in RULES {
        for test in tests {
            let (place, name) = test.split_once("::").expect("a place and a name");
            let file = if place.starts_with("src/") {
                root.join(place)
            } else {
                root.join("tests/it").join(place).with_extension("rs")
            };
            let text = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{rule}: {}: {error}", file.display()));
            assert!(
                text.contains(&format!("fn {name}(")),
                "{rule} ({asks}): {test} is gone"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absolute_target_is_taken_by_its_path() {
    let gate = Gate::start().await;
    let host = gate.address();
    for (line, fields) in [
        (
            format!("GET http://{host}/open/x?y HTTP/1.1"),
            format!("Host: {host}"),
        ),
        (
            format!("GET HTTP://{host}/open/x?y HTTP/1.1"),
            format!("Host: {host}"),
        ),
    ] {
        let mut wire = Wire::connect(host).await;
        wire.send(format!("{line}\r\n{fields}\r\n\r\n")).await;
        assert_eq!(
            wire.message().await.expect("an answer").status(),
            404,
            "{line}"
        );
        let seen = gate.tool.requests().pop().expect("it arrived");
        assert_eq!(seen.target, "/open/x?y");
        assert_eq!(seen.header("host"), Some(host.to_string().as_str()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_surrounds_chunks_is_bounded() {
    let puppet = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let host = gate.address();
    let (long, zeros) = ("x".repeat(300_000), "0".repeat(300_000));
    for chunks in [
        format!("1;{long}\r\na\r\n0\r\n\r\n"),
        format!(
            "{}0\r\n\r\n",
            "1;aaaaaaaaaaaaaaa=bbbbbbbbbbbbbbb\r\na\r\n".repeat(2_000)
        ),
        format!("{zeros}1\r\na\r\n0\r\n\r\n"),
        format!("0\r\nX: {long}\r\n\r\n"),
        format!("0\r\n{}\r\n", "X: 1\r\n".repeat(2_000)),
    ] {
        let text = raw::talk(
            host,
            format!(
                "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
            ),
        )
        .await;
        // A client that is still writing may see a reset instead of the answer.
        if !text.is_empty() {
            assert_eq!(raw::status(&text), 400, "{text}");
        }
    }
    assert!(puppet.seen().is_empty(), "no whole request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_without_a_hop_left_are_answered_here() {
    let gate = Gate::start().await;
    let host = gate.address();
    let mut wire = Wire::connect(host).await;
    for (target, fields) in [
        ("/open/x", "Max-Forwards: 0\r\n"),
        ("/x", "Max-Forwards: 00\r\n"),
        ("/oauth2/", "Max-Forwards: 0\r\n"),
        ("*", ""),
        ("*", "Max-Forwards: 3\r\n"),
    ] {
        wire.send(format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
        ))
        .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 204, "{target} {fields}: {answer:?}");
        let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
        assert_eq!(answer.all("allow"), [methods]);
    }
    assert!(gate.tool.requests().is_empty());
    for (sent, arrives) in [
        ("5", Some("4")),
        ("1", Some("0")),
        ("x", None),
        ("5, 6", None),
        ("-1", None),
    ] {
        wire.send(format!(
            "OPTIONS /open/x HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: {sent}\r\n\r\n"
        ))
        .await;
        wire.message().await.expect("an answer");
        let seen = gate.tool.requests().pop().expect("it arrived");
        assert_eq!(seen.header("max-forwards"), arrives, "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_expectations_are_ignored() {
    let gate = Gate::start().await;
    let host = gate.address();
    let mut wire = Wire::connect(host).await;
    wire.send(format!(
        "GET /open/x HTTP/1.1\r\nHost: {host}\r\nExpect: 418-teapot\r\n\r\n"
    ))
    .await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 404, "{answer:?}");
    assert_eq!(gate.tool.requests()[0].header("expect"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_tls_and_old_ciphers_are_refused() {
    let gate = tls::self_signed(None).await;
    // RSA key exchange with CBC, then ECDHE with AES-GCM (RFC 5246 §A.5, RFC 5289 §3.2).
    for (version, cipher, alert) in [
        ([3, 0], [0x00, 0x2f], &[70, 40][..]),
        ([3, 1], [0xc0, 0x2f], &[70]),
        ([3, 2], [0xc0, 0x2f], &[70]),
        ([3, 3], [0x00, 0x2f], &[40]),
        ([3, 3], [0xc0, 0x27], &[40]),
    ] {
        let extensions = [
            // Groups, point formats and signatures that every server knows.
            &[0, 10, 0, 4, 0, 2, 0, 0x17][..],
            &[0, 11, 0, 2, 1, 0],
            &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],
        ]
        .concat();
        let mut hello = version.to_vec();
        hello.extend([7; 32]);
        hello.extend([0, 0, 2]);
        hello.extend(cipher);
        hello.extend([1, 0]);
        hello.extend(
            u16::try_from(extensions.len())
                .expect("short")
                .to_be_bytes(),
        );
        hello.extend(extensions);
        let mut record = vec![1, 0, 0, u8::try_from(hello.len()).expect("short")];
        record.extend(hello);
        let mut wire = Wire::connect(gate.address()).await;
        wire.send([0x16, 3, 1, 0, u8::try_from(record.len()).expect("short")])
            .await;
        wire.send(record).await;
        // A fatal alert: that version, or nothing in common.
        let answer = wire.rest().await;
        let [0x15, 3, _, 0, 2, 2, code] = answer[..] else {
            panic!("{version:?} {cipher:?}: {answer:?}");
        };
        assert!(alert.contains(&code), "{version:?} {cipher:?}: {code}");
    }
}

/// While the first is being answered, the others stay with the client: its writes come to a stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_wait_in_the_network() {
    let puppet = Puppet::playing(|_, mut line| async move {
        line.request().await;
        line.wire.rest().await;
    })
    .await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let host = gate.address();
    let many = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(2_000);
    let mut stream = TcpStream::connect(host).await.expect("connects");
    let writes = async {
        // 200 MB: more than any kernel keeps of a connection.
        for _ in 0..2_000 {
            let written = stream.write_all(many.as_bytes()).await;
            if written.is_err() {
                return;
            }
        }
        panic!("somebody keeps all of it");
    };
    let stopped = tokio::time::timeout(Duration::from_secs(2), writes).await;
    assert!(
        stopped.is_err(),
        "the connection stays and does not take more"
    );
    assert_eq!(puppet.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_matters_in_paths_and_not_in_hosts() {
    let gate = Gate::with(Plan {
        public_url: Some("http://localhost:8080".to_owned()),
        routes: format!(
            "{}  - {{ path: /open/own/, to: TOOL }}\n",
            Plan::default().routes
        ),
        ..Plan::default()
    })
    .await;
    let mut wire = Wire::connect(gate.address()).await;
    for (host, path, status) in [
        ("localhost:8080", "/open/x", 404),
        ("LocalHost:8080", "/open/X", 404),
        // `/open/` is for everybody, `/OPEN/` is not.
        ("localhost:8080", "/OPEN/x", 401),
        ("localhost:8080", "/opened/x", 401),
        // Nor is `/open/own/`, and `/open/Own/` could be taken for it.
        ("localhost:8080", "/open/own/x", 401),
        ("localhost:8080", "/open/Own/x", 400),
    ] {
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), status, "{host}{path}");
    }
    let seen: Vec<_> = gate
        .tool
        .requests()
        .iter()
        .map(|seen| seen.target.clone())
        .collect();
    assert_eq!(seen, ["/open/x", "/open/X"]);
}
