//! The stream under a connection: tells the guard of bytes that come in, keeps from hyper what could
//! be framed in two ways, and gives hyper's own answers to unreadable heads a body that says what
//! happened.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf as _;
use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use super::framing::Framing;
use super::guard::Watch;
use super::prefixed::Prefixed;

/// Writes the answer to a head that could not be read, given the status that hyper chose.
#[derive(Clone)]
pub struct WriteFailure(Arc<dyn Fn(u16) -> Bytes + Send + Sync>);

impl WriteFailure {
    /// Writes what `write` does.
    pub fn new(write: impl Fn(u16) -> Bytes + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }
}

impl fmt::Debug for WriteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteFailure")
    }
}

/// A stream that the guard can see.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: Prefixed<S>,
    watch: Arc<Watch>,
    failure: WriteFailure,
    own: Bytes,
    framing: Framing,
    /// What hyper reads in place of all that comes after an ambiguity, and then the end.
    instead: Option<Bytes>,
    /// All that was written is out.
    flushed: bool,
    /// Requests on the connection before this one watched.
    before: u32,
}

impl<S> Watched<S> {
    /// Watches `stream`.
    pub(super) fn new(stream: Prefixed<S>, watch: Arc<Watch>, failure: WriteFailure) -> Self {
        Self {
            before: watch.begun(),
            stream,
            watch,
            failure,
            own: Bytes::new(),
            framing: Framing::default(),
            instead: None,
            flushed: true,
        }
    }
}

impl<S> Watched<S> {
    /// The stream below, with nothing left in between.
    pub(super) fn into_stream(self) -> Prefixed<S> {
        self.stream
    }

    /// Tells the guard whether anything of a message is under way here.
    fn settle(&self) {
        self.watch
            .settle(self.flushed && self.instead.is_none() && self.framing.is_between());
    }

    /// Whether all that was read is the one request in hand.
    fn waits_for_an_answer(&self) -> bool {
        self.watch.is_serving()
            && self.watch.speaks_http1()
            && self.instead.is_none()
            && self.framing.is_between()
            && self.framing.heads() == self.watch.begun().wrapping_sub(self.before)
    }

    fn read_instead(&mut self, buffer: &mut ReadBuf<'_>) {
        if let Some(instead) = &mut self.instead {
            let size = instead.len().min(buffer.remaining());
            buffer.put_slice(&instead.split_to(size));
        }
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Whether the client may still be sending a message, or has begun another.
    pub(super) fn is_within_message(&mut self, cx: &mut Context<'_>) -> bool {
        self.instead.is_some() || !self.framing.is_between() || self.stream.has_more(cx)
    }

    /// Notices that the client leaves while its answer is on the way. hyper would read for that, too, but has
    /// a whole buffer made each time. While the client takes nothing, writing has to notice: hyper does not
    /// get as far as flushing.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.waits_for_an_answer() && self.stream.poll_ahead(cx)?.is_ready() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    /// Replaces hyper's empty answer by ours. Answers `true` when `bytes` was replaced and ours is out.
    fn replace(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<bool>> {
        if self.own.is_empty() {
            let Some(status) = self.unreadable(bytes) else {
                return Poll::Ready(Ok(false));
            };
            let status = if self.watch.is_late() { LATE } else { status };
            self.own = (self.failure.0)(status);
        }
        while self.own.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.own))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.advance(written);
        }
        Poll::Ready(Ok(true))
    }

    /// hyper answers an unreadable head by itself, while no request is in hand, with no body and
    /// nothing before these two fields; every answer of ours has others first.
    fn unreadable(&self, bytes: &[u8]) -> Option<u16> {
        if self.watch.is_serving() || !self.watch.speaks_http1() {
            return None;
        }
        let rest = bytes
            .strip_prefix(b"HTTP/1.1 4")
            .or_else(|| bytes.strip_prefix(b"HTTP/1.0 4"))?;
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        let line_end = memchr::memmem::find(rest, b"\r\n")?;
        let bare = rest
            .get(line_end..)?
            .starts_with(b"\r\nconnection: close\r\ncontent-length: 0\r\n");
        bare.then_some(digits.parse::<u16>().ok()? + 400)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.instead.is_some() {
            this.read_instead(buffer);
            return Poll::Ready(Ok(()));
        }
        // A head that takes too long ends here; hyper answers what it takes for a broken one.
        if this.watch.is_late() && !this.watch.is_serving() && this.watch.speaks_http1() {
            this.instead = Some(Bytes::from_static(UNREADABLE));
            this.read_instead(buffer);
            return Poll::Ready(Ok(()));
        }
        if this.watch.is_tunnel() && this.watch.poll_cut(cx.waker()).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            this.watch.bytes_read();
            if this.watch.speaks_http1()
                && let Err(ambiguous) = this.framing.look(read)
            {
                buffer.set_filled(before + ambiguous.at);
                this.instead = Some(Bytes::from_static(UNREADABLE));
                this.read_instead(buffer);
            }
            this.settle();
        }
        outcome
    }
}

/// What hyper refuses wherever it stands: in a head or, behind a line that it ends, among chunks.
const UNREADABLE: &[u8] = b"\0\n\0\r\n\r\n";

/// The status for a head that did not come in time (RFC 9110 §15.5.9).
const LATE: u16 = 408;

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if ready!(this.replace(cx, bytes))? {
            return Poll::Ready(Ok(bytes.len()));
        }
        this.flushed = false;
        let outcome = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watch.peer_reads(outcome.is_ready());
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(first) = buffers.iter().find(|buffer| !buffer.is_empty())
            && ready!(this.replace(cx, first))?
        {
            return Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()));
        }
        this.flushed = false;
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, buffers);
        this.watch.peer_reads(outcome.is_ready());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch.peer_reads(outcome.is_ready());
        if this.flushed != outcome.is_ready() {
            this.flushed = outcome.is_ready();
        }
        this.settle();
        this.look_ahead(cx)?;
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
