//! Logs, the access record and the vocabulary of metrics.

pub mod settings;
