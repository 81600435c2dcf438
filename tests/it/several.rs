//! One gateway at several places, before and behind a handover.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::support::Puppet;
use crate::support::Wire;
use crate::support::process;
use crate::support::process::Running;
use crate::support::process::sidegate;
use crate::support::serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_is_served_and_handed_over() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.sock");
    let top = format!(
        "listen: [127.0.0.1:0, \"unix:{}\", 127.0.0.1:0]\nworkers: 2",
        file.display()
    );
    let text = serving::configuration(&tool.origin(), &top);
    std::fs::write(folder.path().join("sidegate.yaml"), text).expect("written");
    let command = sidegate(
        folder.path(),
        &["serve", "--config", "sidegate.yaml"],
        &[("KEY", serving::KEY), ("SECRET", "s")],
    );
    let mut running = Running::by_log(command);
    let (first, places) = started(&mut running).await;
    assert_ne!(places[0], places[1]);
    served(&places, &file).await;
    process::send("USR2", first);
    let (second, same) = started(&mut running).await;
    assert_eq!(places, same);
    let stopped = running.line("\"event\":\"stopped\"").await;
    assert!(stopped.is_some_and(|line| line.contains(&first.to_string())));
    served(&places, &file).await;
    process::send("TERM", second);
    assert_eq!(running.ended().await, 0);
    for place in places {
        assert!(tokio::net::TcpStream::connect(place).await.is_err());
    }
}

async fn started(running: &mut Running) -> (u32, Vec<SocketAddr>) {
    let line = running.line("\"event\":\"started\"").await;
    let line: Value = serde_json::from_str(&line.expect("it starts")).expect("JSON");
    let listen = line["listen"].as_str().expect("text");
    let places: Vec<&str> = listen.split(", ").collect();
    assert!(places[1].starts_with("unix:/"), "{listen}");
    let tcp = [places[0], places[2]].map(|place| place.parse().expect("an address"));
    let pid = line["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    (pid.expect("a process id"), tcp.to_vec())
}

async fn served(places: &[SocketAddr], file: &Path) {
    // More than once, so that both workers have their turn.
    for _ in 0..5 {
        for place in places {
            let mut wire = Wire::connect(*place).await;
            wire.send(serving::get("/x")).await;
            assert_eq!(wire.message().await.expect("an answer").status(), 200);
        }
        let mut stream = UnixStream::connect(file).await.expect("connects");
        let ask = serving::get("/x").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
