//! What happens now and then: calls to the provider, refreshes, sign-ins, sign-outs.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use prometheus_client::registry::Unit;

use super::keys::SealedByKey;
use super::labels::Answer;
use super::labels::ByAnswer;
use super::labels::ByCall;
use super::labels::ByFault;
use super::labels::ByFence;
use super::labels::ByForgery;
use super::labels::ByRefresh;
use super::labels::ByRule;
use super::labels::BySwitch;
use super::labels::Call;
use super::labels::Fenced;
use super::labels::Forgery;
use super::labels::Post;
use super::labels::Refresh;
use super::labels::Rule;
use super::labels::Switch;
use crate::crypto::KeyId;
use crate::fault::Fault;

/// Counters that all threads share. Clones count together.
#[derive(Clone, Debug)]
pub struct Events {
    refreshes: Family<ByRefresh, Counter>,
    late_comers: Counter,
    switches: Family<BySwitch, Counter>,
    refusals: Family<ByRule, Counter>,
    forgeries: Family<ByForgery, Counter>,
    fenced: Family<ByFence, Counter>,
    calls: Family<ByAnswer, Counter>,
    call_times: Family<ByCall, Histogram, fn() -> Histogram>,
    sign_ins_started: Counter,
    sign_ins_finished: Counter,
    sign_ins_failed: Family<ByFault, Counter>,
    sign_outs: Counter,
    sealed: Arc<SealedByKey>,
    cookie_bytes: Histogram,
}

impl Default for Events {
    fn default() -> Self {
        let this = Self {
            refreshes: Family::default(),
            late_comers: Counter::default(),
            switches: Family::default(),
            refusals: Family::default(),
            forgeries: Family::default(),
            fenced: Family::default(),
            calls: Family::default(),
            call_times: Family::new_with_constructor(|| Histogram::new(CALL_SECONDS)),
            sign_ins_started: Counter::default(),
            sign_ins_finished: Counter::default(),
            sign_ins_failed: Family::default(),
            sign_outs: Counter::default(),
            sealed: Arc::default(),
            cookie_bytes: Histogram::new(COOKIE_BYTES),
        };
        // A series that begins with its first event hides that event from `increase()`.
        for &result in Refresh::ALL {
            drop(this.refreshes.get_or_create(&ByRefresh { result }));
        }
        for &result in Switch::ALL {
            drop(this.switches.get_or_create(&BySwitch { result }));
        }
        for &rule in Rule::ALL {
            drop(this.refusals.get_or_create(&ByRule { rule }));
        }
        for &reason in Forgery::ALL {
            drop(this.forgeries.get_or_create(&ByForgery { reason }));
        }
        for &at in Post::ALL {
            for &reason in Fenced::ALL {
                drop(this.fenced.get_or_create(&ByFence { at, reason }));
            }
        }
        for code in Fault::ALL.into_iter().filter(|fault| fault.is_of_sign_in()) {
            drop(this.sign_ins_failed.get_or_create(&ByFault { code }));
        }
        for &call in Call::ALL {
            drop(this.call_times.get_or_create(&ByCall { call }));
            for &result in Answer::ALL {
                drop(this.calls.get_or_create(&ByAnswer { call, result }));
            }
        }
        this
    }
}

