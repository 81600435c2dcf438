//! What the status page and `/status.json` say.

use serde::Serialize;
use tokio::sync::watch;

use super::attention;
use super::attention::Attention;
use super::files::CLIENT_SECRET;
use super::files::Watched;
use super::history::Point;
use super::problems::Problem;
use super::reloads::State;
use super::status::Remembered;
use super::status::Seen;
use super::status::Sources;
use super::status::TenantSource;
use crate::config::rotation;
use crate::oauth::breaker::Rests as _;
use crate::oauth::client_secrets::InUse;
use crate::oauth::provider::Client;
use crate::telemetry::metrics::Counted;
use crate::telemetry::metrics::Total;
use crate::telemetry::metrics::Totals;
use crate::time::UnixTime;
use crate::upstream::Health;

/// The gateway at one moment.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) version: &'static str,
    pub(super) now: String,
    pub(super) started: String,
    pub(super) uptime_seconds: u64,
    pub(super) ready: bool,
    /// Why no traffic should come.
    pub(super) reasons: Vec<&'static str>,
    pub(super) workers: usize,
    pub(super) connections: u64,
    pub(super) streams: u64,
    pub(super) attention: Vec<Attention>,
    pub(super) tenants: Vec<Tenant>,
    pub(super) upstreams: Vec<Upstream>,
    /// `up` or `down`; missing without a store.
    pub(super) store: Option<&'static str>,
    pub(super) certificate: Option<Certificate>,
    pub(super) keys: Vec<Key>,
    pub(super) files: Vec<FileGroup>,
    pub(super) problems: Vec<Trouble>,
    pub(super) configuration: Configuration,
}

/// One tenant, since the start of this process.
#[derive(Debug, Serialize)]
pub(super) struct Tenant {
    pub(super) name: Option<String>,
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) latency: Latency,
    pub(super) upstream_latency: Latency,
    pub(super) refreshes: Vec<Count>,
    pub(super) sign_ins: SignIns,
    pub(super) provider: Provider,
    /// The last hour, in steps of ten seconds.
    pub(super) history: Vec<Point>,
    /// The same in rows of five minutes.
    #[serde(skip)]
    pub(super) rows: Vec<Point>,
}

