//! The bytes of a connection to an upstream, over TCP, TLS or a Unix socket.

use std::io;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::DuplexStream;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio_rustls::client::TlsStream;

/// A connection. When its peer closes while we write, nothing more is written and what was received
/// is still read: an answer may have come before the request's end (RFC 9112 §9.5), and a write that
/// fails must not lose it.
pub(super) struct Stream {
    wire: Wire,
    peer: Peer,
    /// Reads since there was nothing to read.
    reads: u8,
}

/// Whether the peer takes what we write.
enum Peer {
    Listens,
    /// Not any more. Reading ends by itself then, and whoever writes hears of it.
    Deaf(Waker),
    /// And there is nothing left to read.
    Gone,
}

pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
    /// To a tool in this process; see [`super::Resolve::in_process`].
    Memory(DuplexStream),
}

impl From<Wire> for Stream {
    fn from(wire: Wire) -> Self {
        Self {
            wire,
            peer: Peer::Listens,
            reads: 0,
        }
    }
}

impl Stream {
    /// Whether both ends agreed on HTTP/2 (RFC 7301).
    pub(super) fn agreed_on_h2(&self) -> bool {
        match &self.wire {
            Wire::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
            Wire::Plain(_) | Wire::Unix(_) | Wire::Memory(_) => false,
        }
    }

    /// Does what writes, as long as the peer listens.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Wire, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.peer {
            Peer::Listens => {}
            Peer::Deaf(waker) => {
                waker.clone_from(cx.waker());
                return Poll::Pending;
            }
            Peer::Gone => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
        }
        match write(&mut self.wire, cx) {
            Poll::Ready(Err(error)) if is_gone(error.kind()) => {
                self.peer = Peer::Deaf(cx.waker().clone());
                Poll::Pending
            }
            outcome => outcome,
        }
    }
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// Reads in a row before others have their turn.
const AT_ONCE: u8 = 4;

/// Calls the same method of whichever stream it is.
macro_rules! either {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire {
            Wire::Plain($stream) => $call,
            Wire::Tls($stream) => $call,
            Wire::Unix($stream) => $call,
            Wire::Memory($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper reads on for as long as interim answers come, and they may come without end: others on this
        // worker have their turn in between.
        if this.reads >= AT_ONCE {
            this.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.remaining();
        let outcome = either!(&mut this.wire, stream => Pin::new(stream).poll_read(cx, buffer));
        this.reads = if outcome.is_ready() {
            this.reads + 1
        } else {
            0
        };
        let ended = match &outcome {
            Poll::Ready(Ok(())) => buffer.remaining() == before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended && let Peer::Deaf(writer) = &this.peer {
            writer.wake_by_ref();
            this.peer = Peer::Gone;
        }
        outcome
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(
            cx,
            |wire, cx| either!(wire, stream => Pin::new(stream).poll_write(cx, bytes)),
        )
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(
            cx,
            |wire, cx| either!(wire, stream => Pin::new(stream).poll_write_vectored(cx, buffers)),
        )
    }

    fn is_write_vectored(&self) -> bool {
        either!(&self.wire, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write(
            cx,
            |wire, cx| either!(wire, stream => Pin::new(stream).poll_flush(cx)),
        )
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().wire, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_never_stops_talking_is_interrupted() {
        let (near, mut far) = UnixStream::pair().expect("a pair");
        far.write_all(&[b'x'; 100]).await.expect("written");
        let mut stream = Stream::from(Wire::Unix(near));
        stream.read_u8().await.expect("the first");
        let mut reads = 1;
        let talk = std::future::poll_fn(|cx| {
            loop {
                let mut room = [0; 1];
                let mut buffer = ReadBuf::new(&mut room);
                if Pin::new(&mut stream)
                    .poll_read(cx, &mut buffer)
                    .is_pending()
                {
                    return Poll::Ready(());
                }
                reads += 1;
            }
        });
        // The runtime's own patience is longer.
        tokio::task::unconstrained(talk).await;
        assert_eq!(reads, usize::from(AT_ONCE));
        // Nothing is lost by that.
        let mut rest = Vec::new();
        drop(far);
        stream.read_to_end(&mut rest).await.expect("the rest");
        assert_eq!(rest.len(), 100 - reads);
    }

    #[tokio::test]
    async fn what_was_said_before_a_reset_is_heard_and_then_writing_ends() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let near = TcpStream::connect(address).await.expect("connects");
        let mut stream = Stream::from(Wire::Plain(near));
        let (mut far, _) = listener.accept().await.expect("a connection");
        stream.write_all(b"never read").await.expect("written");
        far.readable().await.expect("it arrives");
        far.write_all(b"enough").await.expect("written");
        // With something unread, this is a reset.
        drop(far);
        let writing = async {
            loop {
                if let Err(error) = stream.write_all(b"more").await {
                    return error.kind();
                }
            }
        };
        let span = std::time::Duration::from_millis(200);
        let first = tokio::time::timeout(span, writing).await;
        assert!(first.is_err(), "the writer is held back");
        let mut heard = [0; 6];
        stream.read_exact(&mut heard).await.expect("what was said");
        assert_eq!(&heard, b"enough");
        let rest = stream.read(&mut heard).await;
        assert!(matches!(rest, Ok(0) | Err(_)), "{rest:?}");
        let error = stream
            .write_all(b"more")
            .await
            .expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}
