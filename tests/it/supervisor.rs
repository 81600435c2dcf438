//! What systemd is told, with a datagram socket in its place.

use std::path::Path;
use std::time::Duration;

use tokio::net::UnixDatagram;

use crate::support::Gate;
use crate::support::Puppet;
use crate::support::process;
use crate::support::process::Running;
use crate::support::process::sidegate;
use crate::support::serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_supervisor_knows_who_serves_from_start_to_end() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("notify");
    let socket = UnixDatagram::bind(&place).expect("bound");
    let text = serving::configuration(&tool.origin(), "listen: 127.0.0.1:0");
    let file = folder.path().join("sidegate.yaml");
    std::fs::write(&file, &text).expect("written");
    let command = sidegate(
        folder.path(),
        &["serve", "--config", "sidegate.yaml"],
        &[
            ("KEY", serving::KEY),
            ("SECRET", "s"),
            ("NOTIFY_SOCKET", place.to_str().expect("text")),
        ],
    );
    let mut running = Running::by_log(command);
    let first = running.pid();
    let ready = |pid: u32| format!("READY=1\nMAINPID={pid}");
    assert_eq!(next(&socket).await, ready(first));
    serving::started(&mut running).await;
    // A successor that does not serve. That the file has changed is noticed too, and nothing to tell.
    std::fs::write(&file, "nonsense: true\n").expect("written");
    process::send("USR2", first);
    assert!(
        next(&socket)
            .await
            .starts_with("RELOADING=1\nMONOTONIC_USEC=")
    );
    assert_eq!(next(&socket).await, ready(first), "still the old one");
    std::fs::write(&file, &text).expect("written");
    process::send("USR2", first);
    assert!(next(&socket).await.starts_with("RELOADING=1\n"));
    let second = serving::started(&mut running).await.pid;
    assert_ne!(second, first);
    assert_eq!(next(&socket).await, ready(second));
    let stopped = running.line("\"event\":\"stopped\"").await;
    assert!(stopped.is_some_and(|line| line.contains(&first.to_string())));
    // The end of the old one is not the end of the service.
    process::send("TERM", second);
    assert_eq!(next(&socket).await, "STOPPING=1");
    assert_eq!(running.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_is_told_from_its_beginning_to_its_end() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, place) = listening(folder.path());
    let text = serving::configuration(&tool.origin(), "listen: 127.0.0.1:0\nworkers: 1");
    let file = folder.path().join("sidegate.yaml");
    std::fs::write(&file, &text).expect("written");
    let gateway = serving::run(folder.path(), &[("NOTIFY_SOCKET", &place)]).await;
    let pid = gateway.running.pid();
    assert_eq!(next(&socket).await, format!("READY=1\nMAINPID={pid}"));
    for (text, status) in [
        (text.clone(), "Serving."),
        (
            "nonsense: true\n".to_owned(),
            "Serving; the changed configuration is no good, see the log (SG-6211).",
        ),
        (
            text.replace("workers: 1", "workers: 2"),
            "Serving; the configuration waits for a restart with workers (SG-6210).",
        ),
        (text.clone(), "Serving."),
    ] {
        let asked = monotonic();
        std::fs::write(&file, text).expect("written");
        process::send("HUP", pid);
        let begun = next(&socket).await;
        let at = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let at: u128 = at.and_then(|at| at.parse().ok()).expect("a time");
        // By this systemd tells the answer to its signal from one that was under way before.
        assert!(asked <= at && at <= monotonic(), "{asked} {at}");
        assert_eq!(
            next(&socket).await,
            format!("READY=1\nMAINPID={pid}\nSTATUS={status}")
        );
    }
    process::send("TERM", pid);
    assert_eq!(next(&socket).await, "STOPPING=1");
    assert_eq!(gateway.running.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watchdog_hears_of_life_and_of_the_successors_too() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, place) = listening(folder.path());
    let text = serving::configuration(&tool.origin(), "listen: 127.0.0.1:0\nworkers: 1");
    std::fs::write(folder.path().join("sidegate.yaml"), text).expect("written");
    let variables = [
        ("NOTIFY_SOCKET", place.as_str()),
        ("WATCHDOG_USEC", "100000"),
    ];
    let mut gateway = serving::run(folder.path(), &variables).await;
    let first = gateway.running.pid();
    assert_eq!(next(&socket).await, format!("READY=1\nMAINPID={first}"));
    let begun = tokio::time::Instant::now();
    for _ in 0..4 {
        assert_eq!(next(&socket).await, "WATCHDOG=1");
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(100),
        "not faster than asked"
    );
    process::send("USR2", first);
    let second = serving::started(&mut gateway.running).await.pid;
    let stopped = gateway.running.line("\"event\":\"stopped\"").await;
    assert!(stopped.is_some_and(|line| line.contains(&first.to_string())));
    while next(&socket).await != format!("READY=1\nMAINPID={second}") {}
    // Nobody else is there to tell.
    for _ in 0..4 {
        while next(&socket).await != "WATCHDOG=1" {}
    }
    process::send("TERM", second);
    while next(&socket).await != "STOPPING=1" {}
    assert_eq!(gateway.running.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watchdog_of_another_process_hears_nothing_and_a_successors_does() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, place) = listening(folder.path());
    let text = serving::configuration(&tool.origin(), "listen: 127.0.0.1:0\nworkers: 1");
    std::fs::write(folder.path().join("sidegate.yaml"), text).expect("written");
    let variables = [
        ("NOTIFY_SOCKET", place.as_str()),
        ("WATCHDOG_USEC", "20000"),
        // Of whoever started us.
        ("WATCHDOG_PID", "1"),
    ];
    let mut gateway = serving::run(folder.path(), &variables).await;
    let first = gateway.running.pid();
    assert_eq!(next(&socket).await, format!("READY=1\nMAINPID={first}"));
    process::send("HUP", first);
    assert!(
        next(&socket).await.starts_with("RELOADING=1\n"),
        "no sign of life"
    );
    assert!(next(&socket).await.starts_with("READY=1\n"));
    // The variable names the process that systemd started; the one that took over is meant by now.
    process::send("USR2", first);
    assert!(next(&socket).await.starts_with("RELOADING=1\n"));
    let second = serving::started(&mut gateway.running).await.pid;
    assert_eq!(next(&socket).await, format!("READY=1\nMAINPID={second}"));
    assert_eq!(next(&socket).await, "WATCHDOG=1");
    process::send("TERM", second);
    while next(&socket).await != "STOPPING=1" {}
    assert_eq!(gateway.running.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_is_asked_for_during_a_handover_is_made_by_the_successor() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, place) = listening(folder.path());
    let text = serving::configuration(&tool.origin(), "listen: 127.0.0.1:0\nworkers: 1");
    std::fs::write(folder.path().join("sidegate.yaml"), text).expect("written");
    let mut gateway = serving::run(folder.path(), &[("NOTIFY_SOCKET", &place)]).await;
    let first = gateway.running.pid();
    assert_eq!(next(&socket).await, format!("READY=1\nMAINPID={first}"));
    process::send("USR2", first);
    assert!(next(&socket).await.starts_with("RELOADING=1\n"));
    process::send("HUP", first);
    let second = serving::started(&mut gateway.running).await.pid;
    assert_eq!(next(&socket).await, format!("READY=1\nMAINPID={second}"));
    // Who asked waits for this.
    assert!(next(&socket).await.starts_with("RELOADING=1\n"));
    assert_eq!(
        next(&socket).await,
        format!("READY=1\nMAINPID={second}\nSTATUS=Serving.")
    );
    process::send("TERM", second);
    assert_eq!(next(&socket).await, "STOPPING=1");
    assert_eq!(gateway.running.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_does_not_get_round_is_noticed() {
    let gate = Gate::start().await;
    assert!(gate.app().is_well());
    // More time passes than a worker may be late by, and they have not got round yet.
    gate.advance(60);
    assert!(!gate.app().is_well());
    while !gate.app().is_well() {
        tokio::task::yield_now().await;
    }
}

fn listening(folder: &Path) -> (UnixDatagram, String) {
    let place = folder.join("notify");
    let socket = UnixDatagram::bind(&place).expect("bound");
    (socket, place.to_str().expect("text").to_owned())
}

/// As the kernel counts, which systemd and we share.
fn monotonic() -> u128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let span = Duration::new(
        now.tv_sec.try_into().expect("positive"),
        now.tv_nsec.try_into().expect("small"),
    );
    span.as_micros()
}

async fn next(socket: &UnixDatagram) -> String {
    let mut room = [0; 256];
    let heard = tokio::time::timeout(Duration::from_secs(30), socket.recv(&mut room)).await;
    let size = heard.expect("something is said").expect("received");
    String::from_utf8_lossy(&room[..size]).into_owned()
}