impl Events {
    /// Makes the counters part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "token_refreshes",
            "Refreshes by how they ended",
            self.refreshes.clone(),
        );
        registry.register(
            "token_refresh_late_comers",
            "Times that a request with an old cookie was served from a refresh that had ended",
            self.late_comers.clone(),
        );
        registry.register(
            "business_unit_switches",
            "Switches of business unit by how they ended",
            self.switches.clone(),
        );
        registry.register(
            "access_refusals",
            "Requests that a rule of their route refused, by kind of rule",
            self.refusals.clone(),
        );
        registry.register(
            "cross_site_refusals",
            "Requests that another site may have caused, by what gave them away",
            self.forgeries.clone(),
        );
        registry.register(
            "fence_refusals",
            "Times that a token was held back from a host, by where and why",
            self.fenced.clone(),
        );
        registry.register(
            "provider_calls",
            "Calls to the provider by what was asked and what came of it",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "provider_call_duration",
            "How long calls to the provider took",
            Unit::Seconds,
            self.call_times.clone(),
        );
        registry.register(
            "sign_ins_started",
            "People who were sent to the provider",
            self.sign_ins_started.clone(),
        );
        registry.register(
            "sign_ins_finished",
            "Sign-ins that became a session",
            self.sign_ins_finished.clone(),
        );
        registry.register(
            "sign_ins_failed",
            "Callbacks that led to no session, by code",
            self.sign_ins_failed.clone(),
        );
        registry.register(
            "sign_outs",
            "Sessions that were revoked by a sign-out",
            self.sign_outs.clone(),
        );
        registry.register_collector(Box::new(Arc::clone(&self.sealed)));
        registry.register_with_unit(
            "session_cookie",
            "Size of sealed sessions, all cookies of one together",
            Unit::Bytes,
            self.cookie_bytes.clone(),
        );
    }

    /// Everything until now, as a status page tells it.
    pub fn counted(&self) -> Counted {
        let refreshes = Refresh::ALL.iter().map(|&result| {
            let count = self.refreshes.get_or_create(&ByRefresh { result }).get();
            (result, count)
        });
        let calls = Answer::ALL.iter().map(|&result| {
            let of = |&call: &Call| self.calls.get_or_create(&ByAnswer { call, result }).get();
            (result, Call::ALL.iter().map(of).sum())
        });
        let codes = Fault::ALL.into_iter().filter(|fault| fault.is_of_sign_in());
        let failed = codes.map(|code| self.sign_ins_failed.get_or_create(&ByFault { code }).get());
        Counted {
            refreshes: refreshes.collect(),
            calls: calls.collect(),
            sign_ins_started: self.sign_ins_started.get(),
            sign_ins_finished: self.sign_ins_finished.get(),
            sign_ins_failed: failed.sum(),
            sign_outs: self.sign_outs.get(),
            sealed: self.sealed.counts(),
        }
    }

    /// A refresh ended.
    pub fn refreshed(&self, result: Refresh) {
        self.refreshes.get_or_create(&ByRefresh { result }).inc();
    }

    /// A request was served from a refresh that had ended before.
    pub fn came_late(&self) {
        self.late_comers.inc();
    }

    /// A switch of business unit ended.
    pub fn switched(&self, result: Switch) {
        self.switches.get_or_create(&BySwitch { result }).inc();
    }

    /// A rule refused a request.
    pub fn access_refused(&self, rule: Rule) {
        self.refusals.get_or_create(&ByRule { rule }).inc();
    }

    /// A request that another site may have caused was refused.
    pub fn forged(&self, reason: Forgery) {
        self.forgeries.get_or_create(&ByForgery { reason }).inc();
    }

    /// The fence held a token back.
    pub fn fenced(&self, at: Post, reason: Fenced) {
        self.fenced.get_or_create(&ByFence { at, reason }).inc();
    }

    /// A call to the provider ended.
    pub fn called(&self, call: Call, result: Answer, took: Duration) {
        self.calls.get_or_create(&ByAnswer { call, result }).inc();
        self.call_times
            .get_or_create(&ByCall { call })
            .observe(took.as_secs_f64());
    }

    /// A person was sent to the provider.
    pub fn sign_in_started(&self) {
        self.sign_ins_started.inc();
    }

    /// A sign-in became a session.
    pub fn sign_in_finished(&self) {
        self.sign_ins_finished.inc();
    }

    /// A callback led to no session.
    pub fn sign_in_failed(&self, code: Fault) {
        self.sign_ins_failed.get_or_create(&ByFault { code }).inc();
    }

    /// A session was revoked by its sign-out.
    pub fn signed_out(&self) {
        self.sign_outs.inc();
    }

    /// A session was sealed with `key` into so many bytes.
    pub fn sealed(&self, key: KeyId, bytes: usize) {
        self.sealed.count(key);
        self.cookie_bytes
            .observe(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)));
    }
}

/// What has happened since the start.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Refreshes by how they ended.
    pub refreshes: Vec<(Refresh, u64)>,
    /// Calls to the provider by what came of them.
    pub calls: Vec<(Answer, u64)>,
    /// People who were sent to the provider.
    pub sign_ins_started: u64,
    /// Sign-ins that became a session.
    pub sign_ins_finished: u64,
    /// Callbacks that led to none.
    pub sign_ins_failed: u64,
    /// Sessions that a sign-out revoked.
    pub sign_outs: u64,
    /// Sessions sealed, by the public name of the key.
    pub sealed: Vec<(KeyId, u64)>,
}

/// The provider answers in tenths of a second; a call ends after five.
const CALL_SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0];

/// One cookie holds 4 KB, all of them together 7,500 bytes.
const COOKIE_BYTES: [f64; 9] = [
    1_000.0, 1_500.0, 2_000.0, 3_000.0, 4_000.0, 5_000.0, 6_000.0, 7_000.0, 7_500.0,
];
