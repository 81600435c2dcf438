//! Traces: where a request stands in one, the spans that are made of those that are followed, and their
//! way to a collector by OTLP. What is not followed costs a look at its lot.

pub mod context;
pub mod endpoint;
mod exporter;
mod retry;
pub mod settings;
pub mod span;
mod tracer;

pub use context::TraceContext;
pub use exporter::Exporter;
pub use exporter::ExporterError;
pub use settings::TraceSettings;
pub use span::Span;
pub use tracer::Tracer;
