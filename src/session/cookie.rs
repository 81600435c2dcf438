//! The store without a server: the session sealed into the browser's own cookies.
//!
//! Sealed once, then split: the seal covers all chunks together, so a chunk that is missing, doubled
//! or from another session leaves nothing that opens.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;

use super::model::Session;
use super::policy::Policy;
use super::ticket::Ticket;
use crate::crypto::Binding;
use crate::crypto::Entropy;
use crate::crypto::Keys;
use crate::crypto::Purpose;
use crate::http::CookieNames;
use crate::http::cookies;
use crate::oauth::Fence;
use crate::telemetry::metrics::Events;
use crate::time::UnixTime;

/// Seals sessions into cookies and opens them again.
pub struct CookieStore {
    /// The keys.
    pub keys: Keys,
    /// What the cookies are called.
    pub names: CookieNames,
    /// The public host: a cookie of another host does not open.
    pub host: String,
    /// The tenant and package: a cookie of another one does not open.
    pub tenant: String,
    /// How long sessions live.
    pub policy: Policy,
    /// Where tokens may go.
    pub fence: Fence,
    /// For salts.
    pub entropy: Arc<dyn Entropy>,
    /// Counts what is sealed.
    pub events: Events,
}

impl CookieStore {
    /// Opens a sealed session. All that can be wrong with it is one and the same to the caller.
    pub fn open(&self, sealed: &[u8], now: UnixTime) -> Option<Session> {
        let opened = self
            .keys
            .open(&self.binding(Purpose::Session), sealed)
            .ok()?;
        let session = Session::from_bytes(&opened.plaintext, &self.fence).ok()?;
        (!session.is_over(now)).then_some(session)
    }

    /// Seals a session into one or more cookies.
    pub fn seal(&self, session: &Session, now: UnixTime) -> Result<SealedSession, TooLarge> {
        let text = self.seal_text(session)?;
        Ok(self.split(&text, session.ends_at.since(now)))
    }

    /// Seals a session into the text that its cookies hold together.
    pub(super) fn seal_text(&self, session: &Session) -> Result<String, TooLarge> {
        let plaintext = session.to_bytes().map_err(|_| TooLarge { bytes: 0 })?;
        let binding = self.binding(Purpose::Session);
        let text = self.keys.seal(&binding, &plaintext, self.entropy.as_ref());
        if text.len() > BUDGET {
            return Err(TooLarge { bytes: text.len() });
        }
        Ok(text)
    }

    /// Seals a ticket into a cookie.
    pub fn seal_ticket(&self, ticket: &Ticket, now: UnixTime) -> SealedSession {
        let binding = self.binding(Purpose::Ticket);
        let text = self
            .keys
            .seal(&binding, &ticket.to_bytes(), self.entropy.as_ref());
        self.split(&text, ticket.ends_at().since(now))
    }

    /// Opens a sealed ticket. All that can be wrong with it is one and the same to the caller.
    pub fn open_ticket(&self, sealed: &[u8], now: UnixTime) -> Option<Ticket> {
        let opened = self
            .keys
            .open(&self.binding(Purpose::Ticket), sealed)
            .ok()?;
        Ticket::from_bytes(&opened.plaintext).filter(|ticket| now < ticket.ends_at())
    }

    fn split(&self, text: &str, max_age: Duration) -> SealedSession {
        // The ring may have changed since: the count would only be one rotation early.
        self.events
            .sealed(self.keys.ring().first().id(), text.len());
        let name = self.names.session();
        if name.len() + text.len() <= MAX_PAIR {
            let line = self.names.set(name, text, max_age);
            return SealedSession {
                cookies: vec![(name.to_owned(), line)],
            };
        }
        let chunks = text
            .as_bytes()
            .chunks(CHUNK)
            .zip(1..)
            .map(|(chunk, number)| {
                let name = format!("{name}.{number}");
                // base64url: any cut is a character's border.
                let line = self
                    .names
                    .set(&name, &String::from_utf8_lossy(chunk), max_age);
                (name, line)
            });
        SealedSession {
            cookies: chunks.collect(),
        }
    }

    /// Lines that remove every session cookie that the request brought.
    pub fn clear(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        self.orphans(headers, &[])
    }

    /// Lines that remove the session cookies of the request that `kept` does not overwrite.
    fn orphans(&self, headers: &HeaderMap, kept: &[(String, HeaderValue)]) -> Vec<HeaderValue> {
        let base = self.names.session();
        let mut names: Vec<&str> = cookies::crumbs(headers)
            .filter_map(|crumb| std::str::from_utf8(crumb.name).ok())
            .filter(|name| chunk_number(base, name).is_some())
            .filter(|name| kept.iter().all(|(kept, _)| kept != name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(MAX_ORPHANS);
        names
            .into_iter()
            .map(|name| self.names.clear(name))
            .collect()
    }

    fn binding(&self, purpose: Purpose) -> Binding<'_> {
        Binding {
            purpose,
            cookie: self.names.session(),
            host: &self.host,
            tenant: &self.tenant,
        }
    }
}

/// A session's cookies, ready to be set by any number of answers.
#[derive(Clone, Debug)]
pub struct SealedSession {
    cookies: Vec<(String, HeaderValue)>,
}

impl SealedSession {
    /// No cookies at all: the browser keeps those that it has.
    pub const fn unchanged() -> Self {
        Self {
            cookies: Vec::new(),
        }
    }

