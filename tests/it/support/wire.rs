//! A connection that says what it is told and reads whole messages, for conversations of several.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::net::TcpStream;

/// One end of a connection.
pub struct Wire(BufReader<TcpStream>);

/// A message as it came: the start line and fields, and the body without its framing.
#[derive(Clone, Debug)]
pub struct Message {
    pub head: String,
    pub body: Vec<u8>,
}

impl Message {
    /// The status, if this is an answer.
    pub fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1);
        status
            .and_then(|digits| digits.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no answer: {self:?}"))
    }

    /// The values of a field, whatever its case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    /// A connection to `site`.
    pub async fn connect(site: SocketAddr) -> Self {
        Self::over(TcpStream::connect(site).await.expect("connects"))
    }

    /// Over a connection that is there.
    pub fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// One end for reading and one for writing, for a conversation in which both talk at once.
    pub fn halves(self) -> (Self, Self) {
        let stream = self.0.into_inner().into_std().expect("ours");
        let other = stream.try_clone().expect("another handle");
        let over = |stream| Self::over(TcpStream::from_std(stream).expect("a stream"));
        (over(stream), over(other))
    }

    /// Writes; a peer that has gone is no failure here, what comes back is what counts.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _written = self.0.get_mut().write_all(bytes.as_ref()).await;
    }

    /// The next message; `None` at the end of the connection. A body needs a length or chunks.
    pub async fn message(&mut self) -> Option<Message> {
        let head = self.head().await?;
        let mut message = Message {
            head,
            body: Vec::new(),
        };
        let bodiless = ["HTTP/1.1 1", "HTTP/1.1 204", "HTTP/1.1 304"]
            .iter()
            .any(|start| message.head.starts_with(start));
        let length = message
            .all("content-length")
            .first()
            .and_then(|length| length.parse().ok());
        let chunked = !message.all("transfer-encoding").is_empty();
        match length {
            _ if bodiless => {}
            _ if chunked => while self.chunk(&mut message.body).await? {},
            Some(length) => message.body = self.exactly(length).await?,
            None => {}
        }
        Some(message)
    }

    /// The next head alone.
    pub async fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&self.line().await?);
        }
        Some(head)
    }

    /// One chunk behind what is there of the body; `false` for the last one.
    pub async fn chunk(&mut self, body: &mut Vec<u8>) -> Option<bool> {
        let line = self.line().await?;
        let digits = line.trim_end().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).expect("a chunk size");
        if size == 0 {
            while self.line().await? != "\r\n" {}
            return Some(false);
        }
        body.extend(self.exactly(size).await?);
        (self.line().await? == "\r\n").then_some(true)
    }

    /// So many bytes.
    pub async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        in_time(self.0.read_exact(&mut bytes)).await.ok()?;
        Some(bytes)
    }

    /// What comes until the other end closes; what never closes fails the test.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _end = in_time(self.0.read_to_end(&mut rest)).await;
        rest
    }

    /// Waits until the other end closes, and wants nothing before that.
    pub async fn ends(&mut self) {
        let rest = self.rest().await;
        assert_eq!(String::from_utf8_lossy(&rest), "", "nothing more comes");
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = in_time(self.0.read_until(b'\n', &mut line)).await;
        (read.ok()? > 0 && line.ends_with(b"\n"))
            .then(|| String::from_utf8_lossy(&line).into_owned())
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("the other end says something in time")
}
