//! Logs, the access record and the vocabulary of metrics.

pub mod access;
pub mod log;
pub mod metrics;
pub mod settings;
pub mod sink;
