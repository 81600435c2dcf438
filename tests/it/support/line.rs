//! One connection for many requests, where thousands are asked.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::browser::Answer;

/// An open connection.
pub struct Line(SendRequest<Full<Bytes>>);

impl Line {
    /// Connects.
    pub async fn open(site: SocketAddr) -> Self {
        let stream = TcpStream::connect(site).await.expect("connects");
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("handshake");
        tokio::spawn(connection);
        Self(sender)
    }

    /// One request after the other.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> Answer {
        self.0.ready().await.expect("open");
        let answer = self.0.send_request(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        #[expect(clippy::disallowed_methods, reason = "a test's own answers are small")]
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }
}
