//! Another configuration while the gateway runs. The whole of it is resolved and built beside the one in
//! force; then workers take it over, each between two requests. A request ends under the one that it began
//! with. If anything is wrong with it, nothing changes.

mod look;
mod stores;

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;

use sha2::Digest as _;
use sha2::Sha256;
use tokio::sync::watch;

use super::StartError;
use super::build;
use super::build::Ground;
use super::build::Ledger;
use super::reread::Rereader;
use super::terms::Asked;
use super::worker::Door;
use super::worker::Snapshot;
use crate::admin::Admin;
use crate::admin::Names;
use crate::config::Config;
use crate::config::ConfigFile;
use crate::config::Problems;
use crate::config::Tenant;
use crate::config::file::Hash;
use crate::config::file::Reading;
use crate::config::restart::Fixed;
use crate::config::restart::News;
use crate::gateway::House;
use crate::http::Origin;
use crate::net::settings::Drain;
use crate::net::settings::Tls;
use crate::net::tls::ServerTls;
use look::Looks;
pub(super) use stores::Newcomer;

/// Takes over configurations, one at a time.
pub struct Reloader {
    ground: Ground,
    fixed: Fixed,
    admin: Arc<Admin>,
    rereader: Arc<Rereader>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    standing: Mutex<Standing>,
    looks: Mutex<Looks>,
    /// Beside the rest, which is locked while files are read: those may hang.
    drain: Mutex<Drain>,
    /// Whether the process is about to end.
    closed: AtomicBool,
}

/// What the configuration in force has made, for the next one to go on with.
pub(super) struct Standing {
    pub(super) ledger: Ledger,
    pub(super) tls: Option<Shown>,
    pub(super) store: Option<watch::Receiver<bool>>,
    /// Where the configuration is, and what was last seen there.
    pub(super) file: Option<(ConfigFile, Hash)>,
}

/// The listener's TLS, and what it was made of.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) tls: ServerTls,
    of: (Tls, Vec<String>, [u8; 32]),
}

/// What came of looking at a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is in force, but for these keys, which wait for a restart.
    Applied(Vec<&'static str>),
    /// It is no good, and the one before it stays in force.
    Refused,
    /// There is nothing to take over: the text is not there to stay, or the process is about to end.
    Unchanged,
}

/// Why somebody looks at the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody asked: it is read and taken over whether its text has changed or not.
    Asked,
    /// Something happened where it is, or time has passed: it is taken over if its text has stayed the same
    /// for long enough.
    Change,
}

impl Reloader {
    pub(super) fn new(
        ground: Ground,
        fixed: Fixed,
        admin: Arc<Admin>,
        rereader: Arc<Rereader>,
        first: Snapshot,
        standing: Standing,
        drain: Drain,
    ) -> Self {
        Self {
            ground,
            fixed,
            admin,
            rereader,
            snapshots: watch::Sender::new(Arc::new(first)),
            standing: Mutex::new(standing),
            looks: Mutex::default(),
            drain: Mutex::new(drain),
            closed: AtomicBool::new(false),
        }
    }

