//! The workers' numbers, summed for a scrape.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::labels::ByFault;
use super::labels::ByHeld;
use super::labels::Held;
use super::labels::Method;
use super::labels::Status;
use super::latency::Latency;
use super::latency::Total;
use super::meter::Cells;
use super::meter::Meter;
use super::meter::RouteCells;
use super::meter::Slot;
use super::meter::entry;
use crate::fault::Fault;

/// All workers' numbers.
#[derive(Debug)]
pub struct Traffic {
    counted: Mutex<Counted>,
    /// Refusals of what was never a request, by fault.
    unreadable: [AtomicU64; Fault::ALL.len()],
}

/// What the configuration may add to while the process runs. Nothing is ever taken away: counters do
/// not go back.
#[derive(Debug)]
struct Counted {
    /// By slot.
    names: Vec<String>,
    /// Of each meter in use; the first is of all that were dropped.
    workers: Vec<Arc<Cells>>,
}

impl Counted {
    /// Adds the numbers of meters that are gone to those of their kind, so that memory does not grow
    /// with every change of the configuration.
    fn settle(&mut self) {
        let gone = |cells: &Arc<Cells>| Arc::strong_count(cells) == 1;
        if !self.workers.iter().skip(1).any(gone) {
            return;
        }
        let past = Cells::new(self.names.len());
        let mut kept = Vec::with_capacity(self.workers.len());
        for (index, cells) in self.workers.drain(..).enumerate() {
            if index == 0 {
                past.absorb(&cells);
                continue;
            }
            // Not by the count alone: what the meter's thread wrote last has to be seen here.
            match Arc::try_unwrap(cells) {
                Ok(cells) => past.absorb(&cells),
                Err(cells) => kept.push(cells),
            }
        }
        self.workers.push(Arc::new(past));
        self.workers.append(&mut kept);
    }
}

impl Traffic {
    /// Numbers for our own endpoints under `own` and for routes of these prefixes, in the order of
    /// their slots.
    pub fn new<'a>(own: &'a str, routes: impl IntoIterator<Item = &'a str>) -> Self {
        let names = ["-", own].into_iter().chain(routes);
        let names: Vec<String> = names.map(str::to_owned).collect();
        Self {
            counted: Mutex::new(Counted {
                workers: vec![Arc::new(Cells::new(names.len()))],
                names,
            }),
            unreadable: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Our own endpoints are found under `own` from now on.
    pub fn call_own(&self, own: &str) {
        if let Some(name) = self.counted().names.get_mut(FIXED - 1) {
            own.clone_into(name);
        }
    }

    /// The slots of routes of these prefixes, in their order. One that was not there before gets a new
    /// slot; meters made from now on have it.
    pub fn slots<'a, I: IntoIterator<Item = &'a str>>(&self, routes: I) -> Vec<Slot> {
        let mut counted = self.counted();
        let mut slot = |prefix: &str| {
            let routes = counted.names.iter().skip(FIXED);
            let known = routes.clone().position(|name| name == prefix);
            let index = known.unwrap_or_else(|| {
                counted.names.push(prefix.to_owned());
                counted.names.len() - 1 - FIXED
            });
            Slot::route(index)
        };
        routes.into_iter().map(&mut slot).collect()
    }

    /// Something that is no request was refused.
    pub fn unreadable(&self, fault: Fault) {
        if let Some(count) = entry(&self.unreadable, &Fault::ALL, fault) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Everything until now, all routes together.
    pub fn totals(&self) -> Totals {
        let (names, workers) = self.workers();
        let scrape = self.scrape(&names, &workers);
        let mut totals = Totals::default();
        for route in workers.iter().flat_map(|worker| worker.routes.iter()) {
            for &method in Method::ALL {
                for &status in Status::ALL {
                    let count = route.requests(method, status);
                    totals.requests = totals.requests.wrapping_add(count);
                    match status {
                        Status::Refused => totals.refused = totals.refused.wrapping_add(count),
                        Status::Failed => totals.failed = totals.failed.wrapping_add(count),
                        Status::Switched | Status::Good | Status::Elsewhere => {}
                    }
                }
            }
            totals.whole.add(&route.whole);
            totals.upstream.add(&route.upstream);
        }
        totals.connections = scrape.sum(|worker| worker.held(Held::Connection));
        let streams = |worker: &Cells| worker.held(Held::Websocket) + worker.held(Held::Answer);
        totals.streams = scrape.sum(streams);
        totals.faults = Fault::ALL.map(|code| (code, scrape.refused(code))).into();
        totals
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workers(&self) -> (Vec<String>, Vec<Arc<Cells>>) {
        let mut counted = self.counted();
        counted.settle();
        (counted.names.clone(), counted.workers.clone())
    }

    fn scrape<'a>(&'a self, names: &'a [String], workers: &'a [Arc<Cells>]) -> Scrape<'a> {
        Scrape {
            names,
            workers,
            unreadable: &self.unreadable,
        }
    }

    /// Numbers for one more worker, to be used on its own thread.
    pub fn meter(&self) -> Meter {
        let mut counted = self.counted();
        counted.settle();
        let cells = Arc::new(Cells::new(counted.names.len()));
        counted.workers.push(Arc::clone(&cells));
        Meter::new(cells)
    }

    /// Whether `meter` has all slots that one made now would have, and counts here.
    pub fn is_of(&self, meter: &Meter) -> bool {
        let counted = self.counted();
        meter.slots() == counted.names.len()
            && counted.workers.iter().any(|cells| meter.is_on(cells))
    }
}

/// Slots that there always are: what no route claims, and our own endpoints.
const FIXED: usize = 2;

impl Collector for Traffic {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (names, workers) = self.workers();
        let scrape = self.scrape(&names, &workers);
        scrape.requests(&mut encoder)?;
        let (name, help) = (
            "request_duration",
            "From a request's head to the last byte of its answer.",
        );
        scrape.latencies(&mut encoder, name, help, |route| &route.whole)?;
        let (name, help) = (
            "gateway_duration",
            "From a request's head to sending it on: session, renewal of its token, checks.",
        );
        scrape.latencies(&mut encoder, name, help, |route| &route.own)?;
        let (name, help) = (
            "upstream_duration",
            "From sending a request on to the head of the upstream's answer.",
        );
        scrape.latencies(&mut encoder, name, help, |route| &route.upstream)?;
        scrape.refusals(&mut encoder)?;
        scrape.open(&mut encoder)
    }
}