    /// Lines for the answer to a request: the cookies, and the removal of chunks that are no longer
    /// part of the session.
    pub fn lines(&self, store: &CookieStore, request: &HeaderMap) -> Vec<HeaderValue> {
        if self.cookies.is_empty() {
            return Vec::new();
        }
        let mut lines = store.orphans(request, &self.cookies);
        lines.extend(self.cookies.iter().map(|(_, line)| line.clone()));
        lines
    }
}

/// What a request brought in the name of a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No cookie of ours.
    Nothing,
    /// Cookies that make no whole: a gap, one too many, a name twice (RFC 6265bis says nothing about
    /// which of two to believe, so we believe neither).
    Broken,
    /// The sealed text.
    Sealed(Cow<'a, [u8]>),
}

impl<'a> Presented<'a> {
    /// Gathers the session cookies of a request.
    pub fn of(headers: &'a HeaderMap, names: &CookieNames) -> Self {
        let base = names.session();
        let mut whole: Option<&[u8]> = None;
        let mut chunks: Vec<(usize, &[u8])> = Vec::new();
        for crumb in cookies::crumbs(headers) {
            if crumb.name == base.as_bytes() {
                if whole.replace(crumb.value).is_some() {
                    return Self::Broken;
                }
            } else if let Some(number) = std::str::from_utf8(crumb.name)
                .ok()
                .and_then(|name| chunk_number(base, name))
            {
                if chunks.len() == MAX_CHUNKS {
                    return Self::Broken;
                }
                chunks.push((number, crumb.value));
            }
        }
        match (whole, chunks.is_empty()) {
            (None, true) => Self::Nothing,
            (Some(value), true) => Self::Sealed(Cow::Borrowed(value)),
            (Some(_), false) => Self::Broken,
            (None, false) => {
                chunks.sort_unstable_by_key(|&(number, _)| number);
                let in_order = chunks
                    .iter()
                    .zip(1..)
                    .all(|(&(number, _), expected)| number == expected);
                if !in_order {
                    return Self::Broken;
                }
                Self::Sealed(Cow::Owned(
                    chunks
                        .iter()
                        .flat_map(|&(_, value)| value)
                        .copied()
                        .collect(),
                ))
            }
        }
    }
}

/// The session does not fit the browser's cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed session has {bytes} bytes, more than {BUDGET}")]
pub struct TooLarge {
    /// The sealed text's length.
    pub bytes: usize,
}

/// 0 for the whole cookie, its number for a chunk, `None` for a cookie that is no session cookie.
fn chunk_number(base: &str, name: &str) -> Option<usize> {
    let rest = name.strip_prefix(base)?;
    if rest.is_empty() {
        return Some(0);
    }
    let digits = rest.strip_prefix('.')?;
    let plain = (1..=4).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Browsers drop a cookie whose name and value have more bytes together (RFC 6265bis §5.6).
const MAX_PAIR: usize = 4096;

/// A chunk's value; leaves room for its name.
const CHUNK: usize = 3900;

/// More chunks are not read.
const MAX_CHUNKS: usize = 8;

/// All chunks together, so that the `Cookie` line stays below the 8 KB that servers in front allow.
pub const BUDGET: usize = 7_500;

/// No request makes us write more removals.
const MAX_ORPHANS: usize = 16;

/// How long a login cookie lives.
pub const LOGIN_COOKIE_LIFETIME: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use http::header;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::KeyRing;
    use crate::crypto::MasterKey;
    use crate::crypto::OsEntropy;
    use crate::session::model::tests::session;

    const NOW: UnixTime = UnixTime::from_millis(1_000_000);

    fn store() -> CookieStore {
        CookieStore {
            keys: KeyRing::new(MasterKey::generate(&OsEntropy), vec![]).into(),
            names: CookieNames::new(true),
            host: "tool.example.com".to_owned(),
            tenant: "mc1/client".to_owned(),
            policy: Policy {
                lifetime: Duration::from_hours(12),
                idle_timeout: Duration::from_hours(1),
            },
            fence: Fence::marketing_cloud(),
            entropy: Arc::new(OsEntropy),
            events: Events::default(),
        }
    }

    fn request(pairs: &[&str]) -> HeaderMap {
        [(
            header::COOKIE,
            HeaderValue::try_from(pairs.join("; ")).expect("a field"),
        )]
        .into_iter()
        .collect()
    }

    /// The `name=value` pairs that a browser would send back.
    fn sealed(store: &CookieStore, token: &str) -> Vec<String> {
        let lines = store
            .seal(&session(token, NOW), NOW)
            .expect("fits")
            .lines(store, &HeaderMap::new());
        let pair = |line: &HeaderValue| {
            line.to_str()
                .expect("text")
                .split(';')
                .next()
                .expect("a pair")
                .to_owned()
        };
        lines.iter().map(pair).collect()
    }

    fn token_of(store: &CookieStore, pairs: &[&str]) -> Option<String> {
        match Presented::of(&request(pairs), &store.names) {
            Presented::Sealed(text) => store
                .open(&text, NOW)
                .map(|session| session.tokens.access.expose().to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_pair_of_512_characters_fits_one_cookie() {
        let store = store();
        let token = "t".repeat(512);
        let pairs = sealed(&store, &token);
        assert_eq!(pairs.len(), 1);
        assert!(pairs[0].len() < 2_300, "{}", pairs[0].len());
        assert_eq!(token_of(&store, &[&pairs[0]]), Some(token));
    }

    #[test]
    fn a_pair_of_2048_characters_is_split_and_joined() {
        let store = store();
        let token = "t".repeat(2046);
        let pairs = sealed(&store, &token);
        assert_eq!(pairs.len(), 2);
        assert!(pairs.iter().all(|pair| pair.len() <= MAX_PAIR));
        let (first, second) = (pairs[0].as_str(), pairs[1].as_str());
        assert_eq!(token_of(&store, &[first, second]), Some(token.clone()));
        assert_eq!(
            token_of(&store, &[second, "a=1", first]),
            Some(token),
            "order on the wire does not matter"
        );
        for broken in [
            &[first][..],
            &[second],
            &[first, first, second],
            &[first, second, second],
        ] {
            assert_eq!(token_of(&store, broken), None, "{broken:?}");
        }
        let third = second.replace(".2=", ".3=");
        assert_eq!(token_of(&store, &[first, &third]), None, "gap");
        assert_eq!(token_of(&store, &[first, second, &third]), None, "one more");
        let whole = format!("__Host-Http-sidegate={}", "x".repeat(10));
        assert_eq!(
            token_of(&store, &[first, second, &whole]),
            None,
            "whole and chunks"
        );
        let other = sealed(&store, &"u".repeat(2046));
        assert_eq!(
            token_of(&store, &[first, &other[1]]),
            None,
            "another session's chunk"
        );
    }

    #[test]
    fn a_session_over_the_budget_is_refused_with_its_size() {
        let error = store()
            .seal(&session(&"t".repeat(4000), NOW), NOW)
            .expect_err("too large");
        assert!(error.bytes > BUDGET);
    }

    #[test]
    fn foreign_and_expired_cookies_do_not_open() {
        let (ours, mut theirs) = (store(), store());
        let pair = sealed(&ours, "token");
        assert_eq!(token_of(&theirs, &[&pair[0]]), None, "another key");
        theirs.keys.replace(KeyRing::new(
            MasterKey::parse(&ours.keys.ring().first().to_text()).expect("key"),
            vec![],
        ));
        assert_eq!(token_of(&theirs, &[&pair[0]]), Some("token".to_owned()));
        theirs.host = "other.example.com".to_owned();
        assert_eq!(token_of(&theirs, &[&pair[0]]), None, "another host");
        theirs.host.clone_from(&ours.host);
        theirs.tenant = "mc2/client".to_owned();
        assert_eq!(token_of(&theirs, &[&pair[0]]), None, "another tenant");
        let text = pair[0].split_once('=').expect("a pair").1.as_bytes();
        assert!(ours.open(text, NOW.plus(Duration::from_mins(59))).is_some());
        assert!(
            ours.open(text, NOW.plus(Duration::from_hours(1))).is_none(),
            "idle"
        );
    }

    #[test]
    fn what_is_no_longer_needed_is_removed() {
        let store = store();
        let stale = request(&[
            "__Host-Http-sidegate.1=a",
            "__Host-Http-sidegate.2=b",
            "__Host-Http-sidegate-login-x=c",
        ]);
        let lines = store
            .seal(&session("token", NOW), NOW)
            .expect("fits")
            .lines(&store, &stale);
        let names: Vec<_> = lines
            .iter()
            .map(|line| {
                line.to_str()
                    .expect("text")
                    .split('=')
                    .next()
                    .expect("name")
            })
            .collect();
        assert_eq!(
            names,
            [
                "__Host-Http-sidegate.1",
                "__Host-Http-sidegate.2",
                "__Host-Http-sidegate"
            ]
        );
        assert_eq!(store.clear(&stale).len(), 2);
    }

    proptest! {
        #[test]
        fn no_cookie_header_panics(field in "(__Host-Http-sidegate(\\.[0-9a]{0,6})?=[A-Za-z_-]{0,8}; ?){0,10}") {
            let store = store();
            let headers = request(&[&field]);
            if let Presented::Sealed(text) = Presented::of(&headers, &store.names) {
                prop_assert!(store.open(&text, NOW).is_none());
            }
            store.clear(&headers);
        }
    }
}
