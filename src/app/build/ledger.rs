//! What outlives a configuration: sessions, sign-ins and refreshes under way, what is known of the
//! provider, and all that was counted.

use std::collections::HashMap;
use std::sync::Arc;

use crate::crypto::KeyRing;
use crate::crypto::Keys;
use crate::gateway::Fairness;
use crate::gateway::Gateway;
use crate::gateway::Limiters;
use crate::gateway::Rates;
use crate::gateway::Shares;
use crate::oauth::Provider;
use crate::session::Revocations;
use crate::session::shared::Shared;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::Traffic;
use crate::time::Clock;

/// What the next configuration goes on with. A clone is as good as the original: the rooms are shared.
#[derive(Clone)]
pub(in crate::app) struct Ledger {
    pub(super) keys: Arc<Keys>,
    pub(super) limiters: (Rates, Arc<Limiters>),
    /// Tells all workers when to look at running streams again.
    pub(super) notice: Arc<Revocations>,
    /// By tenant; those that are gone stay, since counters do not go back.
    numbers: HashMap<Option<Arc<str>>, Numbers>,
    /// Counts what is of no tenant.
    hall: Option<Arc<Traffic>>,
    /// The latest state of every site, those first that have been there longest.
    sites: Vec<Kept>,
}

/// What is counted for one tenant.
#[derive(Clone)]
pub(super) struct Numbers {
    pub(super) events: Events,
    pub(super) traffic: Arc<Traffic>,
    pub(super) fairness: Arc<Fairness>,
}

/// One site.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) gateway: Arc<Gateway>,
    pub(super) shared: Option<Arc<Shared>>,
}

impl Ledger {
    /// Nothing has happened yet.
    pub(in crate::app) fn begin(ring: KeyRing, rates: Rates, clock: &Arc<dyn Clock>) -> Self {
        Self {
            keys: ring.into(),
            limiters: (rates, Arc::new(Limiters::new(rates, clock))),
            notice: Arc::default(),
            numbers: HashMap::new(),
            hall: None,
            sites: Vec::new(),
        }
    }

    /// The same, with a step among `steps` that puts other session keys into force.
    pub(super) fn turning(self, ring: KeyRing, steps: &mut Vec<Box<dyn FnOnce()>>) -> Self {
        let keys = Arc::clone(&self.keys);
        steps.push(Box::new(move || {
            let (seals, count) = (ring.first().id(), ring.ids().count());
            if keys.adopt(ring) {
                tracing::info!(event = "session_keys.changed", %seals, keys = count, "Session keys taken over.");
            }
        }));
        self
    }

    /// Limits on sign-ins by `rates`: the same as before if those are.
    pub(super) fn limiters(&mut self, rates: Rates, clock: &Arc<dyn Clock>) -> Arc<Limiters> {
        if self.limiters.0 != rates {
            self.limiters = (rates, Arc::new(Limiters::new(rates, clock)));
        }
        Arc::clone(&self.limiters.1)
    }

    /// What is counted for the tenant of this name.
    pub(super) fn numbers(
        &mut self,
        name: Option<&Arc<str>>,
        own: &str,
        shares: Shares,
    ) -> Numbers {
        let numbers = self.numbers.entry(name.cloned());
        let new = || Numbers {
            events: Events::default(),
            traffic: Arc::new(Traffic::new(own, [])),
            fairness: Arc::new(Fairness::new(shares)),
        };
        numbers.or_insert_with(new).clone()
    }

    /// What counts what is of no tenant, where there are several.
    pub(super) fn hall(&mut self, own: &str) -> Arc<Traffic> {
        let hall = self
            .hall
            .get_or_insert_with(|| Arc::new(Traffic::new(own, [])));
        Arc::clone(hall)
    }

    /// The package as it is known already, if `provider` is the same but for its secrets.
    pub(super) fn provider(
        &self,
        name: Option<&Arc<str>>,
        provider: &Provider,
    ) -> Option<Arc<Provider>> {
        let mut sites = self.sites.iter().rev().map(|kept| &kept.gateway);
        let known =
            sites.find(|site| site.name.as_ref() == name && site.provider.is_like(provider));
        known.map(|site| Arc::clone(&site.provider))
    }

    /// The site at `host` with the sessions of `realm`.
    pub(super) fn site(&self, host: &str, realm: &str) -> Option<Kept> {
        let is =
            |kept: &&Kept| kept.gateway.store.host == host && kept.gateway.store.tenant == realm;
        self.sites.iter().find(is).cloned()
    }

    /// The state of a site from now on. A site that is gone is remembered: whoever signed out there
    /// stays signed out when it comes back.
    pub(super) fn keep(&mut self, site: Kept) {
        let store = &site.gateway.store;
        self.sites.retain(|kept| {
            let known = &kept.gateway.store;
            (&known.host, &known.tenant) != (&store.host, &store.tenant)
        });
        self.sites.push(site);
    }

    /// Forgets those that have been gone longest, beside the latest `present` ones.
    pub(super) fn forget(&mut self, present: usize) {
        let gone = self.sites.len().saturating_sub(present);
        self.sites.drain(..gone.saturating_sub(MAX_GONE));
    }

    /// The sign-outs of all sites. What is revoked holds also for those that are gone: streams may still run
    /// there.
    pub(super) fn revocations(&self) -> Vec<Arc<Revocations>> {
        let sites = self.sites.iter().map(|kept| &kept.gateway.revocations);
        sites.map(Arc::clone).collect()
    }
}

/// Sites that are remembered though they are gone.
const MAX_GONE: usize = 1024;
