//! A histogram of durations that one thread writes and any may read.

use std::time::Duration;

use super::meter::Count;

/// Counts by bucket, and the sum.
#[derive(Debug, Default)]
pub(super) struct Latency {
    buckets: [Count; BUCKETS],
    nanos: Count,
}

impl Latency {
    /// Adds a duration.
    pub(super) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().take_while(|&&bound| nanos > bound).count();
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.add(1);
        }
        self.nanos.add(nanos);
    }
}

/// The sum of several histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Total {
    /// Adds what `latency` holds now.
    pub(super) fn add(&mut self, latency: &Latency) {
        for (total, bucket) in self.buckets.iter_mut().zip(&latency.buckets) {
            *total = total.wrapping_add(bucket.get());
        }
        self.nanos = self.nanos.wrapping_add(latency.nanos.get());
    }

    /// All durations together, in seconds.
    pub(super) fn sum(&self) -> f64 {
        Duration::from_nanos(self.nanos).as_secs_f64()
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Upper bounds in seconds, each with the count of its own bucket.
    pub(super) fn buckets(&self) -> [(f64, u64); BUCKETS] {
        let mut buckets = [(f64::INFINITY, 0); BUCKETS];
        let bounds = BOUNDS
            .iter()
            .map(|&nanos| Duration::from_nanos(nanos).as_secs_f64());
        let bounds = bounds.chain([f64::INFINITY]);
        for ((place, bound), count) in buckets.iter_mut().zip(bounds).zip(self.buckets) {
            *place = (bound, count);
        }
        buckets
    }
}

/// Upper bounds in nanoseconds, inclusive as Prometheus' are: half a millisecond to half a minute.
const BOUNDS: [u64; BUCKETS - 1] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// One more than there are bounds.
const BUCKETS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        for (nanos, bucket) in [
            (0, 0),
            (500_000, 0),
            (500_001, 1),
            (30_000_000_000, 14),
            (30_000_000_001, 15),
            (u64::MAX, 15),
        ] {
            let latency = Latency::default();
            latency.add(Duration::from_nanos(nanos));
            let mut total = Total::default();
            total.add(&latency);
            let counts = total.buckets().map(|(_, count)| count);
            assert_eq!(
                counts.iter().position(|&count| count == 1),
                Some(bucket),
                "{nanos}"
            );
            assert_eq!(total.count(), 1);
        }
    }

    #[test]
    fn histograms_add_up() {
        let (one, other) = (Latency::default(), Latency::default());
        one.add(Duration::from_millis(250));
        other.add(Duration::from_millis(750));
        let mut total = Total::default();
        total.add(&one);
        total.add(&other);
        assert_eq!(total.count(), 2);
        assert!((total.sum() - 1.0).abs() < 1e-9);
        assert!(total.buckets().is_sorted_by(|a, b| a.0 < b.0));
    }
}
