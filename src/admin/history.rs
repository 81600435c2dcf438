//! The last hour in steps of ten seconds: a ring of fixed size for each tenant, filled from the counters
//! that are there anyway. Nothing here is on the way of a request.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::telemetry::metrics::Counted;
use crate::telemetry::metrics::Total;
use crate::telemetry::metrics::Totals;
use crate::telemetry::metrics::labels::Refresh;
use crate::time::UnixTime;

/// What happened of late.
#[derive(Debug)]
pub(super) struct History {
    points: VecDeque<Point>,
    since: UnixTime,
    before: Mark,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    requests: u64,
    refused: u64,
    failed: u64,
    whole: Total,
    upstream: Total,
    refreshed: u64,
    unrefreshed: u64,
    signed_in: u64,
    not_signed_in: u64,
}

impl Mark {
    pub(super) fn of(traffic: &Totals, events: &Counted) -> Self {
        let refreshes = |renewed: bool| {
            let of = events.refreshes.iter();
            let of = of.filter(|(result, _)| (*result == Refresh::Renewed) == renewed);
            of.map(|(_, count)| count).sum()
        };
        Self {
            requests: traffic.requests,
            refused: traffic.refused,
            failed: traffic.failed,
            whole: traffic.whole,
            upstream: traffic.upstream,
            refreshed: refreshes(true),
            unrefreshed: refreshes(false),
            signed_in: events.sign_ins_finished,
            not_signed_in: events.sign_ins_failed,
        }
    }
}

/// One step. Durations are in milliseconds, and missing where nothing was timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Point {
    /// Its end, in seconds since the epoch.
    pub(super) at: u64,
    /// How long it was, in seconds.
    pub(super) seconds: f64,
    pub(super) requests: u64,
    /// Answered with 4xx.
    pub(super) refused: u64,
    /// Answered with 5xx.
    pub(super) failed: u64,
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) upstream_p50: Option<f64>,
    pub(super) upstream_p99: Option<f64>,
    pub(super) refreshed: u64,
    pub(super) unrefreshed: u64,
    pub(super) signed_in: u64,
    pub(super) not_signed_in: u64,
}

impl Point {
    fn between(before: &Mark, after: &Mark, at: UnixTime, span: Duration) -> Self {
        let whole = after.whole.since(&before.whole);
        let upstream = after.upstream.since(&before.upstream);
        let more = |of: fn(&Mark) -> u64| of(after).wrapping_sub(of(before));
        Self {
            at: at.as_secs(),
            seconds: round(span.as_secs_f64()),
            requests: more(|mark| mark.requests),
            refused: more(|mark| mark.refused),
            failed: more(|mark| mark.failed),
            p50: millis(&whole, 0.5),
            p99: millis(&whole, 0.99),
            upstream_p50: millis(&upstream, 0.5),
            upstream_p99: millis(&upstream, 0.99),
            refreshed: more(|mark| mark.refreshed),
            unrefreshed: more(|mark| mark.unrefreshed),
            signed_in: more(|mark| mark.signed_in),
            not_signed_in: more(|mark| mark.not_signed_in),
        }
    }

    /// Two steps as one; of durations the longer ones.
    fn with(&mut self, other: &Self) {
        let longer = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
        self.seconds += other.seconds;
        self.requests += other.requests;
        self.refused += other.refused;
        self.failed += other.failed;
        self.p50 = longer(self.p50, other.p50);
        self.p99 = longer(self.p99, other.p99);
        self.upstream_p50 = longer(self.upstream_p50, other.upstream_p50);
        self.upstream_p99 = longer(self.upstream_p99, other.upstream_p99);
        self.refreshed += other.refreshed;
        self.unrefreshed += other.unrefreshed;
        self.signed_in += other.signed_in;
        self.not_signed_in += other.not_signed_in;
    }
}

impl History {
    /// Begins now, with everything that was counted before left out.
    pub(super) fn new(now: UnixTime) -> Self {
        Self {
            points: VecDeque::new(),
            since: now,
            before: Mark::default(),
        }
    }

    /// Looks at the counters; a step that is over becomes a point.
    pub(super) fn observe(&mut self, now: UnixTime, mark: &Mark) {
        let span = now.since(self.since);
        if span + SLACK < STEP {
            return;
        }
        if self.points.len() >= POINTS {
            self.points.pop_front();
        }
        self.points
            .push_back(Point::between(&self.before, mark, now, span));
        (self.since, self.before) = (now, *mark);
    }

