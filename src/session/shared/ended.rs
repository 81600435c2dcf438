//! Sessions that ended before their time, told from replica to replica: a log in the store that every
//! replica adds to and reads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::error::StoreError;
use super::link::Link;
use super::records::Records;
use crate::session::model::SessionId;
use crate::session::revocation::Ending;
use crate::session::revocation::Revocations;
use crate::time::Clock;
use crate::time::UnixTime;

/// The log of one gateway.
pub struct EndedLog {
    link: Arc<Link>,
    name: String,
    records: Option<Arc<Records>>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    /// How long an ending matters: as long as any session may live.
    lifetime: Duration,
}

impl EndedLog {
    /// The log kept at `link`.
    pub(super) fn new(
        link: Arc<Link>,
        namespace: &str,
        records: Option<Arc<Records>>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
        lifetime: Duration,
    ) -> Self {
        Self {
            link,
            name: format!("{namespace}:ended"),
            records,
            revocations,
            clock,
            lifetime,
        }
    }

    /// Adds and reads for as long as the runtime lives.
    pub(super) async fn follow(self) {
        let (sender, mut told) = mpsc::channel(MAX_WAITING);
        self.revocations.tell(sender);
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut position = BEGINNING.to_owned();
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                Some(ending) = told.recv() => waiting.push(ending),
                _ = ticks.tick() => {}
            }
            while let Ok(ending) = told.try_recv() {
                waiting.push(ending);
            }
            while let Some(ending) = waiting.last() {
                if let Err(error) = self.add(ending).await {
                    tracing::debug!(event = "ending.waits", %error, "An ending is told later.");
                    break;
                }
                waiting.pop();
            }
            if let Err(error) = self.read(&mut position).await {
                tracing::debug!(event = "endings.unread", %error, "Endings of other replicas are read later.");
            }
        }
    }

    async fn add(&self, ending: &Ending) -> Result<(), StoreError> {
        if let (Ending::SignedOut { id, .. }, Some(records)) = (ending, &self.records) {
            records.remove(*id).await?;
        }
        let (kind, name, at) = written(ending);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("XADD")
            .arg(&self.name)
            .arg("MAXLEN")
            .arg("~")
            .arg(MAX_ENTRIES)
            .arg("*")
            .arg("kind")
            .arg(kind)
            .arg("name")
            .arg(name)
            .arg("at")
            .arg(at.as_millis())
            .cmd("PEXPIRE")
            .arg(&self.name)
            .arg(u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX));
        self.link.ask_all::<Value>(&pipeline).await.map(|_| ())
    }

    async fn read(&self, position: &mut String) -> Result<(), StoreError> {
        loop {
            let mut range = redis::cmd("XRANGE");
            range
                .arg(&self.name)
                .arg(format!("({position}"))
                .arg("+")
                .arg("COUNT")
                .arg(BATCH);
            let entries: Vec<(String, HashMap<String, String>)> = self.link.ask(&range).await?;
            let count = entries.len();
            for (id, fields) in entries {
                if let Some(ending) = read(&fields) {
                    self.revocations
                        .hear(&ending, self.clock.now(), self.lifetime);
                }
                *position = id;
            }
            if count < BATCH {
                return Ok(());
            }
        }
    }
}

fn written(ending: &Ending) -> (&'static str, String, UnixTime) {
    match ending {
        Ending::SignedOut { id, ends_at } => ("signed_out", id.to_string(), *ends_at),
        Ending::Everybody(at) => ("everybody", String::new(), *at),
        Ending::User(sub, at) => ("user", sub.clone(), *at),
        Ending::Enterprise(id, at) => ("enterprise", id.to_string(), *at),
        Ending::Session(id, at) => ("session", id.to_string(), *at),
    }
}

/// `None` for what a later version may have written.
fn read(fields: &HashMap<String, String>) -> Option<Ending> {
    let field = |name: &str| fields.get(name).map(String::as_str);
    let at = UnixTime::from_millis(field("at")?.parse().ok()?);
    let name = field("name")?;
    Some(match field("kind")? {
        "signed_out" => Ending::SignedOut {
            id: SessionId::parse(name)?,
            ends_at: at,
        },
        "everybody" => Ending::Everybody(at),
        "user" => Ending::User(name.to_owned(), at),
        "enterprise" => Ending::Enterprise(name.parse().ok()?, at),
        "session" => Ending::Session(SessionId::parse(name)?, at),
        _ => return None,
    })
}

/// How often the log is read: a sign-out elsewhere closes streams here within a second.
const PERIOD: Duration = Duration::from_millis(300);

/// Before every entry.
const BEGINNING: &str = "0-0";

/// Entries read at a time.
const BATCH: usize = 500;

/// Entries kept, as many as a process remembers sign-outs.
const MAX_ENTRIES: usize = 65_536;

/// Endings that wait for a store that is away.
const MAX_WAITING: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_read_as_they_are_written() {
        let id = SessionId::generate(&crate::crypto::OsEntropy);
        let at = UnixTime::from_millis(77);
        for ending in [
            Ending::SignedOut { id, ends_at: at },
            Ending::Everybody(at),
            Ending::User("10654321 é".to_owned(), at),
            Ending::Enterprise(7_281_698, at),
            Ending::Session(id, at),
        ] {
            let (kind, name, at) = written(&ending);
            let fields = [
                ("kind", kind.to_owned()),
                ("name", name),
                ("at", at.as_millis().to_string()),
            ];
            let fields = fields.map(|(name, value)| (name.to_owned(), value)).into();
            assert_eq!(read(&fields), Some(ending));
        }
        for (kind, name, at) in [
            ("later", "", "1"),
            ("session", "xyz", "1"),
            ("enterprise", "-1", "1"),
            ("everybody", "", "soon"),
        ] {
            let fields = [("kind", kind), ("name", name), ("at", at)];
            let fields = fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
            assert_eq!(read(&fields), None, "{kind}");
        }
    }
}
