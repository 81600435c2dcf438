//! The end of a connection whose client is still sending: what is closed with bytes unread is reset, and
//! a reset takes the answer along that the client has not read yet (RFC 9112 §9.6).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::task::ready;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use crate::net::guard::Watch;
use crate::net::watched::Watched;

/// Closes our direction, and reads on until the client has closed its own, but for a bounded time and
/// number of bytes. Nothing is kept of what comes.
pub(super) async fn hear_out<S>(mut stream: Watched<S>, watch: &Arc<Watch>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !poll_fn(|cx| Poll::Ready(stream.is_within_message(cx))).await {
        return;
    }
    watch.lingers();
    let mut stream = stream.into_stream();
    let (mut closed, mut left) = (false, MOST);
    poll_fn(|cx| {
        if watch.poll_cut(cx.waker()).is_ready() {
            return Poll::Ready(());
        }
        if !closed {
            if ready!(Pin::new(&mut stream).poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            closed = true;
        }
        // On the stack of each poll, so that whoever lingers holds no buffer.
        let mut room = [0; ROOM];
        loop {
            let mut buffer = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut stream).poll_read(cx, &mut buffer));
            let size = buffer.filled().len();
            left = left.saturating_sub(size);
            if read.is_err() || size == 0 || left == 0 {
                return Poll::Ready(());
            }
        }
    })
    .await;
}

/// Bytes that are read and forgotten, at most.
const MOST: usize = 16 * 1024 * 1024;

/// Bytes that are read at once.
const ROOM: usize = 16 * 1024;
