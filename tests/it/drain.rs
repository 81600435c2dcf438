//! The end of the process: what is in hand is finished, what is idle does not hold it up.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::process;
use crate::support::serving;
use crate::support::serving::Serving;
use crate::support::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_do_not_hold_up_the_end() {
    let gate = Gate::start().await;
    let mut silent = Wire::connect(gate.address()).await;
    let mut idle = Wire::connect(gate.address()).await;
    idle.send(format!(
        "GET /open/x HTTP/1.1\r\nHost: {}\r\n\r\n",
        gate.address()
    ))
    .await;
    assert_eq!(idle.message().await.expect("an answer").status(), 404);
    tokio::time::timeout(Duration::from_secs(3), gate.stop())
        .await
        .expect("well before the deadline of five seconds");
    idle.ends().await;
    silent.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_hand_is_finished() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let puppet = {
        let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
        Puppet::playing(move |_, mut line| {
            let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
            async move {
                line.request().await;
                line.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                    .await;
                arrived.notify_one();
                go_on.notified().await;
                line.say("4\r\nrest\r\n0\r\n\r\n").await;
                line.wire.rest().await;
            }
        })
        .await
    };
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let address = gate.address();
    let mut wire = Wire::connect(address).await;
    wire.send(format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n"))
        .await;
    arrived.notified().await;
    let end = tokio::spawn(gate.stop());
    // No new connections any more: the end has begun.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!end.is_finished());
    go_on.notify_one();
    let answer = wire.message().await.expect("a whole answer");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "halfrest"));
    wire.ends().await;
    tokio::time::timeout(Duration::from_secs(3), end)
        .await
        .expect("it ends with the last request")
        .expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_in_hand_are_answered_with_a_thousand_idle_connections_open() {
    let (arrived, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let puppet = slow(&arrived, &go_on).await;
    let folder = tempfile::tempdir().expect("a folder");
    let text = serving::configuration(&puppet.origin(), "listen: 127.0.0.1:0");
    let gateway = serving::start(folder.path(), &text).await;
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let mut wire = Wire::connect(gateway.public).await;
        // Some have served, some have never said a word.
        if number % 2 == 0 {
            wire.send(serving::get("/quick")).await;
            assert_eq!(wire.message().await.expect("an answer").status(), 200);
        }
        idle.push(wire);
    }
    let mut busy = Vec::new();
    for _ in 0..100 {
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(serving::get("/slow")).await;
        busy.push(wire);
    }
    let all = arrived.acquire_many(100).await;
    all.expect("open").forget();
    let begun = tokio::time::Instant::now();
    process::send("TERM", gateway.running.pid());
    // Idle ones are closed while the others are served.
    for mut wire in idle {
        wire.ends().await;
    }
    go_on.add_permits(100);
    for mut wire in busy {
        let answer = wire.message().await.expect("an answer");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "slow"));
        assert_eq!(answer.all("connection"), ["close"]);
        wire.ends().await;
    }
    assert_eq!(gateway.running.ended().await, 0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    tell(&format!("100 of 100 answered, ended after {took:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_to_be_accepted_is_served() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let text = serving::configuration(&tool.origin(), "listen: 127.0.0.1:0\nworkers: 2");
    let gateway = serving::start(folder.path(), &text).await;
    // Stopped, it accepts nothing: all of these wait in the kernel, with the end behind them.
    process::send("STOP", gateway.running.pid());
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(serving::get("/x")).await;
        waiting.push(wire);
    }
    // Connected, and its request still to come.
    let mut late = Wire::connect(gateway.public).await;
    let mut late_has_asked = false;
    process::send("TERM", gateway.running.pid());
    process::send("CONT", gateway.running.pid());
    for mut wire in waiting {
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        if !late_has_asked {
            assert_eq!(answer.all("connection"), ["close"], "the end has begun");
            late.send(serving::get("/x")).await;
            late_has_asked = true;
        }
        wire.ends().await;
    }
    assert_eq!(late.message().await.expect("an answer").status(), 200);
    assert_eq!(gateway.running.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_serves_on_with_a_red_probe_and_ends_at_the_second_signal() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: 127.0.0.1:0\ntimeouts: { drain_delay: 1h }";
    let text = serving::configuration(&tool.origin(), top);
    let mut gateway = serving::start(folder.path(), &text).await;
    assert_eq!(ready(&gateway).await, 200);
    process::send("TERM", gateway.running.pid());
    let said = gateway.running.line("\"event\":\"stopping\"").await;
    assert!(said.is_some_and(|line| line.contains("SIGTERM")));
    assert_eq!(ready(&gateway).await, 503);
    let mut wire = Wire::connect(gateway.public).await;
    for _ in 0..3 {
        wire.send(serving::get("/x")).await;
        let answer = wire.message().await.expect("served as before");
        assert_eq!(answer.status(), 200);
        assert!(answer.all("connection").is_empty());
    }
    assert_eq!(gateway.running.stop("TERM").await, 0);
    wire.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_finish_is_cut_at_the_deadline() {
    let (arrived, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let puppet = slow(&arrived, &go_on).await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: 127.0.0.1:0\ntimeouts: { drain: 1s }";
    let text = serving::configuration(&puppet.origin(), top);
    let gateway = serving::start(folder.path(), &text).await;
    let mut wire = Wire::connect(gateway.public).await;
    wire.send(serving::get("/slow")).await;
    arrived.acquire().await.expect("open").forget();
    assert_eq!(gateway.running.stop("TERM").await, 0);
    wire.ends().await;
}

/// Answers at once, but what is slow when it may.
async fn slow(arrived: &Arc<Semaphore>, go_on: &Arc<Semaphore>) -> Puppet {
    let (arrived, go_on) = (Arc::clone(arrived), Arc::clone(go_on));
    Puppet::playing(move |_, mut line| {
        let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
        async move {
            while let Some(request) = line.request().await {
                let word = if request.head.starts_with("GET /slow") {
                    arrived.add_permits(1);
                    go_on.acquire().await.expect("open").forget();
                    "slow"
                } else {
                    "fast"
                };
                line.say(format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{word}"
                ))
                .await;
            }
        }
    })
    .await
}

async fn ready(gateway: &Serving) -> u16 {
    let mut wire = Wire::connect(gateway.admin).await;
    wire.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.message().await.expect("an answer").status()
}
