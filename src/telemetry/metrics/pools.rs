//! Connections to upstreams and the requests on them. As with requests of clients, each worker writes numbers of
//! its own, and a scrape sums them up.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
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

/// All workers' numbers, by upstream.
#[derive(Debug)]
pub struct Pools {
    /// Each once.
    names: Vec<String>,
    workers: Mutex<Vec<Arc<[Cells]>>>,
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

impl Pools {
    /// Numbers for tools of these names, some of which may be the same, and for the hosts of all tenants
    /// together.
    pub fn new(tools: impl IntoIterator<Item = String>) -> (Self, Vec<usize>) {
        let mut names = vec![TENANTS.to_owned()];
        let places = tools.into_iter().map(|name| {
            let known = names.iter().position(|known| *known == name);
            known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        });
        let places = places.collect();
        let workers = Mutex::default();
        (Self { names, workers }, places)
    }

    /// Numbers for one more worker, to be used on its own thread: first those of the tenants' hosts.
    pub fn meters(&self) -> Vec<Rc<Pool>> {
        let cells: Arc<[Cells]> = self.names.iter().map(|_| Cells::default()).collect();
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(Arc::clone(&cells));
        let pool = |at| {
            Rc::new(Pool {
                cells: Arc::clone(&cells),
                at,
            })
        };
        (0..self.names.len()).map(pool).collect()
    }

    fn sums(&self, read: impl Fn(&Cells) -> u64) -> Vec<(&str, u64)> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |at: usize| {
            let cells = workers.iter().filter_map(|worker| worker.get(at));
            cells.map(&read).fold(0, u64::wrapping_add)
        };
        let names = self.names.iter().enumerate();
        names.map(|(at, name)| (name.as_str(), sum(at))).collect()
    }
}

impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let idle = self.sums(|cells| cells.idle.get());
        // Read one after the other while they move: never below zero.
        let in_use = self.sums(|cells| cells.open.get().saturating_sub(cells.idle.get()));
        let active = self.sums(|cells| cells.active.get());
        let waiting = self.sums(|cells| cells.waiting.get());
        let mut gauge = |name, help, states: [(&'static str, Vec<(&str, u64)>); 2]| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (state, sums) in states {
                for (upstream, sum) in sums {
                    let labels = [("upstream", upstream), ("state", state)];
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
                self.sums(|cells| cells.opened.get()),
            ),
            (
                "upstream_connect_failures",
                "Connections to upstreams that did not come about.",
                self.sums(|cells| cells.failed.get()),
            ),
        ];
        for (name, help, sums) in counters {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (upstream, sum) in sums {
                ConstCounter::new(sum).encode(metric.encode_family(&[("upstream", upstream)])?)?;
            }
        }
        Ok(())
    }
}

/// What one worker counts with for one upstream. Stays on its thread. The default counts nothing.
#[derive(Debug, Default)]
pub struct Pool {
    cells: Arc<[Cells]>,
    at: usize,
}

impl Pool {
    /// A connection is open until the answer is dropped.
    pub fn opened(self: &Rc<Self>) -> Held {
        self.with(|cells| cells.opened.add(1));
        self.hold(|cells| &cells.open)
    }

    /// A connection did not come about.
    pub fn failed(&self) {
        self.with(|cells| cells.failed.add(1));
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
        self.with(|cells| which(cells).add(1));
        Held {
            pool: Rc::clone(self),
            which,
        }
    }

    fn with(&self, work: impl FnOnce(&Cells)) {
        if let Some(cells) = self.cells.get(self.at) {
            work(cells);
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
        self.pool.with(|cells| (self.which)(cells).take(1));
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

/// The name of the tenants' hosts, which are as many as there are people's tenants.
const TENANTS: &str = "tenants";

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn workers_and_upstreams_of_one_name_are_summed() {
        let tools = ["http://a", "http://b", "http://a"].map(str::to_owned);
        let (pools, places) = Pools::new(tools);
        assert_eq!(places, [1, 2, 1]);
        let pools = Arc::new(pools);
        let (one, other) = (pools.meters(), pools.meters());
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
    }
}
