//! Names for requests: the id in pages and logs, and the trace context for what stands behind.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::num::NonZeroU128;
use std::rc::Rc;

use http::HeaderMap;
use http::HeaderValue;

use crate::crypto::Entropy;
use crate::telemetry::sampling::Fraction;
use crate::telemetry::sampling::Lot;
use crate::telemetry::traces::TraceContext;
use crate::telemetry::traces::context::FOLLOWED;
use crate::telemetry::traces::context::hex;
use crate::telemetry::traces::context::mixed;

/// Makes request ids for one worker. They need be different, not secret, so a seed from the system
/// is enough.
#[derive(Debug)]
pub(super) struct RequestIds {
    state: Cell<u64>,
    /// How many of the traces that begin here are followed, if any are.
    sample: Option<Fraction>,
}

impl RequestIds {
    /// A generator with a random start, for a gateway that follows no traces.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        Self {
            state: Cell::new(u64::from_le_bytes(entropy.bytes())),
            sample: None,
        }
    }

    /// The same, where traces are followed: so many of those that begin here, and all that the trusted
    /// proxy follows.
    #[must_use]
    pub(super) fn following(self, sample: Option<Fraction>) -> Self {
        Self { sample, ..self }
    }

    /// The id that a trusted proxy gave the request, or a new one. Nobody else joins a trace, and nobody
    /// else has one followed.
    pub(super) fn identify(&self, headers: &HeaderMap, vouched: bool) -> RequestId {
        let (high, mut low) = (self.next(), self.next());
        let given = vouched.then(|| Given::of(headers)).flatten();
        let id = vouched.then(|| headers.get("x-request-id")).flatten();
        let id = id.filter(|id| is_plain(id.as_bytes())).cloned();
        if let Some(id) = &id {
            // Whoever else is told this id draws the same lot.
            low = Lot::of_id(id.as_bytes()).in_trace(low);
        }
        let bits = [high, low];
        let lot = given.as_ref().map_or(low, |given| given.context.low());
        let lot = Lot::of_trace(lot);
        let followed = self.sample.is_some_and(|sample| match &given {
            Some(given) => given.context.is_followed(),
            None => sample.takes(lot),
        });
        RequestId {
            id: id.unwrap_or_else(|| value(digits(high, low).as_flattened())),
            bits,
            lot,
            given: given.map(Rc::new),
            followed,
            attempt: Cell::new(0),
        }
    }

    /// `SplitMix64`: a Weyl sequence, mixed.
    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(WEYL);
        self.state.set(state);
        mixed(state)
    }
}

/// The golden ratio, in 64 bits.
const WEYL: u64 = 0x9e37_79b9_7f4a_7c15;

/// The place in a trace that a trusted proxy says, and what goes with it.
#[derive(Debug)]
struct Given {
    context: TraceContext,
    state: Option<HeaderValue>,
}

impl Given {
    /// Two are none (W3C Trace Context §4.2); without a place nothing goes with it.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all("traceparent").iter();
        let context = TraceContext::parse(fields.next()?.as_bytes())?;
        if fields.next().is_some() {
            return None;
        }
        let lines: Vec<_> = headers.get_all("tracestate").iter().collect();
        let state = match lines.as_slice() {
            [] => None,
            [one] => Some((*one).clone()),
            several => {
                let lines: Vec<_> = several.iter().map(|line| line.as_bytes()).collect();
                HeaderValue::from_bytes(&lines.join(&b","[..])).ok()
            }
        };
        Some(Self {
            context,
            state: state.filter(|state| (1..=MAX_STATE).contains(&state.len())),
        })
    }
}

/// Bytes of `tracestate` that are passed on: as many as the standard asks for (§3.3.1.5).
const MAX_STATE: usize = 512;

