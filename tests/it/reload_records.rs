//! Access records of a configuration that is no longer in force, while something of it goes on.

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use sidegate::telemetry::sink::Sink;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::h2::DATA;
use crate::support::h2::END_STREAM;
use crate::support::h2::Frames;
use crate::support::h2::Outcome;

/// Tells of what was written.
struct Told(UnboundedSender<Vec<u8>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _over = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_before_a_reload_is_written_while_something_goes_on() {
    let (arrived, first) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = (Arc::clone(&arrived), Arc::clone(&first));
    let puppet = Puppet::playing(move |_, mut line| {
        let (arrived, first) = told.clone();
        async move {
            while let Some(request) = line.request().await {
                if request.head.starts_with("GET /first") {
                    arrived.notify_one();
                    first.notified().await;
                } else if request.head.starts_with("GET /never") {
                    line.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                        .await;
                    std::future::pending::<()>().await;
                }
                line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
            }
        }
    })
    .await;
    let (writes, mut written) = mpsc::unbounded_channel();
    let gate = Gate::with(Plan {
        access: Some((String::new(), Sink::to(Told(writes)))),
        top: "h2c: true".to_owned(),
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    // All on one connection, which is one worker's.
    let stream = TcpStream::connect(gate.address()).await.expect("connects");
    let mut frames = Frames::over(stream).await;
    get(&gate, &mut frames, 1, "/first").await;
    arrived.notified().await;
    // A download whose end nobody lives to see.
    get(&gate, &mut frames, 3, "/never").await;
    while !matches!(frames.frame().await, Some((DATA, _, 3, _))) {}
    for (stream, path) in [(5, "/a"), (7, "/b"), (9, "/c")] {
        get(&gate, &mut frames, stream, path).await;
        let outcome = frames.outcome(stream).await;
        assert!(matches!(outcome, Outcome::Answered { .. }), "{outcome:?}");
    }
    gate.take_over(|text| text.replace("session:\n", "session:\n  lifetime: 6h\n"))
        .expect("good");
    let mut text = String::new();
    for path in ["/a", "/b", "/c"] {
        until(&mut written, &mut text, path).await;
    }
    // What ends later under the configuration before is written as well.
    assert!(!text.contains("/first"), "{text}");
    first.notify_one();
    until(&mut written, &mut text, "/first").await;
    assert!(!text.contains("/never"), "{text}");
}

/// Waits for the record of a request for `path`.
async fn until(written: &mut UnboundedReceiver<Vec<u8>>, text: &mut String, path: &str) {
    let wanted = format!("\"path\":\"{path}\"");
    while !text.contains(&wanted) {
        let more = tokio::time::timeout(Duration::from_secs(10), written.recv()).await;
        let more = more.unwrap_or_else(|_| panic!("no record of {path}: {text}"));
        text.push_str(&String::from_utf8_lossy(&more.expect("it goes on")));
    }
}

async fn get(gate: &Gate, frames: &mut Frames<TcpStream>, stream: u32, path: &str) {
    let host = gate.address().to_string();
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", host.as_str()),
        (":path", path),
    ];
    frames.headers(stream, &fields, END_STREAM).await;
}
