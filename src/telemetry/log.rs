//! Where log lines go: standard error, as JSON or text.

use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::escape::Escaped;
use super::settings::LogFormat;
use super::settings::LogLevel;
use super::settings::LogSettings;
use super::sink;

/// Sets the process's log up. A second call changes nothing.
pub fn init(settings: LogSettings) {
    let outcome = subscriber(settings, sink::standard_error()).try_init();
    if let Err(error) = outcome {
        tracing::debug!(%error, "The log is set up already.");
    }
}

/// The log, on its way to `writer`.
pub fn subscriber<W>(settings: LogSettings, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry().with(filter(settings.level));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(Escaped(writer))
        .with_ansi(false);
    match settings.format {
        LogFormat::Json => Box::new(registry.with(layer.json().flatten_event(true))),
        LogFormat::Text => Box::new(registry.with(layer)),
    }
}

/// The crates below us print heads, bodies and key material at their lowest levels: only our own lines
/// go below warnings, whatever the operator says, and no variable lifts that.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("sidegate", level)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::Mutex;

    use tracing::Level;

    use super::*;
    use crate::telemetry::escape::is_obeyed;

    #[test]
    fn only_our_own_lines_go_below_warnings() {
        let filter = filter(LogLevel::Trace);
        for ours in ["sidegate", "sidegate::gateway::proxy"] {
            assert!(filter.would_enable(ours, &Level::TRACE), "{ours}");
        }
        for foreign in [
            "h2::codec::framed_read",
            "hyper::proto::h1::io",
            "hyper_util::client",
            "reqwest::connect",
            "rustls::client::hs",
            "tokio_rustls",
            "redis",
            "notify",
            "opentelemetry",
            "anything",
        ] {
            for level in [Level::INFO, Level::DEBUG, Level::TRACE] {
                assert!(!filter.would_enable(foreign, &level), "{foreign} {level}");
            }
            assert!(filter.would_enable(foreign, &Level::WARN), "{foreign}");
        }
    }

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("free").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of what `say` says.
    fn written(format: LogFormat, say: impl FnOnce()) -> String {
        let memory = Memory::default();
        let written = memory.clone();
        let settings = LogSettings {
            level: LogLevel::Trace,
            format,
            ..LogSettings::default()
        };
        let log = subscriber(settings, move || memory.clone());
        tracing::subscriber::with_default(log, say);
        let text = written.0.lock().expect("free").clone();
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_in_every_line() {
        let stranger = "a\u{9b}31m\u{85}\u{7f}\u{2028}\u{2029}\u{202e}\u{2066}\u{1b}[2J\r\nb\u{fc}";
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = written(format, || {
                tracing::info!(event = "x", path = stranger, "A sentence.");
                tracing::info!(debugged = ?[stranger], error = %stranger, "Another.");
                tracing::warn!(target: "other", "{stranger}");
            });
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 3, "{text}");
            assert!(text.ends_with('\n') && text.contains('\u{fc}'), "{text}");
            assert!(!lines.concat().contains(is_obeyed), "{text:?}");
            if format == LogFormat::Json {
                let line: serde_json::Value = serde_json::from_str(lines[0]).expect("JSON");
                assert_eq!(line["path"], stranger);
            }
        }
    }

    #[test]
    fn what_other_crates_print_of_a_head_is_not_written() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = written(format, || {
                tracing::trace!(target: "hyper::proto::h1", "authorization: Bearer hunter2");
                tracing::info!(target: "h2::frame", "cookie: hunter2");
                tracing::trace!(target: "sidegate::gateway", "ours");
            });
            assert!(text.contains("ours") && !text.contains("hunter2"), "{text}");
        }
    }
}
