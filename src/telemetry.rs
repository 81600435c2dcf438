//! Logs, the access record, the vocabulary of metrics, traces.

pub mod access;
pub(crate) mod escape;
pub mod log;
pub mod metrics;
pub mod sampling;
pub mod settings;
pub mod sink;
pub mod traces;
