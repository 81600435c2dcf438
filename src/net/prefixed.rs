//! A stream of which a beginning was read already.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use super::socket::Reset;

/// Gives `unread` before what comes from `stream`.
#[derive(Debug)]
pub(super) struct Prefixed<S> {
    stream: S,
    unread: Bytes,
}

impl<S> Prefixed<S> {
    /// A stream that begins with `unread`.
    pub(super) fn new(stream: S, unread: Bytes) -> Self {
        Self { stream, unread }
    }

    /// The stream below.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Puts back bytes that were read.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.unread = if self.unread.is_empty() {
            Bytes::copy_from_slice(bytes)
        } else {
            [bytes, &self.unread].concat().into()
        };
    }
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Reads on before anybody asks for it, unless something waits already: `Ready` at the end of the
    /// stream.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        if !self.unread.is_empty() {
            return Ok(Poll::Pending);
        }
        let mut room = [const { MaybeUninit::uninit() }; AHEAD];
        let mut buffer = ReadBuf::uninit(&mut room);
        if let Poll::Ready(outcome) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            outcome?;
            if buffer.filled().is_empty() {
                return Ok(Poll::Ready(()));
            }
            self.put_back(buffer.filled());
        }
        Ok(Poll::Pending)
    }

    /// Whether bytes are there that nobody has read yet.
    pub(super) fn has_more(&mut self, cx: &mut Context<'_>) -> bool {
        // The end, or a failure, is no byte.
        let _end = self.poll_ahead(cx);
        !self.unread.is_empty()
    }
}

/// Bytes that are read ahead, at most.
const AHEAD: usize = 1024;

impl<S: Reset> Reset for Prefixed<S> {
    fn reset(&self) {
        self.stream.reset();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let size = this.unread.len().min(buffer.remaining());
        buffer.put_slice(&this.unread.split_to(size));
        if this.unread.is_empty() {
            // The allocation goes as well.
            this.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn ahead(stream: &mut Prefixed<tokio::io::DuplexStream>) -> Poll<()> {
        let mut cx = Context::from_waker(Waker::noop());
        stream.poll_ahead(&mut cx).expect("no failure")
    }

    #[tokio::test]
    async fn what_was_read_ahead_comes_first_and_whole() {
        let (near, mut far) = tokio::io::duplex(8 * AHEAD);
        let mut stream = Prefixed::new(near, Bytes::new());
        assert!(ahead(&mut stream).is_pending(), "nothing came");
        let sent: Vec<u8> = (0..=250).cycle().take(3 * AHEAD).collect();
        far.write_all(&sent).await.expect("written");
        assert!(ahead(&mut stream).is_pending(), "it goes on");
        assert_eq!(stream.unread.len(), AHEAD);
        drop(far);
        assert!(ahead(&mut stream).is_pending(), "something waits already");
        assert_eq!(stream.unread.len(), AHEAD);
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.expect("the rest");
        assert_eq!(read, sent);
        assert!(ahead(&mut stream).is_ready(), "the end");
    }
}
