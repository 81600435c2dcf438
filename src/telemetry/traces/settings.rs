//! What the operator says about traces.

use http::HeaderMap;

use super::endpoint::Collector;
use crate::telemetry::sampling::Fraction;

/// The key `telemetry.otlp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// Where spans go.
    pub collector: Collector,
    /// Fields that go along, sensitive ones.
    pub fields: HeaderMap,
    /// How many of the traces that begin here are followed.
    pub sample: Fraction,
    /// The name of this service.
    pub service: String,
}

/// The name of a service that was given none.
pub const SERVICE: &str = "sidegate";

/// How many traces are followed where nothing is said.
pub const SAMPLE: &str = "0.01";
