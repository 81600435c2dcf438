//! One span on its way to a collector.

use std::borrow::Cow;
use std::num::NonZeroU64;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1 as proto;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::context::TraceContext;
use crate::telemetry::escape;
use crate::time::UnixTime;

/// A span. Its attributes are ours to choose; none of them is taken from a query, a header or a body.
#[derive(Clone, Debug)]
pub struct Span(proto::Span);

/// What a span is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request that was served.
    Server,
    /// A request that was made.
    Client,
    /// Neither.
    Internal,
}

/// A moment, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// So long before `end`.
    pub fn before(end: UnixTime, span: std::time::Duration) -> Self {
        let end = end.as_millis().saturating_mul(1_000_000);
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(end.saturating_sub(span))
    }
}

impl Span {
    /// A span of `context`, from `start` to `end`.
    pub fn new(
        name: impl Into<String>,
        kind: Kind,
        context: TraceContext,
        parent: Option<NonZeroU64>,
        (start, end): (Moment, Moment),
    ) -> Self {
        let kind = match kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Internal => SpanKind::Internal,
        };
        Self(proto::Span {
            trace_id: context.trace.get().to_be_bytes().to_vec(),
            span_id: context.span.get().to_be_bytes().to_vec(),
            parent_span_id: parent.map_or_else(Vec::new, |id| id.get().to_be_bytes().to_vec()),
            flags: context.flags.into(),
            name: name.into(),
            kind: kind.into(),
            start_time_unix_nano: start.0,
            end_time_unix_nano: end.0.max(start.0),
            ..proto::Span::default()
        })
    }

    /// With what the caller says of the trace beside its context.
    #[must_use]
    pub fn state(mut self, state: &str) -> Self {
        state.clone_into(&mut self.0.trace_state);
        self
    }

    /// With text about it; of a stranger's, what a terminal would obey is escaped as it is in the log.
    #[must_use]
    pub fn text(mut self, name: &'static str, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if let Cow::Owned(escaped) = escape::shown(&text) {
            text = escaped;
        }
        self.0
            .attributes
            .push(attribute(name, Value::StringValue(text)));
        self
    }

    /// With a number about it.
    #[must_use]
    pub fn number(mut self, name: &'static str, number: u64) -> Self {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.0
            .attributes
            .push(attribute(name, Value::IntValue(number)));
        self
    }

    /// With something that is so or not.
    #[must_use]
    pub fn flag(mut self, name: &'static str, set: bool) -> Self {
        self.0
            .attributes
            .push(attribute(name, Value::BoolValue(set)));
        self
    }

    /// With a moment of note.
    #[must_use]
    pub fn event(mut self, name: &'static str, at: Moment) -> Self {
        self.0.events.push(Event {
            time_unix_nano: at.0,
            name: name.to_owned(),
            ..Event::default()
        });
        self
    }

    /// With a span, of any trace, that it has to do with.
    #[must_use]
    pub fn link(mut self, other: TraceContext) -> Self {
        self.0.links.push(Link {
            trace_id: other.trace.get().to_be_bytes().to_vec(),
            span_id: other.span.get().to_be_bytes().to_vec(),
            flags: other.flags.into(),
            ..Link::default()
        });
        self
    }

    /// Did not go well, for a reason with a code.
    #[must_use]
    pub fn failed(mut self, reason: impl Into<String>) -> Self {
        self.0.status = Some(proto::Status {
            code: StatusCode::Error.into(),
            message: String::new(),
        });
        self.text("error.type", reason)
    }

    pub(super) fn into_message(self) -> proto::Span {
        self.0
    }
}

pub(super) fn attribute(name: &'static str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        let context = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(context).expect("a context");
        let moment = Moment::default();
        let span = Span::new("GET /", Kind::Server, context, None, (moment, moment))
            .text("url.path", "/y\u{9b}31m\u{202e}\u{7f}")
            .text("http.route", "/grün/");
        let values = span.into_message().attributes.into_iter();
        let values: Vec<_> = values
            .filter_map(|attribute| attribute.value?.value)
            .collect();
        let text = |text: &str| Value::StringValue(text.to_owned());
        assert_eq!(values, [text(r"/y\u009b31m\u202e\u007f"), text("/grün/")]);
    }
}
