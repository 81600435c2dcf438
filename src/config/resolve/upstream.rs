//! Upstreams: a route's addresses and how they are spoken to, the section `upstream`, TLS files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Resolver;
use super::secret::inspect;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::raw::RawHealth;
use crate::config::raw::RawTexts;
use crate::config::raw::RawUpstream;
use crate::config::raw::RawUpstreamTls;
use crate::http::Origin;
use crate::http::Scheme;
use crate::http::origin::OriginError;
use crate::upstream::Upstream;
use crate::upstream::settings::Address;
use crate::upstream::settings::HealthCheck;
use crate::upstream::settings::PoolLimits;
use crate::upstream::settings::Protocol;
use crate::upstream::settings::TlsFiles;

/// What a route says about its upstream beside `to`.
pub(super) struct RawOptions {
    pub(super) protocol: Option<String>,
    pub(super) health: Option<RawHealth>,
    pub(super) upstream_tls: Option<RawUpstreamTls>,
}

impl RawOptions {
    /// The keys that were given.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("protocol", self.protocol.is_some()),
            ("health", self.health.is_some()),
            ("upstream_tls", self.upstream_tls.is_some()),
        ];
        keys.into_iter()
            .filter(|(_, given)| *given)
            .map(|(key, _)| key)
    }
}

