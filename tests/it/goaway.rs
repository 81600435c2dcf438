//! The end of an HTTP/2 connection at a drain, frame by frame (RFC 9113 §6.8).

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::Puppet;
use crate::support::h2::DATA;
use crate::support::h2::END_STREAM;
use crate::support::h2::Frames;
use crate::support::h2::GOAWAY;
use crate::support::h2::HEADERS;
use crate::support::h2::PING;
use crate::support::h2::SETTINGS;
use crate::support::process;
use crate::support::serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_says_goaway_twice_and_finishes_what_came_before_the_second() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let puppet = {
        let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
        Puppet::playing(move |_, mut line| {
            let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
            async move {
                while let Some(request) = line.request().await {
                    if request.head.starts_with("GET /slow") {
                        arrived.notify_one();
                        go_on.notified().await;
                    }
                    line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                }
            }
        })
        .await
    };
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: 127.0.0.1:0\nh2c: true\nworkers: 1";
    let text = serving::configuration(&puppet.origin(), top);
    let gateway = serving::start(folder.path(), &text).await;
    let stream = TcpStream::connect(gateway.public).await.expect("connects");
    let mut frames = Frames::over(stream).await;
    get(&mut frames, 1, "/slow").await;
    arrived.notified().await;
    process::send("TERM", gateway.running.pid());
    // The first names no stream, so that what is on its way is still served.
    assert_eq!(next(&mut frames, GOAWAY).await, goaway((1 << 31) - 1));
    let ping = next(&mut frames, PING).await;
    get(&mut frames, 3, "/on-its-way").await;
    let (mut headers, mut data) = (false, false);
    while !(headers && data) {
        let (kind, _, stream, _) = frame(&mut frames).await;
        headers |= (kind, stream) == (HEADERS, 3);
        data |= (kind, stream) == (DATA, 3);
    }
    frames.send(PING, 1, 0, &ping).await;
    assert_eq!(next(&mut frames, GOAWAY).await, goaway(3));
    // Behind the last one nothing begins any more.
    get(&mut frames, 5, "/late").await;
    go_on.notify_one();
    let mut body = Vec::new();
    while let Some((kind, flags, stream, payload)) = frames.frame().await {
        assert_ne!(stream, 5, "refused without a word");
        if (kind, stream) == (DATA, 1) {
            body.extend(payload);
            assert_eq!(flags & END_STREAM, END_STREAM);
        }
    }
    assert_eq!(body, b"ok", "and then the connection ends");
    assert_eq!(gateway.running.ended().await, 0);
    let seen = puppet.seen();
    let seen: Vec<&str> = seen
        .iter()
        .filter_map(|request| request.head.split(' ').nth(1))
        .collect();
    assert_eq!(seen, ["/slow", "/on-its-way"]);
}

async fn get(frames: &mut Frames<TcpStream>, stream: u32, path: &str) {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "127.0.0.1:8080"),
        (":path", path),
    ];
    frames.headers(stream, &fields, END_STREAM).await;
}

/// The payload of the next frame of this kind.
async fn next(frames: &mut Frames<TcpStream>, wanted: u8) -> Vec<u8> {
    loop {
        let (kind, flags, _, payload) = frame(frames).await;
        if kind == SETTINGS && flags == 0 {
            frames.send(SETTINGS, 1, 0, &[]).await;
        }
        if kind == wanted && (kind != PING || flags == 0) {
            return payload;
        }
    }
}

async fn frame(frames: &mut Frames<TcpStream>) -> (u8, u8, u32, Vec<u8>) {
    frames.frame().await.expect("the connection is there")
}

/// The last stream, and no error.
fn goaway(last: u32) -> Vec<u8> {
    [last.to_be_bytes(), [0; 4]].concat()
}
