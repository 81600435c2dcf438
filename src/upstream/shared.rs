//! What all workers know of all upstreams. A changed configuration makes it anew; an upstream that stays
//! is the same as before, with its connections and what is known of its health.

use std::sync::Arc;
use std::sync::OnceLock;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::check;
use super::endpoint::Endpoint;
use super::endpoint::Making;
use super::names::Resolve;
use super::settings::HealthCheck;
use super::settings::PoolLimits;
use super::settings::Timeouts;
use super::settings::Upstream;
use super::tls::ClientTls;
use super::tls::UpstreamTlsError;
use crate::crypto;
use crate::http::Origin;
use crate::telemetry::metrics::Pools;

/// All upstreams, by slot.
pub struct Upstreams {
    pub(super) tools: Vec<Arc<Tool>>,
    pub(super) limits: PoolLimits,
    pub(super) timeouts: Timeouts,
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientTls>,
    pools: Arc<Pools>,
}

/// An upstream of a route.
pub(super) struct Tool {
    /// Where its numbers are.
    pub(super) pool: usize,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// What was configured.
    of: Upstream,
    tls: Arc<ClientTls>,
    /// What asks the endpoints whether they work.
    checks: OnceLock<Vec<AbortHandle>>,
}

impl Drop for Tool {
    fn drop(&mut self) {
        // No route leads there any more, and no request is under way.
        for check in self.checks.take().into_iter().flatten() {
            check.abort();
        }
    }
}

/// What there is of an upstream once its files are read.
enum Found {
    Known(Arc<Tool>),
    New(Arc<ClientTls>),
}

impl Upstreams {
    /// Reads the TLS files of `list`, which [`super::settings::number`] made.
    pub fn new(
        list: &[Upstream],
        limits: PoolLimits,
        timeouts: Timeouts,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, UpstreamTlsError> {
        Self::after(None, list, limits, timeouts, resolver)
    }

    /// The same with what stays of those `before`.
    pub fn after(
        before: Option<&Self>,
        list: &[Upstream],
        limits: PoolLimits,
        timeouts: Timeouts,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, UpstreamTlsError> {
        // Counters do not go back, whatever else is new.
        let pools = before.map_or_else(Arc::default, |before| Arc::clone(&before.pools));
        // How often names are asked for is part of what knows them.
        let before = before.filter(|before| before.limits.resolve_every == limits.resolve_every);
        let tls = before.map_or_else(
            || Arc::new(ClientTls::plain(&crypto::tls::client_config())),
            |before| Arc::clone(&before.tls),
        );
        let default = tls.default_config();
        let known = |upstream: &Upstream| {
            let mut known = before.into_iter().flat_map(|before| &before.tools);
            known.find(|tool| tool.of.is_like(upstream))
        };
        let new = |upstream: &Upstream, tls: Arc<ClientTls>| {
            let making = Making {
                resolver: Arc::clone(&resolver),
                resolve_every: limits.resolve_every,
                tls: Arc::clone(&tls),
            };
            let interval = upstream.health.as_ref().map(|health| health.interval);
            let endpoint = |address| {
                Arc::new(Endpoint::of_tool(
                    address,
                    upstream.protocol,
                    interval,
                    &making,
                ))
            };
            Arc::new(Tool {
                pool: pools.place(&upstream.to_string()),
                endpoints: upstream.addresses.iter().map(endpoint).collect(),
                of: upstream.clone(),
                tls,
                checks: OnceLock::new(),
            })
        };
        // All that can go wrong comes first: what is counted is shared with those before.
        let read = |upstream| match known(upstream) {
            Some(tool) => Ok(Found::Known(Arc::clone(tool))),
            None => ClientTls::of(upstream, &default).map(|tls| Found::New(Arc::new(tls))),
        };
        let read: Vec<_> = list.iter().map(read).collect::<Result<_, _>>()?;
        let tool = |(upstream, read)| match read {
            Found::Known(tool) => tool,
            Found::New(tls) => new(upstream, tls),
        };
        Ok(Self {
            tools: list.iter().zip(read).map(tool).collect(),
            limits,
            timeouts,
            tls,
            resolver,
            pools,
        })
    }

    /// What is counted of their connections.
    pub fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// The TLS that follows from files.
    pub fn tls_of_files(&self) -> Vec<Arc<ClientTls>> {
        let all = self.tools.iter().map(|tool| &tool.tls);
        let of_files = all.filter(|tls| !tls.files().is_empty());
        of_files.cloned().collect()
    }

    /// Asks the upstreams whether they work, where that is configured, for as long as `control` runs and
    /// anybody wants to know.
    pub fn watch(&self, control: &Handle) {
        for tool in &self.tools {
            let Some(health) = &tool.of.health else {
                continue;
            };
            tool.checks.get_or_init(|| {
                let check = |endpoint: &Arc<Endpoint>| {
                    let check = check::watch(Arc::clone(endpoint), HealthCheck::clone(health));
                    control.spawn(check).abort_handle()
                };
                tool.endpoints.iter().map(check).collect()
            });
        }
    }

    /// Whether connections that were made by `other` may go on: as many, for as long.
    pub(super) fn pools_like(&self, other: &Self) -> bool {
        self.limits == other.limits && self.timeouts == other.timeouts
    }

    /// How the tools' addresses are.
    pub fn health(&self) -> impl Iterator<Item = Health> {
        let endpoints = self.tools.iter().flat_map(|tool| &tool.endpoints);
        endpoints.map(|endpoint| Health {
            address: endpoint.address().to_string(),
            reported_down: endpoint.reported_down().is_some(),
            left_out_by: endpoint.left_out(),
        })
    }

    pub(super) fn tenant(&self, origin: &Origin, public_only: bool) -> Arc<Endpoint> {
        let making = Making {
            resolver: Arc::clone(&self.resolver),
            resolve_every: self.limits.resolve_every,
            tls: Arc::clone(&self.tls),
        };
        Arc::new(Endpoint::of_tenant(origin, public_only, &making))
    }
}

/// How an address of a tool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The address.
    pub address: String,
    /// Whether its health checks fail.
    pub reported_down: bool,
    /// How many workers leave it out, since connections failed.
    pub left_out_by: usize,
}
