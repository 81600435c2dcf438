//! Where log lines go: standard error, as JSON or text.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::settings::LogFormat;
use super::settings::LogLevel;
use super::settings::LogSettings;
use super::sink;

/// Sets the process's log up. A second call changes nothing.
pub fn init(settings: LogSettings) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // The crates below us print heads and bodies at their lowest levels, and those hold tokens:
    // only our own lines go below warnings.
    let foreign = level.min(LevelFilter::WARN);
    let filter = Targets::new()
        .with_default(foreign)
        .with_target("sidegate", level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(sink::standard_error())
        .with_ansi(false);
    let outcome = match settings.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "The log is set up already.");
    }
}
