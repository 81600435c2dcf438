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
    /// The end, whatever happens, as promised when it was sealed: no later, see [`Session::end`].
    pub ends_at: UnixTime,
    /// The end, unless there is another request before; promised likewise, see [`Session::idle_end`].
    pub idle_until: UnixTime,
    /// The use that `idle_until` counts from; not known of a session that an older version sealed.
    pub seen_at: Option<UnixTime>,
    /// How far on it is.
    pub line: Line,
    /// Where its record is and the key to it, if sessions are kept in a store.
    pub ticket: Option<Arc<Ticket>>,
}

impl Session {
    /// Whether the session is over by what it was promised, or by the policy in force.
    pub fn is_over(&self, now: UnixTime, policy: Policy) -> bool {
        now >= self.end(policy) || now >= self.idle_end(policy)
    }

    /// The end, whatever happens. A policy that has become longer prolongs no promise.
    pub fn end(&self, policy: Policy) -> UnixTime {
        self.ends_at.min(self.signed_in_at.plus(policy.lifetime))
    }

    /// The end, unless there is another request before.
    pub fn idle_end(&self, policy: Policy) -> UnixTime {
        let allowed = self.seen_at.map(|seen| seen.plus(policy.idle_timeout));
        allowed.map_or(self.idle_until, |allowed| self.idle_until.min(allowed))
    }

