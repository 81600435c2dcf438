//! `sidegate serve`.

use std::path::Path;

use super::Exit;
use super::Failure;
use crate::app::App;
use crate::app::Ports;
use crate::app::StartError;
use crate::config::Config;
use crate::config::Environment;
use crate::config::report;
use crate::config::rotation::Rotation;
use crate::lifecycle;
use crate::telemetry::log;
use crate::time::Clock as _;
use crate::time::SystemClock;

/// Runs the gateway until it is told to stop.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let now = SystemClock.now();
    let loaded = Config::load(path, &Environment::of_process()).map_err(|problems| {
        Failure::new(
            Exit::Configuration,
            report(&Err(problems), false, false, now).text,
        )
    })?;
    log::init(loaded.config.log);
    let rotation = Rotation::of(&loaded, now);
    for warning in loaded.warnings.iter().chain(&rotation.warnings) {
        tracing::warn!(event = "configuration.warning", "{warning}");
    }
    let public_url = loaded.config.public_url.clone();
    let app = App::start(loaded.config, &Ports::default())
        .map_err(|error| Failure::new(exit(&error), error))?;
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        public_url = %public_url,
        listen = %app.public_address(),
        admin = %app.admin_address(),
        "Serving."
    );
    lifecycle::run(app).map_err(|error| Failure::new(Exit::Internal, error))
}

fn exit(error: &StartError) -> Exit {
    match error {
        StartError::Tls(_) | StartError::UpstreamTls(_) | StartError::Provider(_) => {
            Exit::Configuration
        }
        StartError::Bind { .. } => Exit::Unavailable,
        StartError::System(_) => Exit::Internal,
    }
}
