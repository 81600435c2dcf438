//! `session.store.redis` and `session.refresh_coordination.redis`: the store that replicas share.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Risk;
use crate::config::raw::RawRedis;
use crate::config::raw::RawSecret;
use crate::config::raw::RawSecrets;
use crate::config::raw::RawShared;
use crate::config::raw::RawStore;
use crate::session::shared::Keeping;
use crate::session::shared::RedisSettings;
use crate::session::shared::settings::RedisTls;
use crate::session::shared::settings::RedisUrl;
use crate::session::shared::settings::Topology;

impl Resolver<'_> {
    /// The store, if there is one, and what it is for.
    pub(super) fn shared(
        &mut self,
        section: &KeyPath,
        store: Option<RawStore>,
        coordination: Option<RawShared>,
    ) -> Option<(RedisSettings, Keeping)> {
        let store_path = section.child("store");
        let coordination_path = section.child("refresh_coordination");
        let store = match store {
            None => None,
            Some(RawStore::Name(name)) => {
                if name != "cookie" {
                    self.bad(&store_path, "must be cookie or { redis: { url } }");
                }
                None
            }
            Some(RawStore::Section(RawShared { redis })) => {
                if redis.is_none() && !self.findings.blames(&store_path.child("redis")) {
                    self.findings.missing(&store_path.child("redis"), URL_HINT);
                }
                redis
            }
        };
        let redis = coordination.and_then(|coordination| {
            if coordination.redis.is_none()
                && !self.findings.blames(&coordination_path.child("redis"))
            {
                self.findings
                    .missing(&coordination_path.child("redis"), URL_HINT);
            }
            coordination.redis
        });
        match (store, redis) {
            (Some(_), Some(_)) => {
                self.bad(
                    &coordination_path,
                    "is for cookies; sessions in a store are coordinated there",
                );
                None
            }
            (Some(redis), None) => {
                let settings = self.redis(&store_path.child("redis"), redis)?;
                Some((settings, Keeping::Sessions))
            }
            (None, Some(redis)) => {
                let settings = self.redis(&coordination_path.child("redis"), redis)?;
                Some((settings, Keeping::Results))
            }
            (None, None) => None,
        }
    }

    fn redis(&mut self, path: &KeyPath, raw: RawRedis) -> Option<RedisSettings> {
        let nodes = self.redis_urls(&path.child("url"), raw.url);
        let topology = self.topology(path, raw.topology, raw.sentinel_master);
        let password = raw
            .password
            .and_then(|password| self.secret(&path.child("password"), password))
            .map(|(password, _)| password);
        let tls = self.redis_tls(path, raw.ca_file, raw.certificate_file, raw.key_file);
        let nodes = nodes?;
        let several = nodes.len() > 1;
        if several && topology == Some(Topology::Single) {
            self.bad(
                &path.child("url"),
                "must be one URL, unless topology is cluster or sentinel",
            );
        }
        let known = password.is_some() || nodes.iter().any(RedisUrl::has_password);
        if known && nodes.iter().any(RedisUrl::is_plain) {
            self.findings
                .warn(
                    Risk::PlainStore,
                    &path.child("url"),
                    "the store's password crosses the network in the clear",
                )
                .hint("use rediss://");
        }
        Some(RedisSettings {
            nodes,
            topology: topology?,
            username: raw.username,
            password,
            tls: tls?,
        })
    }

    fn redis_urls(&mut self, path: &KeyPath, raw: Option<RawSecrets>) -> Option<Vec<RedisUrl>> {
        let texts: Vec<(KeyPath, bool, SecretString)> = match raw {
            None => {
                if !self.findings.blames(path) {
                    self.findings.missing(path, URL_HINT);
                }
                return None;
            }
            Some(RawSecrets::One(text)) => {
                let parts = text.0.expose_secret().split(',');
                parts
                    .map(|part| (path.clone(), true, part.trim().into()))
                    .collect()
            }
            Some(RawSecrets::Many(items)) => items
                .into_iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    let path = path.index(index);
                    match item? {
                        // An address is no secret; a password in it is.
                        RawSecret::Text(text) => Some((path, true, text.0)),
                        from @ RawSecret::From(_) => {
                            let (text, _) = self.secret(&path, from)?;
                            Some((path, false, text))
                        }
                    }
                })
                .collect(),
        };
        let mut urls = Vec::with_capacity(texts.len());
        for (path, inline, text) in texts {
            match RedisUrl::parse(text.expose_secret()) {
                Ok(url) => {
                    if inline && url.has_password() {
                        self.note_inline(&path);
                    }
                    urls.push(url);
                }
                Err(error) => self.bad(&path, error.to_string()),
            }
        }
        if urls.is_empty() && !self.findings.blames(path) {
            self.bad(path, "must hold at least one URL");
        }
        (!urls.is_empty()).then_some(urls)
    }

    fn topology(
        &mut self,
        path: &KeyPath,
        text: Option<String>,
        master: Option<String>,
    ) -> Option<Topology> {
        let topology_path = path.child("topology");
        let master_path = path.child("sentinel_master");
        let names = [
            ("single", Name::Single),
            ("cluster", Name::Cluster),
            ("sentinel", Name::Sentinel),
        ];
        let name = match text {
            None => Name::Single,
            text => self.optional(&topology_path, text, |text| values::one_of(text, &names))?,
        };
        match (name, master) {
            (Name::Sentinel, Some(master)) => Some(Topology::Sentinel { master }),
            (Name::Sentinel, None) => {
                self.findings.missing(
                    &master_path,
                    "the name by which the sentinels know the master",
                );
                None
            }
            (_, Some(_)) => {
                self.bad(&master_path, "is for topology: sentinel");
                None
            }
            (Name::Single, None) => Some(Topology::Single),
            (Name::Cluster, None) => Some(Topology::Cluster),
        }
    }

    fn redis_tls(
        &mut self,
        path: &KeyPath,
        ca: Option<String>,
        certificate: Option<String>,
        key: Option<String>,
    ) -> Option<RedisTls> {
        let ca_path = path.child("ca_file");
        let (certificate_path, key_path) = (path.child("certificate_file"), path.child("key_file"));
        let certificates = |pem: &[u8]| {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            found.is_ok_and(|found| !found.is_empty())
        };
        let pair = certificate.is_some() == key.is_some();
        if !pair {
            self.bad(
                path,
                "must have both certificate_file and key_file, or neither",
            );
        }
        let asked = (ca.is_some(), certificate.is_some() && pair);
        let ca = ca.and_then(|file| self.pem_text(&ca_path, file, certificates));
        let certificate =
            certificate.and_then(|file| self.pem_text(&certificate_path, file, certificates));
        let key = key.and_then(|file| {
            self.pem_text(&key_path, file, |pem| {
                PrivateKeyDer::from_pem_slice(pem).is_ok()
            })
        });
        let client = certificate.zip(key);
        let complete = asked == (ca.is_some(), client.is_some()) && pair;
        complete.then_some(RedisTls { ca, client })
    }

    fn pem_text(
        &mut self,
        path: &KeyPath,
        file: String,
        good: impl Fn(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        let file = self.base.join(file);
        match super::secret::read(&file) {
            Ok((text, by_others)) if good(text.expose_secret().as_bytes()) => {
                if by_others && path.as_str().ends_with(".key_file") {
                    self.readable_by_others(path);
                }
                Some(text.expose_secret().as_bytes().to_vec())
            }
            Ok(_) => {
                self.bad(path, "holds nothing of that kind in PEM");
                None
            }
            Err(fault) => {
                self.unreadable(path, &fault);
                None
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Name {
    Single,
    Cluster,
    Sentinel,
}

const URL_HINT: &str = "such as { url: rediss://redis.example.com:6380 }";
