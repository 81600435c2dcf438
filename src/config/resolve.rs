//! From the raw tree to the resolved one. Every section is read to its end, whatever is wrong in it;
//! a value that is a problem is replaced by a default, since nothing comes of it anyway.

mod cross_site;
mod door;
mod embedded;
mod journey;
mod limits;
mod listener;
mod marketing_cloud;
mod pages;
mod partner;
mod redis;
mod routes;
mod rules;
mod secret;
mod session;
mod telemetry;
mod tenants;
mod trials;
mod upstream;
mod values;

use std::fmt::Display;
use std::path::Path;

pub(super) use secret::FileFault;
pub(super) use secret::read as read_secret;

use super::Config;
use super::PLACEHOLDER;
use super::environment::Environment;
use super::findings::Findings;
use super::place::KeyPath;
use super::problem::Code;
use super::raw::Raw;
use super::raw::RawTexts;
use super::raw::RawTimeouts;
use crate::upstream::Timeouts;
use tenants::Common;
use tenants::RawServed;

/// What values are resolved against, and where findings go.
pub(super) struct Resolver<'a> {
    pub(super) findings: &'a mut Findings,
    pub(super) environment: &'a Environment,
    /// Where relative paths start: the configuration file's directory.
    pub(super) base: &'a Path,
    /// Whether the file's own tests have to hold.
    pub(super) run_tests: bool,
}

impl Resolver<'_> {
    /// The configuration, unless something that has no default is missing or a problem.
    pub(super) fn configuration(&mut self, mut raw: Raw) -> Option<Config> {
        let root = KeyPath::root();
        let (listen, admin_listen) = self.listeners(raw.listen, raw.listen_mode, raw.admin_listen);
        let admin_hosts = self.admin_hosts(raw.admin_hosts);
        let workers = self.optional(&root.child("workers"), raw.workers, values::workers);
        let tls = self.tls(raw.tls);
        let trusted_proxies = self.trusted_proxies(raw.trusted_proxies);
        let protocols = self.protocols(raw.h2c, raw.proxy_protocol, tls.as_ref(), &trusted_proxies);
        let endpoint_prefix = self.endpoint_prefix(raw.endpoint_prefix);
        let keep_fragment = self.optional(
            &root.child("keep_fragment"),
            raw.keep_fragment,
            values::boolean,
        );
        let asked = root.child("auth_path_header");
        let asked_path = self.optional(&asked, raw.auth_path_header, values::header);
        let pages = self.pages(raw.pages);
        let upstream_tls = self.upstream_tls(&root, raw.upstream_tls);
        let served = RawServed {
            public_url: raw.public_url,
            marketing_cloud: raw.marketing_cloud,
            routes: raw.routes,
            tenants: raw.tenants,
        };
        let common = Common {
            endpoints: endpoint_prefix.as_ref(),
            tls: &upstream_tls,
        };
        let (served, urls) = self.served(served, &common);
        let cross_site = self.cross_site(raw.allowed_origins, raw.csrf, &urls);
        let session = self.session(raw.session);
        let pool = self.pool(raw.upstream);
        let shares = self.shares(&mut raw.limits);
        let rates = self.rates(raw.rate_limits);
        let (clocks, drain) = self.clocks(&mut raw.timeouts);
        let timeouts = self.timeouts(raw.timeouts);
        let limits = self.limits(raw.limits);
        let log = self.log(raw.log);
        let traces = self.traces(raw.telemetry);
        let trials = self.trials(raw.tests);
        let (keys, key_sources) = session.keys?;
        let (first, more) = served?;
        let config = Config {
            first,
            more,
            listen,
            admin_listen,
            admin_hosts,
            workers,
            tls,
            protocols,
            trusted_proxies,
            endpoint_prefix: endpoint_prefix?,
            cross_site,
            keep_fragment: keep_fragment.unwrap_or(false),
            asked_path,
            pages,
            keys,
            key_sources,
            session: session.policy,
            shared: session.shared,
            framing: session.framing,
            not_before: session.not_before,
            pool,
            shares,
            rates,
            timeouts,
            clocks,
            drain,
            limits,
            log,
            traces,
        };
        self.run(&trials, &config);
        Some(config)
    }

    /// Reads a value that may be left out.
    fn optional<T, E: Display>(
        &mut self,
        path: &KeyPath,
        text: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = text?;
        if text.starts_with(PLACEHOLDER) {
            self.bad(path, "is a placeholder: fill in a value of your own");
            return None;
        }
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.bad(path, error.to_string());
                None
            }
        }
    }

    /// Reads a value that must not be left out.
    fn required<T, E: Display>(
        &mut self,
        path: &KeyPath,
        text: Option<String>,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if text.is_none() {
            self.findings.missing(path, hint);
        }
        self.optional(path, text, parse)
    }

    /// Reads each item of a list, or of a text with commas. `None` if the key was left out.
    fn each<T, E: Display>(
        &mut self,
        path: &KeyPath,
        texts: Option<RawTexts>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<(KeyPath, T)>> {
        let items: Vec<Option<String>> = match texts? {
            RawTexts::Many(items) => items,
            RawTexts::One(text) if text.trim().is_empty() => Vec::new(),
            RawTexts::One(text) => text
                .split(',')
                .map(|item| Some(item.trim().to_owned()))
                .collect(),
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = path.index(index);
            if let Some(value) = self.optional(&path, item, &parse) {
                values.push((path, value));
            }
        }
        Some(values)
    }

    fn bad(&mut self, path: &KeyPath, message: impl Into<String>) {
        self.findings.problem(Code::BadValue, path, message);
    }

    fn timeouts(&mut self, raw: RawTimeouts) -> Timeouts {
        let path = KeyPath::root().child("timeouts");
        let default = Timeouts::default();
        let mut read = |key: &str, text| self.optional(&path.child(key), text, values::deadline);
        Timeouts {
            connect: read("upstream_connect", raw.connect).unwrap_or(default.connect),
            response: read("upstream_response", raw.response).unwrap_or(default.response),
            idle: read("upstream_idle", raw.idle).unwrap_or(default.idle),
        }
    }
}
