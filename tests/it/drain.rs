//! The end of the process: what is in hand is finished, what is idle does not hold it up.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;

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
