//! What the operator says about logs.

use std::time::Duration;

use super::sampling::Fraction;

/// The key `log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least level that is written.
    pub level: LogLevel,
    /// Lines for machines or for people.
    pub format: LogFormat,
    /// Whether requests leave a record.
    pub access: bool,
    /// How many of the requests that nothing is remarkable about do.
    pub sample: Fraction,
    /// An answer that took this long until its head is remarkable.
    pub slow: Duration,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Json,
            access: true,
            sample: Fraction::ALL,
            slow: Duration::from_secs(1),
        }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Somebody has to act now.
    Error,
    /// Somebody has to look, some day.
    Warn,
    /// What happened.
    Info,
    /// Why it happened.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}
