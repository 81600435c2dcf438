//! The composition root: a configuration becomes listeners, workers and a control runtime.

mod build;
mod inline;
mod metrics;
mod pulse;
mod reload;
mod reread;
mod serving;
pub mod sockets;
mod terms;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::admin::Names;
use crate::admin::Readiness;
use crate::admin::reloads::Reloads;
use crate::config::Config;
use crate::config::ConfigFile;
use crate::config::file::Hash;
use crate::config::restart::Fixed;
use crate::crypto::Entropy;
use crate::crypto::OsEntropy;
use crate::net::census::Census;
use crate::net::settings::Drain;
use crate::net::settings::Listen;
use crate::net::socket::Bound;
use crate::net::tls::TlsError;
use crate::oauth::client_secrets::InUse;
use crate::oauth::endpoint::ClientError;
use crate::oauth::provider::Client;
use crate::telemetry::sink;
use crate::telemetry::sink::Sink;
use crate::telemetry::traces::Exporter;
use crate::telemetry::traces::ExporterError;
use crate::telemetry::traces::TraceSettings;
use crate::telemetry::traces::Tracer;
use crate::time::Clock;
use crate::time::SteadyClock;
use crate::upstream::Resolve;
use crate::upstream::SystemResolver;
use crate::upstream::UpstreamTlsError;
use build::Ground;
pub use inline::Inline;
use pulse::Pulse;
pub use reload::Reload;
pub use reload::Reloader;
use reload::Shown;
use reload::Standing;
pub use reload::Trigger;
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
    reloader: Arc<Reloader>,
    pulse: Arc<Pulse>,
    exporter: Option<Exporter>,
    control: Option<Runtime>,
}

impl App {
    /// Binds both listeners and starts serving.
    pub fn start(config: Config, ports: &Ports) -> Result<Self, StartError> {
        Self::start_on(Sockets::default(), config, ports)
    }

    /// Starts serving on `sockets`, and binds what is not among them.
    pub fn start_on(sockets: Sockets, config: Config, ports: &Ports) -> Result<Self, StartError> {
        let (public, admin) = sockets.complete(&config.listen, config.admin_listen)?;
        let inherited = Sockets::of(&public, &admin)?;
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
        let readiness = Arc::<Readiness>::default();
        let now = ports.clock.now();
        let (tracer, exporter) = traces(config.traces.as_ref(), ports, control.handle())?.unzip();
        let ground = Ground {
            tracer,
            ports: ports.clone(),
            control: control.handle().clone(),
            tasks: tasks.clone(),
            workers: count,
            started: now,
            readiness: Arc::clone(&readiness),
            reloads: Arc::new(Reloads::begun(now)),
            files: Arc::default(),
        };
        let Begun {
            reloader,
            rereader,
            admin: probes,
        } = begin(config, ground)?;
        rereader.reread();
        let look = Arc::downgrade(&reloader);
        rereader.watch(control.handle(), move |now| {
            let reloader = look.upgrade();
            reloader.is_some_and(|reloader| reloader.look(now))
        });
        let pulse = Arc::new(Pulse::new(Arc::clone(&ports.clock), count));
        pulse.follow(control.handle());
        let probes = control.spawn(probes.serve(admin));
        let mut workers = Vec::with_capacity(count);
        let (accepts, accepting) = std::sync::mpsc::channel();
        for number in 0..count {
            let worker = worker::Settings {
                number,
                listeners: public
                    .iter()
                    .map(Bound::try_clone)
                    .collect::<Result<_, _>>()?,
                snapshots: reloader.snapshots(),
                phases: phases.clone(),
                accepts: accepts.clone(),
                pulse: Arc::clone(&pulse),
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
            reloader,
            pulse,
            exporter,
            control: Some(control),
        })
    }

    /// The configuration came from `file`, where it had this hash. It is followed from now on: what is
    /// written there is taken over if it is good.
    pub fn follow(&self, file: ConfigFile, hash: Hash) {
        self.reloader.follow(file, hash);
    }

