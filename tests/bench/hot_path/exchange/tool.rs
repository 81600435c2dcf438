//! The least that a tool can be: every head has an answer, by its path.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::DuplexStream;

pub(super) struct Tool {
    small: Vec<u8>,
    large: Vec<u8>,
    listens: AtomicBool,
    heard: Mutex<String>,
}

impl Default for Tool {
    fn default() -> Self {
        Self {
            small: answer(SMALL),
            large: answer(LARGE),
            listens: AtomicBool::default(),
            heard: Mutex::default(),
        }
    }
}

impl Tool {
    /// Keeps the next head.
    pub(super) fn listen(&self) {
        self.listens.store(true, Relaxed);
    }

    /// The head that came since, if one did.
    pub(super) fn heard(&self) -> String {
        self.listens.store(false, Relaxed);
        std::mem::take(&mut self.heard.lock().expect("whole"))
    }

    /// Answers what comes on a connection.
    pub(super) async fn serve(self: Arc<Self>, mut stream: DuplexStream) {
        let mut buffer = Vec::with_capacity(8 * 1024);
        loop {
            // No request here has a body.
            while !buffer.ends_with(b"\r\n\r\n") {
                if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                    return;
                }
            }
            if self.listens.load(Relaxed) {
                *self.heard.lock().expect("whole") = String::from_utf8_lossy(&buffer).into_owned();
            }
            let answer = if buffer.starts_with(b"GET /large ") {
                &self.large
            } else {
                &self.small
            };
            buffer.clear();
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

fn answer(size: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nserver: tool\r\ndate: Mon, 23 Nov 2026 22:00:00 GMT\r\n\
         content-type: application/json\r\ncontent-length: {size}\r\netag: \"6566-400\"\r\n\
         cache-control: no-store\r\n\r\n"
    );
    let body = std::iter::repeat_n(b'a', size);
    head.into_bytes().into_iter().chain(body).collect()
}

/// Bytes of the answers' bodies.
pub(super) const SMALL: usize = 1024;
pub(super) const LARGE: usize = 100 * 1024;
