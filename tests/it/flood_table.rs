//! What a good client notices of each flood of HTTP/2: a measurement, on a machine at rest.
//!
//! `cargo test --release --test it flood_table -- --ignored --nocapture`; with
//! `SIDEGATE_TEST_PROGRAM=path` it is that program.

use std::time::Duration;

use tokio::time::Instant;

use crate::h2_floods::FLOODS;
use crate::h2_floods::Flood;
use crate::h2_floods::pour_for;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::serving;
use crate::support::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: 70 seconds, and it needs the machine for itself"]
async fn what_a_good_client_notices_of_each_flood() {
    let puppet = Puppet::playing(|_, mut line| async move {
        while let Some(head) = line.wire.head().await {
            let size = if head.starts_with("GET /good") {
                1_000
            } else {
                1_000_000
            };
            // In one piece, or the second would wait for the first one's acknowledgement.
            let mut answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
            answer.resize(answer.len() + size, b'x');
            line.say(answer).await;
        }
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: 127.0.0.1:0\nworkers: 2\nh2c: true\nlog: { level: warn, access: false }";
    let text = serving::configuration(&puppet.origin(), &top.replace("warn", "info"));
    let gateway = serving::start(folder.path(), &text).await;
    let site = gateway.public;
    tell("| flood, from four connections | requests | p50 ms | p99 ms | most ms |");
    tell("|---|---|---|---|---|");
    let row = |name: &str, mut waits: Vec<Duration>| {
        waits.sort_unstable();
        let at = |part: usize| {
            let wait = waits.get((waits.len() * part / 1000).min(waits.len() - 1));
            wait.copied().unwrap_or_default().as_secs_f64() * 1000.0
        };
        let [half, most, last] = [500, 990, 1000].map(at);
        tell(&format!(
            "| {name} | {} | {half:.2} | {most:.2} | {last:.2} |",
            waits.len()
        ));
    };
    row("none", measured(site).await);
    for flood in FLOODS {
        let pouring: Vec<_> = (0..4)
            .map(|_| tokio::spawn(again_and_again(site, flood)))
            .collect();
        let waits = measured(site).await;
        for one in pouring {
            one.abort();
        }
        row(flood.name, waits);
    }
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

/// A flood that is cut begins anew.
async fn again_and_again(site: std::net::SocketAddr, flood: Flood) {
    loop {
        pour_for(site, flood, Duration::from_millis(500)).await;
    }
}

/// How long a client waits for each answer: on a kept connection, and with every tenth on a new one, so
/// that both workers are asked.
async fn measured(site: std::net::SocketAddr) -> Vec<Duration> {
    let mut waits = Vec::new();
    let end = Instant::now() + SPAN;
    let mut wire = Wire::connect(site).await;
    while Instant::now() < end {
        let asked = Instant::now();
        if waits.len() % 10 == 9 {
            wire = Wire::connect(site).await;
        }
        wire.send(serving::get("/good")).await;
        assert_eq!(wire.message().await.expect("an answer").status(), 200);
        waits.push(asked.elapsed());
    }
    waits
}

/// How long each row is measured.
const SPAN: Duration = Duration::from_secs(5);
