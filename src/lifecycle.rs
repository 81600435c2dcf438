//! From start to end: what the process does when it is told to stop, or to make room for the next.

pub mod activation;
pub mod handover;
pub mod supervisor;

use std::io;
use std::time::Duration;

use rustix::process::Resource;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use tokio::runtime::Runtime;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::app::App;
use crate::net::settings::Drain;
use crate::telemetry::sink;
use handover::Successor;
use supervisor::Supervisor;

/// Listens for signals from its making on, so that none is missed while the app starts.
pub struct Lifecycle {
    runtime: Runtime,
    signals: Signals,
    successor: Successor,
}

impl Lifecycle {
    /// To be made before anything else: it remembers how this program was started.
    pub fn begin() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        Ok(Self {
            runtime,
            signals,
            successor: Successor::of_this_process()?,
        })
    }

    /// Waits for SIGTERM or SIGINT, then lets the app finish what it has in hand. SIGUSR2 starts the
    /// program anew with the same sockets; once that serves, this one ends in the same way.
    pub fn run(mut self, app: App, drain: Drain, supervisor: &Supervisor) {
        let next = Next {
            successor: &self.successor,
            supervisor,
        };
        let end = self.runtime.block_on(self.signals.end(&app, drain, &next));
        match end {
            End::Stopped => app.stop(drain.deadline),
            End::HandedOver => app.hand_over(drain.deadline),
        }
        tracing::info!(event = "stopped", pid = std::process::id(), "Stopped.");
        sink::standard_error().flush();
    }
}

/// Who goes on, and who is told.
struct Next<'a> {
    successor: &'a Successor,
    supervisor: &'a Supervisor,
}

/// How it ends.
enum End {
    /// Nobody goes on.
    Stopped,
    /// Another process goes on.
    HandedOver,
}

/// Allows as many open files as the system lets this process have: each connection is one, and each
/// request may be one more.
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "The limit of open files stays.");
    }
}

/// Waits for the first signal to stop, by name; one that comes before this is awaited is not missed.
pub fn stop_signal() -> io::Result<impl Future<Output = &'static str>> {
    let mut signals = Signals::listen()?;
    Ok(async move { signals.stop().await })
}

/// The signals that mean something to us.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    succeed: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            succeed: signal(SignalKind::user_defined2())?,
        })
    }

    async fn end(&mut self, app: &App, drain: Drain, next: &Next<'_>) -> End {
        let Next {
            successor,
            supervisor,
        } = next;
        loop {
            let succeeded = tokio::select! {
                name = stopped(&mut self.terminate, &mut self.interrupt) => {
                    supervisor.stopping();
                    self.wait_out(app, drain.delay, name).await;
                    return End::Stopped;
                }
                _ = self.succeed.recv() => {
                    supervisor.reloading();
                    successor.start(app.sockets())
                }
            };
            let mut successor = match succeeded {
                Ok(successor) => successor,
                Err(error) => {
                    tracing::error!(event = "handover.failed", %error, "No successor could be started; going on.");
                    supervisor.ready();
                    continue;
                }
            };
            let ready = tokio::select! {
                ready = successor.ready() => ready,
                name = stopped(&mut self.terminate, &mut self.interrupt) => {
                    supervisor.stopping();
                    successor.end().await;
                    self.wait_out(app, drain.delay, name).await;
                    return End::Stopped;
                }
            };
            match ready {
                Ok(()) => {
                    tracing::info!(
                        event = "handed_over",
                        pid = std::process::id(),
                        successor = successor.pid(),
                        "Another process serves; requests in hand are finished."
                    );
                    return End::HandedOver;
                }
                Err(error) => {
                    tracing::error!(event = "handover.failed", %error, "The successor does not serve; going on.");
                    successor.end().await;
                    supervisor.ready();
                }
            }
        }
    }

    /// Balancers need time to notice; a second signal says that they have had it.
    async fn wait_out(&mut self, app: &App, delay: Duration, signal: &str) {
        app.turn_unready();
        tracing::info!(
            event = "stopping",
            signal,
            ?delay,
            "Stopping: requests in hand are finished."
        );
        if delay.is_zero() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            signal = self.stop() => tracing::info!(event = "stopping", signal, "Told twice: not waiting any longer."),
        }
    }

    async fn stop(&mut self) -> &'static str {
        stopped(&mut self.terminate, &mut self.interrupt).await
    }
}

async fn stopped(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
