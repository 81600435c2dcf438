//! The configuration: one YAML file and the environment, resolved into the types of the rooms below.
//!
//! Resolving text into domain types needs those types, so this room stands above the rooms that it
//! configures, and none of them knows that a file exists.

mod check;
mod describe;
pub mod environment;
mod explain;
pub mod file;
mod findings;
pub mod not_before;
pub mod place;
pub mod problem;
mod raw;
pub mod report;
mod resolve;
pub mod restart;
pub mod rotation;
pub(crate) mod scalar;
mod schema;
pub mod secret_source;
mod shape;
mod source;
pub mod tenant;
pub(crate) mod yaml;

use std::io::Read;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

pub use environment::Environment;
pub use file::ConfigFile;
pub use not_before::NotBeforeFile;
pub use problem::Mark;
pub use problem::Problem;
pub use problem::Problems;
pub use problem::Risk;
pub use problem::Warning;
pub use report::Form;
pub use report::Report;
pub use report::report;
pub use report::report_as;
pub use schema::schema;
pub use secret_source::SecretSource;
pub use tenant::Tenant;
pub use tenant::TenantName;

use http::HeaderName;

use crate::crypto::KeyRing;
use crate::gateway::CrossSite;
use crate::gateway::Rates;
use crate::gateway::Shares;
use crate::gateway::route::PathPrefix;
use crate::http::Framing;
use crate::http::pages::Pages;
use crate::net::settings::Clocks;
use crate::net::settings::Drain;
use crate::net::settings::Limits;
use crate::net::settings::Listen;
use crate::net::settings::Protocols;
use crate::net::settings::Tls;
use crate::net::settings::TrustedProxies;
use crate::session::NotBefore;
use crate::session::Policy;
use crate::session::shared::Keeping;
use crate::session::shared::RedisSettings;
use crate::telemetry::settings::LogSettings;
use crate::telemetry::traces::TraceSettings;
use crate::upstream::Timeouts;
use crate::upstream::settings::PoolLimits;
use findings::Findings;
use place::KeyPath;
use place::Location;
use problem::Code;
use resolve::Resolver;
use source::Layer;

/// What commands write where a person has to fill something in, and what no value may begin with.
pub const PLACEHOLDER: &str = "FILL-IN";

/// Everything that `serve` needs to know; nothing in it can be invalid.
#[derive(Debug)]
pub struct Config {
    /// Whom the gateway serves: the only tenant, or the first of several.
    pub first: Tenant,
    /// Further tenants. Each has hosts of its own.
    pub more: Vec<Tenant>,
    /// The public listeners, at least one.
    pub listen: Vec<Listen>,
    /// The admin listener.
    pub admin_listen: SocketAddr,
    /// Names under which the status page is shown, beside addresses and `localhost`.
    pub admin_hosts: Vec<String>,
    /// How many cores serve; `None` is all that this process may use.
    pub workers: Option<NonZeroUsize>,
    /// TLS at the public listener; `None` behind a terminator.
    pub tls: Option<Tls>,
    /// What is spoken on the public listener.
    pub protocols: Protocols,
    /// Who may say `X-Forwarded-*`.
    pub trusted_proxies: TrustedProxies,
    /// Where our own endpoints live; `/oauth2/` by default.
    pub endpoint_prefix: PathPrefix,
    /// What is let in from other origins.
    pub cross_site: CrossSite,
    /// Whether `#fragment` survives a sign-in, by way of a page of ours instead of a plain redirect.
    pub keep_fragment: bool,
    /// The field in which a proxy that asks about requests names their paths.
    pub asked_path: Option<HeaderName>,
    /// What people see: the owner's brand and templates.
    pub pages: Pages,
    /// The keys that seal sessions.
    pub keys: KeyRing,
    /// Where they came from, in the same order.
    pub key_sources: Vec<SecretSource>,
    /// How long sessions live.
    pub session: Policy,
    /// The store that replicas share, and what for.
    pub shared: Option<(RedisSettings, Keeping)>,
    /// Who may frame this site, where it is shown inside another.
    pub framing: Option<Framing>,
    /// The sessions that are refused, and the file that lists them.
    pub not_before: Option<(NotBeforeFile, NotBefore)>,
    /// How many connections upstreams get.
    pub pool: PoolLimits,
    /// How much of a tenant's API one person and one tenant get.
    pub shares: Shares,
    /// How often one address may sign in.
    pub rates: Rates,
    /// How long to wait for upstreams.
    pub timeouts: Timeouts,
    /// How long clients may take.
    pub clocks: Clocks,
    /// How the process ends.
    pub drain: Drain,
    /// How much clients may ask for.
    pub limits: Limits,
    /// What to log.
    pub log: LogSettings,
    /// Where the spans of followed traces go.
    pub traces: Option<TraceSettings>,
}

