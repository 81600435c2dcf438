//! HTTP/2 written by hand, for what no library sends: frames and field blocks as the test has them.

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection on which the prefaces have been said.
pub struct Frames<S = TlsStream<TcpStream>>(S);

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer; the status is known where it stands in HPACK's static table or in the body.
    Answered { status: u16, body: String },
    /// With a stream error.
    Reset(u32),
    /// With a connection error.
    GoneAway(u32),
    /// With the end of the connection.
    Closed,
}

impl Outcome {
    /// The answer's status.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Says the preface over `stream`.
    pub async fn over(mut stream: S) -> Self {
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .expect("writes");
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// One frame. A peer that has gone is no failure here, what comes back is what counts.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        let _written = self.0.write_all(&frame).await;
    }

    /// A field block in one HEADERS frame.
    pub async fn headers(&mut self, stream: u32, fields: &[(&str, &str)], flags: u8) {
        self.send(HEADERS, END_HEADERS | flags, stream, &block(fields))
            .await;
    }

    /// What becomes of `stream`.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        let (mut status, mut body) = (0, String::new());
        loop {
            let Some((kind, flags, of, payload)) = self.frame().await else {
                return Outcome::Closed;
            };
            match kind {
                SETTINGS if flags == 0 => self.send(SETTINGS, 1, 0, &[]).await,
                GOAWAY => {
                    let code = u32::from_be_bytes(payload[4..8].try_into().expect("four"));
                    if code != 0 {
                        return Outcome::GoneAway(code);
                    }
                }
                RST_STREAM if of == stream => {
                    return Outcome::Reset(u32::from_be_bytes(payload.try_into().expect("four")));
                }
                HEADERS if of == stream => status = status_of(&payload),
                DATA if of == stream => body.push_str(&String::from_utf8_lossy(&payload)),
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && of == stream && flags & END_STREAM != 0 {
                if let Some((_, rest)) = body.split_once("\"status\":") {
                    status = rest[..3].parse().expect("a status");
                }
                return Outcome::Answered { status, body };
            }
        }
    }

    /// The next frame: kind, flags, stream and payload.
    pub async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; usize::try_from(length).expect("small")];
            self.0.read_exact(&mut payload).await.ok()?;
            Some((head[3], head[4], stream, payload))
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), read)
            .await
            .expect("the other end says something in time")
    }
}

/// A field block: literals that are not indexed, without Huffman coding (RFC 7541 §6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Each character is a byte.
            let bytes: Vec<u8> = text
                .chars()
                .map(|c| u8::try_from(c).expect("a byte"))
                .collect();
            integer(bytes.len(), &mut block);
            block.extend(bytes);
        }
    }
    block
}

/// A length with a prefix of seven bits (RFC 7541 §5.1).
fn integer(value: usize, block: &mut Vec<u8>) {
    let Some(mut rest) = value.checked_sub(127) else {
        block.push(u8::try_from(value).expect("short"));
        return;
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("small") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("small"));
}

/// The status, if the block begins with one of HPACK's static table (RFC 7541, appendix A).
fn status_of(block: &[u8]) -> u16 {
    // The encoder may begin with a new size of its table.
    let first = block.iter().find(|byte| **byte & 0xe0 != 0x20);
    match first.map_or(0, |byte| byte & 0x7f) {
        8 => 200,
        9 => 204,
        10 => 206,
        11 => 304,
        12 => 400,
        13 => 404,
        14 => 500,
        _ => 0,
    }
}
