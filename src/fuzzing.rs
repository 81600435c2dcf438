//! What the fuzz targets need beyond the public interface. Not in a build for use.

use crate::gateway;
use crate::net;

/// Whether every reader frames `bytes` the same, looked at in pieces of `size`.
pub fn is_clearly_framed(bytes: &[u8], size: usize) -> bool {
    let mut framing = net::framing::Framing::default();
    let mut pieces = bytes.chunks(size.max(1));
    pieces.all(|piece| framing.look(piece).is_ok())
}

/// Whether `bytes`, passed in pieces of `size`, are whole WebSocket frames.
pub fn is_between_frames(bytes: &[u8], size: usize) -> bool {
    let mut meter = gateway::frames::Meter::default();
    let pieces = bytes.chunks(size.max(1));
    pieces.for_each(|piece| meter.pass(piece));
    meter.is_between_frames()
}
