//! Many connections that do nothing: little memory, others are served, and all are closed in time. And
//! no descriptors left: the gateway waits, and neither spins nor ends.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::Puppet;
use crate::support::Wire;
use crate::support::process::Running;
use crate::support::process::sidegate;
use crate::support::serving;
use crate::support::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_cost_little_and_are_closed() {
    // This process holds the other end of each, and what else the tests need.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let room = limit.current.map_or(u64::MAX, |limit| limit / 2);
    let count = usize::try_from(room).unwrap_or(usize::MAX).min(9_500);
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: 127.0.0.1:0\nlimits: { connections: 20000 }\ntimeouts: { keep_alive: 20s }\n\
               log: { access: false }";
    let text = serving::configuration(&tool.origin(), top);
    let gateway = serving::start(folder.path(), &text).await;
    let mut first = Wire::connect(gateway.public).await;
    first.send(serving::get("/x")).await;
    assert_eq!(first.message().await.expect("an answer").status(), 200);
    let before = gateway.running.memory();
    let mut idle = Vec::with_capacity(count);
    let start = Instant::now();
    for _ in 0..count {
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(serving::get("/x")).await;
        assert_eq!(wire.message().await.expect("an answer").status(), 200);
        idle.push(wire);
    }
    let open = gateway.running.memory();
    // A new connection is answered meanwhile, until the first ones are closed.
    let mut slowest = Duration::ZERO;
    let mut least = open;
    let probe = || async {
        let asked = Instant::now();
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(serving::get("/x")).await;
        assert_eq!(wire.message().await.expect("an answer").status(), 200);
        asked.elapsed()
    };
    for _ in 0..500 {
        slowest = slowest.max(probe().await);
        least = least.min(gateway.running.memory());
    }
    tell(&format!(
        "{count} connections opened in {:?}: {} MB at first, {} MB when idle ({} MB before), others waited {slowest:?} at most",
        start.elapsed(),
        open / MEGABYTE,
        least / MEGABYTE,
        before / MEGABYTE
    ));
    assert!(open < 200 * MEGABYTE, "{open} bytes");
    for mut wire in idle {
        wire.ends().await;
    }
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_it_waits_and_goes_on() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let text = serving::configuration(
        &tool.origin(),
        "listen: 127.0.0.1:0\nworkers: 1\nlog: { access: false }",
    );
    std::fs::write(folder.path().join("sidegate.yaml"), text).expect("written");
    let program = sidegate(folder.path(), &[], &[]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg("ulimit -n 40; exec \"$0\" serve --config sidegate.yaml")
        .arg(program.get_program())
        .current_dir(folder.path())
        .env_clear()
        .envs([("KEY", serving::KEY), ("SECRET", "s")])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut running = Running::by_log(shell);
    let started = serving::started(&mut running).await;
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(TcpStream::connect(started.public).await.expect("connects"));
    }
    running
        .line("\"event\":\"accept.failed\"")
        .await
        .expect("it says so");
    let (busy, asked) = (running.processor_time(), Instant::now());
    let again = running.line("\"event\":\"accept.failed\"").await;
    let again = again.expect("and again, a second later");
    let times = again.split("\"times\":").nth(1).expect("a count");
    let times: u32 = times
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .expect("a number");
    assert!((1..=20).contains(&times), "a pause after each: {again}");
    let spent = running.processor_time().saturating_sub(busy);
    assert!(
        spent < asked.elapsed() / 2,
        "it does not spin: {spent:?} of {:?}",
        asked.elapsed()
    );
    drop(held);
    let mut wire = Wire::connect(started.public).await;
    wire.send(serving::get("/x")).await;
    assert_eq!(wire.message().await.expect("an answer").status(), 200);
    assert_eq!(running.stop("TERM").await, 0);
}

const MEGABYTE: u64 = 1024 * 1024;
