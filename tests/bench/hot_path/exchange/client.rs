//! The least that a client can be: one connection, one request after the other.

use std::rc::Rc;
use std::sync::LazyLock;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use http::Uri;
use http::Version;
use http::header;
use memchr::memmem::Finder;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::DuplexStream;

pub(super) struct Client {
    wire: Wire,
    /// Requests so far.
    count: usize,
    /// Status and size of the last answer.
    last: (u16, usize),
}

enum Wire {
    Http1 {
        stream: DuplexStream,
        requests: Vec<Vec<u8>>,
        buffer: Vec<u8>,
    },
    Http2 {
        sender: SendRequest<Bytes>,
        requests: Rc<[Request<()>]>,
    },
}

impl From<Wire> for Client {
    fn from(wire: Wire) -> Self {
        Self {
            wire,
            count: 0,
            last: (0, 0),
        }
    }
}

impl Client {
    pub(super) fn http1(stream: DuplexStream, requests: &[Request<()>]) -> Self {
        let wire = Wire::Http1 {
            stream,
            requests: requests.iter().map(written).collect(),
            buffer: Vec::with_capacity(128 * 1024),
        };
        wire.into()
    }

    pub(super) async fn http2(stream: DuplexStream, requests: &[Request<()>]) -> Self {
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::task::spawn_local(async move { connection.await.expect("goes on") });
        let wire = Wire::Http2 {
            sender,
            requests: requests.iter().map(of_http2).collect(),
        };
        wire.into()
    }

    /// The next request and the whole of its answer.
    pub(super) async fn exchange(&mut self) {
        let count = self.count;
        self.count += 1;
        self.last = match &mut self.wire {
            Wire::Http1 {
                stream,
                requests,
                buffer,
            } => {
                let request = requests.get(count % requests.len()).expect("one at least");
                stream.write_all(request).await.expect("the gateway reads");
                buffer.clear();
                whole(stream, buffer).await
            }
            Wire::Http2 { sender, requests } => {
                let request = requests.get(count % requests.len()).expect("one at least");
                ask(sender, request).await
            }
        };
    }

    /// Status and size of the last answer.
    pub(super) fn last(&self) -> (u16, usize) {
        self.last
    }
}

/// Reads one answer.
async fn whole(stream: &mut DuplexStream, buffer: &mut Vec<u8>) -> (u16, usize) {
    let mut answer = None;
    loop {
        let (status, head, size) = match answer {
            Some(answer) => answer,
            None => match read_head(buffer) {
                Some(read) => *answer.insert(read),
                None => (0, 0, usize::MAX),
            },
        };
        if buffer.len().checked_sub(head) == Some(size) {
            return (status, size);
        }
        let more = stream.read_buf(buffer).await.expect("the gateway writes");
        assert!(more > 0, "the answer is cut short");
    }
}

/// Status, size of the head, size of the body.
fn read_head(buffer: &[u8]) -> Option<(u16, usize, usize)> {
    let end = END.find(buffer)? + 4;
    let head = buffer.get(..end)?;
    let length = LENGTH.find(head).expect("a length") + LENGTH.needle().len();
    let status = number(head.get(9..)?);
    Some((
        status.try_into().expect("a status"),
        end,
        number(head.get(length..)?),
    ))
}

fn number(text: &[u8]) -> usize {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
static LENGTH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\ncontent-length: "));

async fn ask(sender: &mut SendRequest<Bytes>, request: &Request<()>) -> (u16, usize) {
    std::future::poll_fn(|cx| sender.poll_ready(cx))
        .await
        .expect("a stream");
    let (answer, _) = sender
        .send_request(request.clone(), true)
        .expect("a request");
    let answer = answer.await.expect("an answer");
    let (head, mut body) = answer.into_parts();
    let mut size = 0;
    while let Some(data) = body.data().await {
        let data = data.expect("a body");
        size += data.len();
        body.flow_control()
            .release_capacity(data.len())
            .expect("received");
    }
    (head.status.as_u16(), size)
}

/// A request as HTTP/1.1 has it.
fn written(request: &Request<()>) -> Vec<u8> {
    let mut bytes = format!("GET {} HTTP/1.1\r\n", request.uri()).into_bytes();
    for (name, value) in request.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The same as HTTP/2 has it (RFC 9113 §8.2.2, §8.3.1).
fn of_http2(request: &Request<()>) -> Request<()> {
    let mut request = request.clone();
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(header::HOST);
    request.headers_mut().remove(header::CONNECTION);
    let uri = Uri::builder()
        .scheme("https")
        .authority(host.expect("a host").as_bytes())
        .path_and_query(request.uri().path());
    *request.uri_mut() = uri.build().expect("a target");
    request
}
