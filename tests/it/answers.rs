//! What comes back of an upstream's answer: the same status and body, whatever they are.

use bytes::Bytes;
use http::Method;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::browser::SCRIPT;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_statuses_pass() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for status in [
        200, 201, 202, 206, 301, 400, 403, 404, 409, 418, 422, 429, 451, 500, 503, 504, 596, 600,
        999,
    ] {
        let answer = browser.fetch(&format!("/mc/rest/status/{status}")).await;
        assert_eq!(answer.status, status);
        assert!(answer.text().contains("A status as asked for"), "{status}");
        assert!(!answer.text().contains("SG-"), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_a_body_leave_the_connection_usable() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let mut wire = Wire::connect(gate.address()).await;
    for status in [204, 304] {
        wire.send(get(
            &gate,
            &browser.jar["sidegate"],
            &format!("/mc/rest/status/{status}"),
        ))
        .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), status);
        assert!(answer.all("content-length").is_empty(), "{answer:?}");
        assert!(answer.all("transfer-encoding").is_empty(), "{answer:?}");
    }
    wire.send(get(&gate, &browser.jar["sidegate"], "/download/5"))
        .await;
    assert_eq!(wire.message().await.expect("an answer").text(), "xxxxx");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_tells_the_length_and_sends_no_body() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let mut wire = Wire::connect(gate.address()).await;
    let cookie = &browser.jar["sidegate"];
    for path in ["/download/12345", "/mc/rest/bytes/12345"] {
        wire.send(get(&gate, cookie, path).replacen("GET", "HEAD", 1))
            .await;
        let head = wire.head().await.expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(
            head.to_lowercase()
                .contains("\r\ncontent-length: 12345\r\n"),
            "{head}"
        );
    }
    wire.send(get(&gate, cookie, "/download/3")).await;
    let next = wire.message().await.expect("no body was in between");
    assert_eq!(next.text(), "xxx");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_passes_and_other_methods_do_not_open_tunnels() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let answer = browser
        .send(Method::OPTIONS, "/echo/x", &SCRIPT, Bytes::new())
        .await;
    assert_eq!(answer.json()["method"], "OPTIONS");
    let seen = gate.tool.requests().len();
    let answer = browser
        .send(Method::TRACE, "/echo/x", &SCRIPT, Bytes::new())
        .await;
    assert_eq!((answer.status, answer.code().as_str()), (405, "SG-1005"));
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
    assert_eq!(gate.tool.requests().len(), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_answers_are_not_taken_for_the_final_one() {
    let puppet = Puppet::saying(
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfinal",
    )
    .await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let answer = gate.browser().fetch("/x").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "final"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_leave_to_send_its_body_gets_it() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "POST /upload HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        gate.address(),
        browser.jar["sidegate"],
    ))
    .await;
    let leave = wire.message().await.expect("an interim answer");
    assert_eq!(leave.status(), 100);
    wire.send("hello").await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.text().contains("\"body_bytes\":5"), "{answer:?}");
    let request = gate.tool.requests().pop().expect("it arrived");
    assert_eq!(request.header("expect"), None, "that was between us two");
}

fn get(gate: &Gate, cookie: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={cookie}\r\n\r\n",
        gate.address()
    )
}
