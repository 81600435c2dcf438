//! Requests that no browser sends: refused before anything is forwarded, and never mistaken for others.

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_request_lines_are_refused() {
    refused(&[
        "GET  / HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: HOST\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: HOST\r\n\r\n",
        "GET / http/1.1\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/11\r\nHost: HOST\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET / a HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /open/a#b HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /open/a?b#c HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /open/\x01 HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /open/\u{e4} HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stray_line_ends_are_refused() {
    refused(&[
        "GET / HTTP/1.1\nHost: HOST\n\n",
        "GET / HTTP/1.1\r\nHost: HOST\n\r\n",
        "GET / HTTP/1.1\nHost: HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\n\n",
        "GET / HTTP/1.1\rHost: HOST\r\r",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\nY: b\r\n\r\n",
        "GET /\rx HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_fields_are_refused() {
    refused(&[
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\n X: a\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX\t: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX y: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\x01b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\x7fb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX\0Y: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX(y): a\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_valid_host_and_it_is_ours() {
    refused(&[
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST, HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST/x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET http://HOST/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://user@HOST/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET http://HOST/ HTTP/1.1\r\n\r\n",
        "GET ftp://HOST/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET http:///x HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET HOST HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_lengths_are_refused() {
    refused(&[
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5, 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: +5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length:\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: five\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 18446744073709551615\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_transfer_codings_are_refused() {
    refused(&[
        "POST / HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer_Encoding: chunked\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_chunks_are_the_clients_fault_and_arrive_incomplete() {
    let puppet = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let host = gate.address();
    for bad in [
        "x\r\n",
        "-1\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        " 1\r\na\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "1;a\rb\r\na\r\n0\r\n\r\n",
        "10000000000000000\r\na",
        "fffffffffffffffff\r\na",
        "0\r\nX: a\nY: b\r\n\r\n",
        "0\r\nbad trailer\r\n\r\n",
    ] {
        let text = raw::talk(
            host,
            format!(
                "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n{bad}\
                 GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
            ),
        )
        .await;
        assert_eq!(raw::status(&text), 400, "{bad:?}: {text}");
        assert!(text.contains("SG-1001"), "{bad:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{bad:?}: {text}");
    }
    assert!(
        puppet.seen().is_empty(),
        "no whole request: {:?}",
        puppet.seen()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_heads_are_refused() {
    let gate = Gate::start().await;
    let host = gate.address();
    let many = "X: 1\r\n".repeat(150);
    for (head, statuses) in [
        (
            format!(
                "GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n",
                "a".repeat(200_000)
            ),
            [414, 431],
        ),
        (
            format!(
                "GET /{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
                "a".repeat(17_000)
            ),
            [400, 414],
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n",
                "a".repeat(200_000)
            ),
            [431, 431],
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n{many}\r\n"),
            [431, 431],
        ),
    ] {
        let text = raw::talk(gate.address(), &head).await;
        // A client that is still writing may see a reset instead of the answer.
        if !text.is_empty() {
            assert!(statuses.contains(&raw::status(&text)), "{text}");
            assert!(text.contains("SG-10"), "{text}");
        }
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_and_trace_are_not_served() {
    let gate = Gate::start().await;
    let host = gate.address();
    for request in [
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n".to_owned(),
        format!("TRACE /open/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!(
            "TRACE /open/x HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n"
        ),
    ] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(&request).await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 405, "{request}: {answer:?}");
        assert!(answer.text().contains("SG-1005"), "{answer:?}");
    }
    assert!(gate.tool.requests().is_empty());
}

/// Every one of `requests` on a route that anybody may use ends in a problem document, or in nothing,
/// and the end of the connection; the request behind it is not served, and nothing is forwarded.
async fn refused(requests: &[&str]) {
    let gate = Gate::start().await;
    for request in requests {
        for path in ["/", "/open/"] {
            let host = gate.address().to_string();
            let bad = request
                .replace("HOST", &host)
                .replacen(" / ", &format!(" {path} "), 1);
            let next =
                format!("GET /open/next HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let text = raw::talk(gate.address(), format!("{bad}{next}")).await;
            let seen = gate.tool.requests();
            let forwarded = seen.iter().filter(|seen| seen.target != "/open/next");
            assert_eq!(forwarded.count(), 0, "{bad:?} was forwarded: {text}");
            if text.is_empty() {
                continue;
            }
            let refused = ["400", "421"].map(|status| format!(" {status} "));
            let line = text.lines().next().expect("a status line");
            assert!(
                refused.iter().any(|status| line.contains(status)),
                "{bad:?}: {text}"
            );
            let head = text.to_lowercase();
            assert!(head.contains("application/problem+json"), "{bad:?}: {text}");
            assert!(head.contains("\r\nx-request-id: "), "{bad:?}: {text}");
            assert!(text.contains("\"code\":\"SG-10"), "{bad:?}: {text}");
        }
    }
}
