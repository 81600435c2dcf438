//! The store without a server: the session sealed into the browser's own cookies.
//!
//! Sealed once, then split: the seal covers all chunks together, so a chunk that is missing, doubled
//! or from another session leaves nothing that opens.

use std::borrow::Cow;
use std::fmt;
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
use crate::crypto::OpenError;
use crate::crypto::Purpose;
use crate::crypto::secret::RefreshToken;
use crate::http::CookieNames;
use crate::http::Jar;
use crate::http::cookies;
use crate::oauth::Fence;
use crate::telemetry::metrics::Events;
use crate::time::UnixTime;

/// Seals sessions into cookies and opens them again.
pub struct CookieStore {
    /// The keys.
    pub keys: Arc<Keys>,
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
        self.unseal(sealed)
            .filter(|session| !session.is_over(now, self.policy))
    }

    /// The same whether the session is over or not, to find out what is wrong with it.
    pub fn unseal(&self, sealed: &[u8]) -> Option<Session> {
        let binding = self.binding(Purpose::Session);
        let opened = self.keys.open(&binding, sealed).ok()?;
        Session::from_bytes(&opened.plaintext, &self.fence).ok()
    }

    /// Whether the key that a text names is one of ours.
    pub fn knows_key_of(&self, sealed: &[u8]) -> bool {
        let binding = self.binding(Purpose::Session);
        self.keys.open(&binding, sealed).err() != Some(OpenError::UnknownKey)
    }

    /// Seals a session into one or more cookies.
    pub fn seal(&self, session: &Session, now: UnixTime) -> Result<SealedSession, TooLarge> {
        let text = self.seal_text(session)?;
        Ok(self.split(&text, session.end(self.policy).since(now)))
    }

    /// Seals a session into the text that its cookies hold together.
    pub(super) fn seal_text(&self, session: &Session) -> Result<String, TooLarge> {
        let too_large = |bytes| TooLarge {
            bytes,
            filling: Filling::of(session),
        };
        let plaintext = session.to_bytes().map_err(|_| too_large(usize::MAX))?;
        let binding = self.binding(Purpose::Session);
        let text = self.keys.seal(&binding, &plaintext, self.entropy.as_ref());
        let chunks = text.len().div_ceil(CHUNK);
        let bytes = text.len() + chunks * cookies::weight(self.names.session().len() + 2, 0);
        if bytes > SESSION_BUDGET {
            return Err(too_large(bytes));
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
    pub fn clear(&self, jar: &Jar<'_>) -> Vec<HeaderValue> {
        self.orphans(jar, &[])
    }

    /// What the session cookies of a request take of its `Cookie` line.
    pub fn weight(&self, jar: &Jar<'_>) -> usize {
        self.presented_by(jar)
            .map(|(name, value)| cookies::weight(name.len(), value.len()))
            .sum()
    }

    /// Lines that remove the session cookies of the request that `kept` does not overwrite: by name, or
    /// at a path of their own.
    fn orphans(&self, jar: &Jar<'_>, kept: &[(String, HeaderValue)]) -> Vec<HeaderValue> {
        let mut names: Vec<&str> = self.presented_by(jar).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let (kept, mut orphans): (Vec<&str>, Vec<&str>) = names
            .into_iter()
            .partition(|name| kept.iter().any(|(kept, _)| kept == name));
        orphans.truncate(MAX_ORPHANS);
        let mut lines = jar.removals(&self.names, &orphans);
        let doubled = kept.into_iter().filter(|name| jar.is_doubled(name));
        lines.extend(doubled.flat_map(|name| jar.shadows(&self.names, name)));
        lines
    }

    fn presented_by<'a>(&self, jar: &Jar<'a>) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let base = self.names.session();
        jar.crumbs()
            .filter_map(|crumb| Some((std::str::from_utf8(crumb.name).ok()?, crumb.value)))
            .filter(move |(name, _)| chunk_number(base, name).is_some())
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
    pub fn lines(&self, store: &CookieStore, jar: &Jar<'_>) -> Vec<HeaderValue> {
        if self.cookies.is_empty() {
            return Vec::new();
        }
        let mut lines = store.orphans(jar, &self.cookies);
        lines.extend(self.cookies.iter().map(|(_, line)| line.clone()));
        lines
    }

    /// What the cookies will take of the browser's `Cookie` line.
    pub fn weight(&self) -> usize {
        let pair = |line: &HeaderValue| {
            let pair = line.as_bytes().split(|&b| b == b';').next();
            pair.map_or(0, <[u8]>::len)
        };
        let weights = self.cookies.iter().map(|(_, line)| pair(line) + "; ".len());
        weights.sum()
    }
}

