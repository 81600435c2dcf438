//! Sessions in the store. The browser's cookie holds a ticket: the session's id and the key that seals
//! its record. Store and cookie are each worth nothing without the other.

use std::sync::Arc;
use std::time::Duration;

use super::Elsewhere;
use super::error::StoreError;
use super::link::Link;
use crate::crypto::Binding;
use crate::crypto::Entropy;
use crate::crypto::Purpose;
use crate::oauth::Fence;
use crate::session::cookie::CookieStore;
use crate::session::id::SessionId;
use crate::session::model::Session;
use crate::session::policy::Policy;
use crate::session::ticket::Ticket;
use crate::time::Clock;

/// The sessions of one gateway.
pub struct Records {
    link: Arc<Link>,
    namespace: String,
    host: String,
    tenant: String,
    policy: Policy,
    fence: Fence,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Records {
    /// Sessions kept at `link`.
    pub(super) fn new(
        link: Arc<Link>,
        namespace: String,
        cookies: &CookieStore,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            link,
            namespace,
            host: cookies.host.clone(),
            tenant: cookies.tenant.clone(),
            policy: cookies.policy,
            fence: cookies.fence.clone(),
            entropy: Arc::clone(&cookies.entropy),
            clock,
        }
    }

    /// Whether the store answers.
    pub fn is_up(&self) -> bool {
        self.link.is_up()
    }

    /// What the store has for a ticket.
    pub async fn load(&self, ticket: &Ticket) -> Result<Option<SealedRecord>, StoreError> {
        let text = self.link.read(&self.name(ticket.id())).await?;
        Ok(text.map(SealedRecord))
    }

    /// Opens a record. All that can be wrong with it is one and the same to the caller.
    pub fn open(&self, ticket: &Arc<Ticket>, record: &SealedRecord) -> Option<Session> {
        let name = ticket.id().to_string();
        let opened = ticket.ring().open(&self.binding(&name), &record.0).ok()?;
        let mut session = Session::from_bytes(&opened.plaintext, &self.fence).ok()?;
        session.ticket = Some(Arc::clone(ticket));
        let whole = session.id == ticket.id() && !session.is_over(self.clock.now(), self.policy);
        whole.then_some(session)
    }

    /// Writes down a new session.
    pub async fn create(&self, session: &Session) -> Result<(), StoreError> {
        let (text, life) = self.seal(session)?;
        let mut set = redis::cmd("SET");
        set.arg(self.name(session.id))
            .arg(text)
            .arg("PX")
            .arg(life)
            .arg("NX");
        let written: Option<String> = self.link.ask(&set).await?;
        // Two sessions of one name: neither may have the other's record.
        let taken = || StoreError::Refused("the session's name is taken".to_owned());
        written.map(|_| ()).ok_or_else(taken)
    }

    /// Writes a session down anew, over an older state of it only. `false` if it has been ended
    /// meanwhile: then it stays so.
    pub(super) async fn replace(&self, session: &Session) -> Result<bool, StoreError> {
        let Some(ticket) = &session.ticket else {
            return Err(no_ticket());
        };
        // A request elsewhere may move the idle limit between the look and the write.
        for _ in 0..ATTEMPTS {
            let Some(record) = self.load(ticket).await? else {
                return Ok(false);
            };
            let (Some(mark), Some(there)) = (record.mark(), self.open(ticket, &record)) else {
                return Ok(false);
            };
            // Whoever outlived its lease must not write over what came after it.
            if there.is_newer_than(session) || self.touch(session, &mark).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Refused(
            "the record changes too often".to_owned(),
        ))
    }

    /// Writes down a session that was read as `before`, unless another replica has written since: a
    /// touch must never bring old tokens back.
    pub async fn touch(&self, session: &Session, before: &RecordMark) -> Result<bool, StoreError> {
        let (text, life) = self.seal(session)?;
        let mut eval = redis::cmd("EVAL");
        eval.arg(IF_SAME)
            .arg(1)
            .arg(self.name(session.id))
            .arg(before.0.as_slice())
            .arg(text)
            .arg(life);
        self.link
            .ask::<i64>(&eval)
            .await
            .map(|written| written == 1)
    }

    /// Ends a session, everywhere and at once.
    pub async fn remove(&self, id: SessionId) -> Result<(), StoreError> {
        let mut del = redis::cmd("DEL");
        del.arg(self.name(id));
        self.link.ask::<i64>(&del).await.map(|_| ())
    }

    pub(super) async fn elsewhere(&self, session: &Session) -> Result<Elsewhere, StoreError> {
        let Some(ticket) = &session.ticket else {
            return Ok(Elsewhere::Unchanged);
        };
        let Some(record) = self.load(ticket).await? else {
            return Ok(Elsewhere::Gone);
        };
        Ok(match self.open(ticket, &record) {
            None => Elsewhere::Gone,
            Some(now) if now.is_newer_than(session) => Elsewhere::Renewed(Box::new(now)),
            // The same, or an older state that a failover or a backup brought back: what the next
            // refresh writes puts that right.
            Some(_) => Elsewhere::Unchanged,
        })
    }

    /// The record's text and its life in milliseconds: the store forgets what nobody can use any more.
    fn seal(&self, session: &Session) -> Result<(String, u64), StoreError> {
        let ticket = session.ticket.as_ref();
        let ticket = ticket.ok_or_else(no_ticket)?;
        let bytes = session
            .to_bytes()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let name = session.id.to_string();
        let text = ticket
            .ring()
            .seal(&self.binding(&name), &bytes, self.entropy.as_ref());
        let end = session.end(self.policy).min(session.idle_end(self.policy));
        // Replicas' clocks differ a little; whether the session is over is decided by its own limits.
        let life = end.since(self.clock.now()) + SLACK;
        Ok((text, u64::try_from(life.as_millis()).unwrap_or(u64::MAX)))
    }

    fn binding<'a>(&'a self, name: &'a str) -> Binding<'a> {
        Binding {
            purpose: Purpose::Record,
            cookie: name,
            host: &self.host,
            tenant: &self.tenant,
        }
    }

    fn name(&self, id: SessionId) -> String {
        format!("{}:session:{id}", self.namespace)
    }
}

fn no_ticket() -> StoreError {
    StoreError::Refused("no ticket".to_owned())
}

/// A record as the store has it.
pub struct SealedRecord(Vec<u8>);

impl SealedRecord {
    /// Tells it from every other record.
    pub fn mark(&self) -> Option<RecordMark> {
        self.0.first_chunk().copied().map(RecordMark)
    }
}

/// The beginning of a record's envelope, with the salt that no two have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMark([u8; MARK]);

impl RecordMark {
    /// What an opened session is remembered under: also the session's id, since the store may lie about
    /// whose record this is.
    pub fn cache_key(&self, id: SessionId) -> Vec<u8> {
        let mut key = id.to_string().into_bytes();
        key.extend_from_slice(&self.0);
        key
    }
}

/// Writes only over the record with this beginning.
const IF_SAME: &str = "if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end \
     redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";

/// Version, key id and salt of an envelope, in base64.
const MARK: usize = crate::crypto::ENVELOPE_HEAD_TEXT;

/// How often a record that changes under our hands is written.
const ATTEMPTS: usize = 8;

/// A record outlives its session a little.
const SLACK: Duration = Duration::from_mins(10);