/// A request's name, and its place in a trace.
#[derive(Clone, Debug)]
pub(super) struct RequestId {
    id: HeaderValue,
    bits: [u64; 2],
    lot: Lot,
    given: Option<Rc<Given>>,
    followed: bool,
    /// How often the request was sent to an upstream.
    attempt: Cell<u8>,
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

    /// By which the request is taken for samples.
    pub(super) fn lot(&self) -> Lot {
        self.lot
    }

    /// Whether spans are made of the request.
    pub(super) fn is_followed(&self) -> bool {
        self.followed
    }

    /// Where the request stands, as this gateway's own span.
    pub(super) fn context(&self) -> TraceContext {
        let [high, low] = self.bits;
        let own = TraceContext {
            trace: NonZeroU128::new(u128::from(high) << 64 | u128::from(low))
                .unwrap_or(NonZeroU128::MIN),
            span: self.span(0),
            flags: if self.followed { FOLLOWED } else { 0 },
        };
        let given = self.given.as_ref();
        given.map_or(own, |given| given.context.with_span(own.span))
    }

    /// The caller's span.
    pub(super) fn parent(&self) -> Option<NonZeroU64> {
        self.given.as_ref().map(|given| given.context.span)
    }

    /// The trace's id, where somebody follows it.
    pub(super) fn trace(&self) -> Option<[u8; 32]> {
        let given = self.given.as_ref().map(|given| given.context);
        let seen = self.followed || given.is_some_and(|given| given.is_followed());
        let text = seen.then(|| self.context().to_text())?;
        text.get(3..35)?.try_into().ok()
    }

    /// An id for a span of this request.
    pub(super) fn span(&self, number: u8) -> NonZeroU64 {
        let [high, low] = self.bits;
        let span = (high.rotate_left(32) ^ low).wrapping_add(WEYL.wrapping_mul(number.into()));
        NonZeroU64::new(mixed(span)).unwrap_or(NonZeroU64::MIN)
    }

    /// The request is sent to an upstream, with a span of its own.
    pub(super) fn next_attempt(&self) -> NonZeroU64 {
        self.attempt.set(self.attempt.get().saturating_add(1));
        self.attempt_span()
    }

    fn attempt_span(&self) -> NonZeroU64 {
        self.span(FIRST_ATTEMPT.saturating_add(self.attempt.get()))
    }

    /// W3C trace context for what stands behind: our span where the trace is followed here; else the
    /// trusted proxy's, as it came, or a new trace that nobody follows.
    pub(super) fn traceparent(&self) -> HeaderValue {
        let context = match &self.given {
            Some(given) if !self.followed => given.context,
            _ => self.context().with_span(self.attempt_span()),
        };
        value(&context.to_text())
    }

    /// What goes with it.
    pub(super) fn tracestate(&self) -> Option<&HeaderValue> {
        self.given.as_ref()?.state.as_ref()
    }
}

/// Numbers of spans below this are for those that are no attempts.
const FIRST_ATTEMPT: u8 = 16;

fn value(hex: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(hex).unwrap_or(HeaderValue::from_static(""))
}

fn digits(high: u64, low: u64) -> [[u8; 16]; 2] {
    [hex(high), hex(low)]
}

