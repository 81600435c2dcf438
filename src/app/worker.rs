//! One worker: a thread, a single-threaded runtime, its own connections and pools.
//!
//! Cores that share nothing need no locks and move no cache lines; measured, this costs a fifth less
//! CPU a request than one runtime over all cores with a shared pool.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::runtime::LocalOptions;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Phase;
use super::pulse::Pulse;
use super::reload::Shown;
use super::serving::Serving;
use super::terms::Terms;
use crate::config::Config;
use crate::gateway::Front;
use crate::gateway::House;
use crate::gateway::turned_away;
use crate::gateway::unreadable;
use crate::net::Manner;
use crate::net::Registry;
use crate::net::WriteFailure;
use crate::net::census::Census;
use crate::net::guard::TICK;
use crate::net::listener::Acceptors;
use crate::net::settings::Clocks;
use crate::net::settings::Limits;
use crate::net::settings::Protocols;
use crate::net::settings::Tls;
use crate::net::settings::TrustedProxies;
use crate::net::socket::Bound;
use crate::telemetry::access::AccessLog;
use crate::telemetry::settings::LogSettings;
use crate::telemetry::sink::Sink;
use crate::upstream::Client;
use crate::upstream::Upstreams;

/// What a worker needs to begin.
pub(super) struct Settings {
    /// Which one it is.
    pub(super) number: usize,
    pub(super) listeners: Vec<Bound>,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) phases: watch::Receiver<Phase>,
    /// Told once, when the worker accepts.
    pub(super) accepts: mpsc::Sender<()>,
    pub(super) pulse: Arc<Pulse>,
}

/// A configuration as workers serve by it. New connections and new requests go by the latest one.
pub(super) struct Snapshot {
    pub(super) house: Arc<House>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) door: Door,
    pub(super) clocks: Clocks,
    pub(super) log: LogSettings,
    /// Where access records go.
    pub(super) records: Sink,
    /// Told by each worker that has turned to it.
    pub(super) taken: mpsc::Sender<()>,
}

/// What all workers let in.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) tells_certificates: bool,
    pub(super) protocols: Protocols,
    pub(super) limits: Limits,
    pub(super) trusted: TrustedProxies,
    pub(super) census: Arc<Census>,
    /// What who comes in has to prove.
    pub(super) terms: Terms,
}

impl Door {
    /// What `config` lets in, with the TLS that is `shown`, counted by `census`.
    pub(super) fn of(config: &Config, shown: Option<&Shown>, census: Arc<Census>) -> Self {
        Self {
            terms: Terms::of(config, shown),
            tells_certificates: config.tls.as_ref().is_some_and(Tls::tells_certificates),
            protocols: config.protocols,
            limits: config.limits,
            trusted: config.trusted_proxies.clone(),
            census,
        }
    }
}

impl Snapshot {
    /// Its front, which goes on with the connections to upstreams of the one `before`.
    pub(super) fn front(&self, before: Option<&Front>, drain: &CancellationToken) -> Front {
        let seed = u64::from_ne_bytes(self.house.first.entropy.bytes());
        let connections = before.map(Front::upstream);
        let upstream = Client::after(connections, Arc::clone(&self.upstreams), seed);
        let access = self.log.access;
        let access = access.then(|| AccessLog::new(self.log, self.records.clone()));
        Front::new(before, &self.house, upstream, access, drain)
    }

    /// How new connections are served.
    pub(super) fn manner(&self) -> Manner {
        let (hall, door) = (Arc::clone(&self.house.hall), self.door.clone());
        Manner {
            tls: self.tls.clone().map(TlsAcceptor::from),
            tells_certificates: door.tells_certificates,
            protocols: door.protocols,
            limits: door.limits,
            trusted: door.trusted,
            census: door.census,
            failure: WriteFailure::new(move |status| unreadable(&hall, status)),
            turned_away,
        }
    }
}

/// A worker's thread.
pub(super) fn run(settings: Settings) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_io_events_per_tick(AT_ONCE)
        .build_local(LocalOptions::default());
    match runtime {
        Ok(runtime) => runtime.block_on(work(settings)),
        Err(error) => tracing::error!(%error, "A worker has no runtime."),
    }
}

async fn work(settings: Settings) {
    let Settings {
        number,
        listeners,
        mut snapshots,
        mut phases,
        accepts,
        pulse,
    } = settings;
    let mut acceptors = match Acceptors::new(listeners) {
        Ok(acceptors) => acceptors,
        Err(error) => return tracing::error!(%error, "A worker cannot listen."),
    };
    let snapshot = Arc::clone(&snapshots.borrow_and_update());
    let mut revoked = snapshot.house.first.revocations.subscribe();
    let mut serving = Serving::begin(snapshot);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if accepts.send(()).is_err() {
        // The start was given up.
        return;
    }
    drop(accepts);
    let (deadline, handed_over) = loop {
        tokio::select! {
            (socket, peer) = acceptors.accept() => serving.serve(socket, peer),
            _ = ticks.tick() => {
                serving.tick();
                pulse.beat(number);
            }
            Ok(()) = revoked.changed() => serving.end_streams(),
            Ok(()) = snapshots.changed() => {
                let snapshot = Arc::clone(&snapshots.borrow_and_update());
                serving.turn_to(Arc::clone(&snapshot));
                // Nobody waits any more, perhaps.
                let _heard = snapshot.taken.send(());
            }
            phase = next_phase(&mut phases) => match phase {
                Phase::Serving => {}
                Phase::Draining { deadline, handed_over } => break (deadline, handed_over),
            }
        }
    };
    if handed_over {
        drop(acceptors);
    } else {
        // Their handshake is done: the clients believe to be connected.
        for (socket, peer) in acceptors.close() {
            serving.serve(socket, peer);
        }
    }
    serving.drain();
    let registry = serving.registry();
    let emptied = async {
        loop {
            tokio::select! {
                () = empty(registry) => break,
                _ = ticks.tick() => {
                    serving.tick();
                    pulse.beat(number);
                }
                Ok(()) = revoked.changed() => serving.end_streams(),
            }
        }
    };
    if tokio::time::timeout(deadline, emptied).await.is_err() {
        tracing::warn!(
            connections = registry.len(),
            "Cutting connections that did not finish in time."
        );
        registry.cut();
        // Each has to be polled once more to end.
        let _ended = tokio::time::timeout(LAST_POLL, empty(registry)).await;
    }
    serving.tick();
}

/// The next phase; a sender that is gone means the end.
async fn next_phase(phases: &mut watch::Receiver<Phase>) -> Phase {
    match phases.changed().await {
        Ok(()) => *phases.borrow_and_update(),
        Err(_) => Phase::Draining {
            deadline: Duration::ZERO,
            handed_over: false,
        },
    }
}

async fn empty(registry: &Registry) {
    let mut look = tokio::time::interval(Duration::from_millis(10));
    while !registry.is_empty() {
        look.tick().await;
    }
}

const LAST_POLL: Duration = Duration::from_millis(100);

/// Sockets that are looked after before the kernel is asked for more. What one of them brings passes several
/// tasks, and should still be in the core's cache when the last of them takes it up.
const AT_ONCE: usize = 16;
