//! The configuration: one YAML file and the environment, resolved into the types of the rooms below.
//!
//! Resolving text into domain types needs those types, so this room stands above the rooms that it
//! configures, and none of them knows that a file exists.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use crate::crypto::KeyRing;
use crate::gateway::Route;
use crate::gateway::route::PathPrefix;
use crate::http::Origin;
use crate::net::settings::Tls;
use crate::net::settings::TrustedProxies;
use crate::oauth::Provider;
use crate::session::Policy;
use crate::telemetry::settings::LogSettings;
use crate::upstream::Timeouts;

/// Everything that `serve` needs to know; nothing in it can be invalid.
#[derive(Debug)]
pub struct Config {
    /// What browsers type: `https`, or `http` on loopback.
    pub public_url: Origin,
    /// The public listener.
    pub listen: SocketAddr,
    /// The admin listener.
    pub admin_listen: SocketAddr,
    /// How many cores serve; `None` is all that this process may use.
    pub workers: Option<NonZeroUsize>,
    /// TLS at the public listener; `None` behind a terminator.
    pub tls: Option<Tls>,
    /// Who may say `X-Forwarded-*`.
    pub trusted_proxies: TrustedProxies,
    /// Where our own endpoints live; `/oauth2/` by default.
    pub endpoint_prefix: PathPrefix,
    /// The package at Marketing Cloud.
    pub provider: Provider,
    /// The keys that seal sessions.
    pub keys: KeyRing,
    /// How long sessions live.
    pub session: Policy,
    /// Which path goes where.
    pub routes: Vec<Route>,
    /// How long to wait for upstreams.
    pub timeouts: Timeouts,
    /// What to log.
    pub log: LogSettings,
}