/// A configuration and what is risky about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Settings that work but are risky, in the order of the file.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Everybody whom the gateway serves.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// Reads the file at `path` and the overrides in `environment`.
    pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Problems> {
        Self::load_and(true, path, environment)
    }

    /// The same without asking whether the file's own tests hold.
    pub fn load_untested(path: &Path, environment: &Environment) -> Result<Loaded, Problems> {
        Self::load_and(false, path, environment)
    }

    fn load_and(
        run_tests: bool,
        path: &Path,
        environment: &Environment,
    ) -> Result<Loaded, Problems> {
        Self::load_bytes(path, read(path), environment, run_tests)
    }

    fn load_bytes(
        path: &Path,
        bytes: std::io::Result<Vec<u8>>,
        environment: &Environment,
        run_tests: bool,
    ) -> Result<Loaded, Problems> {
        let name: Arc<str> = path.to_string_lossy().into();
        let base = path.parent().filter(|parent| *parent != Path::new(""));
        match bytes {
            Ok(bytes) => load(
                &name,
                &bytes,
                base.unwrap_or_else(|| Path::new(".")),
                environment,
                run_tests,
            ),
            Err(error) => {
                let mut findings = Findings::new(&name);
                let location = Location::File {
                    name,
                    position: None,
                };
                let message = format!("the file cannot be read: {error}");
                findings
                    .problem_at(Code::FileUnreadable, location, &KeyPath::root(), message)
                    .hint("name the file with --config FILE or in SIDEGATE_CONFIG");
                Err(findings.into_problems())
            }
        }
    }

    /// Reads `text` as if it were a file called `name` in the directory `base`.
    pub fn from_text(
        name: &str,
        text: &str,
        base: &Path,
        environment: &Environment,
    ) -> Result<Loaded, Problems> {
        load(&name.into(), text.as_bytes(), base, environment, true)
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is taken, so that a larger file is refused and not cut off.
    let limit = u64::try_from(yaml::MAX_BYTES + 1).unwrap_or(u64::MAX);
    std::fs::File::open(path)?
        .take(limit)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn load(
    name: &Arc<str>,
    bytes: &[u8],
    base: &Path,
    environment: &Environment,
    run_tests: bool,
) -> Result<Loaded, Problems> {
    let mut findings = Findings::new(name);
    let file = match yaml::parse(name, bytes) {
        Ok(root) => root,
        Err(refused) => {
            findings.refused(name, refused);
            return Err(findings.into_problems());
        }
    };
    let file = check::check(file, &mut findings);
    let overrides = environment.overrides(&mut findings);
    let overrides = check::check(overrides, &mut findings);
    let raw = match source::merge(vec![Layer(file), Layer(overrides)]) {
        Ok(raw) => raw,
        Err(path) => {
            findings.problem(Code::BadValue, &path, "does not have the right shape");
            return Err(findings.into_problems());
        }
    };
    let config = Resolver {
        findings: &mut findings,
        environment,
        base,
        run_tests,
    }
    .configuration(raw);
    let (config, warnings) = findings.finish(config)?;
    Ok(Loaded { config, warnings })
}

#[cfg(test)]
mod tests;
