//! The composition root: a configuration becomes listeners, workers and a control runtime.

mod build;
mod metrics;
mod reread;
pub mod sockets;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::admin::Readiness;
use crate::config::Config;
use crate::config::Tenant;
use crate::crypto::Entropy;
use crate::crypto::OsEntropy;
use crate::http::Origin;
use crate::net::census::Census;
use crate::net::settings::Listen;
use crate::net::settings::Tls;
use crate::net::socket::Bound;
use crate::net::tls::ServerTls;
use crate::net::tls::TlsError;
use crate::oauth::Provider;
use crate::oauth::client_secrets::InUse;
use crate::oauth::endpoint::ClientError;
use crate::oauth::provider::Client;
use crate::telemetry::sink;
use crate::telemetry::sink::Sink;
use crate::telemetry::traces::Exporter;
use crate::telemetry::traces::ExporterError;
use crate::time::Clock;
use crate::time::SteadyClock;
use crate::upstream::Resolve;
use crate::upstream::SystemResolver;
use crate::upstream::UpstreamTlsError;
use reread::Rereader;
use sockets::Sockets;

/// What an app takes from its surroundings, so that tests can give it something else.
#[derive(Clone)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The addresses of upstreams' names.
    pub resolver: Arc<dyn Resolve>,
    /// Where access records go.
    pub records: Sink,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            clock: Arc::new(SteadyClock::start()),
            entropy: Arc::new(OsEntropy),
            resolver: Arc::new(SystemResolver),
            records: sink::standard_error().clone(),
        }
    }
}

/// A running gateway. Dropped, it ends without waiting for requests in hand.
pub struct App {
    /// Where the public listeners are, and as what they were configured.
    public: Vec<(SocketAddr, String)>,
    sockets: Sockets,
    probes: AbortHandle,
    admin: SocketAddr,
    readiness: Arc<Readiness>,
    phase: watch::Sender<Phase>,
    workers: Vec<JoinHandle<()>>,
    tasks: TaskTracker,
    rereader: Arc<Rereader>,
    provider: Arc<Provider>,
    store: Option<watch::Receiver<bool>>,
    exporter: Option<Exporter>,
    control: Option<Runtime>,
}

impl App {
    /// Binds both listeners and starts serving.
    pub fn start(config: Config, ports: &Ports) -> Result<Self, StartError> {
        Self::start_on(Sockets::default(), config, ports)
    }

    /// Starts serving on `sockets`, and binds what is not among them.
    pub fn start_on(
        sockets: Sockets,
        mut config: Config,
        ports: &Ports,
    ) -> Result<Self, StartError> {
        let (public, admin) = sockets.complete(&config.listen, config.admin_listen)?;
        let inherited = Sockets::of(&public, &admin)?;
        let tls = config
            .tls
            .as_ref()
            .map(|tls| {
                let urls = config.tenants().flat_map(Tenant::urls);
                ServerTls::new(tls, &urls.map(Origin::host).collect::<Vec<_>>())
            })
            .transpose()?;
        let count = config
            .workers
            .map_or_else(available_cores, std::num::NonZeroUsize::get);
        let control = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sidegate-control")
            .enable_all()
            .build()?;
        let tasks = TaskTracker::new();
        let (phase, phases) = watch::channel(Phase::Serving);
        let (public_address, admin_address) = (places(&public)?, admin.local_addr()?);
        let (clocks, log) = (config.clocks, config.log);
        let door = worker::Door {
            tells_certificates: config.tls.as_ref().is_some_and(Tls::tells_certificates),
            protocols: config.protocols,
            limits: config.limits,
            trusted: config.trusted_proxies.clone(),
            census: Arc::new(Census::new(
                config.limits.connections,
                config.limits.connections_per_address,
                config.trusted_proxies.clone(),
            )),
        };
        let identity = tls.as_ref().map(|tls| Arc::clone(&tls.identity));
        let upstreams = Arc::new(build::upstreams(&mut config, ports)?);
        upstreams.watch(control.handle());
        let build::Built {
            house,
            rereader,
            sources,
            registry,
            store,
            exporter,
        } = build::house(
            config,
            ports,
            control.handle(),
            &tasks,
            identity,
            &upstreams,
            count,
        )?;
        let (house, rereader) = (Arc::new(house), Arc::new(rereader));
        let provider = Arc::clone(&house.first.provider);
        rereader.reread();
        Arc::clone(&rereader).watch(control.handle());
        let readiness = Arc::clone(&sources.readiness);
        let probes = control.spawn(Admin::new(sources, registry).serve(admin));
        let mut workers = Vec::with_capacity(count);
        let (accepts, accepting) = std::sync::mpsc::channel();
        for number in 0..count {
            let worker = worker::Settings {
                listeners: public
                    .iter()
                    .map(Bound::try_clone)
                    .collect::<Result<_, _>>()?,
                house: Arc::clone(&house),
                tls: tls.as_ref().map(|tls| Arc::clone(&tls.config)),
                door: door.clone(),
                upstreams: Arc::clone(&upstreams),
                clocks,
                log,
                records: ports.records.clone(),
                phases: phases.clone(),
                accepts: accepts.clone(),
            };
            let thread = std::thread::Builder::new().name(format!("sidegate-worker-{number}"));
            workers.push(thread.spawn(move || worker::run(worker))?);
        }
        drop(accepts);
        for _ in &workers {
            let accepts = accepting.recv_timeout(BEGINNING);
            accepts.map_err(|_| io::Error::other("a worker does not accept; see the log"))?;
        }
        readiness.set_started();
        Ok(Self {
            public: public_address,
            sockets: inherited,
            probes: probes.abort_handle(),
            admin: admin_address,
            readiness,
            phase,
            workers,
            tasks,
            rereader,
            provider,
            store,
            exporter,
            control: Some(control),
        })
    }

