//! The way from requests to the exporter: a queue that nobody waits for.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::span::Span;
use crate::telemetry::metrics::labels::ByExport;
use crate::telemetry::metrics::labels::Export;
use crate::telemetry::sampling::Fraction;

/// Takes spans. Clones lead to the same exporter.
#[derive(Clone, Debug)]
pub struct Tracer {
    queue: mpsc::Sender<Span>,
    counts: Counts,
    sample: Fraction,
}

impl Tracer {
    /// A tracer, and where its spans come out.
    pub(super) fn new(sample: Fraction, counts: Counts) -> (Self, mpsc::Receiver<Span>) {
        let (queue, spans) = mpsc::channel(QUEUE);
        let tracer = Self {
            queue,
            counts,
            sample,
        };
        (tracer, spans)
    }

    /// Registers what it counts.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "traces_spans",
            "Spans of followed traces by what became of them",
            self.counts.0.clone(),
        );
    }

    /// How many of the traces that begin here are followed.
    pub fn sample(&self) -> Fraction {
        self.sample
    }

    /// Hands a span over. One that finds the queue full is dropped and counted.
    pub fn record(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counts.add(Export::QueueFull, 1);
        }
    }
}

/// What became of spans.
#[derive(Clone, Debug)]
pub(super) struct Counts(Family<ByExport, Counter>);

impl Counts {
    pub(super) fn new() -> Self {
        let spans = Family::<ByExport, Counter>::default();
        // A series that begins with its first event hides that event from `increase()`.
        for &result in Export::ALL {
            drop(spans.get_or_create(&ByExport { result }));
        }
        Self(spans)
    }

    pub(super) fn add(&self, result: Export, spans: usize) {
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.0.get_or_create(&ByExport { result }).inc_by(spans);
    }
}

/// Spans that wait at most: of some hundred requests, a megabyte or two.
const QUEUE: usize = 2048;
