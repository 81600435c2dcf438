//! Connections to upstreams and the requests on them. As with requests of clients, each worker writes numbers of
//! its own, and a scrape sums them up.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::labels::Line;
use super::labels::Turn;
use super::meter::Count;

/// All workers' numbers, by upstream. An upstream that is gone keeps its place, since counters do not go back.
#[derive(Debug)]
pub struct Pools(Mutex<Vec<Upstream>>);

/// What is counted of one upstream.
#[derive(Debug, Default)]
struct Upstream {
    name: String,
    workers: Vec<Arc<Cells>>,
    /// What is left of workers' numbers that nobody writes any more.
    opened: u64,
    failed: u64,
}

/// One worker's numbers of one upstream.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cells {
    open: Count,
    idle: Count,
    active: Count,
    waiting: Count,
    opened: Count,
    failed: Count,
}

/// The place of the tenants' hosts, which are as many as there are people's tenants.
pub const TENANTS: usize = 0;

impl Default for Pools {
    fn default() -> Self {
        Self(Mutex::new(vec![Upstream::of("tenants")]))
    }
}

impl Pools {
    /// Where the numbers of a tool of that name are; several may have the same.
    pub fn place(&self, name: &str) -> usize {
        let mut upstreams = self.upstreams();
        let known = upstreams.iter().position(|known| known.name == name);
        known.unwrap_or_else(|| {
            upstreams.push(Upstream::of(name));
            upstreams.len() - 1
        })
    }

    /// Numbers for one more worker, to be used on its own thread.
    pub fn meter(&self, place: usize) -> Rc<Pool> {
        let pool = Pool::default();
        if let Some(upstream) = self.upstreams().get_mut(place) {
            upstream.fold();
            upstream.workers.push(Arc::clone(&pool.cells));
        }
        Rc::new(pool)
    }

    fn upstreams(&self) -> MutexGuard<'_, Vec<Upstream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sums(
        &self,
        read: impl Fn(&Cells) -> u64,
        past: impl Fn(&Upstream) -> u64,
    ) -> Vec<(String, u64)> {
        let sum = |upstream: &Upstream| {
            let cells = upstream.workers.iter().map(|cells| read(cells));
            let sum = cells.fold(past(upstream), u64::wrapping_add);
            (upstream.name.clone(), sum)
        };
        self.upstreams().iter().map(sum).collect()
    }

    fn gauges(&self, read: impl Fn(&Cells) -> u64) -> Vec<(String, u64)> {
        self.sums(read, |_| 0)
    }
}

impl Upstream {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Lets go of what workers wrote under configurations that no worker serves by any more.
    fn fold(&mut self) {
        let (opened, failed) = (&mut self.opened, &mut self.failed);
        self.workers.retain(|cells| {
            let lives = Arc::strong_count(cells) > 1;
            if !lives {
                *opened = opened.wrapping_add(cells.opened.get());
                *failed = failed.wrapping_add(cells.failed.get());
            }
            lives
        });
    }
}

impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let idle = self.gauges(|cells| cells.idle.get());
        // Read one after the other while they move: never below zero.
        let in_use = self.gauges(|cells| cells.open.get().saturating_sub(cells.idle.get()));
        let active = self.gauges(|cells| cells.active.get());
        let waiting = self.gauges(|cells| cells.waiting.get());
        let mut gauge = |name, help, states: [(&'static str, Vec<(String, u64)>); 2]| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (state, sums) in states {
                for (upstream, sum) in sums {
                    let labels = [("upstream", upstream.as_str()), ("state", state)];
                    let gauge = ConstGauge::new(i64::try_from(sum).unwrap_or(0));
                    gauge.encode(metric.encode_family(&labels)?)?;
                }
            }
            Ok::<_, fmt::Error>(())
        };
        gauge(
            "upstream_connections",
            "Connections to upstreams, by what they do, without those that became WebSockets.",
            [(Line::Idle.as_str(), idle), (Line::InUse.as_str(), in_use)],
        )?;
        gauge(
            "upstream_requests",
            "Requests to upstreams, under way or waiting until there are fewer.",
            [
                (Turn::Active.as_str(), active),
                (Turn::Waiting.as_str(), waiting),
            ],
        )?;
        let counters = [
            (
                "upstream_connections_opened",
                "Connections to upstreams that came about.",
                self.sums(|cells| cells.opened.get(), |upstream| upstream.opened),
            ),
            (
                "upstream_connect_failures",
                "Connections to upstreams that did not come about.",
                self.sums(|cells| cells.failed.get(), |upstream| upstream.failed),
            ),
        ];
        for (name, help, sums) in counters {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (upstream, sum) in sums {
                let labels = [("upstream", upstream.as_str())];
                ConstCounter::new(sum).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// What one worker counts with for one upstream. Stays on its thread. Nobody reads the default.
#[derive(Debug, Default)]
pub struct Pool {
    cells: Arc<Cells>,
}

impl Pool {
    /// A connection is open until the answer is dropped.
    pub fn opened(self: &Rc<Self>) -> Held {
        self.cells.opened.add(1);
        self.hold(|cells| &cells.open)
    }

    /// A connection did not come about.
    pub fn failed(&self) {
        self.cells.failed.add(1);
    }

    /// A connection is kept without a request until the answer is dropped.
    pub fn idle(self: &Rc<Self>) -> Held {
        self.hold(|cells| &cells.idle)
    }

    /// A request is under way until the answer is dropped.
    pub fn active(self: &Rc<Self>) -> Held {
        self.hold(|cells| &cells.active)
    }

    /// A request waits until the answer is dropped.
    pub fn waiting(self: &Rc<Self>) -> Held {
        self.hold(|cells| &cells.waiting)
    }

    fn hold(self: &Rc<Self>, which: Which) -> Held {
        which(&self.cells).add(1);
        Held {
            pool: Rc::clone(self),
            which,
        }
    }
}

type Which = fn(&Cells) -> &Count;

/// Something that is counted as long as it is held.
pub struct Held {
    pool: Rc<Pool>,
    which: Which,
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.which)(&self.pool.cells).take(1);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn workers_and_upstreams_of_one_name_are_summed() {
        let pools = Arc::<Pools>::default();
        let places = ["http://a", "http://b", "http://a"].map(|name| pools.place(name));
        assert_eq!(places, [1, 2, 1]);
        let meters = || [TENANTS, 1, 2].map(|place| pools.meter(place));
        let (one, other) = (meters(), meters());
        let held = (one[1].opened(), other[1].opened(), one[1].idle());
        let request = (one[2].active(), one[2].waiting());
        one[0].failed();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(&pools)));
        let told = |series: &str, value: u64| {
            let mut text = String::new();
            encode(&mut text, &registry).expect("memory");
            let line = format!("{series} {value}");
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        };
        told(
            r#"upstream_connections{upstream="http://a",state="idle"}"#,
            1,
        );
        told(
            r#"upstream_connections{upstream="http://a",state="in_use"}"#,
            1,
        );
        told(
            r#"upstream_requests{upstream="http://b",state="active"}"#,
            1,
        );
        told(
            r#"upstream_requests{upstream="http://b",state="waiting"}"#,
            1,
        );
        told(
            r#"upstream_connections_opened_total{upstream="http://a"}"#,
            2,
        );
        told(r#"upstream_connect_failures_total{upstream="tenants"}"#, 1);
        drop((held, request));
        told(
            r#"upstream_connections{upstream="http://a",state="in_use"}"#,
            0,
        );
        told(
            r#"upstream_connections_opened_total{upstream="http://a"}"#,
            2,
        );
        told(
            r#"upstream_requests{upstream="http://b",state="waiting"}"#,
            0,
        );
        // Other workers go on after them.
        drop((one, other));
        let next = meters();
        drop(next[1].opened());
        told(
            r#"upstream_connections_opened_total{upstream="http://a"}"#,
            3,
        );
    }
}
