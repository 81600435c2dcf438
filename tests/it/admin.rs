//! The admin listener has limits of its own, so that nobody there keeps a probe from its answer.

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_clients_keep_no_probe_waiting() {
    let gate = Gate::start().await;
    let admin = gate.app().admin_address();
    // This process holds both ends of each.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let room = limit.current.map_or(u64::MAX, |limit| limit / 4);
    let count = usize::try_from(room).unwrap_or(usize::MAX).min(1_000);
    let mut slow = Vec::with_capacity(count);
    for number in 0..count {
        let mut wire = Wire::connect(admin).await;
        wire.send("GET /metrics HTTP/1.1\r\nHost:").await;
        slow.push(wire);
        if number % 100 == 0 {
            assert_eq!(probe(&gate).await, 200);
        }
    }
    assert_eq!(probe(&gate).await, 200);
    let mut browser = gate.browser();
    assert_eq!(browser.fetch("/open/x").await.status, 404, "the tool's");
    // Those that came first had to go.
    let left = 64;
    for wire in slow.iter_mut().take(count.saturating_sub(left)) {
        wire.ends().await;
    }
    // The others meet the limit of a head.
    let last = slow.last_mut().expect("one of them");
    let answer = last.message().await;
    assert!(answer.is_none_or(|answer| answer.status() == 408));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_small() {
    let gate = Gate::start().await;
    let many = "X: y\r\n".repeat(65);
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    for fields in [many, long] {
        let mut wire = Wire::connect(gate.app().admin_address()).await;
        wire.send(format!("GET /livez HTTP/1.1\r\nHost: x\r\n{fields}\r\n"))
            .await;
        // What is closed with bytes unread may be reset.
        let answer = wire.message().await;
        assert!(answer.is_none_or(|answer| answer.status() == 431));
        assert_eq!(probe(&gate).await, 200);
    }
}

async fn probe(gate: &Gate) -> u16 {
    let mut wire = Wire::connect(gate.app().admin_address()).await;
    wire.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.message().await.expect("an answer").status()
}

/// A page elsewhere whose name leads to this machine reads nothing (DNS rebinding); programs ask under
/// whatever name they find it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_page_has_names() {
    let gate = Gate::with(Plan {
        top: "admin_hosts: [Status.example.internal]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    for (path, host, status) in [
        ("/", "rebound.example", 421),
        ("/status.json", "rebound.example:9901", 421),
        ("/", "status.example.internal:9901", 200),
        ("/status.json", "127.0.0.1", 200),
        ("/metrics", "sidegate.tools.svc:9901", 200),
        ("/readyz", "sidegate.tools.svc:9901", 200),
    ] {
        let mut wire = Wire::connect(gate.app().admin_address()).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path} at {host}");
    }
}
