//! A client that asks and takes it back, again and again (CVE-2023-44487): also at a pace at which every
//! request is on its way to the tool by then.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::Puppet;
use crate::support::h2::END_STREAM;
use crate::support::h2::Frames;
use crate::support::h2::HEADERS;
use crate::support::h2::RST_STREAM;
use crate::support::h2::SETTINGS;
use crate::support::serving;
use crate::support::serving::Serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_back_what_it_asked_for_is_let_go() {
    let place = Place::start().await;
    let mut frames = place.connect().await;
    let mut taken_back = 0;
    // Each request has arrived at the tool before it is taken back.
    for stream in (1..).step_by(2).take(1_000) {
        frames.headers(stream, &get("/slow"), END_STREAM).await;
        if !place.arrives(&mut frames).await {
            break;
        }
        frames.send(RST_STREAM, 0, stream, &CANCEL).await;
        taken_back += 1;
    }
    assert!((100..400).contains(&taken_back), "{taken_back}");
    assert!(place.asked.load(Ordering::SeqCst) < 400);
    // The next connection begins anew.
    let mut frames = place.connect().await;
    frames.headers(1, &get("/quick"), END_STREAM).await;
    assert_eq!(frames.outcome(1).await.status(), Some(200));
    assert_eq!(place.gateway.running.stop("TERM").await, 0);
}

/// Somebody who types into a search field takes back every other request, for hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_answers_too_may_take_back_as_much() {
    let place = Place::start().await;
    let mut frames = place.connect().await;
    for stream in (1..).step_by(4).take(400) {
        frames.headers(stream, &get("/slow"), END_STREAM).await;
        assert!(place.arrives(&mut frames).await, "stream {stream}");
        frames.send(RST_STREAM, 0, stream, &CANCEL).await;
        let next = stream + 2;
        frames.headers(next, &get("/quick"), END_STREAM).await;
        assert_eq!(frames.outcome(next).await.status(), Some(200), "{next}");
    }
    assert_eq!(place.gateway.running.stop("TERM").await, 0);
}

/// A gateway before a tool that answers `/quick` alone.
struct Place {
    gateway: Serving,
    arrived: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    _puppet: Puppet,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn start() -> Self {
        let (arrived, asked) = (Arc::new(Semaphore::new(0)), Arc::<AtomicUsize>::default());
        let puppet = {
            let (arrived, asked) = (Arc::clone(&arrived), Arc::clone(&asked));
            Puppet::playing(move |_, mut line| {
                let (arrived, asked) = (Arc::clone(&arrived), Arc::clone(&asked));
                async move {
                    while let Some(head) = line.wire.head().await {
                        if head.starts_with("GET /slow") {
                            asked.fetch_add(1, Ordering::SeqCst);
                            arrived.add_permits(1);
                        } else {
                            line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                                .await;
                        }
                    }
                }
            })
            .await
        };
        let folder = tempfile::tempdir().expect("a folder");
        let top = "listen: 127.0.0.1:0\nh2c: true\nworkers: 1";
        let text = serving::configuration(&puppet.origin(), top);
        let gateway = serving::start(folder.path(), &text).await;
        Self {
            gateway,
            arrived,
            asked,
            _puppet: puppet,
            _folder: folder,
        }
    }

    async fn connect(&self) -> Frames<TcpStream> {
        let stream = TcpStream::connect(self.gateway.public).await;
        Frames::over(stream.expect("connects")).await
    }

    /// Waits until a request has arrived at the tool; `false` at the end of the connection.
    async fn arrives(&self, frames: &mut Frames<TcpStream>) -> bool {
        let ended = async {
            while let Some((kind, flags, _, _)) = frames.frame().await {
                assert!(kind != HEADERS, "nothing is answered");
                if kind == SETTINGS && flags == 0 {
                    frames.send(SETTINGS, 1, 0, &[]).await;
                }
            }
        };
        tokio::select! {
            permit = self.arrived.acquire() => {
                permit.expect("open").forget();
                true
            }
            () = ended => false,
        }
    }
}

fn get(path: &str) -> [(&'static str, &str); 4] {
    [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "127.0.0.1:8080"),
        (":path", path),
    ]
}

const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
