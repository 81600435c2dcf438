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

    /// Adds all that `other` holds.
    pub(super) fn absorb(&self, other: &Self) {
        for (bucket, more) in self.buckets.iter().zip(&other.buckets) {
            bucket.add(more.get());
        }
        self.nanos.add(other.nanos.get());
    }
}

/// The sum of several histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
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

    /// What came since `earlier`, a state of the same histograms.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = *self;
        for (bucket, before) in since.buckets.iter_mut().zip(earlier.buckets) {
            *bucket = bucket.wrapping_sub(before);
        }
        since.nanos = since.nanos.wrapping_sub(earlier.nanos);
        since
    }

    /// The duration, in seconds, that this share of all does not exceed; `None` of none. As Prometheus does,
    /// a bucket is taken to be filled evenly, and one without an upper bound to end where it begins.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = share.clamp(0.0, 1.0) * number(count);
        let (mut below, mut lower) = (0, 0.0);
        for (upper, here) in self.buckets() {
            let through = below + here;
            if here > 0 && number(through) >= wanted {
                if upper.is_infinite() {
                    break;
                }
                let part = ((wanted - number(below)) / number(here)).clamp(0.0, 1.0);
                return Some(lower + (upper - lower) * part);
            }
            if upper.is_finite() {
                lower = upper;
            }
            below = through;
        }
        Some(lower)
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

/// Beyond what a float holds exactly, nobody counts requests.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "there is no other way from u64 to f64"
)]
fn number(count: u64) -> f64 {
    count as f64
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

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let latency = Latency::default();
        let total = |latency: &Latency| {
            let mut total = Total::default();
            total.add(latency);
            total
        };
        assert_eq!(total(&latency).quantile(0.5), None);
        for _ in 0..90 {
            latency.add(Duration::from_millis(2));
        }
        let before = total(&latency);
        for _ in 0..10 {
            latency.add(Duration::from_millis(80));
        }
        let all = total(&latency);
        let within = |share: f64, low: f64, high: f64| {
            let value = all.quantile(share).expect("not empty");
            assert!((low..=high).contains(&value), "{share}: {value}");
        };
        within(0.0, 0.001, 0.001);
        within(0.5, 0.001_8, 0.001_9);
        within(0.9, 0.002_5, 0.002_5);
        within(0.99, 0.09, 0.1);
        within(1.0, 0.1, 0.1);
        within(7.0, 0.1, 0.1);
        let late = all.since(&before);
        assert_eq!(late.count(), 10);
        assert!(late.quantile(0.01).expect("not empty") > 0.05);
        assert_eq!(before.since(&before).quantile(0.99), None);
    }

    #[test]
    fn what_is_beyond_all_bounds_counts_as_the_last_of_them() {
        let latency = Latency::default();
        latency.add(Duration::from_mins(10));
        let mut total = Total::default();
        total.add(&latency);
        assert_eq!(total.quantile(0.5), Some(30.0));
    }
}
