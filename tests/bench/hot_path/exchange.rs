//! A whole request through a running gateway, one at a time over loopback: its latency, most of it the
//! kernel's and the scheduler's. The upstream is a thread that answers every head with the same bytes.

use std::io::Read as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use sidegate::app::App;
use sidegate::app::Ports;
use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::http::CookieNames;
use sidegate::time::SystemClock;

use super::sample;

pub(crate) fn all(criterion: &mut Criterion) {
    let key = MasterKey::generate(&OsEntropy);
    let app = gateway(&key.to_text(), upstream());
    let store = sample::store(key, CookieNames::new(false), HOST);
    let cookie = sample::cookie_line(&store, &sample::session(700));
    let mut group = criterion.benchmark_group("exchange");
    for (name, path, cookie, status) in [
        ("forwarded with a session", "/", cookie.as_str(), "200"),
        (
            "answered by itself: /oauth2/auth",
            "/oauth2/auth",
            &cookie,
            "202",
        ),
        ("refused for want of a session", "/", "", "401"),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\nCookie: {cookie}\r\n\r\n"
        );
        let mut client = Wire::connect(app.public_address());
        assert!(
            client
                .exchange(&request)
                .starts_with(&format!("HTTP/1.1 {status}")),
            "{name}"
        );
        group.bench_function(name, |bencher| {
            bencher.iter(|| client.exchange(&request).len());
        });
    }
    group.finish();
    app.stop(Duration::from_secs(1));
}

fn gateway(key: &str, upstream: SocketAddr) -> App {
    let text = format!(
        "public_url: http://{HOST}\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nworkers: 1\n\
         log: {{ access: false }}\nmarketing_cloud:\n  subdomain: bench\n  client_id: bench\n  client_type: public\n\
         session:\n  keys: [{{ env: KEY }}]\nroutes:\n  - {{ path: /, to: \"http://{upstream}\", token: bearer }}\n"
    );
    let environment: Environment = [("KEY", key)].into_iter().collect();
    let loaded = Config::from_text("bench.yaml", &text, Path::new("."), &environment);
    let config = loaded
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
        .config;
    let ports = Ports {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
        ..Ports::default()
    };
    App::start(config, &ports).expect("the gateway starts")
}

/// Answers every head on every connection.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut wire = Wire {
                    stream,
                    buffer: Vec::new(),
                };
                while wire.head().is_some() {
                    if wire.stream.write_all(ANSWER).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends a request and reads its whole answer.
    fn exchange(&mut self, request: &str) -> String {
        self.stream.write_all(request.as_bytes()).expect("sent");
        let head = self.head().expect("an answer");
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        while self.buffer.len() < length {
            assert!(self.more(), "the answer is cut short");
        }
        self.buffer.drain(..length);
        head
    }

    /// The next head, without what follows it.
    fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return String::from_utf8(head).ok();
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        self.buffer
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        count > 0
    }
}

/// The public host: `http` is for loopback only.
const HOST: &str = "127.0.0.1:8080";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
