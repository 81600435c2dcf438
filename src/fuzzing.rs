//! What the fuzz targets need beyond the public interface. Not in a build for use.

use crate::crypto::secret::AccessToken;
use crate::gateway;
use crate::http::soap;
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

/// What becomes of an envelope that comes in pieces of `size`; `None` if it is refused.
pub fn with_token(bytes: &[u8], size: usize, token: &str) -> Option<Vec<u8>> {
    let mut injector = soap::Injector::new(&AccessToken::parse(token).ok()?);
    let mut out = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        injector.feed(piece, &mut out).ok()?;
    }
    injector.finish().ok()?;
    Some(out)
}

/// Whether the beginning of an answer is a fault that refuses the token.
pub fn refuses_token(bytes: &[u8]) -> bool {
    soap::verdict(bytes) == soap::Verdict::TokenRefused
}
