//! Bytes on a socket, for what no well-behaved client sends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Sends `bytes` and reads until the other end closes; what never closes fails the test.
pub async fn talk(site: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(site).await.expect("connects");
    stream.write_all(bytes.as_ref()).await.expect("writes");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    // A reset after the answer is an end too.
    let _closed = read.expect("the connection is closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer in `text`.
pub fn status(text: &str) -> u16 {
    let digits = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {text:?}"))
}
