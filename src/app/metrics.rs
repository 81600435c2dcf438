//! What is read from the rooms at every scrape, instead of being counted.

#[cfg(test)]
mod reference;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::sync::watch;

use crate::admin::reloads::Reloads;
use crate::oauth::Directory;
use crate::oauth::Provider;
use crate::oauth::breaker::Rests as _;
use crate::oauth::client_secrets::Which;
use crate::oauth::provider::Client;
use crate::telemetry::metrics::labels::BySecret;
use crate::telemetry::metrics::labels::Secret;
use crate::telemetry::metrics::seconds;

/// The state of one tenant's provider.
pub(super) struct State {
    provider: Arc<Provider>,
    /// One for each host of the tenant.
    directories: Vec<Arc<Directory>>,
}

impl State {
    /// Watches `provider` and its `directories`.
    pub(super) fn new(provider: &Arc<Provider>, directories: Vec<Arc<Directory>>) -> Self {
        Self {
            provider: Arc::clone(provider),
            directories,
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
        let rests = self.directories.iter().any(|one| one.rests());
        ConstGauge::new(i64::from(rests)).encode(metric)?;
        if self.provider.partner.is_some() {
            let states = self.directories.iter().map(|one| one.partners_state());
            let (known, resting) = states.fold((0, 0), |(known, resting), state| {
                (known + state.known, resting + state.resting)
            });
            let gauges = [
                (
                    "partner_tenants",
                    "Other tenants whose token endpoint was asked of late.",
                    known,
                ),
                (
                    "partner_tenants_resting",
                    "Those of them whose token calls are held back after a failure.",
                    resting,
                ),
            ];
            for (name, help, count) in gauges {
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(i64::try_from(count).unwrap_or(0)).encode(metric)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

/// Whether the store that replicas share answers, if there is one.
#[derive(Debug)]
pub(super) struct Store(pub(super) Option<watch::Receiver<bool>>);

impl Collector for Store {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(store) = &self.0 else {
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

/// The configuration in force, and what became of changes of it.
#[derive(Debug)]
pub(super) struct Configuration(pub(super) Arc<Reloads>);

impl Collector for Configuration {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.0.state();
        let mut metric = encoder.encode_descriptor(
            "config_reloads",
            "Changes of the configuration by what became of them.",
            None,
            MetricType::Counter,
        )?;
        for (result, count) in [("applied", state.applied), ("refused", state.refusals)] {
            let labels = [("result", result)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        let metric = encoder.encode_descriptor(
            "config_last_reload_successful",
            "Whether the configuration that was looked at last is the one in force.",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(i64::from(state.refused.is_none())).encode(metric)?;
        let metric = encoder.encode_descriptor(
            "config_applied_timestamp",
            "Since when the configuration in force is so.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        ConstGauge::new(seconds(state.since)).encode(metric)?;
        let metric = encoder.encode_descriptor(
            "config_waiting_for_restart",
            "Settings whose new values wait for a restart.",
            None,
            MetricType::Gauge,
        )?;
        let waiting = i64::try_from(state.waiting.len()).unwrap_or(i64::MAX);
        ConstGauge::new(waiting).encode(metric)?;
        let mut metric = encoder.encode_descriptor(
            "config",
            "The configuration in force, by the hash of its file.",
            None,
            MetricType::Info,
        )?;
        let labels = [("hash", &*state.hash)];
        metric.encode_info(&labels)
    }
}
