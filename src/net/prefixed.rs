//! A stream of which a beginning was read already.

use std::io;
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
