//! What all workers know of all upstreams, made once at start.

use std::sync::Arc;

use tokio::runtime::Handle;

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
    pub(super) tools: Vec<Tool>,
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
    health: Option<HealthCheck>,
    tls: Arc<ClientTls>,
}

impl Upstreams {
    /// Reads the TLS files of `list`, which [`super::settings::number`] made.
    pub fn new(
        list: &[Upstream],
        limits: PoolLimits,
        timeouts: Timeouts,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, UpstreamTlsError> {
        let default = crypto::tls::client_config();
        let (pools, places) = Pools::new(list.iter().map(ToString::to_string));
        let tool = |(upstream, pool): (&Upstream, usize)| {
            let tls = Arc::new(ClientTls::of(upstream, &default)?);
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
            Ok::<_, UpstreamTlsError>(Tool {
                pool,
                endpoints: upstream.addresses.iter().map(endpoint).collect(),
                health: upstream.health.clone(),
                tls,
            })
        };
        Ok(Self {
            tools: (list.iter().zip(places))
                .map(tool)
                .collect::<Result<_, _>>()?,
            limits,
            timeouts,
            tls: Arc::new(ClientTls::plain(&default)),
            resolver,
            pools: Arc::new(pools),
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

    /// Asks the upstreams whether they work, where that is configured, for as long as `control` runs.
    pub fn watch(&self, control: &Handle) {
        for tool in &self.tools {
            let Some(health) = &tool.health else { continue };
            for endpoint in &tool.endpoints {
                control.spawn(check::watch(Arc::clone(endpoint), health.clone()));
            }
        }
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