/// What a request brought in the name of a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No cookie of ours.
    Nothing,
    /// Cookies that make no whole: a gap, one too many, a chunk's name twice (RFC 6265bis says nothing
    /// about which of two to believe, so we believe neither).
    Broken,
    /// The sealed text.
    Sealed(Cow<'a, [u8]>),
    /// Several texts under the one name. One may be ours and the others left behind at another path or
    /// by another site of this domain; if more than one opens, somebody may have planted it.
    Several(Vec<&'a [u8]>),
}

impl<'a> Presented<'a> {
    /// Gathers the session cookies of a request.
    pub fn of(headers: &'a HeaderMap, names: &CookieNames) -> Self {
        let base = names.session();
        let mut whole: Option<&[u8]> = None;
        let mut twins: Vec<&[u8]> = Vec::new();
        let mut chunks: Vec<(usize, &[u8])> = Vec::new();
        for crumb in cookies::crumbs(headers) {
            if crumb.name == base.as_bytes() {
                match whole {
                    None => whole = Some(crumb.value),
                    Some(first) if first == crumb.value || twins.contains(&crumb.value) => {}
                    Some(_) if twins.len() + 1 == MAX_TWINS => return Self::Broken,
                    Some(_) => twins.push(crumb.value),
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
            (Some(value), true) if twins.is_empty() => Self::Sealed(Cow::Borrowed(value)),
            (Some(value), true) => {
                twins.push(value);
                Self::Several(twins)
            }
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
                let parts: Vec<&[u8]> = chunks.iter().map(|&(_, value)| value).collect();
                Self::Sealed(Cow::Owned(parts.concat()))
            }
        }
    }
}

/// The session does not fit the browser's cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session takes {bytes} bytes of cookies, more than {SESSION_BUDGET}: {filling}")]
pub struct TooLarge {
    /// What its cookies would take of the browser's `Cookie` line.
    pub bytes: usize,
    /// What takes the room.
    pub filling: Filling,
}

/// The lengths of a session's parts, in bytes before they are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    access_token: usize,
    refresh_token: usize,
    scope: usize,
    person: usize,
}

impl Filling {
    fn of(session: &Session) -> Self {
        let length = |text: Option<&str>| text.map_or(0, str::len);
        let person = &session.person;
        let names = [&person.name, &person.email, &person.preferred_username];
        let names: usize = names.iter().map(|name| length(name.as_deref())).sum();
        Self {
            access_token: session.tokens.access.expose().len(),
            refresh_token: length(session.tokens.refresh.as_ref().map(RefreshToken::expose)),
            scope: length(session.scope.as_deref()),
            person: person.sub.len() + names,
        }
    }
}

impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            access_token,
            refresh_token,
            scope,
            person,
        } = self;
        write!(
            f,
            "access token {access_token}, refresh token {refresh_token}, scope {scope}, person {person}"
        )
    }
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

/// All cookies of ours in one browser together, with their names, so that the `Cookie` line stays
/// below the 8 KB that servers in front allow, and others' cookies have some room too.
pub const COOKIE_BUDGET: usize = 7_500;

/// What a session leaves free: room for a sign-in without a long address to come back to, and for the
/// count of those that bore no fruit.
pub const SIGN_IN_ROOM: usize = 350;

/// The session's cookies.
const SESSION_BUDGET: usize = COOKIE_BUDGET - SIGN_IN_ROOM;

/// Different texts under the one name that are tried.
const MAX_TWINS: usize = 4;

/// No request makes us write more removals.
const MAX_ORPHANS: usize = 16;

/// How long a login cookie lives.
pub const LOGIN_COOKIE_LIFETIME: Duration = Duration::from_mins(10);

#[cfg(test)]
mod random;

#[cfg(test)]
pub(crate) mod tests {
    use http::header;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::KeyRing;
    use crate::crypto::MasterKey;
    use crate::crypto::OsEntropy;
    use crate::session::model::tests::session;

    pub(super) const NOW: UnixTime = UnixTime::from_millis(1_000_000);

    pub(crate) fn store() -> CookieStore {
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
            .lines(store, &Jar::new(&HeaderMap::new(), "/"));
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
        assert!(error.bytes > SESSION_BUDGET);
        let text = error.to_string();
        assert!(
            text.contains("access token 4000, refresh token 4002, scope 0"),
            "{text}"
        );
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
            .lines(&store, &Jar::new(&stale, "/"));
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
        assert_eq!(store.clear(&Jar::new(&stale, "/")).len(), 2);
    }

    proptest! {
        #[test]
        fn no_cookie_header_panics(field in "(__Host-Http-sidegate(\\.[0-9a]{0,6})?=[A-Za-z_-]{0,8}; ?){0,10}") {
            let store = store();
            let headers = request(&[&field]);
            if let Presented::Sealed(text) = Presented::of(&headers, &store.names) {
                prop_assert!(store.open(&text, NOW).is_none());
            }
            store.clear(&Jar::new(&headers, "/"));
        }
    }
}
