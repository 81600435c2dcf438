//! From start to end: what the process does when it is told to stop.

use std::io;
use std::time::Duration;

use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::app::App;
use crate::telemetry::sink;

/// Waits for SIGTERM or SIGINT, then lets the app finish what it has in hand.
pub fn run(app: App) -> io::Result<()> {
    let signals = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let name = signals.block_on(stop_signal())?;
    tracing::info!(
        event = "stopping",
        signal = name,
        "Stopping: requests in hand are finished."
    );
    app.stop(DRAIN);
    tracing::info!(event = "stopped", "Stopped.");
    sink::standard_error().flush();
    Ok(())
}

/// The first signal to stop, by name.
pub async fn stop_signal() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// How long requests in hand may take; orchestrators kill after 30 s, some after 10.
const DRAIN: Duration = Duration::from_secs(8);
