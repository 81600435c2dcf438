//! Bodies of any size and age pass as they come, in little memory, and never end early unnoticed.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use http_body_util::StreamBody;
use hyper::body::Frame;
use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::sandbox::Tool;
use sidegate::time::SystemClock;
use tokio::sync::mpsc;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::gate::free_port;
use crate::support::process::Running;
use crate::support::process::sidegate;
use crate::support::server::Server;
use crate::support::server::Speech;
use crate::support::server::whole;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_in_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(
        Settings::default(),
        Arc::new(SystemClock),
        Arc::new(OsEntropy),
    )
    .await
    .expect("the sandbox starts");
    let tool = Tool::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .expect("the tool starts");
    let route = format!("\"{}\"", tool.origin());
    let (gateway, address) = serve(folder.path(), &sandbox, &route).await;
    let mut browser = Browser::new(address);
    assert_eq!(browser.sign_in("/", "ada").await.status, 303);
    for path in ["/echo/x", "/mc/rest/echo/x"] {
        assert_eq!(browser.fetch(path).await.status, 200);
    }
    let fields = format!(
        "Host: {address}\r\nCookie: sidegate={}\r\nSec-Fetch-Site: same-origin\r\n",
        browser.jar["sidegate"]
    );
    let before = gateway.peak_memory();
    let block = vec![b'x'; MEGABYTE];
    for path in ["/upload", "/mc/rest/echo/x"] {
        let mut wire = Wire::connect(address).await;
        wire.send(format!(
            "POST {path} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n",
            100 * MEGABYTE
        ))
        .await;
        for _ in 0..100 {
            wire.send(&block).await;
        }
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert!(
            answer.text().contains("\"body_bytes\":104857600"),
            "{path}: {answer:?}"
        );
    }
    for path in ["/download/104857600", "/mc/rest/bytes/104857600"] {
        let mut wire = Wire::connect(address).await;
        wire.send(format!("GET {path} HTTP/1.1\r\n{fields}\r\n"))
            .await;
        let head = wire.head().await.expect("an answer");
        assert!(head.contains("content-length: 104857600\r\n"), "{head}");
        for _ in 0..100 {
            let bytes = wire.exactly(MEGABYTE).await.expect("all of it");
            assert!(bytes == block, "{path}");
        }
    }
    let grown = gateway.peak_memory() - before;
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes more");
    assert_eq!(gateway.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_in_little_memory_over_http_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(
        Settings::default(),
        Arc::new(SystemClock),
        Arc::new(OsEntropy),
    )
    .await
    .expect("the sandbox starts");
    let speech = Speech {
        h2: true,
        ..Speech::default()
    };
    let server = Server::start(speech, async |request| {
        if request.method() == http::Method::GET {
            let block = Bytes::from(vec![b'x'; MEGABYTE]);
            let blocks = std::iter::repeat_n(block, 100).map(|block| Ok(Frame::data(block)));
            let body = StreamBody::new(futures_util::stream::iter(blocks));
            return Response::new(body.boxed());
        }
        let (mut body, mut read) = (request.into_body(), 0);
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
        Response::new(whole(read.to_string()))
    })
    .await;
    let route = format!(
        "\"http://{}\", access: public, protocol: h2",
        server.address
    );
    let (gateway, address) = serve(folder.path(), &sandbox, &route).await;
    let get = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let before = gateway.peak_memory();
    let block = vec![b'x'; MEGABYTE];
    for _ in 0..2 {
        let mut wire = Wire::connect(address).await;
        wire.send(format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
            100 * MEGABYTE
        ))
        .await;
        for _ in 0..100 {
            wire.send(&block).await;
        }
        assert_eq!(wire.message().await.expect("an answer").text(), "104857600");
        wire.send(&get).await;
        let head = wire.head().await.expect("an answer");
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        let mut read = 0;
        let mut part = Vec::new();
        while wire.chunk(&mut part).await.expect("all of it") {
            read += std::mem::take(&mut part).len();
        }
        assert_eq!(read, 100 * MEGABYTE);
    }
    let grown = gateway.peak_memory() - before;
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes more");
    assert_eq!(gateway.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_before_the_body_was_read_is_passed_on() {
    // Some keep reading, some close at once with a body of any size still on its way.
    for (closes, size) in [(false, 1000), (true, 1000), (true, 20 * MEGABYTE)] {
        let puppet = Puppet::playing(move |_, mut line| async move {
            line.wire.head().await;
            line.say("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 6\r\n\r\nenough")
                .await;
            if !closes {
                line.wire.rest().await;
            }
        })
        .await;
        let gate = before(&puppet).await;
        for _ in 0..10 {
            let wire = Wire::connect(gate.address()).await;
            let (mut reader, mut writer) = wire.halves();
            let head = format!(
                "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {size}\r\n\r\n",
                gate.address()
            );
            let sending = tokio::spawn(async move {
                writer.send(head).await;
                writer.send(vec![b'x'; size / 2]).await;
                writer
            });
            let answer = reader.message().await.expect("an answer");
            assert_eq!(answer.status(), 413, "{closes} {size}: {answer:?}");
            assert_eq!(answer.text(), "enough");
            sending.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_waits_for_a_client_that_does_not_read() {
    let (stalled, mut stalls) = mpsc::unbounded_channel();
    let puppet = Puppet::playing(move |_, mut line| {
        let stalled = stalled.clone();
        async move {
            line.request().await;
            line.say(format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                128 * MEGABYTE
            ))
            .await;
            let block = vec![b'x'; MEGABYTE];
            for sent in 0..128 {
                let mut send = std::pin::pin!(line.wire.send(&block));
                let stuck = tokio::time::timeout(Duration::from_secs(1), &mut send).await;
                if stuck.is_err() {
                    stalled.send(sent).expect("somebody waits");
                    send.await;
                }
            }
            line.wire.rest().await;
        }
    })
    .await;
    let gate = before(&puppet).await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(get(&gate)).await;
    wire.head().await.expect("an answer");
    let sent = stalls.recv().await.expect("it stalls");
    assert!(sent < 48, "{sent} MB were taken from the upstream");
    for _ in 0..128 {
        wire.exactly(MEGABYTE).await.expect("all of it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_one_by_one() {
    let (seen, acknowledged) = mpsc::unbounded_channel::<()>();
    let acknowledged = Arc::new(tokio::sync::Mutex::new(acknowledged));
    let puppet = Puppet::playing(move |_, mut line| {
        let acknowledged = Arc::clone(&acknowledged);
        async move {
            line.request().await;
            line.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            for n in 0..5 {
                let event = format!("data: {n}\n\n");
                line.say(format!("{:x}\r\n{event}\r\n", event.len())).await;
                // The next is not sent before this one was seen: who buffers sees nothing.
                acknowledged.lock().await.recv().await;
            }
            line.say("0\r\n\r\n").await;
            line.wire.rest().await;
        }
    })
    .await;
    let gate = before(&puppet).await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(get(&gate)).await;
    let head = wire.head().await.expect("an answer");
    assert!(
        head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    for n in 0..5 {
        let mut event = Vec::new();
        assert_eq!(wire.chunk(&mut event).await, Some(true));
        assert_eq!(event, format!("data: {n}\n\n").as_bytes());
        seen.send(()).expect("the puppet waits");
    }
    assert_eq!(wire.chunk(&mut Vec::new()).await, Some(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_an_upload_arrive_one_by_one() {
    let (sender, mut received) = mpsc::unbounded_channel();
    let puppet = Puppet::playing(move |_, mut line| {
        let sender = sender.clone();
        async move {
            line.wire.head().await;
            let mut part = Vec::new();
            while line.wire.chunk(&mut part).await == Some(true) {
                sender.send(std::mem::take(&mut part)).expect("heard");
            }
            line.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
            line.wire.rest().await;
        }
    })
    .await;
    let gate = before(&puppet).await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        gate.address()
    ))
    .await;
    for part in ["one", "two", "three"] {
        wire.send(format!("{:x}\r\n{part}\r\n", part.len())).await;
        assert_eq!(received.recv().await.expect("it arrives"), part.as_bytes());
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.message().await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_takes_its_download_along_and_nothing_else() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let puppet = Puppet::playing(move |number, mut line| {
        let closed = closed.clone();
        async move {
            if number > 0 {
                while line.request().await.is_some() {
                    line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                }
                return;
            }
            line.request().await;
            line.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
                .await;
            line.wire.rest().await;
            closed.send(()).expect("somebody waits");
        }
    })
    .await;
    let gate = before(&puppet).await;
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(get(&gate)).await;
    wire.head().await.expect("an answer");
    assert_eq!(wire.chunk(&mut Vec::new()).await, Some(true));
    drop(wire);
    closings.recv().await.expect("the upstream learns of it");
    for _ in 0..4 {
        assert_eq!(gate.browser().fetch("/").await.text(), "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_never_looks_complete() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ] {
        let puppet = Puppet::playing(move |_, mut line| async move {
            line.request().await;
            line.say(answer).await;
        })
        .await;
        let gate = before(&puppet).await;
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(get(&gate)).await;
        let head = wire.head().await.unwrap_or_default();
        let rest = String::from_utf8(wire.rest().await).expect("text");
        if head.starts_with("HTTP/1.1 502 ") {
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer:?}: {head}");
        assert!(!rest.contains("0\r\n\r\n"), "{answer:?}: {rest}");
        if head.contains("content-length") {
            assert!(rest.len() < 10, "{answer:?}: {rest}");
        }
    }
}

/// The program in front of `sandbox` and whatever `to` says, and its address.
async fn serve(folder: &Path, sandbox: &Sandbox, to: &str) -> (Running, SocketAddr) {
    let key = sidegate::crypto::MasterKey::generate(&OsEntropy).to_text();
    // The public URL has to be known before the gateway listens; another process may take the port.
    for _ in 0..20 {
        let port = free_port();
        let text = format!(
            "public_url: http://127.0.0.1:{port}\nlisten: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:0\nworkers: 2\n\
             marketing_cloud:\n  subdomain: sandbox\n  client_id: sandbox-web-client\n  client_secret: {{ env: SECRET }}\n  \
             auth_base_url: {0}\n  instance_hosts: [\"{0}\"]\nsession:\n  keys: [{{ env: KEY }}]\n\
             routes:\n  - {{ path: /mc/rest/, to: rest }}\n  - {{ path: /, to: {1} }}\n",
            sandbox.origin(),
            to,
        );
        std::fs::write(folder.join("sidegate.yaml"), text).expect("written");
        let command = sidegate(
            folder,
            &["serve", "--config", "sidegate.yaml"],
            &[("KEY", &key), ("SECRET", "sandbox-web-secret-do-not-use")],
        );
        let mut running = Running::by_log(command);
        if running.line("\"event\":\"started\"").await.is_some() {
            return (running, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
    }
    panic!("no port is free");
}

async fn before(puppet: &Puppet) -> Gate {
    Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await
}

fn get(gate: &Gate) -> String {
    format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address())
}

const MEGABYTE: usize = 1024 * 1024;
