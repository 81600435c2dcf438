//! One of the tenants or packages that a gateway serves.

use std::fmt;

use super::place::KeyPath;
use super::place::Location;
use super::secret_source::SecretSource;
use crate::gateway::Route;
use crate::http::Origin;
use crate::oauth::Provider;
use crate::oauth::signed_call::SigningSecrets;

/// A package at Marketing Cloud, the hosts at which its tool is found, and what stands behind them.
#[derive(Debug)]
pub struct Tenant {
    /// What operators call it; the only tenant of a gateway needs no name.
    pub name: Option<TenantName>,
    /// What browsers type: `https`, or `http` on loopback.
    pub public_url: Origin,
    /// Other hosts where the same is found. Each has cookies and a redirect URI of its own.
    pub further_urls: Vec<Origin>,
    /// The package.
    pub provider: Provider,
    /// Where the client's secrets came from: `client_secret`, then `next_client_secret`.
    pub client_secret_sources: Vec<SecretSource>,
    /// What signs the calls of Journey Builder's servers, and where it came from.
    pub signing_secrets: Option<(SigningSecrets, Vec<SecretSource>)>,
    /// Which path goes where.
    pub routes: Vec<Route>,
    /// Where it stands in the configuration.
    pub(super) section: KeyPath,
    /// Where the client's secrets stand, in the order of their sources.
    pub(super) secret_places: Vec<Location>,
}

impl Tenant {
    /// Every public URL; the first is the canonical one.
    pub fn urls(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.public_url).chain(&self.further_urls)
    }
}

/// What a tenant is called in logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantName(Box<str>);

impl TenantName {
    /// Reads `^[a-z0-9][a-z0-9_-]{0,62}$`.
    pub fn parse(text: &str) -> Result<Self, BadTenantName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = text.len() <= 63 && text.bytes().next().is_some_and(plain);
        if fits && text.bytes().all(|b| plain(b) || b == b'-' || b == b'_') {
            return Ok(Self(text.into()));
        }
        Err(BadTenantName)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not a name for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 63 of a-z, 0-9, - and _, and begin with a letter or a digit")]
pub struct BadTenantName;