    /// What workers serve by.
    pub(super) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    pub(super) fn house(&self) -> Arc<House> {
        Arc::clone(&self.snapshots.borrow().house)
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration in force is that of `file`, which had this hash. Later ones come from there.
    pub(super) fn follow(&self, file: ConfigFile, hash: Hash) {
        self.ground.reloads.known_as(hash.as_str());
        self.rereader.watch_beside(file.path().to_owned());
        self.standing().file = Some((file, hash));
        self.rereader.watch_directories();
    }

    /// How the process is to end, as the latest configuration says.
    pub(super) fn drain(&self) -> Drain {
        *self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing over any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Reads the files that the configuration names. Blocks. Not while another configuration is taken over,
    /// which has read them a moment ago: what came after that would count as known, and not be in force.
    pub(super) fn reread(&self) {
        let _standing = self.standing();
        self.rereader.reread();
    }

    /// Reads the configuration's file and takes it over. Blocks.
    pub fn reload(&self, trigger: Trigger) -> Reload {
        self.turn(&mut self.standing(), trigger)
    }

    /// The file that is followed, until the process is about to end, and what was last seen there.
    fn followed(&self, standing: &Standing) -> Option<(ConfigFile, Hash)> {
        let followed = standing.file.clone();
        followed.filter(|_| !self.closed.load(Relaxed))
    }

    fn turn(&self, standing: &mut Standing, trigger: Trigger) -> Reload {
        let Some((file, _)) = self.followed(standing) else {
            return Reload::Unchanged;
        };
        if !is_to_follow(&file) {
            let (code, path) = (News::Refused.as_str(), file.path().display());
            let problem = format!("error[{code}]: {path} is no file, and is read once");
            return self.refuse(vec![problem], trigger);
        }
        let Reading { hash, outcome } = file.read();
        if trigger == Trigger::Change && !self.has_settled(&hash) {
            return Reload::Unchanged;
        }
        standing.file = Some((file, hash.clone()));
        let loaded = match outcome {
            Ok(loaded) => loaded,
            Err(problems) => return self.refuse(listed(&problems), trigger),
        };
        match self.apply(standing, loaded.config, &hash) {
            Ok(waiting) => {
                for warning in &loaded.warnings {
                    tracing::warn!(event = "configuration.warning", "{warning}");
                }
                Reload::Applied(waiting)
            }
            Err(error) => self.refuse(
                vec![format!("error[{}]: {error}", News::Refused.as_str())],
                trigger,
            ),
        }
    }

    /// Takes over `config`, whatever file it came from. Answers the keys that wait for a restart.
    pub(super) fn take_over(&self, config: Config) -> Result<Vec<&'static str>, StartError> {
        self.apply(&mut self.standing(), config, &Hash::default())
    }

    fn refuse(&self, problems: Vec<String>, trigger: Trigger) -> Reload {
        let (text, now) = (problems.join("\n"), self.ground.ports.clock.now());
        let news = self.ground.reloads.refused(problems, now);
        // Whoever asks is told once more.
        if news || trigger == Trigger::Asked {
            tracing::error!(
                event = "configuration.refused",
                code = News::Refused.as_str(),
                problems = text,
                "The changed configuration is no good; the one before it stays in force."
            );
        }
        Reload::Refused
    }

    fn apply(
        &self,
        standing: &mut Standing,
        mut config: Config,
        hash: &Hash,
    ) -> Result<Vec<&'static str>, StartError> {
        let waiting = self.fixed.hold(&mut config);
        let before = Arc::clone(&self.snapshots.borrow());
        let shown = Shown::of(&config, standing.tls.as_ref())?;
        let drain = config.drain;
        let names = Names::new(config.admin_hosts.iter().cloned());
        let (taken, takings) = mpsc::channel();
        let snapshot = Snapshot {
            house: Arc::clone(&before.house),
            upstreams: Arc::new(build::upstreams(
                &mut config,
                &self.ground.ports,
                Some(&before.upstreams),
            )?),
            tls: shown.as_ref().map(|shown| Arc::clone(&shown.tls.config)),
            door: Door::of(&config, shown.as_ref(), Arc::clone(&before.door.census)),
            clocks: config.clocks,
            log: config.log,
            records: self.ground.ports.records.clone(),
            taken,
        };
        let identity = shown.as_ref().map(|shown| Arc::clone(&shown.tls.identity));
        let (limits, trusted) = (config.limits, config.trusted_proxies.clone());
        let ledger = Some(standing.ledger.clone());
        let built = build::house(config, &self.ground, ledger, identity, &snapshot.upstreams)?;
        // Where no traffic comes for want of a store already, nothing is kept by waiting for one.
        if self.ground.readiness.has_its_store() {
            stores::wait_for(built.newcomers, &self.ground.control)?;
        }
        // From here on nothing can go wrong.
        for step in built.steps {
            step();
        }
        snapshot
            .door
            .census
            .rule(limits.connections, limits.connections_per_address, trusted);
        snapshot.upstreams.watch(&self.ground.control);
        standing.ledger = built.ledger;
        standing.tls = shown;
        *self.drain.lock().unwrap_or_else(PoisonError::into_inner) = drain;
        standing.store = built.store;
        self.snapshots.send_replace(Arc::new(Snapshot {
            house: Arc::new(built.house),
            ..snapshot
        }));
        self.admin.tell_of(built.sources, built.registry, names);
        self.rereader.follow(built.groups, built.revocations);
        self.rereader.watch_directories();
        self.rereader.reread();
        let reloads = &self.ground.reloads;
        reloads.applied(
            hash.as_str(),
            waiting.clone(),
            self.ground.ports.clock.now(),
        );
        self.await_workers(&takings);
        tracing::info!(
            event = "configuration.applied",
            hash = hash.as_str(),
            "Another configuration is in force."
        );
        if !waiting.is_empty() {
            tracing::warn!(
                event = "configuration.waits",
                code = News::NeedsRestart.as_str(),
                keys = waiting.join(", "),
                "Part of the configuration waits for a restart."
            );
        }
        Ok(waiting)
    }

    fn await_workers(&self, takings: &mpsc::Receiver<()>) {
        for _ in 0..self.ground.workers {
            if takings.recv_timeout(TAKING).is_err() {
                tracing::warn!(
                    event = "configuration.late",
                    "A worker has not taken the configuration over yet; it does before its next request."
                );
                return;
            }
        }
    }
}

impl Shown {
    /// The TLS that `config` wants: the same as `before` if nothing of it has changed.
    pub(super) fn of(config: &Config, before: Option<&Self>) -> Result<Option<Self>, StartError> {
        let Some(tls) = &config.tls else {
            return Ok(None);
        };
        let urls = config.tenants().flat_map(Tenant::urls);
        let hosts: Vec<String> = urls.map(|url: &Origin| url.host().to_owned()).collect();
        let of = (tls.clone(), hosts, authorities(tls));
        if let Some(before) = before.filter(|before| before.of == of) {
            return Ok(Some(before.clone()));
        }
        let hosts: Vec<&str> = of.1.iter().map(String::as_str).collect();
        let tls = ServerTls::new(tls, &hosts)?;
        Ok(Some(Self { tls, of }))
    }

    /// What clients are asked for.
    pub(super) fn asks(&self) -> Asked {
        let (tls, _, authorities) = &self.of;
        Asked::by(tls, *authorities)
    }
}

/// Such as a pipe was read to its end at the start, and would have to be waited for now.
fn is_to_follow(file: &ConfigFile) -> bool {
    let found = file.path().metadata();
    found.map_or(true, |found| found.is_file())
}

/// What is in the file of the authorities that vouch for clients.
fn authorities(tls: &Tls) -> [u8; 32] {
    let clients = match tls {
        Tls::Files { clients, .. } => clients.as_ref(),
        Tls::SelfSigned => None,
    };
    let read = |file| -> io::Result<Vec<u8>> { std::fs::read(file) };
    let bytes = clients.map(|clients| read(&clients.authorities).unwrap_or_default());
    Sha256::digest(bytes.unwrap_or_default()).into()
}

fn listed(problems: &Problems) -> Vec<String> {
    problems
        .as_slice()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// How long a worker may take to turn to another configuration.
const TAKING: Duration = Duration::from_secs(10);
