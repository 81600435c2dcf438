//! Everything that a gateway does at its store, done once, to see whether it may and how fast it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use super::error::StoreError;
use super::link::Link;
use super::settings::RedisSettings;
use crate::crypto::Entropy;

/// A store that can be used.
#[derive(Clone, Copy, Debug)]
pub struct Probed {
    /// One question and its answer.
    pub round_trip: Duration,
    /// Whether it may drop sessions when its memory is full; `None` if it does not say.
    pub evicts: Option<bool>,
    /// Whether it has them after a restart; `None` if it does not say.
    pub persists: Option<bool>,
}

/// A store that cannot: what was asked of it, and what it answered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{command}: {error}")]
pub struct Unusable {
    /// The command.
    pub command: &'static str,
    /// The answer.
    pub error: StoreError,
}

/// Tries the store under names of its own, which it takes away again.
pub async fn probe(settings: RedisSettings, entropy: Arc<dyn Entropy>) -> Result<Probed, Unusable> {
    let random = u128::from_be_bytes(entropy.bytes());
    let unusable = |command| move |error| Unusable { command, error };
    let link = Link::connected(settings, entropy)
        .await
        .map_err(unusable("connect"))?;
    let (key, log) = (
        format!("sidegate:probe:{random:032x}"),
        format!("sidegate:probe:log:{random:032x}"),
    );
    let command = |words: &[&str]| {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command
    };
    let started = Instant::now();
    link.ask::<Value>(&command(&["PING"]))
        .await
        .map_err(unusable("PING"))?;
    let round_trip = started.elapsed();
    let tried: [(&str, &[&str]); 8] = [
        ("SET", &["SET", &key, "x", "NX", "PX", LIFE]),
        ("GET", &["GET", &key]),
        (
            "EVAL with GETRANGE",
            &[
                "EVAL",
                "return redis.call('GETRANGE', KEYS[1], 0, 0)",
                "1",
                &key,
            ],
        ),
        (
            "EVAL with PEXPIRE",
            &[
                "EVAL",
                "return redis.call('PEXPIRE', KEYS[1], ARGV[1])",
                "1",
                &key,
                LIFE,
            ],
        ),
        (
            "XADD",
            &["XADD", &log, "MAXLEN", "~", "10", "*", "kind", "probe"],
        ),
        ("PEXPIRE", &["PEXPIRE", &log, LIFE]),
        ("XRANGE", &["XRANGE", &log, "(0-0", "+", "COUNT", "1"]),
        ("DEL", &["DEL", &key]),
    ];
    for (name, words) in tried {
        link.ask::<Value>(&command(words))
            .await
            .map_err(unusable(name))?;
    }
    link.ask::<Value>(&command(&["DEL", &log]))
        .await
        .map_err(unusable("DEL"))?;
    // A user with few rights, or a cluster, may not say.
    let setting = async |name: &'static str| {
        let answer = link
            .ask::<HashMap<String, String>>(&command(&["CONFIG", "GET", name]))
            .await;
        answer.ok()?.remove(name)
    };
    Ok(Probed {
        round_trip,
        evicts: setting("maxmemory-policy")
            .await
            .map(|policy| policy != "noeviction"),
        persists: setting("appendonly").await.map(|appends| appends == "yes"),
    })
}

/// How long the probe's names live if it cannot take them away, in milliseconds.
const LIFE: &str = "10000";
