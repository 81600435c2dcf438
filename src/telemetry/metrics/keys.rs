//! Sessions sealed, by the public name of the key: shows when a rotation has reached everybody.

use std::sync::Mutex;
use std::sync::PoisonError;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::crypto::KeyId;

/// Counts by key, the latest keys only: a gateway that runs for years sees many.
#[derive(Debug, Default)]
pub(super) struct SealedByKey(Mutex<Vec<(KeyId, u64)>>);

impl SealedByKey {
    /// Counts one session.
    pub(super) fn count(&self, key: KeyId) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = keys.iter_mut().find(|(known, _)| *known == key) {
            *count += 1;
            return;
        }
        if keys.len() >= MAX_KEYS {
            keys.remove(0);
        }
        keys.push((key, 1));
    }

    /// Sessions sealed with each key.
    pub(super) fn counts(&self) -> Vec<(KeyId, u64)> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }
}

impl Collector for SealedByKey {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let keys = self.counts();
        let mut metric = encoder.encode_descriptor(
            "sessions_sealed",
            "Sessions sealed into cookies, by the name of the key.",
            None,
            MetricType::Counter,
        )?;
        for (key, count) in keys {
            let labels = [("key", key.to_string())];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Keys that are told apart.
const MAX_KEYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::MasterKey;
    use crate::crypto::OsEntropy;

    #[test]
    fn rotations_do_not_add_up() {
        let sealed = SealedByKey::default();
        for _ in 0..3 * MAX_KEYS {
            let key = MasterKey::generate(&OsEntropy).id();
            sealed.count(key);
            sealed.count(key);
        }
        let keys = sealed.0.lock().expect("whole");
        assert_eq!(keys.len(), MAX_KEYS);
        assert!(keys.iter().all(|&(_, count)| count == 2));
    }
}