    /// The steps that ended in the hour before `now`, oldest first.
    pub(super) fn points(&self, now: UnixTime) -> impl Iterator<Item = &Point> {
        let from = now.minus(HOUR).as_secs();
        self.points.iter().filter(move |point| point.at > from)
    }

    /// The same in rows of five minutes, newest first, each with its end; rows without a step are left out.
    pub(super) fn rows(&self, now: UnixTime) -> Vec<Point> {
        let mut rows: Vec<Point> = Vec::new();
        for point in self.points(now) {
            let end = point.at.div_ceil(ROW) * ROW;
            match rows.last_mut() {
                Some(row) if row.at == end => row.with(point),
                _ => rows.push(Point { at: end, ..*point }),
            }
        }
        rows.reverse();
        rows
    }
}

/// Tenths of a millisecond are as fine as anybody reads them.
fn millis(total: &Total, share: f64) -> Option<f64> {
    total.quantile(share).map(|seconds| round(seconds * 1000.0))
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// How long a step is.
pub(super) const STEP: Duration = Duration::from_secs(10);

/// A timer that comes a little early ends a step too.
const SLACK: Duration = Duration::from_millis(500);

/// How far back is looked.
const HOUR: Duration = Duration::from_hours(1);

/// An hour of steps: 40 KB for each tenant.
const POINTS: usize = 360;

/// Seconds of a row.
const ROW: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(requests: u64) -> Mark {
        Mark {
            requests,
            failed: requests / 10,
            ..Mark::default()
        }
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_millis((BEGIN + seconds) * 1000)
    }

    const BEGIN: u64 = 1_700_000_100;

    #[test]
    fn a_step_ends_after_ten_seconds_and_holds_what_came_in_it() {
        let mut history = History::new(at(0));
        history.observe(at(3), &mark(30));
        assert_eq!(history.points(at(3)).count(), 0);
        history.observe(at(10), &mark(50));
        history.observe(at(11), &mark(60));
        history.observe(at(25), &mark(80));
        let points: Vec<_> = history.points(at(25)).collect();
        let told: Vec<_> = points
            .iter()
            .map(|point| {
                (
                    point.at - BEGIN,
                    point.seconds,
                    point.requests,
                    point.failed,
                )
            })
            .collect();
        assert_eq!(told, [(10, 10.0, 50, 5), (25, 15.0, 30, 3)]);
        assert_eq!((points[0].p50, points[0].upstream_p99), (None, None));
    }

    #[test]
    fn a_timer_that_is_early_by_little_ends_the_step() {
        let mut history = History::new(at(0));
        history.observe(UnixTime::from_millis(at(10).as_millis() - 400), &mark(1));
        assert_eq!(history.points(at(10)).count(), 1);
    }

    #[test]
    fn the_ring_holds_an_hour_and_no_more() {
        let mut history = History::new(at(0));
        for step in 1..=1_000 {
            history.observe(at(step * 10), &mark(step));
        }
        let points: Vec<_> = history.points(at(10_000)).map(|point| point.at).collect();
        assert_eq!(points.len(), 360);
        assert_eq!(points.first(), Some(&(BEGIN + 6_410)));
        assert_eq!(points.last(), Some(&(BEGIN + 10_000)));
        assert_eq!(history.points.len(), 360);
        // A gateway that slept shows nothing of the time before.
        assert_eq!(history.points(at(13_600)).count(), 0);
    }

    #[test]
    fn rows_are_sums_of_five_minutes_with_the_longest_durations() {
        let mut history = History::new(at(0));
        for step in 1..=60 {
            history.observe(at(step * 10), &mark(step * 10));
        }
        for (point, p99) in history.points.iter_mut().zip([7.0, 9.0, 8.0]) {
            point.p99 = Some(p99);
        }
        let rows = history.rows(at(600));
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.at - BEGIN, row.requests, row.p99))
            .collect();
        // The clock's five minutes, of which the first had begun before.
        assert_eq!(told, [(600, 300, None), (300, 300, Some(9.0))]);
        let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
        assert!((seconds - 600.0).abs() < 0.001, "{seconds}");
    }

    #[test]
    fn counters_that_wrap_give_no_absurd_numbers() {
        let mut history = History::new(at(0));
        history.before = mark(u64::MAX);
        history.observe(at(10), &mark(4));
        assert_eq!(history.points.back().map(|point| point.requests), Some(5));
    }
}