/// Milliseconds; missing where nothing was timed.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// How often something ended so.
#[derive(Debug, Serialize)]
pub(super) struct Count {
    pub(super) result: &'static str,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct SignIns {
    pub(super) started: u64,
    pub(super) finished: u64,
    pub(super) failed: u64,
    pub(super) sign_outs: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Provider {
    /// `closed`: calls are made; `open`: they are held back after a failure.
    pub(super) breaker: &'static str,
    pub(super) calls: Vec<Count>,
    /// `first` or `next`; missing for a public app, and until the provider was asked.
    pub(super) client_secret: Option<&'static str>,
    pub(super) client_secret_since: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Upstream {
    pub(super) address: String,
    /// `up`, `down` by its health checks, `ejected` by all workers, or `partly_ejected`.
    pub(super) state: &'static str,
    pub(super) ejected_by: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    pub(super) valid_until: String,
    pub(super) days_left: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Key {
    pub(super) id: String,
    /// `seals`, `opens`, or `retired`.
    pub(super) role: &'static str,
    /// Sessions sealed with it by this process.
    pub(super) sealed: u64,
}

/// The configuration in force, and the last one that is not.
#[derive(Debug, Default, Serialize)]
pub(super) struct Configuration {
    /// Missing where it did not come from a file.
    pub(super) hash: Option<String>,
    pub(super) since: String,
    pub(super) reloads: u64,
    /// Keys whose new values wait for a restart.
    pub(super) waiting: Vec<&'static str>,
    pub(super) refused: Option<RefusedConfiguration>,
}

#[derive(Debug, Serialize)]
pub(super) struct RefusedConfiguration {
    pub(super) at: String,
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct FileGroup {
    pub(super) what: &'static str,
    pub(super) tenant: Option<String>,
    pub(super) files: Vec<File>,
    pub(super) taken_over: Option<String>,
    pub(super) refused: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) days_old: Option<u64>,
    /// Of a client secret: how long it works on if it is as old as its file.
    pub(super) days_left: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Trouble {
    pub(super) code: &'static str,
    pub(super) tenant: Option<String>,
    pub(super) title: &'static str,
    pub(super) advice: &'static str,
    pub(super) count: u64,
    pub(super) last: String,
}

impl Report {
    pub(super) fn of(started: UnixTime, seen: &Seen, memory: &[&Remembered]) -> Self {
        let sources = &seen.sources;
        let reasons = sources.readiness.obstacles();
        let all = || seen.tenants.iter().map(|(traffic, _)| traffic);
        let tenants = sources.tenants.iter().zip(&seen.tenants).zip(memory);
        let identity = sources.identity.as_ref();
        let up = |store: &watch::Receiver<bool>| if *store.borrow() { "up" } else { "down" };
        let mut report = Self {
            version: env!("CARGO_PKG_VERSION"),
            now: seen.now.to_rfc3339(),
            started: started.to_rfc3339(),
            uptime_seconds: seen.now.since(started).as_secs(),
            ready: reasons.is_empty(),
            reasons,
            workers: sources.workers,
            connections: all().chain(&seen.hall).map(|it| it.connections).sum(),
            streams: all().map(|traffic| traffic.streams).sum(),
            attention: Vec::new(),
            tenants: tenants
                .map(|((source, (traffic, events)), memory)| {
                    tenant(source, traffic, events, memory, seen.now)
                })
                .collect(),
            upstreams: sources
                .upstreams
                .health()
                .map(|health| upstream(health, sources.workers))
                .collect(),
            store: sources.store.as_ref().map(up),
            certificate: identity
                .and_then(|identity| identity.valid_until())
                .map(|until| Certificate {
                    valid_until: until.to_rfc3339(),
                    days_left: days(until.since(seen.now)),
                }),
            keys: keys(seen),
            files: sources
                .files
                .all()
                .into_iter()
                .map(|watched| group(watched, seen.now))
                .collect(),
            problems: problems(sources, memory),
            configuration: configuration(&sources.reloads.state()),
        };
        report.attention = attention::of(&report);
        report
    }
}

fn tenant(
    source: &TenantSource,
    traffic: &Totals,
    events: &Counted,
    memory: &Remembered,
    now: UnixTime,
) -> Tenant {
    let rests = source.directories.iter().any(|one| one.rests());
    let in_use = match &source.provider.client {
        Client::Web(secrets) => secrets.in_use(),
        Client::Public => None,
    };
    let refreshes = events.refreshes.iter();
    let calls = events.calls.iter();
    Tenant {
        name: source.name.as_deref().map(str::to_owned),
        requests: traffic.requests,
        refused: traffic.refused,
        failed: traffic.failed,
        latency: latency(&traffic.whole),
        upstream_latency: latency(&traffic.upstream),
        refreshes: refreshes
            .map(|&(result, count)| Count {
                result: result.as_str(),
                count,
            })
            .collect(),
        sign_ins: SignIns {
            started: events.sign_ins_started,
            finished: events.sign_ins_finished,
            failed: events.sign_ins_failed,
            sign_outs: events.sign_outs,
        },
        provider: Provider {
            breaker: if rests { "open" } else { "closed" },
            calls: calls
                .map(|&(result, count)| Count {
                    result: result.as_str(),
                    count,
                })
                .collect(),
            client_secret: in_use.map(|InUse { which, .. }| which.as_str()),
            client_secret_since: in_use.map(|InUse { since, .. }| since.to_rfc3339()),
        },
        history: memory.history.points(now).copied().collect(),
        rows: memory.history.rows(now),
    }
}

fn latency(total: &Total) -> Latency {
    let millis = |share| {
        let millis = total.quantile(share)? * 1000.0;
        Some((millis * 10.0).round() / 10.0)
    };
    Latency {
        p50: millis(0.5),
        p99: millis(0.99),
    }
}

fn upstream(health: Health, workers: usize) -> Upstream {
    let state = match health.left_out_by {
        _ if health.reported_down => "down",
        0 => "up",
        some if some < workers => "partly_ejected",
        _ => "ejected",
    };
    Upstream {
        address: health.address,
        state,
        ejected_by: health.left_out_by,
    }
}

/// Those in the ring in its order, then those that sealed before.
fn keys(seen: &Seen) -> Vec<Key> {
    let ring = seen.sources.keys.ring();
    let first = ring.first().id();
    let mut keys: Vec<Key> = ring
        .ids()
        .map(|id| Key {
            id: id.to_string(),
            role: if id == first { "seals" } else { "opens" },
            sealed: 0,
        })
        .collect();
    let sealed = seen.tenants.iter().flat_map(|(_, events)| &events.sealed);
    for (id, count) in sealed {
        let id = id.to_string();
        match keys.iter_mut().find(|key| key.id == id) {
            Some(key) => key.sealed += count,
            None => keys.push(Key {
                id,
                role: "retired",
                sealed: *count,
            }),
        }
    }
    keys
}

fn configuration(state: &State) -> Configuration {
    Configuration {
        hash: Some(state.hash.to_string()).filter(|hash| !hash.is_empty()),
        since: state.since.to_rfc3339(),
        reloads: state.applied,
        waiting: state.waiting.clone(),
        refused: state.refused.as_ref().map(|refused| RefusedConfiguration {
            at: refused.at.to_rfc3339(),
            problems: refused.problems.clone(),
        }),
    }
}

fn group(watched: Watched, now: UnixTime) -> FileGroup {
    let ends = watched.what == CLIENT_SECRET;
    let files = watched.written.into_iter().map(|(name, written)| {
        let age = written.map(|written| now.since(written));
        let left = age.filter(|_| ends);
        File {
            name,
            days_old: age.map(days),
            days_left: left.map(|age| days(rotation::LIFETIME.saturating_sub(age))),
        }
    });
    FileGroup {
        what: watched.what,
        tenant: watched.tenant.as_deref().map(str::to_owned),
        files: files.collect(),
        taken_over: watched.taken_over.map(UnixTime::to_rfc3339),
        refused: watched.refused.map(UnixTime::to_rfc3339),
    }
}

fn problems(sources: &Sources, memory: &[&Remembered]) -> Vec<Trouble> {
    let names = sources.tenants.iter();
    let names = names.map(|tenant| tenant.name.as_deref());
    let remembered = memory.iter().zip(names.chain([None]));
    let mut all: Vec<(Problem, Option<&str>)> = remembered
        .flat_map(|(memory, name)| memory.problems.all().map(move |problem| (problem, name)))
        .collect();
    all.sort_by_key(|(problem, _)| std::cmp::Reverse((problem.last, problem.count)));
    all.truncate(MAX_PROBLEMS);
    let told = all.into_iter().map(|(problem, tenant)| Trouble {
        code: problem.fault.code(),
        tenant: tenant.map(str::to_owned),
        title: problem.fault.title(),
        advice: problem.fault.advice(),
        count: problem.count,
        last: problem.last.to_rfc3339(),
    });
    told.collect()
}

fn days(span: std::time::Duration) -> u64 {
    span.as_secs() / (24 * 60 * 60)
}

/// Failures that are listed.
const MAX_PROBLEMS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_ejected_when_every_worker_leaves_it_out() {
        for (reported_down, left_out_by, state) in [
            (false, 0, "up"),
            (false, 1, "partly_ejected"),
            (false, 2, "ejected"),
            (true, 0, "down"),
            (true, 2, "down"),
        ] {
            let health = Health {
                address: "http://127.0.0.1:3000".to_owned(),
                reported_down,
                left_out_by,
            };
            assert_eq!(upstream(health, 2).state, state);
        }
    }

    #[test]
    fn only_a_client_secret_has_an_end() {
        let now = UnixTime::from_millis(1_700_000_000_000);
        let day = std::time::Duration::from_hours(24);
        for (what, days, left) in [
            (CLIENT_SECRET, 10, Some(170)),
            (CLIENT_SECRET, 400, Some(0)),
            ("session keys", 10, None),
        ] {
            let mut watched = Watched::new(what, None);
            watched.written = vec![("a".to_owned(), Some(now.minus(day * days)))];
            let file = &group(watched, now).files[0];
            assert_eq!(file.days_old, Some(u64::from(days)), "{what}");
            assert_eq!(file.days_left, left, "{what}");
        }
        let mut gone = Watched::new(CLIENT_SECRET, None);
        gone.written = vec![("a".to_owned(), None)];
        let file = &group(gone, now).files[0];
        assert_eq!((file.days_old, file.days_left), (None, None));
    }
}
