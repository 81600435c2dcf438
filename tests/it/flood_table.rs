//! What a good client notices of each flood of HTTP/2: a measurement, on a machine at rest.
//!
//! `cargo test --release --test it flood_table -- --ignored --nocapture`; with
//! `SIDEGATE_TEST_PROGRAM=path` it is that program.

use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use tokio::time::Instant;

use crate::h2_floods::FLOODS;
use crate::h2_floods::Flood;
use crate::h2_floods::pour_for;
use crate::support::Puppet;
use crate::support::serving;
use crate::support::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: 70 seconds, and it needs the machine for itself"]
async fn what_a_good_client_notices_of_each_flood() {
    let puppet = Puppet::playing(|_, mut line| async move {
        while line.wire.head().await.is_some() {
            line.say("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                .await;
            line.say(vec![b'x'; 1_000_000]).await;
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
async fn again_and_again(site: SocketAddr, flood: Flood) {
    loop {
        pour_for(site, flood, Duration::from_millis(500)).await;
    }
}

/// How long a client waits for each answer: on a kept connection, and with every tenth on a new one, so
/// that both workers are asked. It has a thread of its own, and asks what the gateway answers by itself, or it
/// would measure how busy the flood keeps this program and the tool.
async fn measured(site: SocketAddr) -> Vec<Duration> {
    let measuring = tokio::task::spawn_blocking(move || {
        let mut waits = Vec::new();
        let end = Instant::now() + SPAN;
        let ask = serving::get("/oauth2/userinfo");
        let mut stream = connected(site);
        while Instant::now() < end {
            let asked = Instant::now();
            if waits.len() % 10 == 9 {
                stream = connected(site);
            }
            stream.write_all(ask.as_bytes()).expect("written");
            let mut room = [0; 4096];
            let mut read = 0;
            while !room[..read].ends_with(b"}") {
                let more = stream.read(&mut room[read..]).expect("read");
                assert_ne!(more, 0, "an answer");
                read += more;
            }
            assert!(room.starts_with(b"HTTP/1.1 401 "));
            waits.push(asked.elapsed());
        }
        waits
    });
    measuring.await.expect("no panic")
}

fn connected(site: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(site).expect("connects");
    stream.set_nodelay(true).expect("a TCP stream");
    stream
}

/// How long each row is measured.
const SPAN: Duration = Duration::from_secs(5);
