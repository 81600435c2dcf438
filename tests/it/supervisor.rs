//! What systemd is told, with a datagram socket in its place.

use std::time::Duration;

use tokio::net::UnixDatagram;

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
    // A successor that does not serve.
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

async fn next(socket: &UnixDatagram) -> String {
    let mut room = [0; 256];
    let heard = tokio::time::timeout(Duration::from_secs(30), socket.recv(&mut room)).await;
    let size = heard.expect("something is said").expect("received");
    String::from_utf8_lossy(&room[..size]).into_owned()
}