fn is_plain(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsEntropy;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(
            http::HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a value"),
        )]
        .into_iter()
        .collect()
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

    const OUTSIDE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn context(id: &RequestId) -> TraceContext {
        TraceContext::parse(id.traceparent().as_bytes()).expect("well-formed")
    }

    #[test]
    fn a_trace_goes_on_where_a_trusted_proxy_says_so() {
        let ids = RequestIds::new(&OsEntropy);
        let made = ids.identify(&HeaderMap::new(), false);
        assert!(!context(&made).is_followed());
        let given = headers("traceparent", OUTSIDE);
        // Not followed here: it passes as it came.
        assert_eq!(ids.identify(&given, true).traceparent(), OUTSIDE);
        let trace = ids.identify(&given, true).trace().expect("they follow it");
        assert_eq!(&trace, b"4bf92f3577b34da6a3ce929d0e0e4736");
        let stranger = ids.identify(&given, false);
        assert_ne!(
            context(&stranger).trace,
            context(&ids.identify(&given, true)).trace
        );
        assert!(stranger.trace().is_none());
        assert_ne!(
            ids.identify(&headers("traceparent", "00-xyz"), true)
                .traceparent(),
            "00-xyz"
        );
        let mut twice = given;
        twice.append("traceparent", HeaderValue::from_static(OUTSIDE));
        assert_ne!(ids.identify(&twice, true).traceparent(), OUTSIDE);
    }

    #[test]
    fn what_is_followed_gets_spans_of_ours() {
        let ids = RequestIds::new(&OsEntropy).following(Fraction::parse("0").ok());
        let given = headers("traceparent", OUTSIDE);
        let id = ids.identify(&given, true);
        assert!(id.is_followed());
        let outside = TraceContext::parse(OUTSIDE.as_bytes()).expect("well-formed");
        assert_eq!(id.parent(), Some(outside.span));
        let first = id.next_attempt();
        assert_eq!(
            (context(&id).trace, context(&id).span),
            (outside.trace, first)
        );
        let second = id.next_attempt();
        assert_eq!(context(&id).span, second);
        let spans = [outside.span, id.span(0), id.span(1), first, second];
        let different: std::collections::HashSet<_> = spans.into_iter().collect();
        assert_eq!(different.len(), spans.len());
        // Others begin traces and choose for themselves; of those, none is to be followed here.
        for (given, vouched) in [
            (given, false),
            (HeaderMap::new(), true),
            (headers("traceparent", &OUTSIDE.replace("-01", "-00")), true),
        ] {
            assert!(!ids.identify(&given, vouched).is_followed());
        }
        let all = RequestIds::new(&OsEntropy).following(Some(Fraction::ALL));
        let id = all.identify(&HeaderMap::new(), false);
        assert!(id.is_followed() && context(&id).is_followed());
        // The caller does not want it, and its word counts.
        let unwanted = headers("traceparent", &OUTSIDE.replace("-01", "-00"));
        assert!(!all.identify(&unwanted, true).is_followed());
    }

    #[test]
    fn all_who_see_a_request_draw_the_same_lot() {
        let (one, other) = (RequestIds::new(&OsEntropy), RequestIds::new(&OsEntropy));
        for given in [
            headers("x-request-id", "edge-1"),
            headers("traceparent", OUTSIDE),
        ] {
            let (one, other) = (one.identify(&given, true), other.identify(&given, true));
            assert_eq!(one.lot(), other.lot());
            // And so does whoever stands behind and reads the trace's id.
            assert_eq!(Lot::of_trace(context(&one).low()), one.lot());
        }
        let given = headers("x-request-id", "edge-1");
        assert_ne!(
            one.identify(&given, false).lot(),
            one.identify(&given, true).lot()
        );
    }

    #[test]
    fn what_goes_with_a_trace_is_kept_together() {
        let ids = RequestIds::new(&OsEntropy);
        let mut given = headers("traceparent", OUTSIDE);
        given.append("tracestate", HeaderValue::from_static("a=1"));
        given.append("tracestate", HeaderValue::from_static("b=2"));
        let state = |given: &HeaderMap, vouched| {
            let id = ids.identify(given, vouched);
            id.tracestate().cloned()
        };
        assert_eq!(
            state(&given, true),
            Some(HeaderValue::from_static("a=1,b=2"))
        );
        assert_eq!(state(&given, false), None);
        given.remove("traceparent");
        assert_eq!(state(&given, true), None);
        let mut long = headers("traceparent", OUTSIDE);
        let value = HeaderValue::from_str(&format!("a={}", "x".repeat(511))).expect("a value");
        long.insert("tracestate", value);
        assert_eq!(state(&long, true), None);
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