/// What has happened since the start, as a status page tells it.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Requests that ended.
    pub requests: u64,
    /// Those answered with 4xx.
    pub refused: u64,
    /// Those answered with 5xx.
    pub failed: u64,
    /// From a request's head to its answer's last byte.
    pub whole: Total,
    /// From sending a request on to the head of the upstream's answer.
    pub upstream: Total,
    /// Clients' connections at the moment.
    pub connections: u64,
    /// Tunnels and long answers at the moment.
    pub streams: u64,
    /// How often each failure was the answer.
    pub faults: Box<[(Fault, u64)]>,
}

struct Scrape<'a> {
    names: &'a [String],
    workers: &'a [Arc<Cells>],
    unreadable: &'a [AtomicU64],
}

impl<'a> Scrape<'a> {
    fn sum(&self, read: impl Fn(&Cells) -> u64) -> u64 {
        let numbers = self.workers.iter().map(|worker| read(worker));
        numbers.fold(0, u64::wrapping_add)
    }

    fn refused(&self, code: Fault) -> u64 {
        let stray = entry(self.unreadable, &Fault::ALL, code);
        let stray = stray.map_or(0, |count| count.load(Relaxed));
        self.sum(|worker| worker.refused(code)).wrapping_add(stray)
    }

    /// Each slot with its name and the numbers that the workers have for it.
    fn slots(&self) -> impl Iterator<Item = (&'a str, impl Iterator<Item = &'a RouteCells>)> {
        let workers = self.workers;
        let names = self.names.iter().enumerate();
        names.map(move |(slot, name)| {
            let cells = workers
                .iter()
                .filter_map(move |worker| worker.routes.get(slot));
            (name.as_str(), cells)
        })
    }

    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(
            "requests",
            "Requests by route, class of method and class of status.",
            None,
            MetricType::Counter,
        )?;
        for (route, cells) in self.slots() {
            let cells: Vec<_> = cells.collect();
            for &method in Method::ALL {
                for &status in Status::ALL {
                    let numbers = cells.iter().map(|cells| cells.requests(method, status));
                    let labels = [
                        ("route", route),
                        ("method", method.as_str()),
                        ("status", status.as_str()),
                    ];
                    let sum = numbers.fold(0, u64::wrapping_add);
                    ConstCounter::new(sum).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    fn latencies(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        of: impl Fn(&RouteCells) -> &Latency,
    ) -> fmt::Result {
        let mut metric =
            encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (route, cells) in self.slots() {
            let mut total = Total::default();
            cells.for_each(|cells| total.add(of(cells)));
            metric
                .encode_family(&[("route", route)])?
                .encode_histogram::<NoLabelSet>(
                    total.sum(),
                    total.count(),
                    &total.buckets(),
                    None,
                )?;
        }
        Ok(())
    }

    fn refusals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(
            "refusals",
            "Requests that were refused, failed or sent to sign in, by code.",
            None,
            MetricType::Counter,
        )?;
        for code in Fault::ALL {
            let sum = self.refused(code);
            ConstCounter::new(sum).encode(metric.encode_family(&ByFault { code })?)?;
        }
        Ok(())
    }

    fn open(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let open = |kind| {
            let sum = self.sum(|worker| worker.held(kind));
            ConstGauge::new(i64::try_from(sum).unwrap_or(0))
        };
        let connections = encoder.encode_descriptor(
            "connections_open",
            "Connections of clients, without those that became WebSockets.",
            None,
            MetricType::Gauge,
        )?;
        open(Held::Connection).encode(connections)?;
        let mut streams = encoder.encode_descriptor(
            "streams_open",
            "WebSockets, and long answers that end with their session.",
            None,
            MetricType::Gauge,
        )?;
        for kind in [Held::Websocket, Held::Answer] {
            open(kind).encode(streams.encode_family(&ByHeld { kind })?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::telemetry::metrics::meter::Ended;

    #[test]
    fn a_scrape_sums_the_workers() {
        let traffic = Arc::new(Traffic::new("/oauth2/", ["/mc/rest/", "/"]));
        let mut registry = Registry::with_prefix("sidegate");
        registry.register_collector(Box::new(Arc::clone(&traffic)));
        for meter in [traffic.meter(), traffic.meter()] {
            meter.request(&Ended {
                slot: Slot::route(1),
                method: &http::Method::GET,
                status: http::StatusCode::OK,
                fault: None,
                whole: Duration::from_millis(4),
                own: Some(Duration::from_micros(700)),
                upstream: Some(Duration::from_millis(3)),
            });
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("memory");
        for line in [
            r#"sidegate_requests_total{route="/",method="read",status="2xx"} 2"#,
            r#"sidegate_requests_total{route="/mc/rest/",method="read",status="2xx"} 0"#,
            r#"sidegate_request_duration_seconds_count{route="/"} 2"#,
            r#"sidegate_request_duration_seconds_sum{route="/"} 0.008"#,
            r#"sidegate_gateway_duration_seconds_bucket{le="0.0005",route="/"} 0"#,
            r#"sidegate_gateway_duration_seconds_bucket{le="0.001",route="/"} 2"#,
            r#"sidegate_upstream_duration_seconds_bucket{le="0.0025",route="/"} 0"#,
            r#"sidegate_upstream_duration_seconds_bucket{le="0.005",route="/"} 2"#,
            r#"sidegate_refusals_total{code="SG-1006"} 0"#,
            "sidegate_connections_open 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
    }

    #[test]
    fn counters_never_go_back_when_the_routes_change() {
        let traffic = Traffic::new("/oauth2/", ["/a/", "/"]);
        let count = |meter: &Meter, slot| {
            meter.request(&Ended {
                slot,
                method: &http::Method::GET,
                status: http::StatusCode::OK,
                fault: Some(Fault::NoRoute),
                whole: Duration::from_millis(4),
                own: None,
                upstream: None,
            });
        };
        let of = |traffic: &Traffic, prefix: &str| {
            let (names, workers) = traffic.workers();
            let slot = names.iter().position(|name| name == prefix).expect("known");
            let cells = workers.iter().filter_map(|cells| cells.routes.get(slot));
            cells
                .map(|cells| cells.requests(Method::Read, Status::Good))
                .sum::<u64>()
        };
        let old = traffic.meter();
        let [first, last] = traffic.slots(["/a/", "/"])[..] else {
            panic!("two")
        };
        count(&old, first);
        count(&old, last);
        assert!(traffic.is_of(&old));
        let [new, still] = traffic.slots(["/b/", "/"])[..] else {
            panic!("two")
        };
        assert_eq!((still, new == first), (last, false));
        assert!(!traffic.is_of(&old), "it has no place for the new route");
        let young = traffic.meter();
        count(&young, new);
        count(&old, last);
        count(&young, still);
        let known = [("/a/", 1), ("/b/", 1), ("/", 3)];
        for (prefix, expected) in known {
            assert_eq!(of(&traffic, prefix), expected, "{prefix}");
        }
        // The last request of the old configuration ends.
        drop(old);
        for (prefix, expected) in known {
            assert_eq!(of(&traffic, prefix), expected, "{prefix}");
        }
        assert_eq!(traffic.totals().requests, 5);
        for _ in 0..100 {
            drop(traffic.meter());
        }
        assert!(traffic.workers().1.len() <= 3, "the past is one");
    }
}