impl Resolver<'_> {
    /// The section `upstream`.
    pub(super) fn pool(&mut self, raw: RawUpstream) -> PoolLimits {
        let path = KeyPath::root().child("upstream");
        let default = PoolLimits::default();
        let max_connections = self.optional(
            &path.child("max_connections"),
            raw.max_connections,
            values::connections,
        );
        let mut read = |key: &str, text| self.optional(&path.child(key), text, values::deadline);
        PoolLimits {
            max_connections: max_connections.unwrap_or(default.max_connections),
            max_wait: read("max_wait", raw.max_wait).unwrap_or(default.max_wait),
            resolve_every: read("resolve_every", raw.resolve_every)
                .unwrap_or(default.resolve_every),
        }
    }

    /// A section `upstream_tls`, at the top or in a route.
    pub(super) fn upstream_tls(
        &mut self,
        around: &KeyPath,
        raw: Option<RawUpstreamTls>,
    ) -> TlsFiles {
        let path = around.child("upstream_tls");
        let Some(raw) = raw else {
            return TlsFiles::default();
        };
        let authorities = self.pem(&path.child("ca_file"), raw.authorities);
        let (certificate_path, key_path) = (path.child("certificate_file"), path.child("key_file"));
        for (given, other, missing) in [
            (&raw.certificate, &raw.key, &key_path),
            (&raw.key, &raw.certificate, &certificate_path),
        ] {
            if given.is_some() && other.is_none() {
                self.findings
                    .missing(missing, "a certificate and its key go together");
            }
        }
        let certificate = self.pem(&certificate_path, raw.certificate);
        let key = self.pem(&key_path, raw.key);
        TlsFiles {
            authorities: authorities.map(|(file, _)| file),
            identity: match (certificate, key) {
                (Some((certificate, _)), Some((key, by_others))) => {
                    if by_others {
                        self.readable_by_others(&key_path);
                    }
                    Some((certificate, key))
                }
                _ => None,
            },
        }
    }

    fn pem(&mut self, path: &KeyPath, text: Option<String>) -> Option<(PathBuf, bool)> {
        let file = self.base.join(text?);
        match inspect(&file) {
            Ok(by_others) => Some((file, by_others)),
            Err(fault) => {
                self.unreadable(path, &fault);
                None
            }
        }
    }

    /// A route's upstream. A route's own `upstream_tls` stands in place of the one `above`.
    pub(super) fn tool_upstream(
        &mut self,
        entry: &KeyPath,
        to: RawTexts,
        options: RawOptions,
        above: &TlsFiles,
    ) -> Option<Upstream> {
        let protocol = self.optional(&entry.child("protocol"), options.protocol, |text| {
            values::one_of(text, &[("http1", Protocol::Http1), ("h2", Protocol::Http2)])
        });
        let health = options
            .health
            .and_then(|raw| self.health(&entry.child("health"), raw));
        let own_tls = options.upstream_tls.is_some();
        let tls = self.upstream_tls(entry, options.upstream_tls);
        let addresses = self.addresses(&entry.child("to"), to)?;
        let https = addresses
            .iter()
            .any(|address| address.scheme() == Scheme::Https);
        if own_tls && !https {
            self.findings
                .problem(
                    Code::BadValue,
                    &entry.child("upstream_tls"),
                    "is of no use to an upstream without TLS",
                )
                .hint("write the addresses with https://, or leave it out");
        }
        Some(Upstream {
            slot: 0,
            addresses,
            protocol: protocol.unwrap_or_default(),
            tls: match (https, own_tls) {
                (true, true) => tls,
                (true, false) => above.clone(),
                (false, _) => TlsFiles::default(),
            },
            health,
        })
    }

    fn addresses(&mut self, path: &KeyPath, to: RawTexts) -> Option<Vec<Address>> {
        let items = match to {
            RawTexts::One(text) => vec![(path.clone(), Some(text))],
            RawTexts::Many(items) => {
                let items = items.into_iter().enumerate();
                items
                    .map(|(index, item)| (path.index(index), item))
                    .collect()
            }
        };
        if items.is_empty() || items.len() > MAX_ADDRESSES {
            self.bad(path, "must hold 1 to 64 addresses");
            return None;
        }
        let count = items.len();
        let mut addresses: Vec<Address> = Vec::with_capacity(count);
        for (path, item) in items {
            let Some(text) = item else { continue };
            let Some(address) = self.address(&path, &text) else {
                continue;
            };
            if addresses.contains(&address) {
                self.bad(&path, "is on the list already");
            } else if addresses
                .first()
                .is_some_and(|first| first.scheme() != address.scheme())
            {
                self.findings
                    .problem(
                        Code::BadValue,
                        &path,
                        "must have the same scheme as the first address",
                    )
                    .hint("a Unix socket goes with http://");
            }
            addresses.push(address);
        }
        (addresses.len() == count).then_some(addresses)
    }

    fn address(&mut self, path: &KeyPath, text: &str) -> Option<Address> {
        if let Some(socket) = text.strip_prefix("unix:") {
            let socket = PathBuf::from(socket);
            if !socket.is_absolute() {
                self.findings
                    .problem(Code::BadValue, path, "must name a socket by its whole path")
                    .hint("such as unix:/run/tool.sock");
                return None;
            }
            return Some(Address::Unix(Arc::new(socket)));
        }
        let error = match Origin::parse(text) {
            Ok(origin) => return Some(Address::Tcp(origin)),
            Err(error) => error,
        };
        let (message, hint) = match error {
            OriginError::Scheme => (
                "must be rest or soap, or start with http://, https:// or unix:/".to_owned(),
                ADDRESS_HINT,
            ),
            OriginError::NotBare => (
                error.to_string(),
                "the request's own path is kept; strip_prefix takes the route's path off",
            ),
            _ => (error.to_string(), ADDRESS_HINT),
        };
        self.findings
            .problem(Code::BadValue, path, message)
            .hint(hint);
        None
    }

    fn health(&mut self, path: &KeyPath, raw: RawHealth) -> Option<HealthCheck> {
        let hint = "such as /healthz";
        let target = self.required(&path.child("path"), raw.path, hint, values::target);
        let mut read = |key: &str, text| self.optional(&path.child(key), text, values::deadline);
        let interval = read("interval", raw.interval).unwrap_or(INTERVAL);
        let timeout = read("timeout", raw.timeout).unwrap_or_else(|| TIMEOUT.min(interval));
        if interval < MIN_INTERVAL {
            self.bad(&path.child("interval"), "must be at least 100ms");
        }
        Some(HealthCheck {
            path: target?,
            interval,
            timeout,
        })
    }
}

/// What an address looks like.
pub(super) const ADDRESS_HINT: &str =
    "rest, soap, or the tool's address such as http://127.0.0.1:3000";

/// Addresses of one upstream.
const MAX_ADDRESSES: usize = 64;

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(2);
const MIN_INTERVAL: Duration = Duration::from_millis(100);
