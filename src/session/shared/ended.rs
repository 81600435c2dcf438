//! Sessions that ended before their time, told from replica to replica: a log in the store that every
//! replica adds to and reads. Entries are sealed with the session keys: whoever can write to the store
//! ends no session by that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::Value;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use super::error::StoreError;
use super::link::Link;
use super::records::Records;
use crate::crypto::Binding;
use crate::crypto::Purpose;
use crate::session::cookie::CookieStore;
use crate::session::id::SessionId;
use crate::session::revocation::Ending;
use crate::session::revocation::Others;
use crate::session::revocation::Revocations;
use crate::session::revocation::Untold;
use crate::time::Clock;
use crate::time::UnixTime;

/// The log of one gateway.
pub struct EndedLog {
    link: Arc<Link>,
    name: String,
    /// As the configuration now says.
    cookies: Arc<ArcSwap<CookieStore>>,
    records: Option<Arc<Records>>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    told: mpsc::Receiver<Untold>,
    /// Whether the log was read, or has been waited for long enough.
    caught_up: watch::Sender<bool>,
}

impl EndedLog {
    /// The log kept at `link`. What ends from now on is told once [`EndedLog::follow`] runs.
    pub(super) fn new(
        link: Arc<Link>,
        namespace: &str,
        cookies: Arc<ArcSwap<CookieStore>>,
        records: Option<Arc<Records>>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Self {
        let (sender, told) = mpsc::channel(MAX_WAITING);
        revocations.tell(Others::new(sender, tasks.clone()));
        Self {
            link,
            name: format!("{namespace}:ended"),
            cookies,
            records,
            revocations,
            clock,
            told,
            caught_up: watch::Sender::new(false),
        }
    }

    /// Tells when the log was read for the first time, or could not be for a while.
    pub(super) fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// Adds and reads for as long as the runtime lives.
    pub(super) async fn follow(mut self) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut place = Place::default();
        let mut waiting: VecDeque<Untold> = VecDeque::new();
        loop {
            let room = waiting.len() < MAX_WAITING;
            tokio::select! {
                Some(untold) = self.told.recv(), if room => waiting.push_back(untold),
                _ = ticks.tick() => {}
            }
            while waiting.len() < MAX_WAITING
                && let Ok(untold) = self.told.try_recv()
            {
                waiting.push_back(untold);
            }
            // First, so that what the log has is not told again at each start.
            let read = self.read(&mut place).await;
            if let Err(error) = &read {
                tracing::debug!(event = "endings.unread", %error, "Endings of other replicas are read later.");
            }
            if read.is_ok() {
                self.caught_up.send_if_modified(set);
            }
            if matches!(read, Ok(()) | Err(StoreError::Refused(_))) {
                self.add_all(&mut waiting).await;
            }
        }
    }

    /// Ends the wait for the log after a while: sessions go on without the store.
    pub(super) fn patience(&self) -> impl Future<Output = ()> + Send + 'static {
        let caught_up = self.caught_up.clone();
        async move {
            tokio::time::sleep(FIRST_READ).await;
            caught_up.send_if_modified(set);
        }
    }

    /// Adds what waits, the oldest first. What is refused does not hold up the rest.
    async fn add_all(&self, waiting: &mut VecDeque<Untold>) {
        let mut refused = 0;
        for _ in 0..waiting.len() {
            let Some(untold) = waiting.pop_front() else {
                return;
            };
            match self.add(&untold.ending).await {
                Ok(()) => {}
                Err(StoreError::Refused(_)) if refused < MAX_REFUSALS => {
                    refused += 1;
                    waiting.push_back(untold);
                }
                Err(error) => {
                    tracing::debug!(event = "ending.waits", %error, "An ending is told later.");
                    return waiting.push_front(untold);
                }
            }
        }
    }

    async fn add(&self, ending: &Ending) -> Result<(), StoreError> {
        match ending {
            Ending::SignedOut { id, ends_at } => {
                if let Some(records) = &self.records {
                    records.remove(*id).await?;
                }
                if *ends_at <= self.clock.now() {
                    return Ok(());
                }
            }
            _ if self.revocations.is_told(ending) => return Ok(()),
            _ => {}
        }
        let Some(sealed) = seal(&self.cookies.load(), ending) else {
            return Ok(());
        };
        let mut add = redis::cmd("XADD");
        add.arg(&self.name)
            .arg("MAXLEN")
            .arg("~")
            .arg(MAX_ENTRIES)
            .arg("*")
            .arg(FIELD)
            .arg(sealed);
        self.link.ask::<Value>(&add).await?;
        let lifetime = self.cookies.load().policy.lifetime.as_millis();
        let mut expire = redis::cmd("PEXPIRE");
        expire
            .arg(&self.name)
            .arg(u64::try_from(lifetime).unwrap_or(u64::MAX));
        // The entry is there: added once more it would be twice. The next one sets the end, too.
        if let Err(error) = self.link.ask::<Value>(&expire).await {
            tracing::debug!(event = "endings.unbounded", %error, "The log of endings keeps its end.");
        }
        Ok(())
    }

    async fn read(&self, place: &mut Place) -> Result<(), StoreError> {
        // Another server may have another log, and another key may open what the last one did not.
        let source = (
            self.link.generation(),
            self.cookies.load().keys.generation(),
        );
        if place.source != source {
            BEGINNING.clone_into(&mut place.position);
            place.source = source;
        }
        loop {
            let mut range = redis::cmd("XRANGE");
            range
                .arg(&self.name)
                .arg(format!("({}", place.position))
                .arg("+")
                .arg("COUNT")
                .arg(BATCH);
            let Value::Array(entries) = self.link.ask(&range).await? else {
                return Ok(());
            };
            let mut endings = Vec::with_capacity(entries.len());
            let mut foreign = 0_usize;
            let before = place.position.clone();
            for entry in &entries {
                let (id, sealed) = parts(entry);
                if let Some(id) = id {
                    id.clone_into(&mut place.position);
                }
                match sealed.and_then(|sealed| open(&self.cookies.load(), sealed)) {
                    Some(ending) => endings.push(ending),
                    None => foreign += 1,
                }
            }
            let lifetime = self.cookies.load().policy.lifetime;
            self.revocations.hear(&endings, self.clock.now(), lifetime);
            if foreign > 0 && !place.warned {
                place.warned = true;
                tracing::warn!(
                    event = "endings.foreign",
                    foreign,
                    "The log of ended sessions has entries that no replica with our keys wrote; they are left out."
                );
            }
            if entries.len() < BATCH || place.position == before {
                return Ok(());
            }
        }
    }
}

