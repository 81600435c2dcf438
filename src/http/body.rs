//! Bodies read whole, within a bound.

use bytes::Bytes;
use bytes::BytesMut;
use http_body::Body;
use http_body_util::BodyExt as _;

/// Reads `body` to its end, or to the first byte beyond `limit`.
pub async fn read_limited<B>(body: B, limit: usize) -> Result<Bytes, ReadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut body = body;
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ReadError::Broken)?.into_data() else {
            continue;
        };
        if read.len() + data.len() > limit {
            return Err(ReadError::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// Reads from `body` until it ends or `enough` bytes are there; what was read may be a little more.
/// A body that breaks off ends here; whoever reads on learns of it.
pub async fn read_beginning<B>(body: &mut B, enough: usize) -> Bytes
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut read = BytesMut::new();
    while read.len() < enough && !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => read.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(_)) | None => break,
        }
    }
    read.freeze()
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It ended early, or its framing is wrong.
    #[error("the body is broken")]
    Broken,
    /// More than the limit.
    #[error("the body is too large")]
    TooLarge,
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn the_limit_is_the_last_byte_that_passes() {
        let body = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(
            read_limited(body(), 5).await,
            Ok(Bytes::from_static(b"12345"))
        );
        assert_eq!(read_limited(body(), 4).await, Err(ReadError::TooLarge));
    }
}
