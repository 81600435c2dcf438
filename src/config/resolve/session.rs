//! The section `session`: keys and lifetimes.

use std::time::Duration;

use secrecy::ExposeSecret;
use secrecy::SecretString;

use super::Resolver;
use super::values;
use crate::config::not_before::NotBeforeFile;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawSecrets;
use crate::config::raw::RawSession;
use crate::config::secret_source::SecretSource;
use crate::crypto::KeyRing;
use crate::crypto::MasterKey;
use crate::http::Framing;
use crate::session::NotBefore;
use crate::session::Policy;
use crate::session::shared::Keeping;
use crate::session::shared::RedisSettings;

impl Resolver<'_> {
    pub(super) fn session(&mut self, raw: RawSession) -> Resolved {
        let section = KeyPath::root().child("session");
        let keys = self.keys(&section.child("keys"), raw.keys);
        let policy = self.policy(&section, raw.lifetime, raw.idle_timeout);
        let shared = self.shared(&section, raw.store, raw.refresh_coordination);
        let framing = self.embedded(&section.child("embedded"), raw.embedded);
        let not_before = self.not_before(&section.child("not_before"), raw.not_before);
        Resolved {
            policy,
            keys,
            shared,
            framing,
            not_before,
        }
    }

    fn not_before(
        &mut self,
        path: &KeyPath,
        name: Option<String>,
    ) -> Option<(NotBeforeFile, NotBefore)> {
        let file = NotBeforeFile::new(self.base.join(name?));
        let bytes = match file.bytes() {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("the file cannot be read: {error}");
                self.findings
                    .problem(Code::FileUnreadable, path, message)
                    .hint("an empty file is an empty list");
                return None;
            }
        };
        match file.parse(&bytes) {
            Ok(list) => Some((file, list)),
            Err(problems) => {
                self.findings.problems_in(path, &problems);
                None
            }
        }
    }

    fn keys(&mut self, path: &KeyPath, raw: Option<RawSecrets>) -> Option<Keys> {
        let texts = self.key_texts(path, raw);
        let mut keys: Vec<(KeyPath, MasterKey)> = Vec::with_capacity(texts.len());
        let mut sources = Vec::with_capacity(texts.len());
        for (path, (text, source)) in texts {
            let key = match MasterKey::parse(text.expose_secret()) {
                Ok(key) => key,
                Err(error) => {
                    self.findings
                        .problem(Code::BadValue, &path, error.to_string())
                        .hint("make one with `sidegate keygen`");
                    continue;
                }
            };
            let same = keys.iter().find(|(_, known)| known.id() == key.id());
            if let Some((first, _)) = same {
                let message = format!("is the same key as {first}");
                self.bad(&path, message);
                continue;
            }
            keys.push((path, key));
            sources.push(source);
        }
        let mut keys = keys.into_iter().map(|(_, key)| key);
        Some((KeyRing::new(keys.next()?, keys.collect()), sources))
    }

    fn key_texts(
        &mut self,
        path: &KeyPath,
        raw: Option<RawSecrets>,
    ) -> Vec<(KeyPath, (SecretString, SecretSource))> {
        match raw {
            None => {
                self.findings.missing(path, KEYS_HINT);
                Vec::new()
            }
            Some(RawSecrets::One(text)) => {
                self.note_inline(path);
                let parts = text.0.expose_secret().split(',').enumerate();
                parts
                    .map(|(index, part)| {
                        let source = SecretSource::Given(part.into());
                        (path.index(index), (part.into(), source))
                    })
                    .collect()
            }
            Some(RawSecrets::Many(items)) => {
                if items.is_empty() {
                    self.findings
                        .problem(Code::BadValue, path, "must hold at least one key")
                        .hint(KEYS_HINT);
                }
                let items = items.into_iter().enumerate();
                items
                    .filter_map(|(index, item)| {
                        let path = path.index(index);
                        let text = self.secret(&path, item?)?;
                        Some((path, text))
                    })
                    .collect()
            }
        }
    }

    fn policy(
        &mut self,
        section: &KeyPath,
        lifetime: Option<String>,
        idle_timeout: Option<String>,
    ) -> Policy {
        let lifetime_path = section.child("lifetime");
        let idle_path = section.child("idle_timeout");
        let lifetime = self.optional(&lifetime_path, lifetime, values::span);
        let idle = self.optional(&idle_path, idle_timeout, values::span);
        let valid = !self.findings.blames(&lifetime_path) && !self.findings.blames(&idle_path);
        let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME);
        if valid && idle.is_some_and(|idle| idle > lifetime) {
            self.bad(&idle_path, "must not be longer than session.lifetime");
        }
        if lifetime > LONG_LIFETIME {
            let message = "a stolen cookie works for more than a day";
            self.findings
                .warn(Risk::LongSession, &lifetime_path, message)
                .hint("a day's work is 12h");
        }
        Policy {
            lifetime,
            idle_timeout: idle.unwrap_or_else(|| DEFAULT_IDLE_TIMEOUT.min(lifetime)),
        }
    }
}

/// What the section says.
pub(super) struct Resolved {
    pub(super) policy: Policy,
    pub(super) keys: Option<Keys>,
    pub(super) shared: Option<(RedisSettings, Keeping)>,
    pub(super) framing: Option<Framing>,
    pub(super) not_before: Option<(NotBeforeFile, NotBefore)>,
}

/// The keys, and where to read them again.
pub(super) type Keys = (KeyRing, Vec<SecretSource>);

const KEYS_HINT: &str = "make one with `sidegate keygen` and name its file: [{ file: PATH }]";
const DEFAULT_LIFETIME: Duration = Duration::from_hours(12);
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_hours(1);
const LONG_LIFETIME: Duration = Duration::from_hours(24);
