//! Names for requests: the id in pages and logs, and the trace context for what stands behind.

use std::cell::Cell;

use http::HeaderMap;
use http::HeaderValue;

use crate::crypto::Entropy;

/// Makes request ids for one worker. They need be different, not secret, so a seed from the system
/// is enough.
#[derive(Debug)]
pub(super) struct RequestIds(Cell<u64>);

impl RequestIds {
    /// A generator with a random start.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        Self(Cell::new(u64::from_le_bytes(entropy.bytes())))
    }

    /// The id that a trusted proxy gave the request, or a new one.
    pub(super) fn identify(&self, headers: &HeaderMap, vouched: bool) -> RequestId {
        let given = |name: &str| vouched.then(|| headers.get(name).cloned()).flatten();
        let (high, low) = (self.next(), self.next());
        let id = given("x-request-id").filter(|id| is_plain(id.as_bytes()));
        let trace = given("traceparent").filter(|trace| is_traceparent(trace.as_bytes()));
        RequestId {
            id: id.unwrap_or_else(|| value(digits(high, low).as_flattened())),
            bits: [high, low],
            trace,
        }
    }

    /// `SplitMix64`: a Weyl sequence, mixed.
    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// A request's name.
#[derive(Clone, Debug)]
pub(super) struct RequestId {
    id: HeaderValue,
    bits: [u64; 2],
    trace: Option<HeaderValue>,
}

impl RequestId {
    /// The id as text.
    pub(super) fn as_str(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    /// The id as a header value.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.id
    }

    /// W3C trace context: the trusted proxy's, or a new trace that is not sampled.
    pub(super) fn traceparent(&self) -> HeaderValue {
        self.trace.clone().unwrap_or_else(|| {
            // Neither may be all zeros.
            let [high, low] = self.bits;
            let (low, span) = (low.max(1), (high.rotate_left(32) ^ low).max(1));
            let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
            if let Some(place) = text.get_mut(3..35) {
                place.copy_from_slice(digits(high, low).as_flattened());
            }
            if let Some(place) = text.get_mut(36..52) {
                place.copy_from_slice(&hex(span));
            }
            value(&text)
        })
    }
}

fn value(hex: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(hex).unwrap_or(HeaderValue::from_static(""))
}

fn digits(high: u64, low: u64) -> [[u8; 16]; 2] {
    [hex(high), hex(low)]
}

/// 16 digits. Every request has five of these, and `format!` takes ten times as long.
fn hex(bits: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for (place, byte) in digits.as_chunks_mut().0.iter_mut().zip(bits.to_be_bytes()) {
        *place = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

/// Without a branch, which nothing could predict.
fn digit(half: u8) -> u8 {
    half + b'0' + u8::from(half > 9) * (b'a' - b'9' - 1)
}

fn is_plain(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=".contains(b))
}

/// `version-trace-parent-flags` in lower-case hexadecimal, of version 00.
fn is_traceparent(text: &[u8]) -> bool {
    let lengths = text.split(|&b| b == b'-').map(<[u8]>::len);
    let hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-');
    text.starts_with(b"00-") && text.iter().all(hex) && lengths.eq([2, 32, 16, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsEntropy;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        [(
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )]
        .into_iter()
        .collect()
    }

    #[test]
    fn digits_are_those_of_format() {
        for bits in [0, 1, 0xdead_beef, u64::MAX, 1 << 63, 0x0123_4567_89ab_cdef] {
            assert_eq!(hex(bits).as_slice(), format!("{bits:016x}").as_bytes());
        }
        let ids = RequestIds::new(&OsEntropy);
        let id = ids.identify(&HeaderMap::new(), false);
        assert!(is_traceparent(id.traceparent().as_bytes()), "{id:?}");
    }

    #[test]
    fn only_a_trusted_proxy_names_requests() {
        let ids = RequestIds::new(&OsEntropy);
        let given = headers("x-request-id", "from-outside");
        assert_eq!(ids.identify(&given, true).as_str(), "from-outside");
        assert_ne!(ids.identify(&given, false).as_str(), "from-outside");
        assert_eq!(
            ids.identify(&headers("x-request-id", "a b"), true)
                .as_str()
                .len(),
            32
        );
    }

    #[test]
    fn trace_context_is_well_formed() {
        let ids = RequestIds::new(&OsEntropy);
        let made = ids.identify(&HeaderMap::new(), false).traceparent();
        assert!(is_traceparent(made.as_bytes()), "{made:?}");
        let outside = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            ids.identify(&headers("traceparent", outside), true)
                .traceparent(),
            outside
        );
        assert_ne!(
            ids.identify(&headers("traceparent", "00-xyz"), true)
                .traceparent(),
            "00-xyz"
        );
    }

    #[test]
    fn ids_differ() {
        let ids = RequestIds::new(&OsEntropy);
        let made: std::collections::HashSet<_> = (0..1000)
            .map(|_| ids.identify(&HeaderMap::new(), false).as_str().to_owned())
            .collect();
        assert_eq!(made.len(), 1000);
    }
}
