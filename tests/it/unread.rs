//! A refusal reaches a client that is still sending, and reads only once it has sent all (RFC 9112 §9.6).

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_can_be_read_behind_a_body_that_nobody_read() {
    let hasty = Puppet::playing(|_, mut line| async move {
        line.wire.head().await;
        line.say("HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n")
            .await;
        line.wire.rest().await;
    })
    .await;
    let to = hasty.origin();
    let gate = Gate::with(Plan {
        routes: format!(
            "
  - {{ path: /mine/, to: \"{to}\" }}
  - {{ path: /isolated/, to: \"{to}\", access: public, isolated: true }}
  - {{ path: /small/, to: \"{to}\", access: public, body_size: 1 KiB }}
  - {{ path: /open/, to: \"{to}\", access: public }}
"
        ),
        ..Plan::default()
    })
    .await;
    let length = format!("Content-Length: {BODY}\r\n");
    let both = format!("{length}Transfer-Encoding: chunked\r\n");
    let alien = format!("{length}Sec-Fetch-Site: cross-site\r\n");
    let cases = [
        (413, "/small/x", &length),
        (401, "/mine/x", &length),
        (403, "/isolated/x", &alien),
        (404, "/oauth2/nothing", &length),
        (404, "/nowhere", &length),
        (405, "/oauth2/start", &length),
        (400, "/open//x", &length),
        (400, "/open/x", &both),
        (409, "/open/x", &length),
    ];
    for (status, path, fields) in cases {
        let host = gate.address();
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let answer = send_all(&gate, &head, BODY).await;
        assert_eq!(raw::status(&answer), status, "{path}: {answer}");
    }
    // A head that does not end.
    let head = "GET / HTTP/1.1\r\nHost: x\r\nLong: ";
    let answer = send_all(&gate, head, BODY).await;
    assert_eq!(raw::status(&answer), 431, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_heard_out_for_ever() {
    let gate = Gate::start().await;
    let mut stream = TcpStream::connect(gate.address()).await.expect("connects");
    let head = format!(
        "POST /oauth2/nothing HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000000\r\n\r\n",
        gate.address()
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut sent = 0;
    let piece = vec![b'x'; 64 * 1024];
    while sent < 1_000_000_000 && stream.write_all(&piece).await.is_ok() {
        sent += piece.len();
    }
    assert!(sent < 100_000_000, "{sent} bytes were taken");
    // One that is silent instead is let go after a while; the guard's tests count the seconds.
    let mut stream = TcpStream::connect(gate.address()).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an end");
    assert_eq!(raw::status(&String::from_utf8_lossy(&answer)), 404);
    // Nothing is lost at the end of the process for it either.
    tokio::time::timeout(std::time::Duration::from_secs(4), gate.stop())
        .await
        .expect("well before the deadline of five seconds");
}

/// Sends it all before it reads anything.
async fn send_all(gate: &Gate, head: &str, body: usize) -> String {
    let mut stream = TcpStream::connect(gate.address()).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("written");
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..body / piece.len() {
        let written = stream.write_all(&piece).await;
        written.unwrap_or_else(|error| panic!("{head}: {error}"));
    }
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    read.unwrap_or_else(|error| panic!("{head}: {error}"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// More than the buffers of two sockets hold.
const BODY: usize = 12 * 1024 * 1024;
