//! A session, and the bytes it is sealed as.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use zeroize::Zeroizing;

use super::id::SessionId;
use super::line::Line;
pub use super::person::Person;
use super::policy::Policy;
use super::ticket::Ticket;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::RefreshToken;
use crate::oauth::Fence;
use crate::oauth::InstanceUrl;
use crate::oauth::Subdomain;
use crate::oauth::token::TokenSet;
use crate::time::UnixTime;

/// What is kept for a signed-in person.
#[derive(Debug)]
pub struct Session {
    /// Stays the same over refreshes; new with every sign-in.
    pub id: SessionId,
    /// The tenant where the person signed in, if that is not the configured one.
    pub tenant: Option<Subdomain>,
    /// The pair of tokens.
    pub tokens: TokenSet,
    /// Who signed in.
    pub person: Person,
    /// The tenant's REST base URL.
    pub rest: Option<InstanceUrl>,
    /// The tenant's SOAP base URL.
    pub soap: Option<InstanceUrl>,
    /// The granted scope, if it is short enough to be carried.
    pub scope: Option<String>,
    /// When the person signed in.
    pub signed_in_at: UnixTime,
    /// The end, whatever happens.
    pub ends_at: UnixTime,
    /// The end, unless there is another request before.
    pub idle_until: UnixTime,
    /// How far on it is.
    pub line: Line,
    /// Where its record is and the key to it, if sessions are kept in a store.
    pub ticket: Option<Arc<Ticket>>,
}

impl Session {
    /// Whether the session is over.
    pub fn is_over(&self, now: UnixTime) -> bool {
        now >= self.ends_at || now >= self.idle_until
    }

    /// Whether the idle limit has moved far enough to be written down anew. Writing it with every
    /// request would send a cookie with every answer.
    pub fn wants_touch(&self, now: UnixTime, policy: Policy) -> bool {
        let seen = self.idle_until.minus(policy.idle_timeout);
        now.since(seen) >= policy.idle_timeout / TOUCHES_PER_IDLE_TIMEOUT
    }

    /// Whether the other's tokens came before these. Where replicas went on each for itself, two may have
    /// gone as far: then those that live longer are the newer ones.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let age = |session: &Self| (session.line.step, session.tokens.expires_at);
        age(self) > age(other)
    }

    /// The same session, seen now.
    pub fn touched(&self, now: UnixTime, policy: Policy) -> Result<Self, BadRecord> {
        let tokens = &self.tokens;
        let copy = TokenSet {
            access: AccessToken::parse(tokens.access.expose()).map_err(|_| BadRecord)?,
            refresh: tokens
                .refresh
                .as_ref()
                .map(|token| RefreshToken::parse(token.expose()))
                .transpose()
                .map_err(|_| BadRecord)?,
            expires_at: tokens.expires_at,
            lifetime: tokens.lifetime,
        };
        Ok(self.with_tokens(copy, now, policy))
    }

    /// The same session with other tokens, seen now.
    #[must_use]
    pub fn with_tokens(&self, tokens: TokenSet, now: UnixTime, policy: Policy) -> Self {
        Self {
            id: self.id,
            tenant: self.tenant.clone(),
            tokens,
            person: self.person.clone(),
            rest: self.rest.clone(),
            soap: self.soap.clone(),
            scope: self.scope.clone(),
            signed_in_at: self.signed_in_at,
            ends_at: self.ends_at,
            idle_until: now.plus(policy.idle_timeout).max(self.idle_until),
            line: self.line,
            ticket: self.ticket.clone(),
        }
    }

    /// The bytes to be sealed. They hold the tokens in the clear.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, BadRecord> {
        let record = Record {
            id: self.id.to_bytes(),
            access: self.tokens.access.expose(),
            refresh: self.tokens.refresh.as_ref().map(RefreshToken::expose),
            expires_at: self.tokens.expires_at,
            lifetime: self.tokens.lifetime,
            person: self.person.clone(),
            rest: self.rest.as_ref().map(ToString::to_string),
            soap: self.soap.as_ref().map(ToString::to_string),
            scope: self.scope.as_deref(),
            signed_in_at: self.signed_in_at,
            ends_at: self.ends_at,
            idle_until: self.idle_until,
            tenant: self.tenant.as_ref().map(Subdomain::as_str),
            line: self.line,
        };
        // Room enough that the buffer is not moved while it grows, which would leave a copy behind.
        let mut bytes = Vec::with_capacity(MAX_RECORD);
        bytes.push(FORMAT);
        postcard::to_extend(&record, bytes)
            .map(Zeroizing::new)
            .map_err(|_| BadRecord)
    }

    /// Reads what [`Session::to_bytes`] wrote. The tenant's URLs have to pass the fence again: it may
    /// have become narrower. So has the person's tenant, and its hosts are the only ones then.
    pub fn from_bytes(bytes: &[u8], fence: &Fence) -> Result<Self, BadRecord> {
        let (&FORMAT, rest) = bytes.split_first().ok_or(BadRecord)? else {
            return Err(BadRecord);
        };
        let record: Record<'_> = postcard::from_bytes(rest).map_err(|_| BadRecord)?;
        let tenant = record.tenant.map(Subdomain::parse).transpose();
        let tenant = tenant.map_err(|_| BadRecord)?;
        let fence = fence.of(tenant.as_ref()).ok_or(BadRecord)?;
        let admit = |url: Option<String>| {
            url.map(|url| fence.admit(&url))
                .transpose()
                .map_err(|_| BadRecord)
        };
        Ok(Self {
            id: SessionId::from_bytes(record.id),
            tenant,
            tokens: TokenSet {
                access: AccessToken::parse(record.access).map_err(|_| BadRecord)?,
                refresh: record
                    .refresh
                    .map(RefreshToken::parse)
                    .transpose()
                    .map_err(|_| BadRecord)?,
                expires_at: record.expires_at,
                lifetime: record.lifetime,
            },
            person: record.person,
            rest: admit(record.rest)?,
            soap: admit(record.soap)?,
            scope: record.scope.map(str::to_owned),
            signed_in_at: record.signed_in_at,
            ends_at: record.ends_at,
            idle_until: record.idle_until,
            line: record.line,
            ticket: None,
        })
    }
}

