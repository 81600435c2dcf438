//! Request bodies that are measured while they are read, and reply bodies of any size.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use sha2::Digest;
use sha2::Sha256;

use crate::sandbox::record::Log;
use crate::sandbox::record::RecordId;

/// A reply's body.
pub(super) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// A request's body: whoever reads it leaves its size and digest in the log.
pub(super) struct Metered {
    body: Incoming,
    seen: u64,
    digest: Sha256,
    log: Arc<Log>,
    id: RecordId,
}

/// How long a body was, and the SHA-256 of it in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Metered {
    pub(super) fn new(body: Incoming, log: Arc<Log>, id: RecordId) -> Self {
        Self {
            body,
            seen: 0,
            digest: Sha256::new(),
            log,
            id,
        }
    }

    /// Reads to the end in constant memory. `None` if the client breaks off.
    pub(super) async fn measure(mut self) -> Option<Measure> {
        while let Some(frame) = self.frame().await {
            frame.ok()?;
        }
        Some(self.so_far())
    }

    /// Reads a body of at most `limit` bytes.
    pub(super) async fn read(mut self, limit: usize) -> Result<Vec<u8>, ReadError> {
        let mut all = Vec::new();
        while let Some(frame) = self.frame().await {
            let frame = frame.map_err(|_| ReadError::Broken)?;
            let data = frame.data_ref().map_or(&[][..], |data| &data[..]);
            if data.len() > limit - all.len() {
                return Err(ReadError::TooLong);
            }
            all.extend_from_slice(data);
        }
        Ok(all)
    }

    fn so_far(&self) -> Measure {
        Measure {
            bytes: self.seen,
            sha256: hex(&self.digest.clone().finalize()),
        }
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.seen += u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.digest.update(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.log.finish(self.id, self.so_far());
    }
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    Broken,
    TooLong,
}

/// A body that is there already.
pub(super) fn full(bytes: impl Into<Bytes>) -> ReplyBody {
    Full::new(bytes.into()).boxed_unsync()
}

/// `length` bytes of `x`, made as they are sent.
pub(super) fn filler(length: u64) -> ReplyBody {
    streamed(filler_pieces(length))
}

pub(super) fn filler_pieces(length: u64) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(length, |left| async move {
        let size = usize::try_from(left).unwrap_or(usize::MAX);
        let block = FILLER.get(..size.min(FILLER.len()));
        let block = block.filter(|block| !block.is_empty())?;
        let left = left - u64::try_from(block.len()).unwrap_or(left);
        Some((Bytes::from_static(block), left))
    })
}

/// A body that comes in the pieces of a stream.
pub(super) fn streamed(pieces: impl Stream<Item = Bytes> + Send + 'static) -> ReplyBody {
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// What filler is made of.
static FILLER: [u8; 16 * 1024] = [b'x'; 16 * 1024];
