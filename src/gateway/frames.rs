//! Where WebSocket frames end (RFC 6455 §5.2), so that a close frame can follow the last whole one.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

/// A stream to a WebSocket client that counts the frames written to it. What is read passes by.
pub(super) struct Framed<S> {
    stream: S,
    meter: Meter,
}

impl<S> Framed<S> {
    /// A stream on which no frame was written yet.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            meter: Meter::default(),
        }
    }

    /// Whether every frame that was begun has been written whole.
    pub(super) fn is_between_frames(&self) -> bool {
        self.meter.is_between_frames()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.meter.pass(bytes.get(..count).unwrap_or(bytes));
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How far the frame under way has come.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Bytes of a head that is not whole yet; 14 at most.
    head: Vec<u8>,
    /// Bytes of the payload still to come.
    payload: u64,
}

impl Meter {
    /// Whether every frame that was begun has passed whole.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.head.is_empty() && self.payload == 0
    }

    /// Takes note of bytes that passed.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let passed = here.min(self.payload);
                self.payload -= passed;
                let passed = usize::try_from(passed).unwrap_or(usize::MAX);
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            self.head.push(byte);
            if let Some(payload) = payload_after(&self.head) {
                self.head.clear();
                self.payload = payload;
            }
            bytes = rest;
        }
    }
}

/// The payload's length, once the head is whole.
fn payload_after(head: &[u8]) -> Option<u64> {
    let (&[_, second], rest) = head.split_first_chunk()?;
    let mask = usize::from(second & MASKED != 0) * 4;
    let (length, width) = match second & !MASKED {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        short => (u64::from(short), 0),
    };
    (rest.len() == width + mask).then_some(length)
}

/// Policy violation (RFC 6455 §7.4.1): the session has ended.
pub(super) const CLOSE: [u8; 15] = *b"\x88\x0d\x03\xf0session end";

/// Going away (RFC 6455 §7.4.1): the gateway stops.
pub(super) const GOING_AWAY: [u8; 12] = *b"\x88\x0a\x03\xe9stopping";

const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(head: &[u8], payload: usize) -> Vec<u8> {
        head.iter()
            .copied()
            .chain(std::iter::repeat_n(0xff, payload))
            .collect()
    }

    #[test]
    fn the_end_of_every_kind_of_frame_is_seen_however_it_is_cut() {
        for bytes in [
            frame(&[0x81, 0], 0),
            frame(&[0x81, 125], 125),
            frame(&[0x82, 126, 0, 200], 200),
            frame(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536),
            frame(&[0x81, 0x83, 1, 2, 3, 4], 3),
            CLOSE.to_vec(),
            GOING_AWAY.to_vec(),
        ] {
            for cut in [1, 2, 3, 7, 100_000] {
                let mut meter = Meter::default();
                let (last, most) = bytes.split_last().expect("not empty");
                for part in most.chunks(cut) {
                    meter.pass(part);
                    assert!(!meter.is_between_frames(), "{:?} by {cut}", &bytes[..2]);
                }
                meter.pass(&[*last]);
                assert!(meter.is_between_frames(), "{:?} by {cut}", &bytes[..2]);
                meter.pass(&[&bytes[..], &bytes[..]].concat());
                assert!(meter.is_between_frames());
            }
        }
    }
}