/// The bytes are not a session of this version. Treated like no session at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session record")]
pub struct BadRecord;

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    id: [u8; 16],
    access: &'a str,
    refresh: Option<&'a str>,
    expires_at: UnixTime,
    lifetime: Duration,
    person: Person,
    rest: Option<String>,
    soap: Option<String>,
    scope: Option<&'a str>,
    signed_in_at: UnixTime,
    ends_at: UnixTime,
    idle_until: UnixTime,
    tenant: Option<&'a str>,
    line: Line,
}

/// First byte of a record; another layout gets another number.
const FORMAT: u8 = 2;

/// Longer than any record: two tokens of 4 KB and names.
const MAX_RECORD: usize = 16 * 1024;

/// An idle limit is written down anew after this fraction of it.
const TOUCHES_PER_IDLE_TIMEOUT: u32 = 12;

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn session(token: &str, now: UnixTime) -> Session {
        let fence = Fence::marketing_cloud();
        Session {
            id: SessionId::from_bytes([7; 16]),
            tenant: None,
            tokens: TokenSet {
                access: AccessToken::parse(token).expect("a token"),
                refresh: Some(RefreshToken::parse(&format!("r-{token}")).expect("a token")),
                expires_at: now.plus(Duration::from_secs(1079)),
                lifetime: Duration::from_secs(1079),
            },
            person: Person {
                sub: "10654321".to_owned(),
                name: Some("Ada Martin".to_owned()),
                email: Some("ada@example.com".to_owned()),
                preferred_username: Some("ada".to_owned()),
                enterprise: Some(7_281_698),
                business_unit: Some(7_281_699),
                ..Person::default()
            },
            rest: fence
                .admit("https://mc563885gzs27c5t9-63k636ttgm.rest.marketingcloudapis.com/")
                .ok(),
            soap: fence
                .admit("https://mc563885gzs27c5t9-63k636ttgm.soap.marketingcloudapis.com/")
                .ok(),
            scope: None,
            signed_in_at: now,
            ends_at: now.plus(Duration::from_hours(12)),
            idle_until: now.plus(Duration::from_hours(1)),
            line: Line::default(),
            ticket: None,
        }
    }

    #[test]
    fn a_session_survives_being_sealed() {
        let now = UnixTime::from_millis(1_000_000);
        let before = session("token", now);
        let bytes = before.to_bytes().expect("fits");
        let after = Session::from_bytes(&bytes, &Fence::marketing_cloud()).expect("our own");
        assert_eq!(after.tokens.access.expose(), "token");
        assert_eq!(
            after.tokens.refresh.as_ref().map(RefreshToken::expose),
            Some("r-token")
        );
        assert_eq!(after.person, before.person);
        assert_eq!(
            (after.id, after.rest, after.soap),
            (before.id, before.rest, before.soap)
        );
        assert_eq!(
            (after.ends_at, after.idle_until),
            (before.ends_at, before.idle_until)
        );
    }

    #[test]
    fn a_narrower_fence_ends_old_sessions() {
        let bytes = session("token", UnixTime::default())
            .to_bytes()
            .expect("fits");
        assert_eq!(
            Session::from_bytes(&bytes, &Fence::new(vec![])).err(),
            Some(BadRecord)
        );
    }

    #[test]
    fn both_limits_end_a_session() {
        let now = UnixTime::from_millis(1_000_000);
        let session = session("token", now);
        assert!(!session.is_over(now.plus(Duration::from_mins(59))));
        assert!(session.is_over(now.plus(Duration::from_hours(1))));
        let policy = Policy {
            lifetime: Duration::from_hours(12),
            idle_timeout: Duration::from_hours(24),
        };
        let touched = session
            .touched(now.plus(Duration::from_mins(30)), policy)
            .expect("copies");
        assert!(!touched.is_over(now.plus(Duration::from_hours(11))));
        assert!(
            touched.is_over(now.plus(Duration::from_hours(12))),
            "no touch moves the absolute end"
        );
    }

    #[test]
    fn a_touch_is_rare() {
        let now = UnixTime::from_millis(1_000_000);
        let policy = Policy {
            lifetime: Duration::from_hours(12),
            idle_timeout: Duration::from_hours(1),
        };
        let session = session("token", now);
        assert!(!session.wants_touch(now.plus(Duration::from_mins(4)), policy));
        assert!(session.wants_touch(now.plus(Duration::from_mins(5)), policy));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = Session::from_bytes(&bytes, &Fence::marketing_cloud());
        }
    }
}
