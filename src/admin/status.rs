//! Where the status page's numbers come from, and how they are put together. Everything is read from
//! counters and states that are there anyway, on the control runtime.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::Readiness;
use super::files::Files;
use super::history::History;
use super::history::Mark;
use super::history::STEP;
use super::problems::Problems;
use super::reloads::Reloads;
use super::report::Report;
use crate::crypto::Keys;
use crate::net::tls::Identity;
use crate::oauth::Directory;
use crate::oauth::Provider;
use crate::telemetry::metrics::Counted;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::Totals;
use crate::telemetry::metrics::Traffic;
use crate::time::Clock;
use crate::time::UnixTime;
use crate::upstream::Upstreams;

/// What the status page looks at.
pub struct Sources {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether traffic should come.
    pub readiness: Arc<Readiness>,
    /// How many workers serve.
    pub workers: usize,
    /// The tenants; one without a name if there is only one.
    pub tenants: Vec<TenantSource>,
    /// What belongs to none of several tenants.
    pub hall: Option<Arc<Traffic>>,
    /// The tools behind the routes.
    pub upstreams: Arc<Upstreams>,
    /// Whether the session store answers, if there is one.
    pub store: Option<watch::Receiver<bool>>,
    /// The session keys.
    pub keys: Arc<Keys>,
    /// The listener's certificate.
    pub identity: Option<Arc<Identity>>,
    /// The files that are read again.
    pub files: Arc<Files>,
    /// What became of changes of the configuration.
    pub reloads: Arc<Reloads>,
}

/// One tenant's part of it.
pub struct TenantSource {
    /// Its name, where there are several.
    pub name: Option<Arc<str>>,
    /// Its requests.
    pub traffic: Arc<Traffic>,
    /// Its sign-ins and refreshes.
    pub events: Events,
    /// Its package.
    pub provider: Arc<Provider>,
    /// Its token endpoints, one for each host.
    pub directories: Vec<Arc<Directory>>,
}

/// The sources, and what is remembered of them.
pub(super) struct Status {
    sources: ArcSwap<Sources>,
    pub(super) started: UnixTime,
    memory: Mutex<Memory>,
}

/// Of each tenant, in their order.
struct Memory {
    /// With their names, since the tenants may change.
    tenants: Vec<(Option<Arc<str>>, Remembered)>,
    /// Of what belongs to none.
    nobody: Remembered,
}

impl Memory {
    /// Keeps what is known of the tenants of `sources`, in their order.
    fn of(before: Option<Self>, sources: &Sources, now: UnixTime) -> Self {
        let mut before = before;
        let mut remembered = |tenant: &TenantSource| {
            let known = before.as_mut().and_then(|before| {
                let mut names = before.tenants.iter().map(|(name, _)| name);
                let place = names.position(|name| *name == tenant.name)?;
                Some(before.tenants.swap_remove(place).1)
            });
            let remembered = known.unwrap_or_else(|| Remembered::since(now));
            (tenant.name.clone(), remembered)
        };
        Self {
            tenants: sources.tenants.iter().map(&mut remembered).collect(),
            nobody: before.map_or_else(|| Remembered::since(now), |before| before.nobody),
        }
    }
}

/// What is remembered of a tenant.
pub(super) struct Remembered {
    pub(super) history: History,
    pub(super) problems: Problems,
}

impl Remembered {
    fn since(now: UnixTime) -> Self {
        Self {
            history: History::new(now),
            problems: Problems::default(),
        }
    }
}

impl Status {
    pub(super) fn new(sources: Sources) -> Self {
        let now = sources.clock.now();
        Self {
            memory: Mutex::new(Memory::of(None, &sources, now)),
            sources: ArcSwap::from_pointee(sources),
            started: now,
        }
    }

    /// What it looks at.
    pub(super) fn sources(&self) -> Arc<Sources> {
        self.sources.load_full()
    }

    /// Looks at other sources from now on.
    pub(super) fn look_at(&self, sources: Sources) {
        let now = sources.clock.now();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = Memory {
            tenants: Vec::new(),
            nobody: Remembered::since(now),
        };
        let before = std::mem::replace(&mut *memory, nothing);
        *memory = Memory::of(Some(before), &sources, now);
        self.sources.store(Arc::new(sources));
    }

    /// Keeps looking, for as long as the runtime lives.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(|_, _| ());
        }
    }

    /// How it is now.
    pub(super) fn report(&self) -> Report {
        self.look(|seen, memory| Report::of(self.started, seen, memory))
    }

    fn look<T>(&self, then: impl FnOnce(&Seen, &[&Remembered]) -> T) -> T {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that memory and sources are of the same tenants.
        let sources = self.sources();
        let seen = Seen {
            now: sources.clock.now(),
            tenants: sources
                .tenants
                .iter()
                .map(|tenant| (tenant.traffic.totals(), tenant.events.counted()))
                .collect(),
            hall: sources.hall.as_ref().map(|hall| hall.totals()),
            sources,
        };
        let remembered = memory.tenants.iter_mut().map(|(_, remembered)| remembered);
        for (remembered, (traffic, events)) in remembered.zip(&seen.tenants) {
            remembered
                .history
                .observe(seen.now, &Mark::of(traffic, events));
            remembered.problems.observe(seen.now, &traffic.faults);
        }
        if let Some(hall) = &seen.hall {
            memory.nobody.problems.observe(seen.now, &hall.faults);
        }
        let tenants = memory.tenants.iter().map(|(_, remembered)| remembered);
        let all: Vec<&Remembered> = tenants.chain([&memory.nobody]).collect();
        then(&seen, &all)
    }
}

/// The counters at one moment.
pub(super) struct Seen {
    pub(super) sources: Arc<Sources>,
    pub(super) now: UnixTime,
    pub(super) tenants: Vec<(Totals, Counted)>,
    pub(super) hall: Option<Totals>,
}

/// A certificate that ends so soon should have been renewed.
pub(super) const CERTIFICATE_SOON: Duration = Duration::from_hours(14 * 24);
