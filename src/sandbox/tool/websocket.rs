//! A WebSocket echo (RFC 6455): just enough frames for text, binary, ping and close.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;

use crate::sandbox::body::Metered;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::server::Tasks;
use crate::sandbox::tool::sha1;

/// Accepts a handshake; from then on what comes in goes out.
pub(super) fn accept(mut request: Request<Metered>, tasks: &Tasks) -> Reply {
    let Some(key) = key(request.headers()) else {
        let refusal = reply::text(StatusCode::UPGRADE_REQUIRED, "This is a WebSocket.\n");
        return reply::with(refusal, header::UPGRADE, "websocket");
    };
    let accept = STANDARD.encode(sha1::digest(format!("{key}{GUID}").as_bytes()));
    let upgrade = hyper::upgrade::on(&mut request);
    tasks.spawn(async move {
        if let Ok(stream) = upgrade.await {
            // A client that breaks off has nobody to complain to.
            echo(TokioIo::new(stream)).await.ok();
        }
    });
    let mut reply = reply::text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = reply.headers_mut();
    headers.clear();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    reply::with(reply, header::SEC_WEBSOCKET_ACCEPT, &accept)
}

/// The key of a handshake that is one (RFC 6455 §4.2.1).
fn key(headers: &HeaderMap) -> Option<&str> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let upgrade = text(header::UPGRADE)?.eq_ignore_ascii_case("websocket");
    let version = text(header::SEC_WEBSOCKET_VERSION)? == "13";
    let key = text(header::SEC_WEBSOCKET_KEY)?;
    (upgrade && version).then_some(key)
}

/// Answers each frame with its like: fragments with fragments, a ping with a pong, a close with
/// a close.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    loop {
        let first = stream.read_u8().await?;
        let second = stream.read_u8().await?;
        let length = match second & 0x7f {
            126 => u64::from(stream.read_u16().await?),
            127 => stream.read_u64().await?,
            short => u64::from(short),
        };
        // Reserved bits and unmasked frames are errors of the protocol (§5.2).
        if first & 0x70 != 0 || second & MASKED == 0 {
            return close(&mut stream, PROTOCOL_ERROR).await;
        }
        if length > MAX_FRAME {
            return close(&mut stream, TOO_BIG).await;
        }
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await?;
        let mut payload = vec![0; usize::try_from(length).unwrap_or_default()];
        stream.read_exact(&mut payload).await?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        match first & 0x0f {
            CONTINUATION | TEXT | BINARY => send(&mut stream, first, &payload).await?,
            PING => send(&mut stream, FINAL | PONG, &payload).await?,
            PONG => {}
            CLOSE => return send(&mut stream, FINAL | CLOSE, &payload).await,
            _ => return close(&mut stream, PROTOCOL_ERROR).await,
        }
    }
}

async fn close(stream: &mut (impl AsyncWrite + Unpin), why: u16) -> std::io::Result<()> {
    send(stream, FINAL | CLOSE, &why.to_be_bytes()).await
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    first: u8,
    payload: &[u8],
) -> std::io::Result<()> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend(
                u64::try_from(payload.len())
                    .unwrap_or(u64::MAX)
                    .to_be_bytes(),
            );
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

const PROTOCOL_ERROR: u16 = 1002;
const TOO_BIG: u16 = 1009;

/// Longest frame taken.
const MAX_FRAME: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let client = async move {
            // RFC 6455 §5.7: a masked "Hello", and the same unmasked.
            let hello = [
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
            ];
            client.write_all(&hello).await.expect("open");
            let mut answer = [0; 7];
            client.read_exact(&mut answer).await.expect("a frame");
            assert_eq!(&answer, b"\x81\x05Hello");

            let ping = [0x89, 0x80, 1, 2, 3, 4];
            client.write_all(&ping).await.expect("open");
            let mut answer = [0; 2];
            client.read_exact(&mut answer).await.expect("a pong");
            assert_eq!(answer, [0x8a, 0]);

            client.write_all(&[0x81, 0x01, b'x']).await.expect("open");
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.expect("a close");
            assert_eq!(rest, [0x88, 2, 0x03, 0xea], "unmasked frames are refused");
        };
        let (end, ()) = tokio::join!(echo(server), client);
        end.expect("an orderly end");
    }
}