    /// Whether the idle limit has moved far enough to be written down anew. Writing it with every
    /// request would send a cookie with every answer.
    pub fn wants_touch(&self, now: UnixTime, policy: Policy) -> bool {
        let (end, due) = (self.idle_end(policy), now.plus(policy.idle_timeout));
        // Further away than the policy allows, and no telling since when: from now on that is known.
        let unknown = self.seen_at.is_none() && end > due;
        unknown || due.since(end) >= policy.idle_timeout / TOUCHES_PER_IDLE_TIMEOUT
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
        // Another replica's clock may be ahead.
        let seen_at = self.seen_at.map_or(now, |seen| seen.max(now));
        Self {
            id: self.id,
            tenant: self.tenant.clone(),
            tokens,
            person: self.person.clone(),
            rest: self.rest.clone(),
            soap: self.soap.clone(),
            scope: self.scope.clone(),
            signed_in_at: self.signed_in_at,
            ends_at: self.end(policy),
            idle_until: seen_at.plus(policy.idle_timeout),
            seen_at: Some(seen_at),
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
        let bytes = postcard::to_extend(&record, bytes).map_err(|_| BadRecord)?;
        let bytes = match &self.seen_at {
            Some(seen_at) => postcard::to_extend(seen_at, bytes).map_err(|_| BadRecord)?,
            None => bytes,
        };
        Ok(Zeroizing::new(bytes))
    }

    /// Reads what [`Session::to_bytes`] wrote. The tenant's URLs have to pass the fence again: it may
    /// have become narrower. So has the person's tenant, and its hosts are the only ones then.
    pub fn from_bytes(bytes: &[u8], fence: &Fence) -> Result<Self, BadRecord> {
        let (&FORMAT, rest) = bytes.split_first().ok_or(BadRecord)? else {
            return Err(BadRecord);
        };
        let (record, rest): (Record<'_>, _) =
            postcard::take_from_bytes(rest).map_err(|_| BadRecord)?;
        // What comes after the record was not always written, and is passed over by versions before.
        let seen_at = match rest {
            [] => None,
            rest => Some(postcard::from_bytes(rest).map_err(|_| BadRecord)?),
        };
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
            seen_at,
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

    /// By which [`session`] begins.
    pub(crate) const POLICY: Policy = Policy {
        lifetime: Duration::from_hours(12),
        idle_timeout: Duration::from_hours(1),
    };

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
            seen_at: Some(now),
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
            (after.ends_at, after.idle_until, after.seen_at),
            (before.ends_at, before.idle_until, before.seen_at)
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
        assert!(!session.is_over(now.plus(Duration::from_mins(59)), POLICY));
        assert!(session.is_over(now.plus(Duration::from_hours(1)), POLICY));
        let policy = Policy {
            lifetime: Duration::from_hours(12),
            idle_timeout: Duration::from_hours(24),
        };
        let touched = session
            .touched(now.plus(Duration::from_mins(30)), policy)
            .expect("copies");
        assert!(!touched.is_over(now.plus(Duration::from_hours(11)), policy));
        assert!(
            touched.is_over(now.plus(Duration::from_hours(12)), policy),
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

    #[test]
    fn a_shorter_policy_ends_sessions_that_began_by_a_longer_one() {
        let now = UnixTime::from_millis(1_000_000);
        let after = |seconds| now.plus(Duration::from_secs(seconds));
        let short = Policy {
            lifetime: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(10),
        };
        let session = session("token", now);
        assert!(!session.is_over(after(9), short));
        assert!(session.is_over(after(10), short), "idle");
        let mut seen = session.touched(after(9), short).expect("copies");
        assert!(!seen.is_over(after(18), short));
        assert!(seen.is_over(after(19), POLICY), "what is sealed anew is so");
        for seconds in (18..60).step_by(9) {
            seen = seen.touched(after(seconds), short).expect("copies");
        }
        assert!(!seen.is_over(after(59), short));
        assert!(seen.is_over(after(60), short), "the end");
        assert!(seen.is_over(after(60), POLICY), "which does not come back");
    }

    #[test]
    fn what_an_older_version_sealed_is_kept_and_seen_anew() {
        let now = UnixTime::from_millis(1_000_000);
        let mut old = session("token", now);
        old.seen_at = None;
        let bytes = old.to_bytes().expect("fits");
        let old = Session::from_bytes(&bytes, &Fence::marketing_cloud()).expect("our own");
        assert_eq!(old.seen_at, None);
        assert!(!old.wants_touch(now, POLICY));
        let short = Policy {
            idle_timeout: Duration::from_secs(10),
            ..POLICY
        };
        let later = now.plus(Duration::from_mins(1));
        assert!(!old.is_over(later, short), "it may have been used just now");
        assert!(old.wants_touch(later, short));
        let seen = old.touched(later, short).expect("copies");
        assert!(!seen.wants_touch(later, short));
        assert!(seen.is_over(later.plus(short.idle_timeout), short));
        // And the other way round: what is behind the record harms no older version.
        let bytes = session("token", now).to_bytes().expect("fits");
        assert!(postcard::from_bytes::<Record<'_>>(bytes.get(1..).expect("long")).is_ok());
    }

    #[test]
    fn a_cut_instant_of_use_is_no_session() {
        let bytes = session("token", UnixTime::from_millis(1_000_000)).to_bytes();
        let bytes = bytes.expect("fits");
        let cut = bytes.get(..bytes.len() - 1).expect("long");
        let outcome = Session::from_bytes(cut, &Fence::marketing_cloud());
        assert_eq!(outcome.err(), Some(BadRecord));
    }

    fn policy() -> impl Strategy<Value = Policy> {
        (1_u64..100_000, 1_u64..100_000).prop_map(|(lifetime, idle)| Policy {
            lifetime: Duration::from_secs(lifetime),
            idle_timeout: Duration::from_secs(idle.min(lifetime)),
        })
    }

    proptest! {
        /// Policies follow on each other, and requests come now and then; what is due is sealed anew.
        #[test]
        fn no_session_outlives_the_policy_in_force_or_a_promise(
            first in policy(),
            steps in proptest::collection::vec((policy(), 0_u64..20_000), 1..20),
        ) {
            let began = UnixTime::from_millis(1_000_000);
            let mut known = session("token", began);
            known.ends_at = began.plus(first.lifetime);
            known.idle_until = began.plus(first.idle_timeout);
            let (mut now, mut used) = (began, began);
            for (policy, pause) in steps {
                now = now.plus(Duration::from_secs(pause));
                let bytes = known.to_bytes().expect("fits");
                known = Session::from_bytes(&bytes, &Fence::marketing_cloud()).expect("our own");
                let over = known.is_over(now, policy);
                let allowed = now < began.plus(policy.lifetime.min(first.lifetime))
                    && now < used.plus(policy.idle_timeout);
                prop_assert!(over || allowed, "it outlives the policy");
                if over {
                    break;
                }
                used = now;
                if known.wants_touch(now, policy) {
                    let touched = known.touched(now, policy).expect("copies");
                    prop_assert!(touched.end(policy) <= known.end(policy));
                    prop_assert_eq!(touched.idle_end(policy), now.plus(policy.idle_timeout));
                    known = touched;
                } else {
                    let left = known.idle_end(policy).since(now);
                    prop_assert!(left >= policy.idle_timeout / 12 * 11, "{:?}", left);
                }
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = Session::from_bytes(&bytes, &Fence::marketing_cloud());
        }
    }
}
