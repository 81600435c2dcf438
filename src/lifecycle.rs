//! From start to end: what the process does when it is told to read its configuration again, to stop, or to
//! make room for the next.

pub mod activation;
pub mod handover;
pub mod supervisor;

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Resource;
use rustix::process::getrlimit;
use rustix::process::kill_process;
use rustix::process::setrlimit;
use tokio::runtime::Runtime;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::time::MissedTickBehavior;
use tokio::time::timeout;

use crate::app::App;
use crate::app::Reload;
use crate::app::Trigger;
use crate::config::restart::News;
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

    /// Waits for SIGTERM or SIGINT, then lets the app finish what it has in hand. SIGHUP has the
    /// configuration read again. SIGUSR2 starts the program anew with the same sockets; once that serves,
    /// this one ends in the same way.
    ///
    /// Meanwhile the supervisor hears every `period` that all is well, for as long as it is.
    pub fn run(mut self, app: App, supervisor: &Supervisor, period: Option<Duration>) {
        let next = Next {
            successor: &self.successor,
            supervisor,
        };
        let end = self.runtime.block_on(async {
            tokio::select! {
                end = self.signals.end(&app, &next) => end,
                never = keep_telling(&app, supervisor, period) => match never {},
            }
        });
        // As the latest configuration says.
        let drain = app.drain();
        match end {
            End::Stopped => app.stop(drain.deadline),
            End::HandedOver => app.hand_over(drain.deadline),
        }
        tracing::info!(event = "stopped", pid = std::process::id(), "Stopped.");
        sink::standard_error().flush();
        // Whatever still reads a file is not waited for.
        self.runtime.shutdown_background();
    }
}

/// Tells `supervisor` every `period` that `app` is well, unless it is not.
async fn keep_telling(app: &App, supervisor: &Supervisor, period: Option<Duration>) -> Infallible {
    let Some(period) = period else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_well = true;
    loop {
        ticks.tick().await;
        let well = app.is_well();
        if well {
            supervisor.alive();
        } else if was_well {
            tracing::error!(
                event = "watchdog.silent",
                "A thread hangs; the supervisor hears nothing more until it moves."
            );
        }
        was_well = well;
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
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move { stopped(&mut terminate, &mut interrupt).await })
}

/// The signals that mean something to us.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    succeed: Signal,
    reload: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            succeed: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn end(&mut self, app: &App, next: &Next<'_>) -> End {
        let Next {
            successor,
            supervisor,
        } = next;
        loop {
            let succeeded = tokio::select! {
                name = stopped(&mut self.terminate, &mut self.interrupt) => {
                    supervisor.stopping();
                    self.wait_out(app, app.drain().delay, name).await;
                    return End::Stopped;
                }
                _ = self.reload.recv() => {
                    supervisor.reloading();
                    // Files may hang, on a network's disk.
                    tokio::select! {
                        said = reload(app) => supervisor.ready_with(&said),
                        name = stopped(&mut self.terminate, &mut self.interrupt) => {
                            supervisor.stopping();
                            self.wait_out(app, app.drain().delay, name).await;
                            return End::Stopped;
                        }
                    }
                    continue;
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
                    self.wait_out(app, app.drain().delay, name).await;
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
                    self.pass_on(successor.pid()).await;
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

    /// A reload that was asked for while the successor started is for that one to make: whoever asked
    /// waits for an answer.
    async fn pass_on(&mut self, successor: u32) {
        let asked = timeout(Duration::ZERO, self.reload.recv()).await.is_ok();
        let pid = i32::try_from(successor).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| asked)
            && let Err(error) = kill_process(pid, rustix::process::Signal::HUP)
        {
            tracing::warn!(%error, "The successor was not told to read the configuration again.");
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

/// Reads the configuration again and says in a line what came of it.
async fn reload(app: &App) -> String {
    let reloader = app.reloader();
    let outcome = tokio::task::spawn_blocking(move || reloader.reload(Trigger::Asked)).await;
    match outcome {
        Ok(Reload::Applied(waiting)) if waiting.is_empty() => "Serving.".to_owned(),
        Ok(Reload::Applied(waiting)) => {
            let keys = waiting.join(", ");
            let code = News::NeedsRestart.as_str();
            format!("Serving; the configuration waits for a restart with {keys} ({code}).")
        }
        Ok(Reload::Refused) => {
            let code = News::Refused.as_str();
            format!("Serving; the changed configuration is no good, see the log ({code}).")
        }
        Ok(Reload::Unchanged) => "Serving; there is no configuration file.".to_owned(),
        Err(error) => {
            tracing::error!(%error, "Reading the configuration again broke off.");
            "Serving; reading the configuration again broke off.".to_owned()
        }
    }
}

async fn stopped(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
