//! Upstreams that are dead, slow, rude or forgetful.

use std::time::Duration;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_upstream_is_unreachable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let gate = Gate::with(Plan {
        routes: format!("\n  - {{ path: /, to: \"http://{address}\", access: public }}\n"),
        ..Plan::default()
    })
    .await;
    let answer = gate.browser().fetch("/").await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "SG-4001"));
    assert!(!answer.text().contains(&address.to_string()), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_upstream_times_out_and_the_next_request_is_served() {
    let puppet = Puppet::playing(|number, mut line| async move {
        while line.request().await.is_some() {
            if number > 0 {
                line.say(OK).await;
            }
        }
    })
    .await;
    let gate = before_with(&puppet, "timeouts: { upstream_response: 200ms }\n").await;
    let answer = gate.browser().fetch("/slow").await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "SG-4002"));
    assert_eq!(gate.browser().fetch("/next").await.text(), "ok");
    assert_eq!(puppet.seen().len(), 2, "what timed out is not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stands_still_times_out_and_holds_nothing() {
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let puppet = Puppet::playing(move |_, mut line| {
        let closed = closed.clone();
        async move {
            line.wire.rest().await;
            closed.send(()).expect("somebody waits");
        }
    })
    .await;
    let gate = before_with(&puppet, "timeouts: { upstream_response: 200ms }\n").await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\nhalf",
        gate.address()
    ))
    .await;
    assert_eq!(wire.message().await.expect("an answer").status(), 504);
    let ends = async {
        closings
            .recv()
            .await
            .expect("the upstream's connection ends");
        wire.ends().await;
    };
    let ended = tokio::time::timeout(Duration::from_secs(5), ends).await;
    ended.expect("nobody waits for the rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_on_its_way_keeps_a_request_from_timing_out() {
    let puppet = Puppet::saying(OK).await;
    let gate = before_with(&puppet, "timeouts: { upstream_response: 1s }\n").await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        gate.address()
    ))
    .await;
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    for _ in 0..8 {
        ticks.tick().await;
        wire.send("1\r\nx\r\n").await;
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.message().await.expect("an answer").text(), "ok");
    assert_eq!(puppet.seen()[0].text(), "xxxxxxxx");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_a_broken_upstream() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "HTTP/1.1 two hundred\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "",
    ] {
        let puppet = Puppet::playing(move |_, mut line| async move {
            line.request().await;
            line.say(garbage).await;
        })
        .await;
        let gate = before(&puppet).await;
        let answer = gate.browser().fetch("/").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "SG-4003"),
            "{garbage:?}"
        );
        assert_eq!(puppet.seen().len(), 1, "{garbage:?}: not asked again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_kept_and_used_again() {
    let puppet = Puppet::saying(OK).await;
    let gate = before(&puppet).await;
    for _ in 0..5 {
        assert_eq!(get_on_one_worker(&gate, &["/a", "/b"]).await, ["ok", "ok"]);
    }
    assert!(puppet.connections() <= 2, "one a worker");
    assert_eq!(puppet.seen().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_closes_after_each_answer_works() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        OK,
        "HTTP/1.1 200 OK\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let puppet = Puppet::playing(move |_, mut line| async move {
            line.request().await;
            line.say(answer).await;
        })
        .await;
        let gate = before(&puppet).await;
        let mut browser = gate.browser();
        for turn in 0..8 {
            let got = browser.fetch("/").await;
            assert_eq!(
                (got.status, got.text().as_str()),
                (200, "ok"),
                "{answer:?}, {turn}"
            );
        }
        assert_eq!(puppet.connections(), 8, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_on_a_stale_connection_is_sent_once_more_on_a_fresh_one() {
    let puppet = Puppet::playing(stale_after_one).await;
    let gate = before(&puppet).await;
    assert_eq!(
        get_on_one_worker(&gate, &["/first", "/second"]).await,
        ["ok", "ok"]
    );
    let targets: Vec<_> = puppet.seen().iter().map(target).collect();
    assert_eq!(targets, ["/first", "/second", "/second"]);
    assert_eq!(puppet.connections(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_sent_once_more_and_not_again() {
    // The first connection answers once; after that every one dies on its request.
    let puppet = Puppet::playing(|number, mut line| async move {
        if number == 0 {
            line.request().await;
            line.say(OK).await;
        }
        line.request().await;
    })
    .await;
    let gate = before(&puppet).await;
    let texts = get_on_one_worker(&gate, &["/first", "/second"]).await;
    assert_eq!(texts[0], "ok");
    assert!(texts[1].contains("SG-4003"), "{texts:?}");
    let targets: Vec<_> = puppet.seen().iter().map(target).collect();
    assert_eq!(targets, ["/first", "/second", "/second"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_was_sent_on_a_stale_connection_is_not_sent_again() {
    for body in ["content-length: 4\r\n\r\nonce", "content-length: 0\r\n\r\n"] {
        let puppet = Puppet::playing(stale_after_one).await;
        let gate = before(&puppet).await;
        let mut wire = Wire::connect(gate.address()).await;
        let host = gate.address();
        wire.send(format!("GET /first HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        assert_eq!(wire.message().await.expect("an answer").text(), "ok");
        wire.send(format!("POST /pay HTTP/1.1\r\nHost: {host}\r\n{body}"))
            .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 502, "{answer:?}");
        assert!(answer.text().contains("SG-4003"));
        let targets: Vec<_> = puppet.seen().iter().map(target).collect();
        assert_eq!(targets, ["/first", "/pay"], "{body:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_with_a_body_is_not_sent_again_either() {
    let puppet = Puppet::playing(stale_after_one).await;
    let gate = before(&puppet).await;
    let mut wire = Wire::connect(gate.address()).await;
    let host = gate.address();
    wire.send(format!("GET /first HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .await;
    wire.message().await.expect("an answer");
    wire.send(format!(
        "PUT /doc HTTP/1.1\r\nHost: {host}\r\ncontent-length: 4\r\n\r\nbody"
    ))
    .await;
    assert_eq!(wire.message().await.expect("an answer").status(), 502);
    assert_eq!(puppet.seen().len(), 2, "its body is gone");
}

/// Answers the first request of the first connection, and dies on the second; later ones work.
async fn stale_after_one(number: usize, mut line: crate::support::puppet::Line) {
    line.request().await;
    line.say(OK).await;
    if number == 0 {
        line.request().await;
        return;
    }
    while line.request().await.is_some() {
        line.say(OK).await;
    }
}

/// Answers to GETs that come one after the other on one connection: they share a worker, and so a
/// pool.
async fn get_on_one_worker(gate: &Gate, paths: &[&str]) -> Vec<String> {
    let mut wire = Wire::connect(gate.address()).await;
    let mut texts = Vec::new();
    for path in paths {
        wire.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n",
            gate.address()
        ))
        .await;
        texts.push(wire.message().await.expect("an answer").text());
    }
    texts
}

fn target(request: &crate::support::wire::Message) -> String {
    let target = request.head.split(' ').nth(1);
    target.expect("a request line").to_owned()
}

async fn before(puppet: &Puppet) -> Gate {
    before_with(puppet, "").await
}

async fn before_with(puppet: &Puppet, top: &str) -> Gate {
    Gate::with(Plan {
        top: top.to_owned(),
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