    /// Takes over configurations while the gateway runs.
    pub fn reloader(&self) -> Arc<Reloader> {
        Arc::clone(&self.reloader)
    }

    /// Puts `config` into force, whatever file it came from. Answers the keys whose values wait for a
    /// restart; on an error nothing has changed. Blocks.
    pub fn take_over(&self, config: Config) -> Result<Vec<&'static str>, StartError> {
        self.reloader.take_over(config)
    }

    /// Whether every thread that serves has been well of late.
    pub fn is_well(&self) -> bool {
        self.pulse.is_felt()
    }

    /// How the process is to end.
    pub fn drain(&self) -> Drain {
        self.reloader.drain()
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
        self.reloader.reread();
    }

    /// Whether the store that replicas share answers, if there is one; tells when that changes.
    pub fn store_state(&self) -> Option<watch::Receiver<bool>> {
        self.reloader.standing().store.clone()
    }

    /// Which client secret the provider accepts and since when, once that is known; of several tenants the
    /// first one's.
    pub fn client_secret_in_use(&self) -> Option<InUse> {
        match &self.reloader.house().first.provider.client {
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
        self.reloader.close();
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

/// What the first configuration has made.
struct Begun {
    reloader: Arc<Reloader>,
    rereader: Arc<Rereader>,
    admin: Arc<Admin>,
}

/// What follows traces, and sends them.
fn traces(
    settings: Option<&TraceSettings>,
    ports: &Ports,
    control: &Handle,
) -> Result<Option<(Tracer, Exporter)>, StartError> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let (clock, entropy) = (Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
    Ok(Some(Exporter::start(
        settings.clone(),
        clock,
        entropy,
        control,
    )?))
}

/// Builds what the first configuration says.
fn begin(config: Config, ground: Ground) -> Result<Begun, StartError> {
    let mut config = config;
    let (fixed, drain) = (Fixed::of(&config), config.drain);
    let (limits, trusted) = (config.limits, config.trusted_proxies.clone());
    let shown = Shown::of(&config, None)?;
    let names = Names::new(config.admin_hosts.iter().cloned());
    let census = Census::new(limits.connections, limits.connections_per_address, trusted);
    let (door, clocks, log) = (
        worker::Door::of(&config, shown.as_ref(), Arc::new(census)),
        config.clocks,
        config.log,
    );
    let upstreams = Arc::new(build::upstreams(&mut config, &ground.ports, None)?);
    upstreams.watch(&ground.control);
    let identity = shown.as_ref().map(|shown| Arc::clone(&shown.tls.identity));
    let built = build::house(config, &ground, None, identity, &upstreams)?;
    for step in built.steps {
        step();
    }
    let clock = Arc::clone(&ground.ports.clock);
    let rereader = Arc::new(Rereader::new(clock, Arc::clone(&ground.files)));
    rereader.follow(built.groups, built.revocations);
    let admin = Arc::new(Admin::new(built.sources, built.registry, names));
    // Nobody waits for workers to turn to the first one.
    let (taken, _) = std::sync::mpsc::channel();
    let snapshot = worker::Snapshot {
        house: Arc::new(built.house),
        tls: shown.as_ref().map(|shown| Arc::clone(&shown.tls.config)),
        upstreams,
        door,
        clocks,
        log,
        records: ground.ports.records.clone(),
        taken,
    };
    let standing = Standing {
        ledger: built.ledger,
        tls: shown,
        store: built.store,
        file: None,
    };
    let reloader = Reloader::new(
        ground,
        fixed,
        Arc::clone(&admin),
        Arc::clone(&rereader),
        snapshot,
        standing,
        drain,
    );
    Ok(Begun {
        reloader: Arc::new(reloader),
        rereader,
        admin,
    })
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
    /// A store does not answer for a site that another configuration adds.
    #[error(
        "the session store has not answered for the new site {host} within {} s; it is tried again", after.as_secs()
    )]
    Store {
        /// The site.
        host: String,
        /// How long it was waited for.
        after: Duration,
    },
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
