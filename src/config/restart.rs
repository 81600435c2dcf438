//! What a running process cannot change: sockets that are bound, threads that run, the log that is set up,
//! the store that has the sessions. A new configuration is taken over without these, and says so.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use super::Config;
use crate::net::settings::Listen;
use crate::session::shared::Keeping;
use crate::session::shared::RedisSettings;
use crate::telemetry::settings::LogSettings;
use crate::telemetry::traces::TraceSettings;

/// The settings that a process was started with and keeps to its end.
#[derive(Clone, Debug)]
pub struct Fixed {
    listen: Vec<Listen>,
    admin_listen: SocketAddr,
    workers: Option<NonZeroUsize>,
    shared: Option<(RedisSettings, Keeping)>,
    log: LogSettings,
    traces: Option<TraceSettings>,
}

impl Fixed {
    /// Those of `config`.
    pub fn of(config: &Config) -> Self {
        Self {
            listen: config.listen.clone(),
            admin_listen: config.admin_listen,
            workers: config.workers,
            shared: config.shared.clone(),
            log: config.log,
            traces: config.traces.clone(),
        }
    }

    /// Puts these in place of what `config` says, and tells the keys that wait for a restart.
    pub fn hold(&self, config: &mut Config) -> Vec<&'static str> {
        let Self {
            listen,
            admin_listen,
            workers,
            shared,
            log,
            traces,
        } = self;
        let same_store = match (shared, &config.shared) {
            (None, None) => true,
            (Some((before, kept)), Some((now, keeping))) => kept == keeping && before.is_like(now),
            _ => false,
        };
        // Which requests leave a record is asked anew for each configuration.
        let log = LogSettings {
            access: config.log.access,
            sample: config.log.sample,
            slow: config.log.slow,
            ..*log
        };
        // By the name under which it stands in the file.
        let stores = [shared.as_ref(), config.shared.as_ref()]
            .into_iter()
            .flatten();
        let results = stores
            .map(|(_, keeping)| *keeping)
            .any(|keeping| keeping == Keeping::Results);
        let store = if results {
            "session.refresh_coordination"
        } else {
            "session.store"
        };
        let checks = [
            ("listen", *listen == config.listen),
            ("admin_listen", *admin_listen == config.admin_listen),
            ("workers", *workers == config.workers),
            (store, same_store),
            ("log", log == config.log),
            ("telemetry.otlp", *traces == config.traces),
        ];
        config.listen.clone_from(listen);
        config.admin_listen = *admin_listen;
        config.workers = *workers;
        config.shared.clone_from(shared);
        config.log = log;
        config.traces.clone_from(traces);
        let waiting = checks.into_iter().filter(|(_, same)| !same);
        waiting.map(|(key, _)| key).collect()
    }
}

/// What is said of a new configuration. Codes as stable as those of problems and risks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum News {
    /// Part of it waits for a restart.
    NeedsRestart,
    /// It is no good; the one before it stays in force.
    Refused,
}

impl News {
    /// All of it, for tables and tests.
    pub const ALL: [Self; 2] = [Self::NeedsRestart, Self::Refused];

    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsRestart => "SG-6210",
            Self::Refused => "SG-6211",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn config(top: &str, store: &str) -> Config {
        let text = format!(
            "public_url: http://127.0.0.1:8080\n{top}\nmarketing_cloud:\n  subdomain: mc1\n  client_id: abc\n  \
             client_secret: {{ env: SECRET }}\nsession:\n  keys: [{{ env: KEY }}]\n{store}\nroutes:\n  \
             - {{ path: /, to: http://127.0.0.1:3000 }}\n"
        );
        let environment: Environment = [("KEY", KEY), ("SECRET", "s")].into_iter().collect();
        let loaded = Config::from_text("test.yaml", &text, Path::new("."), &environment);
        loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config
    }

    #[test]
    fn what_is_bound_stays_and_is_named() {
        let redis = |host: &str, password: &str| {
            format!("  store: {{ redis: {{ url: \"redis://:{password}@{host}\" }} }}\n")
        };
        let one = redis("127.0.0.1", "a");
        for (top, store, expected) in [
            ("", &*one, &[][..]),
            ("timeouts: { upstream_connect: 1s }", &one, &[]),
            ("log: { access: false }", &one, &[]),
            ("log: { access_sample: 0.5, access_slow: 2s }", &one, &[]),
            ("log: { level: debug }", &one, &["log"]),
            (
                "telemetry: { otlp: { endpoint: \"http://127.0.0.1:4318\" } }",
                &one,
                &["telemetry.otlp"],
            ),
            ("listen: 127.0.0.1:1", &one, &["listen"]),
            ("listen: [127.0.0.1:8080, 127.0.0.1:1]", &one, &["listen"]),
            (
                "workers: 3\nadmin_listen: 127.0.0.1:1",
                &one,
                &["admin_listen", "workers"],
            ),
            ("", "", &["session.store"]),
            ("", &redis("127.0.0.2", "a"), &["session.store"]),
            ("", &redis("127.0.0.1", "b"), &["session.store"]),
        ] {
            let begun = config("", &one);
            let mut next = config(top, store);
            assert_eq!(Fixed::of(&begun).hold(&mut next), expected, "{top} {store}");
            assert_eq!(next.listen, begun.listen);
            assert_eq!(next.workers, begun.workers);
            assert!(next.shared.is_some());
        }
    }

    #[test]
    fn every_code_is_one_of_its_own() {
        let codes: std::collections::BTreeSet<_> =
            News::ALL.iter().map(|news| news.as_str()).collect();
        assert_eq!(codes.len(), News::ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("SG-62")));
    }
}
