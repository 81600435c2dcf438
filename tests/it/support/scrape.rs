//! The metrics of a running gateway, read as Prometheus reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::timeout;

use super::Gate;
use super::browser::Answer;
use super::browser::exchange;
use super::browser::request;

/// All samples of one scrape that are whole numbers, by series.
#[derive(Clone, Debug)]
pub struct Scrape {
    pub text: String,
    samples: BTreeMap<String, i64>,
}

impl Scrape {
    /// The metrics of `gate` when exactly `requests` have ended since `before`: a client may have its
    /// answer before that is counted.
    pub async fn after(gate: &Gate, before: &Self, requests: i64) -> Self {
        let expected = before.requests() + requests;
        let counted = async {
            loop {
                let scrape = Self::of(gate).await;
                if scrape.requests() >= expected {
                    return scrape;
                }
                tokio::task::yield_now().await;
            }
        };
        let scrape = timeout(DEADLINE, counted).await.expect("counted in time");
        assert_eq!(scrape.requests(), expected, "one too many: {scrape:?}");
        scrape
    }

    /// The metrics of `gate` as soon as `series` has `value`.
    pub async fn when(gate: &Gate, series: &str, value: i64) -> Self {
        let reached = async {
            loop {
                let scrape = Self::of(gate).await;
                if scrape.value(series) == value {
                    return scrape;
                }
                tokio::task::yield_now().await;
            }
        };
        let reached = timeout(DEADLINE, reached).await;
        reached.unwrap_or_else(|_| panic!("{series} never becomes {value}"))
    }

    /// The metrics of `gate`.
    pub async fn of(gate: &Gate) -> Self {
        let answer = ask(gate, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            let whole = value.strip_suffix(".0").unwrap_or(value);
            Some((series.to_owned(), whole.parse().ok()?))
        });
        Self {
            samples: samples.collect(),
            text,
        }
    }

    /// The value of a series.
    pub fn value(&self, series: &str) -> i64 {
        let value = self.samples.get(series);
        *value.unwrap_or_else(|| panic!("no {series} in\n{}", self.text))
    }

    /// What has changed since `before`, and by how much. Durations and sizes differ from run to run:
    /// of their histograms only the counts are told.
    pub fn since(&self, before: &Self) -> BTreeMap<&str, i64> {
        let told = self.samples.iter().filter(|(series, _)| {
            let name = series.split('{').next().expect("a name");
            // Which worker has a connection to an upstream already is chance.
            let chance = name == CONNECTIONS || name.starts_with("sidegate_upstream_conn");
            !name.ends_with("_bucket") && !name.ends_with("_sum") && !chance
        });
        let moved = told.map(|(series, value)| {
            let earlier = before.samples.get(series).copied().unwrap_or(0);
            (series.as_str(), value - earlier)
        });
        moved.filter(|(_, by)| *by != 0).collect()
    }

    /// How many requests have ended.
    pub fn requests(&self) -> i64 {
        let requests = self.samples.iter();
        let requests = requests.filter(|(series, _)| series.starts_with("sidegate_requests_total"));
        requests.map(|(_, value)| value).sum()
    }
}

/// Asks the admin listener for its metrics.
pub async fn ask(gate: &Gate, fields: &[(&str, &str)]) -> Answer {
    let admin = gate.app().admin_address();
    let request = request(admin, Method::GET, "/metrics", fields, Bytes::new());
    exchange(admin, request).await
}

/// Browsers close theirs when they like.
const CONNECTIONS: &str = "sidegate_connections_open";

const DEADLINE: Duration = Duration::from_secs(10);