/// Says whether that changes anything.
const fn set(flag: &mut bool) -> bool {
    !std::mem::replace(flag, true)
}

/// How far the log was read.
struct Place {
    position: String,
    /// Over which connection and with which keys.
    source: (u64, u64),
    warned: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            position: BEGINNING.to_owned(),
            source: (0, 0),
            warned: false,
        }
    }
}

/// The id and the envelope of an entry, whatever else it may be.
fn parts(entry: &Value) -> (Option<&str>, Option<&[u8]>) {
    let Value::Array(entry) = entry else {
        return (None, None);
    };
    let id = match entry.first() {
        Some(Value::BulkString(id)) => std::str::from_utf8(id).ok(),
        _ => None,
    };
    let sealed = match entry.get(1) {
        Some(Value::Array(fields)) => match fields.as_slice() {
            [Value::BulkString(name), Value::BulkString(sealed)] if name == FIELD.as_bytes() => {
                Some(sealed.as_slice())
            }
            _ => None,
        },
        _ => None,
    };
    (id, sealed)
}

/// An entry before it is sealed.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    kind: &'a str,
    name: &'a str,
    at: UnixTime,
}

fn seal(cookies: &CookieStore, ending: &Ending) -> Option<String> {
    let (kind, name, at) = written(ending);
    let entry = Entry {
        kind,
        name: &name,
        at,
    };
    // A name that is too long for a user's is none.
    let bytes = (name.len() <= MAX_NAME).then(|| postcard::to_allocvec(&entry).ok())??;
    let entropy = cookies.entropy.as_ref();
    Some(cookies.keys.seal(&binding(cookies), &bytes, entropy))
}

/// `None` for what none of us wrote, or a later version.
fn open(cookies: &CookieStore, sealed: &[u8]) -> Option<Ending> {
    let opened = cookies.keys.open(&binding(cookies), sealed).ok()?;
    read(&postcard::from_bytes(&opened.plaintext).ok()?)
}

fn binding(cookies: &CookieStore) -> Binding<'_> {
    Binding {
        purpose: Purpose::Ending,
        cookie: FIELD,
        host: &cookies.host,
        tenant: &cookies.tenant,
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

fn read(entry: &Entry<'_>) -> Option<Ending> {
    let (name, at) = (entry.name, entry.at);
    if name.len() > MAX_NAME {
        return None;
    }
    Some(match entry.kind {
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

/// The one field of an entry.
const FIELD: &str = "ending";

/// Longer than any `sub`.
const MAX_NAME: usize = 512;

/// How long after a start nobody waits for the log any more.
const FIRST_READ: Duration = Duration::from_secs(2);

/// Refused entries after which the others wait, too: the store refuses all.
const MAX_REFUSALS: usize = 8;

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
    use crate::session::cookie::tests::store;

    #[test]
    fn endings_are_read_as_they_are_written_by_those_with_our_keys() {
        let (ours, theirs) = (store(), store());
        let id = SessionId::generate(&crate::crypto::OsEntropy);
        let at = UnixTime::from_millis(77);
        for ending in [
            Ending::SignedOut { id, ends_at: at },
            Ending::Everybody(at),
            Ending::User("10654321 é".to_owned(), at),
            Ending::Enterprise(7_281_698, at),
            Ending::Session(id, at),
        ] {
            let sealed = seal(&ours, &ending).expect("short");
            assert_eq!(open(&theirs, sealed.as_bytes()), None, "another key");
            assert_eq!(open(&ours, sealed.as_bytes()), Some(ending));
        }
        let long = Ending::User("x".repeat(MAX_NAME + 1), at);
        assert_eq!(seal(&ours, &long), None);
        for (kind, name) in [("later", ""), ("session", "xyz"), ("enterprise", "-1")] {
            assert_eq!(read(&Entry { kind, name, at }), None, "{kind}");
        }
    }

    #[test]
    fn whatever_an_entry_is_its_place_is_known() {
        let bulk = |text: &[u8]| Value::BulkString(text.to_vec());
        let entry = |fields: Vec<Value>| Value::Array(vec![bulk(b"1-1"), Value::Array(fields)]);
        let sealed = entry(vec![bulk(b"ending"), bulk(b"x")]);
        assert_eq!(parts(&sealed), (Some("1-1"), Some(&b"x"[..])));
        for fields in [
            vec![],
            vec![bulk(b"ending")],
            vec![bulk(b"\xff"), bulk(b"\xfe")],
            vec![Value::Nil, Value::Int(1)],
        ] {
            assert_eq!(parts(&entry(fields)), (Some("1-1"), None));
        }
        let deleted = Value::Array(vec![bulk(b"1-2"), Value::Nil]);
        assert_eq!(parts(&deleted), (Some("1-2"), None));
        assert_eq!(parts(&Value::Nil), (None, None));
    }
}
