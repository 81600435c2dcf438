//! `sidegate serve`.

use std::path::Path;

use super::Exit;
use super::Failure;
use super::terminal;
use crate::app::App;
use crate::app::Ports;
use crate::app::StartError;
use crate::config::ConfigFile;
use crate::config::Environment;
use crate::config::Form;
use crate::config::Tenant;
use crate::config::file::Reading;
use crate::config::report_as;
use crate::config::rotation::Rotation;
use crate::fault::CommandFault;
use crate::lifecycle;
use crate::lifecycle::Lifecycle;
use crate::lifecycle::activation;
use crate::lifecycle::handover;
use crate::lifecycle::handover::Predecessor;
use crate::lifecycle::supervisor;
use crate::lifecycle::supervisor::Supervisor;
use crate::telemetry::log;
use crate::time::Clock as _;
use crate::time::SystemClock;

/// What is said by those who start the program with sockets, and never by a person.
#[derive(Debug, clap::Args)]
pub(super) struct Passed {
    /// The names of the sockets that a supervisor passes
    #[arg(long, env = "LISTEN_FDNAMES", hide = true)]
    socket_names: Option<String>,
    /// Where a supervisor listens
    #[arg(long, env = supervisor::VARIABLE, hide = true)]
    notify_socket: Option<String>,
    /// How long a supervisor lets the process be silent, in microseconds
    #[arg(long, env = supervisor::WATCHDOG, hide = true)]
    watchdog_usec: Option<String>,
    /// The process that is meant by it
    #[arg(long, env = supervisor::WATCHED, hide = true)]
    watchdog_pid: Option<String>,
    /// Standard input is the process before this one
    #[arg(long, env = handover::VARIABLE, hide = true)]
    take_over: bool,
}

/// Runs the gateway until it is told to stop.
pub(super) fn run(path: &Path, passed: &Passed) -> Result<(), Failure> {
    let now = SystemClock.now();
    let internal = |error: std::io::Error| Failure::new(Exit::Internal, error);
    let lifecycle = Lifecycle::begin().map_err(internal)?;
    let (sockets, predecessor) = if passed.take_over {
        let (sockets, predecessor) = Predecessor::take().map_err(internal)?;
        (sockets, Some(predecessor))
    } else {
        let sockets = activation::inherited(passed.socket_names.as_deref());
        let sockets = sockets.map_err(|error| Failure::of(CommandFault::PassedSockets, error))?;
        (sockets, None)
    };
    let file = ConfigFile::new(path, Environment::of_process());
    let Reading { hash, outcome } = file.read();
    let loaded = outcome.map_err(|problems| {
        Failure::new(
            Exit::Configuration,
            report_as(Form::Text(terminal::paint), &Err(problems), false, now).text,
        )
    })?;
    log::init(loaded.config.log);
    lifecycle::raise_file_limit();
    let rotation = Rotation::of(&loaded, now);
    for warning in loaded.warnings.iter().chain(&rotation.warnings) {
        tracing::warn!(event = "configuration.warning", "{warning}");
    }
    let urls = loaded.config.tenants().flat_map(Tenant::urls);
    let public_url = urls.map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let sockets = match predecessor {
        // Its configuration may have been another.
        Some(_) => sockets.matching(&loaded.config),
        None => sockets,
    };
    let app = App::start_on(sockets, loaded.config, &Ports::default())
        .map_err(|error| Failure::of(fault(&error), error))?;
    app.follow(file, hash);
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        public_url,
        pid = std::process::id(),
        listen = %app.listens(),
        admin = %app.admin_address(),
        "Serving."
    );
    let supervisor = Supervisor::behind(passed.notify_socket.as_deref());
    // Before the process before this one ends: for the supervisor it is the main one until then.
    supervisor.ready();
    // The variable names the process that the supervisor started; after a handover it means this one.
    let watched = passed.watchdog_pid.as_deref().filter(|_| !passed.take_over);
    let micros = passed.watchdog_usec.as_deref();
    let period = supervisor::period(micros, watched, std::process::id());
    if let Some(predecessor) = predecessor {
        predecessor.tell_ready();
    }
    lifecycle.run(app, &supervisor, period);
    Ok(())
}

fn fault(error: &StartError) -> CommandFault {
    match error {
        StartError::Tls(_)
        | StartError::UpstreamTls(_)
        | StartError::Provider(_)
        | StartError::Traces(_) => CommandFault::Unusable,
        StartError::Bind { .. } => CommandFault::CannotListen,
        StartError::Store { .. } | StartError::System(_) => CommandFault::System,
    }
}
