//! Upstreams that say oddly, or in two ways, where an answer ends: what a client gets has one reading, or is
//! a refusal.

use std::io::ErrorKind;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_is_said_once_and_in_digits() {
    for (method, lengths, expected) in [
        ("GET", &["2", "2"][..], Some("2")),
        ("GET", &["2, 2"], Some("2")),
        ("GET", &["002"], Some("2")),
        ("HEAD", &["5", "5"], Some("5")),
        ("HEAD", &["5, 5", "05"], Some("5")),
        ("HEAD", &["0"], Some("0")),
        // Of a body that does not come, nothing is known then.
        ("HEAD", &["5", "6"], None),
        ("HEAD", &["five"], None),
        ("HEAD", &["+5"], None),
        ("HEAD", &["18446744073709551616"], None),
    ] {
        let body = if method == "GET" { "ok" } else { "" };
        let fields = fields("Content-Length", lengths);
        let puppet = Puppet::saying(format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")).await;
        let gate = before(&puppet).await;
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(ask(&gate, method, "1.1")).await;
        let head = wire.head().await;
        let head = head.unwrap_or_else(|| panic!("{method} {lengths:?}: no answer"));
        assert!(
            head.starts_with("HTTP/1.1 200 "),
            "{method} {lengths:?}: {head}"
        );
        let said: Vec<_> = head
            .lines()
            .filter_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")
                    .map(str::to_owned)
            })
            .collect();
        assert_eq!(said.first().map(String::as_str), expected, "{lengths:?}");
        assert!(said.len() < 2, "{method} {lengths:?}: {head}");
        assert_eq!(
            wire.exactly(body.len()).await.expect("all of it"),
            body.as_bytes()
        );
        // What follows is the next answer, and nothing else.
        wire.send(ask(&gate, "HEAD", "1.1")).await;
        let next = wire.head().await.expect("an answer");
        assert!(next.starts_with("HTTP/1.1 200 "), "{lengths:?}: {next}");
    }
}

/// A body that is coded in a way that nobody here takes off again would reach the client as something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_a_coding_other_than_chunked_is_a_broken_upstream() {
    for codings in [
        &["gzip, chunked"][..],
        &["gzip"],
        &["chunked, gzip"],
        &["chunked", "chunked"],
        &["chunked, chunked"],
        &["identity"],
        &["xchunked"],
        &["\"chunked\""],
    ] {
        let fields = fields("Transfer-Encoding", codings);
        let puppet = Puppet::saying(format!(
            "HTTP/1.1 200 OK\r\n{fields}\r\n2\r\nok\r\n0\r\n\r\n"
        ))
        .await;
        let gate = before(&puppet).await;
        let answer = gate.browser().fetch("/").await;
        assert_eq!(answer.status, 502, "{codings:?}: {answer:?}");
    }
    for coding in ["chunked", "Chunked", "\tchunked "] {
        let puppet = Puppet::saying(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        ))
        .await;
        let gate = before(&puppet).await;
        assert_eq!(gate.browser().fetch("/").await.text(), "ok", "{coding:?}");
    }
}

/// To an old client, the end of the connection is the end of an answer without a length: one that breaks
/// off has to end in another way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_client_can_tell_an_answer_that_broke_off() {
    for (answer, whole) in [
        (
            "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            true,
        ),
        ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n", false),
        ("transfer-encoding: chunked\r\n\r\n9\r\nok", false),
    ] {
        let puppet = Puppet::playing(move |_, mut line| async move {
            line.request().await;
            line.say(format!("HTTP/1.1 200 OK\r\n{answer}")).await;
        })
        .await;
        let gate = before(&puppet).await;
        let mut stream = TcpStream::connect(gate.address()).await.expect("connects");
        let request = ask(&gate, "GET", "1.0");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut text = Vec::new();
        let end = stream.read_to_end(&mut text).await;
        let text = String::from_utf8_lossy(&text);
        assert!(text.is_empty() || text.ends_with("\r\n\r\nok"), "{text}");
        match end {
            Ok(_) => assert!(
                whole || text.is_empty(),
                "{answer:?} looks complete: {text}"
            ),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                assert!(!whole, "{answer:?}: {text}");
            }
        }
    }
}

fn fields(name: &str, values: &[&str]) -> String {
    let fields: Vec<_> = values
        .iter()
        .map(|value| format!("{name}: {value}\r\n"))
        .collect();
    fields.concat()
}

async fn before(puppet: &Puppet) -> Gate {
    Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await
}

fn ask(gate: &Gate, method: &str, version: &str) -> String {
    let host = gate.address();
    format!("{method} / HTTP/{version}\r\nHost: {host}\r\n\r\n")
}