    /// The first public listener's address.
    pub fn public_address(&self) -> SocketAddr {
        let first = self.public.first();
        first.map_or_else(|| SocketAddr::from(([0; 4], 0)), |(address, _)| *address)
    }

    /// Where the public listeners are.
    pub fn listens(&self) -> String {
        let names: Vec<&str> = self.public.iter().map(|(_, name)| name.as_str()).collect();
        names.join(", ")
    }

    /// The admin listener's address.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Reads the files that may change while the gateway runs, now. They are also read when their
    /// directory changes and every 30 seconds. Blocks.
    pub fn reread(&self) {
        self.rereader.reread();
    }

    /// Whether the store that replicas share answers, if there is one; tells when that changes.
    pub fn store_state(&self) -> Option<watch::Receiver<bool>> {
        self.store.clone()
    }

    /// Which client secret the provider accepts and since when, once that is known; of several tenants the
    /// first one's.
    pub fn client_secret_in_use(&self) -> Option<InUse> {
        match &self.provider.client {
            Client::Web(secrets) => secrets.in_use(),
            Client::Public => None,
        }
    }

    /// Ends in order: no new connections, requests in hand are served, refreshes under way are
    /// finished; whatever is left after `deadline` is cut. Blocks.
    pub fn stop(self, deadline: Duration) {
        self.turn_unready();
        self.end(deadline, false);
    }

    /// Says to the readiness probe that no more traffic should come. All is served as before.
    pub fn turn_unready(&self) {
        self.readiness.set_draining();
    }

    /// The listening sockets, for the process that goes on with them.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Ends as [`Self::stop`] does, while another process accepts from the same sockets: what waits
    /// there is left to it, and so are the probes.
    pub fn hand_over(self, deadline: Duration) {
        self.probes.abort();
        self.end(deadline, true);
    }

    fn end(mut self, deadline: Duration, handed_over: bool) {
        // The last to let go of a socket closes it.
        self.sockets = Sockets::default();
        self.phase.send_replace(Phase::Draining {
            deadline,
            handed_over,
        });
        for worker in self.workers.drain(..) {
            // A worker that panicked has ended too.
            let _ended = worker.join();
        }
        self.tasks.close();
        if let Some(control) = self.control.take() {
            let left = control
                .block_on(async { tokio::time::timeout(LAST_CALLS, self.tasks.wait()).await });
            if left.is_err() {
                tracing::warn!("Calls to the provider were still under way at the end.");
            }
            if let Some(exporter) = self.exporter.take() {
                control.block_on(exporter.finish());
            }
            control.shutdown_background();
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Draining {
            deadline: Duration::ZERO,
            handed_over: false,
        });
        for worker in self.workers.drain(..) {
            let _ended = worker.join();
        }
        if let Some(control) = self.control.take() {
            control.shutdown_background();
        }
    }
}

/// What workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accept and serve.
    Serving,
    /// Finish what is in hand, for so long.
    Draining {
        /// From now.
        deadline: Duration,
        /// Whether another process accepts from the same socket.
        handed_over: bool,
    },
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, not ours, or not allowed.
    #[error("cannot listen on {listen}: {error}")]
    Bind {
        /// The address.
        listen: Listen,
        /// What the system said.
        error: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The files for TLS to upstreams cannot be used.
    #[error(transparent)]
    UpstreamTls(#[from] UpstreamTlsError),
    /// The provider's client cannot be made.
    #[error(transparent)]
    Provider(#[from] ClientError),
    /// The exporter of traces cannot be made.
    #[error(transparent)]
    Traces(#[from] ExporterError),
    /// The system refused a thread or a socket.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// Where `sockets` are, with the ports that the system chose.
fn places(sockets: &[Bound]) -> io::Result<Vec<(SocketAddr, String)>> {
    let place = |socket: &Bound| Ok((socket.address()?, socket.to_string()));
    sockets.iter().map(place).collect()
}

/// The cores that this process may use, by affinity and control group.
fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// How long a worker may take until it accepts.
const BEGINNING: Duration = Duration::from_secs(10);

/// A call to the provider ends by itself within five seconds.
const LAST_CALLS: Duration = Duration::from_secs(6);
