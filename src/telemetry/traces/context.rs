//! W3C Trace Context: where a request stands in a trace.

use std::num::NonZeroU64;
use std::num::NonZeroU128;

/// A trace and a span in it (Trace Context §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: NonZeroU128,
    /// The span that is meant, by whoever says this.
    pub span: NonZeroU64,
    /// The first bit: whether the trace is followed.
    pub flags: u8,
}

impl TraceContext {
    /// Reads `version-trace-parent-flags` in lower-case hexadecimal. Of a version to come the part that is
    /// known counts (§4.3); zeros name nothing.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = head.split(|&b| b == b'-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let lower = part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            let text = std::str::from_utf8(part).ok().filter(|_| lower)?;
            u128::from_str_radix(text, 16).ok()
        };
        let version = part(2).filter(|&version| version != 0xff)?;
        let context = Self {
            trace: NonZeroU128::new(part(32)?)?,
            span: NonZeroU64::new(u64::try_from(part(16)?).ok()?)?,
            flags: u8::try_from(part(2)?).ok()?,
        };
        let ends = rest.is_empty() || (version > 0 && rest.starts_with(b"-"));
        ends.then_some(context)
    }

    /// Whether whoever says this follows the trace.
    pub fn is_followed(&self) -> bool {
        self.flags & FOLLOWED != 0
    }

    /// The same trace, with another span.
    #[must_use]
    pub fn with_span(self, span: NonZeroU64) -> Self {
        Self { span, ..self }
    }

    /// The last half of the trace's id.
    pub fn low(&self) -> u64 {
        let [_, low] = halves(self.trace);
        low
    }

    /// An id for a span below this one.
    pub fn child(&self) -> NonZeroU64 {
        let mixed = mixed(self.span.get() ^ self.low());
        NonZeroU64::new(mixed).unwrap_or(NonZeroU64::MIN)
    }

    /// As the field says it.
    pub fn to_text(&self) -> [u8; LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let [high, low] = halves(self.trace);
        let [.., ones, units] = hex(self.flags.into());
        for (at, digits) in [
            (3, &hex(high)[..]),
            (19, &hex(low)),
            (36, &hex(self.span.get())),
            (53, &[ones, units]),
        ] {
            if let Some(place) = text.get_mut(at..at + digits.len()) {
                place.copy_from_slice(digits);
            }
        }
        text
    }
}

fn halves(trace: NonZeroU128) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    [half(trace.get() >> 64), half(trace.get())]
}

/// The finalizer of `SplitMix64`: another number for each, with nothing to be seen of it.
pub fn mixed(state: u64) -> u64 {
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// 16 digits. Every request has five of these, and `format!` takes ten times as long.
pub fn hex(bits: u64) -> [u8; 16] {
    // Each half of a byte gets a byte of its own, and then all are worked on at once.
    let mut halves = u128::from(bits);
    for (shift, mask) in [
        (32, 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff),
        (16, 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff),
        (4, 15 * EACH),
    ] {
        halves = (halves | halves << shift) & mask;
    }
    // 10 and more come to 16 with 6, and to letters with what lies between `9` and `a`.
    let letters = (halves + 6 * EACH) >> 4 & EACH;
    (halves + u128::from(b'0') * EACH + letters * u128::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// A one in every byte.
const EACH: u128 = u128::MAX / 255;

/// The flag that says so.
pub const FOLLOWED: u8 = 1;

const LENGTH: usize = 55;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of Trace Context §3.2.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_standards_own_example_is_read_and_written() {
        let context = TraceContext::parse(EXAMPLE.as_bytes()).expect("a context");
        assert_eq!(
            context.trace.get(),
            0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736
        );
        assert_eq!(context.span.get(), 0x00f0_67aa_0ba9_02b7);
        assert_eq!(context.low(), 0xa3ce_929d_0e0e_4736);
        assert!(context.is_followed());
        assert_eq!(context.to_text(), EXAMPLE.as_bytes());
    }

    #[test]
    fn what_names_nothing_is_not_read() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text}");
        }
        let future = EXAMPLE.replacen("00", "cc", 1) + "-what-the-future-brings";
        let context = TraceContext::parse(future.as_bytes()).expect("a context");
        assert_eq!(context.to_text(), EXAMPLE.as_bytes());
    }

    #[test]
    fn digits_are_those_of_format() {
        for bits in [0, 1, 0xdead_beef, u64::MAX, 1 << 63, 0x0123_4567_89ab_cdef] {
            assert_eq!(hex(bits).as_slice(), format!("{bits:016x}").as_bytes());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1_u128.., span in 1_u64.., flags: u8) {
            let trace = NonZeroU128::new(trace).expect("not zero");
            let span = NonZeroU64::new(span).expect("not zero");
            let context = TraceContext { trace, span, flags };
            prop_assert_eq!(TraceContext::parse(&context.to_text()), Some(context));
        }

        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>, text in "[0-9a-f-]{50,60}") {
            let _read = (TraceContext::parse(&bytes), TraceContext::parse(text.as_bytes()));
        }
    }
}
