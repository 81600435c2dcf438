//! Floods of HTTP/2 frames, written by hand: none makes the process grow, or keeps another client waiting.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::timeout;

use crate::support::Puppet;
use crate::support::Wire;
use crate::support::serving;
use crate::support::serving::Serving;
use crate::support::tell;

/// One kind of flood.
#[derive(Clone, Copy)]
pub struct Flood {
    pub name: &'static str,
    /// What comes first, after the preface.
    first: fn() -> Vec<u8>,
    /// What comes then, again and again, with a number that counts up.
    then: fn(u32) -> Vec<u8>,
    /// Whether the flood reads what comes back.
    reads: bool,
}

pub const FLOODS: [Flood; 13] = [
    Flood {
        name: "rapid reset (CVE-2023-44487)",
        first: settings,
        then: |n| [headers(odd(n), END_ALL, GET), rst(odd(n), CANCEL)].concat(),
        reads: true,
    },
    Flood {
        name: "made you reset by a window of nothing (CVE-2025-8671)",
        first: settings,
        then: |n| [headers(odd(n), END_ALL, GET), window(odd(n), 0)].concat(),
        reads: true,
    },
    Flood {
        name: "made you reset by data after the end (CVE-2025-8671)",
        first: settings,
        then: |n| {
            [
                headers(odd(n), END_ALL, GET),
                frame(DATA, 0, odd(n), b"late"),
            ]
            .concat()
        },
        reads: true,
    },
    Flood {
        name: "CONTINUATION without end",
        first: || [settings(), headers(1, 0, GET)].concat(),
        then: |_| frame(CONTINUATION, 0, 1, &literal("x-flood", &[b'x'; 8000])),
        reads: true,
    },
    Flood {
        name: "empty CONTINUATION",
        first: || [settings(), headers(1, 0, GET)].concat(),
        then: |_| frame(CONTINUATION, 0, 1, b""),
        reads: true,
    },
    Flood {
        name: "PING, answers unread",
        first: settings,
        then: |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes()),
        reads: false,
    },
    Flood {
        name: "SETTINGS, answers unread",
        first: settings,
        then: |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
        reads: false,
    },
    Flood {
        name: "empty DATA (RUSTSEC-2026-0258)",
        first: || [settings(), headers(1, END_HEADERS, POST)].concat(),
        then: |_| frame(DATA, 0, 1, b""),
        reads: true,
    },
    Flood {
        name: "streams whose answers have no window",
        first: || frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]),
        then: |n| headers(odd(n), END_ALL, GET),
        reads: true,
    },
    Flood {
        name: "answers that nobody reads, with windows wide open",
        first: || {
            [
                frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]),
                window(0, 0x7fff_0000),
            ]
            .concat()
        },
        then: |n| headers(odd(n), END_ALL, GET),
        reads: false,
    },
    Flood {
        name: "PRIORITY of streams that never come",
        first: settings,
        then: |n| frame(PRIORITY, 0, odd(n), &[0, 0, 0, 0, 16]),
        reads: true,
    },
    Flood {
        name: "header table resized again and again",
        first: settings,
        then: |n| {
            let size: u32 = if n.is_multiple_of(2) { 0 } else { 0xffff_ffff };
            let resized = [[0, 1].as_slice(), &size.to_be_bytes()].concat();
            frame(SETTINGS, 0, 0, &resized)
        },
        reads: true,
    },
    Flood {
        name: "bodies that never end, on all streams",
        first: settings,
        then: |n| {
            [
                headers(odd(n), END_HEADERS, POST),
                frame(DATA, 0, odd(n), &[b'x'; 16_384]),
            ]
            .concat()
        },
        reads: true,
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_flood_grows_the_process_or_keeps_others_waiting() {
    // It takes no body, and never tires of answering.
    let puppet = Puppet::playing(|_, mut line| async move {
        while line.wire.head().await.is_some() {
            line.say("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                .await;
            line.say(vec![b'x'; 1_000_000]).await;
        }
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: 127.0.0.1:0\nworkers: 1\nh2c: true\nlog: { level: warn, access: false }";
    let text = serving::configuration(&puppet.origin(), &top.replace("warn", "info"));
    let gateway = serving::start(folder.path(), &text).await;
    // What is allocated once is there before anything is measured.
    for _ in 0..20 {
        answered(&gateway).await;
    }
    for flood in FLOODS {
        let before = gateway.running.memory();
        let (sent, most, slowest) = pour(&gateway, &flood).await;
        let grown = most.saturating_sub(before);
        tell(&format!(
            "{}: {sent} bytes in, {} KB grown, others waited {slowest:?} at most",
            flood.name,
            grown / 1024
        ));
        assert!(grown < 16 * MEGABYTE, "{}: {grown} bytes more", flood.name);
        assert!(
            slowest < Duration::from_secs(5),
            "{}: {slowest:?}",
            flood.name
        );
        assert!(sent > 0, "{}", flood.name);
    }
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

/// Floods for a while from four connections; answers the bytes sent, the most memory seen, and how long
/// another client waited at most.
async fn pour(gateway: &Serving, flood: &Flood) -> (usize, u64, Duration) {
    let pouring = (0..4).map(|_| tokio::spawn(pour_for(gateway.public, *flood, WHILE)));
    let pouring: Vec<_> = pouring.collect();
    let (mut most, mut slowest) = (0, Duration::ZERO);
    let end = Instant::now() + WHILE;
    while Instant::now() < end {
        slowest = slowest.max(answered(gateway).await);
        most = most.max(gateway.running.memory());
    }
    let mut sent = 0;
    for one in pouring {
        sent += one.await.expect("no panic");
    }
    (sent, most.max(gateway.running.memory()), slowest)
}

/// Floods on one connection for `span`; answers the bytes sent.
pub async fn pour_for(site: SocketAddr, flood: Flood, span: Duration) -> usize {
    let Flood {
        first, then, reads, ..
    } = flood;
    let stream = TcpStream::connect(site).await.expect("connects");
    let (mut incoming, mut outgoing) = stream.into_split();
    let reader = tokio::spawn(async move {
        let mut unread = [0; 16 * 1024];
        while reads && incoming.read(&mut unread).await.is_ok_and(|size| size > 0) {}
        // Not dropped before the flood is over: an end would stop it.
        incoming
    });
    let mut sent = 0;
    let flood = async {
        outgoing.write_all(PREFACE).await?;
        outgoing.write_all(&first()).await?;
        for block in 0.. {
            let frames: Vec<u8> = (block * 20..block * 20 + 20).flat_map(then).collect();
            outgoing.write_all(&frames).await?;
            sent += frames.len();
            if sent > MOST {
                break;
            }
        }
        // What was sent stays for as long as it may.
        std::future::pending::<std::io::Result<()>>().await
    };
    let _over = timeout(span, flood).await;
    reader.abort();
    sent
}

/// How long another client waits for an answer.
async fn answered(gateway: &Serving) -> Duration {
    let start = Instant::now();
    let mut wire = Wire::connect(gateway.public).await;
    wire.send(serving::get("/none")).await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    start.elapsed()
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

pub fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, stream, block)
}

pub fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, b"")
}

fn rst(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

/// A field that is not to be indexed (RFC 7541 §6.2.2).
fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let name_length = u8::try_from(name.len()).expect("short");
    let mut rest = value.len() - 127;
    let mut field = [&[0, name_length], name.as_bytes(), &[127]].concat();
    while rest >= 128 {
        field.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    field.push(u8::try_from(rest).expect("seven bits"));
    [&field, value].concat()
}

/// The stream that a client opens with its `n`th request.
fn odd(n: u32) -> u32 {
    (n * 2 + 1) & 0x7fff_ffff
}

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `:method: GET`, `:scheme: http`, `:path: /`, `:authority: 127.0.0.1:8080` (RFC 7541 appendix A).
pub const GET: &[u8] = b"\x82\x86\x84\x01\x0e127.0.0.1:8080";
/// The same with `:method: POST`.
const POST: &[u8] = b"\x83\x86\x84\x01\x0e127.0.0.1:8080";

const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 4;
/// The headers are whole and there is no body.
pub const END_ALL: u8 = 5;

const CANCEL: u32 = 8;

const MEGABYTE: u64 = 1024 * 1024;

/// How long one kind is poured.
const WHILE: Duration = Duration::from_millis(1200);

/// Bytes of one kind on one connection.
const MOST: usize = 32 * 1024 * 1024;
