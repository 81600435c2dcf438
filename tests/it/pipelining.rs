//! Several requests on one connection: in order, and never a body for a request.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let mut wire = Wire::connect(gate.address()).await;
    let fields = format!(
        "Host: {}\r\nCookie: sidegate={}\r\nSec-Fetch-Site: same-origin\r\n",
        gate.address(),
        ada.jar["sidegate"]
    );
    wire.send(format!(
        "GET /slow/150 HTTP/1.1\r\n{fields}\r\n\
         POST /upload HTTP/1.1\r\n{fields}Content-Length: 5\r\n\r\nhello\
         POST /upload HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         GET /download/3 HTTP/1.1\r\n{fields}\r\n\
         GET /mc/rest/bytes/4 HTTP/1.1\r\n{fields}\r\n"
    ))
    .await;
    for part in [
        "\"waited_ms\":150",
        "\"body_bytes\":5",
        "\"body_bytes\":3",
        "xxx",
        "xxxx",
    ] {
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert!(answer.text().contains(part), "{part}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_another_is_answered_waits_and_is_whole() {
    let (puppet, mut asking, answers) = patient().await;
    let gate = before(&puppet).await;
    let host = gate.address();
    let mut wire = Wire::connect(host).await;
    wire.send(format!("GET /0 HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .await;
    asking.recv().await.expect("the first is under way");
    // More than is read ahead, in pieces: a head of 3 KB, a body of 5 KB, and a last head.
    let body = "y".repeat(5000);
    let rest = format!(
        "GET /1 HTTP/1.1\r\nHost: {host}\r\nX-Long: {}\r\n\r\n\
         POST /2 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}\
         GET /3 HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "x".repeat(3000),
        body.len()
    );
    for piece in rest.as_bytes().chunks(700) {
        wire.send(piece).await;
        tokio::task::yield_now().await;
    }
    for number in 0..4 {
        answers.add_permits(1);
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{number}: {answer:?}");
    }
    let seen = puppet.seen();
    assert_eq!(seen.len(), 4);
    for (number, message) in seen.iter().enumerate() {
        assert_eq!(message.head.split(' ').nth(1), Some(&*format!("/{number}")));
    }
    assert_eq!(seen[1].all("x-long")[0].len(), 3000);
    assert_eq!(seen[2].text(), body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_that_nothing_more_comes_hears_all_but_the_last_answer() {
    let (puppet, mut asking, answers) = patient().await;
    let gate = before(&puppet).await;
    let host = gate.address();
    let mut socket = TcpStream::connect(host).await.expect("connects");
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let both = request.repeat(2);
    socket.write_all(both.as_bytes()).await.expect("written");
    asking.recv().await.expect("the first is under way");
    socket.shutdown().await.expect("half closed");
    answers.add_permits(1);
    let mut wire = Wire::over(socket);
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    // The tool would never answer the second.
    wire.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_behind_the_last_request_does_not_cost_its_answer() {
    let (puppet, mut asking, answers) = patient().await;
    let gate = before(&puppet).await;
    let host = gate.address();
    let mut socket = TcpStream::connect(host).await.expect("connects");
    let last = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(last.as_bytes()).await.expect("written");
    asking.recv().await.expect("it is under way");
    // More than is read ahead: closed with the rest unread, the connection would be reset.
    let behind = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n{}",
        "x".repeat(30_000)
    );
    socket.write_all(behind.as_bytes()).await.expect("written");
    answers.add_permits(1);
    let mut text = String::new();
    let end = socket.read_to_string(&mut text).await;
    assert!(end.is_ok(), "{end:?} after {text:?}");
    assert!(text.ends_with("\r\n\r\nok"), "{text:?}");
    // It is not: the rest of that message still has somebody who takes it.
    for _ in 0..97 {
        tokio::task::yield_now().await;
        let written = socket.write_all(&[b'x'; 10_000]).await;
        assert!(written.is_ok(), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_used_again_for_good_and_refused_requests() {
    let gate = Gate::start().await;
    let mut wire = Wire::connect(gate.address()).await;
    let host = gate.address();
    for (request, status) in [
        (format!("GET /open/x HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404),
        (format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"), 401),
        (format!("GET /a;b HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400),
        (
            "GET /open/x HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
            421,
        ),
        (format!("GET /open/y HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404),
    ] {
        wire.send(&request).await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), status, "{request}");
    }
    assert_eq!(gate.tool.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_clients_are_served_and_their_connections_end() {
    let gate = Gate::start().await;
    let host = gate.address();
    let request = format!("GET /open/x HTTP/1.0\r\nHost: {host}\r\n\r\n");
    let text = raw::talk(gate.address(), &request).await;
    assert!(text.contains(" 404 Not Found\r\n"), "{text}");
    assert!(!text.to_lowercase().contains("transfer-encoding"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_requests_body_is_never_the_next_request() {
    let gate = Gate::start().await;
    let host = gate.address();
    let smuggled = format!("GET /open/smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for (path, fields, status) in [
        ("/x", "", 401),
        ("/oauth2/userinfo", "", 405),
        ("/oauth2/auth", "", 401),
        ("/oauth2/sign_out", "", 403),
        ("/a;b", "", 400),
        ("/open/x", "Upgrade: websocket\r\n", 400),
    ] {
        for body in [
            format!("Content-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
                smuggled.len()
            ),
            // The rest of the body comes never: the length still holds.
            format!("Content-Length: 100000\r\n\r\n{smuggled}"),
        ] {
            let mut wire = Wire::connect(gate.address()).await;
            wire.send(format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{fields}"))
                .await;
            wire.send(&body).await;
            let answer = wire.message().await.expect("an answer");
            assert_eq!(answer.status(), status, "{path}: {answer:?}");
            // Either it closes, or it waits for a real request.
            wire.send(format!(
                "GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ))
            .await;
            let rest = String::from_utf8(wire.rest().await).expect("text");
            assert!(
                rest.is_empty() || rest.starts_with("HTTP/1.1 401 "),
                "{path}: {rest}"
            );
        }
    }
    assert!(
        gate.tool.requests().is_empty(),
        "{:?}",
        gate.tool.requests()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_of_the_tool_leaves_no_body_behind() {
    let puppet = Puppet::playing(|number, mut line| async move {
        if number > 0 {
            while line.request().await.is_some() {
                line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
            }
            return;
        }
        // Answers on the head alone, and keeps the connection open.
        line.wire.head().await;
        line.say("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            .await;
        line.wire.rest().await;
    })
    .await;
    let gate = before(&puppet).await;
    let host = gate.address();
    let mut wire = Wire::connect(host).await;
    wire.send(format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
    ))
    .await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!((answer.status(), answer.text().as_str()), (413, "no"));
    // What never came whole holds up neither this connection nor the one to the tool.
    let others = async {
        for _ in 0..8 {
            assert_eq!(gate.browser().fetch("/next").await.text(), "ok");
        }
        wire.ends().await;
    };
    tokio::time::timeout(Duration::from_secs(5), others)
        .await
        .expect("nobody waits for that body");
    let targets = puppet
        .seen()
        .iter()
        .all(|seen| seen.head.starts_with("GET /next "));
    assert!(targets, "{:?}", puppet.seen());
}

async fn before(puppet: &Puppet) -> Gate {
    Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await
}

/// A tool that says when it is asked something, and answers when it is allowed to.
async fn patient() -> (Puppet, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let (asked, asking) = mpsc::unbounded_channel();
    let answers = Arc::new(Semaphore::new(0));
    let allowed = Arc::clone(&answers);
    let puppet = Puppet::playing(move |_, mut line| {
        let (asked, allowed) = (asked.clone(), Arc::clone(&allowed));
        async move {
            while line.request().await.is_some() {
                // The test may be over.
                let _heard = asked.send(());
                allowed.acquire().await.expect("open").forget();
                line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
            }
        }
    });
    (puppet.await, asking, answers)
}
