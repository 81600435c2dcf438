//! The suite at the most talkative level. With `SIDEGATE_TEST_TRACE_DIR` every gateway, in this process or in
//! one of its own, writes all that it can say into that directory, and beside it stands every secret that was
//! seen. Once all tests are through, [`crate::secrets`] looks for the ones in the others.

use std::collections::HashSet;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::Once;

use serde_json::json;
use sidegate::sandbox::witness;
use sidegate::telemetry::log;
use sidegate::telemetry::settings::LogLevel;
use sidegate::telemetry::settings::LogSettings;
use sidegate::telemetry::sink;
use sidegate::telemetry::sink::Sink;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that names the directory.
pub const VARIABLE: &str = "SIDEGATE_TEST_TRACE_DIR";

/// Where all is written down, if it is to be.
pub fn directory() -> Option<&'static Path> {
    static DIRECTORY: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    DIRECTORY.as_deref()
}

/// Catches what gateways in this process say, from now on.
pub fn begin() {
    static BEGUN: Once = Once::new();
    if directory().is_none() {
        return;
    }
    BEGUN.call_once(|| {
        let settings = LogSettings {
            level: LogLevel::Trace,
            ..LogSettings::default()
        };
        let lines = Lines::to("log");
        log::subscriber(settings, move || lines.clone()).init();
        witness::tell(secret);
    });
}

/// Where access records of gateways in this process go.
pub fn records() -> Sink {
    static RECORDS: LazyLock<Sink> = LazyLock::new(|| {
        if directory().is_some() {
            Sink::to(Lines::to("access.log"))
        } else {
            sink::standard_error().clone()
        }
    });
    RECORDS.clone()
}

/// Takes down a secret that a gateway might say.
pub fn secret(kind: &'static str, secret: &str) {
    static SEEN: LazyLock<Mutex<(HashSet<String>, Lines)>> =
        LazyLock::new(|| Mutex::new((HashSet::new(), Lines::to("secrets"))));
    if directory().is_none() || secret.is_empty() {
        return;
    }
    let mut seen = SEEN.lock().expect("whole");
    if seen.0.insert(secret.to_owned()) {
        let line = json!({ "kind": kind, "secret": secret });
        writeln!(seen.1, "{line}").expect("the disk takes it");
    }
}

/// A file of this process in the directory. Clones write to the same one.
#[derive(Clone)]
pub struct Lines(Arc<Mutex<File>>);

impl Lines {
    /// Of many with the same `name`, each process has its own.
    pub fn to(name: &str) -> Self {
        let directory = directory().expect("asked for");
        let path = directory.join(format!("{}.{name}", std::process::id()));
        let file = OpenOptions::new().create(true).append(true).open(path);
        Self(Arc::new(Mutex::new(file.expect("the directory is there"))))
    }
}

impl Lines {
    /// For a process that writes for itself.
    pub fn into_stdio(self) -> Stdio {
        let file = self.0.lock().expect("whole").try_clone();
        file.expect("one more").into()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
