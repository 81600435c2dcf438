//! What is read from the rooms at every scrape, instead of being counted.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::sync::watch;

use crate::gateway::Router;
use crate::gateway::Site;
use crate::oauth::Directory;
use crate::oauth::Provider;
use crate::oauth::breaker::Rests as _;
use crate::oauth::client_secrets::Which;
use crate::oauth::provider::Client;
use crate::telemetry::metrics::Traffic;
use crate::telemetry::metrics::labels::BySecret;
use crate::telemetry::metrics::labels::Secret;
use crate::telemetry::metrics::seconds;

/// Numbers for every route, by its prefix.
pub(super) fn traffic(site: &Site, router: &Router) -> Arc<Traffic> {
    Arc::new(Traffic::new(site.prefix().as_str(), router.prefixes()))
}

/// The state of what stands behind the gateway: the provider and the store.
pub(super) struct State {
    provider: Arc<Provider>,
    directory: Arc<Directory>,
    store: Option<watch::Receiver<bool>>,
}

impl State {
    /// Watches `provider` and its `directory`, and the store if there is one.
    pub(super) fn new(
        provider: &Arc<Provider>,
        directory: &Arc<Directory>,
        store: Option<watch::Receiver<bool>>,
    ) -> Self {
        Self {
            store,
            provider: Arc::clone(provider),
            directory: Arc::clone(directory),
        }
    }

    fn secrets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Client::Web(secrets) = &self.provider.client else {
            return Ok(());
        };
        let in_use = secrets.in_use();
        let which = in_use.map(|known| match known.which {
            Which::First => Secret::First,
            Which::Next => Secret::Next,
        });
        let mut metric = encoder.encode_descriptor(
            "client_secret_in_use",
            "Whether this secret is the one that the provider accepts; 0 for both until it was asked.",
            None,
            MetricType::Gauge,
        )?;
        for &secret in Secret::ALL {
            let gauge = ConstGauge::new(i64::from(which == Some(secret)));
            gauge.encode(metric.encode_family(&BySecret { secret })?)?;
        }
        if let Some(known) = in_use {
            let metric = encoder.encode_descriptor(
                "client_secret_in_use_since_timestamp",
                "Since when the provider has accepted the secret in use, as far as this process knows.",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            ConstGauge::new(seconds(known.since)).encode(metric)?;
        }
        Ok(())
    }
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.secrets(&mut encoder)?;
        let metric = encoder.encode_descriptor(
            "provider_resting",
            "Whether token calls are held back after a failure.",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(i64::from(self.directory.rests())).encode(metric)?;
        if self.provider.partner.is_some() {
            let state = self.directory.partners_state();
            let gauges = [
                (
                    "partner_tenants",
                    "Other tenants whose token endpoint was asked of late.",
                    state.known,
                ),
                (
                    "partner_tenants_resting",
                    "Those of them whose token calls are held back after a failure.",
                    state.resting,
                ),
            ];
            for (name, help, count) in gauges {
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(i64::try_from(count).unwrap_or(0)).encode(metric)?;
            }
        }
        let Some(store) = &self.store else {
            return Ok(());
        };
        let metric = encoder.encode_descriptor(
            "session_store_up",
            "Whether the store that replicas share answers.",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(i64::from(*store.borrow())).encode(metric)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}
