//! Loops stop: a browser whose sessions do not come back is told why, instead of being sent round.
//!
//! A navigation without a session, right after a sign-in to the same page from the same place, raises
//! a suspicion. Its own sign-in then leaves a cookie for a minute that counts; the navigation after the
//! third sign-in without fruit ends in a page. A sign-in that works leaves nothing.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;
use http::header;
use http::request::Parts;

use super::arrivals::MEMORY;
use super::lookup::Lookup;
use super::worker::Worker;
use crate::crypto::Binding;
use crate::crypto::Purpose;
use crate::fault::Fault;
use crate::http::ReturnPath;
use crate::http::cookies;
use crate::session::Presented;
use crate::session::Session;
use crate::time::UnixTime;

impl Worker {
    /// How many sign-ins of this browser bore no fruit within the last minute.
    pub(super) fn fruitless_sign_ins(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
        path: &ReturnPath,
    ) -> u8 {
        let now = self.gateway.clock.now();
        // The browser forgets the count after a minute. By our own clock that cannot be told where the
        // one who counted has another.
        let recent = |counted: &Counted| {
            now.since(counted.at) < MEMORY || self.died_at_once(headers, now, counted)
        };
        if let Some(counted) = self.counted(headers).filter(recent) {
            return counted.attempts;
        }
        u8::from(
            self.gateway
                .arrivals
                .is_missed(client, agent(headers), path.as_str(), now),
        )
    }

    /// A sign-in ended; `before` it there were so many without fruit. The line that counts it, if it
    /// is not the first.
    pub(super) fn count_sign_in(&self, before: u8) -> Option<HeaderValue> {
        if before == 0 {
            return None;
        }
        let counted = Counted {
            attempts: before.saturating_add(1),
            at: self.gateway.clock.now(),
        };
        let plaintext = postcard::to_allocvec(&counted).ok()?;
        let name = self.attempts_cookie();
        let entropy = self.gateway.entropy.as_ref();
        let sealed =
            self.gateway
                .store
                .keys
                .seal(&self.attempts_binding(&name), &plaintext, entropy);
        Some(self.gateway.site.names().set(&name, &sealed, MEMORY))
    }

    /// The line that forgets the count, if the request brought one.
    pub(super) fn forget_sign_ins(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let name = self.attempts_cookie();
        let brought = cookies::crumbs(headers).any(|crumb| crumb.name == name.as_bytes());
        brought.then(|| self.gateway.site.names().clear(&name))
    }

    /// Why sessions do not come back, as far as one of their requests shows it.
    pub(super) async fn loop_cause(&self, parts: &Parts, now: UnixTime) -> Fault {
        let headers = &parts.headers;
        let store = &self.gateway.store;
        match (
            Presented::of(headers, self.gateway.site.names()),
            self.look_up(headers, now).await,
        ) {
            (_, Lookup::Live(_)) => Fault::SessionEnded,
            (_, Lookup::Unavailable) => Fault::StoreUnavailable,
            (Presented::Nothing, _) if self.came_by_http(parts) => Fault::InsecureFront,
            (Presented::Nothing, _) => Fault::SessionLost,
            (Presented::Broken, _) => Fault::SessionCut,
            (Presented::Several(twins), _) => {
                let open = twins
                    .iter()
                    .filter(|sealed| store.open(sealed, now).is_some());
                if open.count() > 1 {
                    Fault::SessionDoubled
                } else {
                    Fault::SessionRefused
                }
            }
            (Presented::Sealed(sealed), _) => match store.unseal(&sealed) {
                Some(session) if is_early(session.signed_in_at, now) => Fault::ClocksDiffer,
                Some(session) if session.is_over(now, store.policy) => {
                    let counted = self.counted(headers);
                    if counted.is_some_and(|counted| counted.is_of(&session)) {
                        Fault::ClocksDiffer
                    } else {
                        // An old one, in place of those that were set since.
                        Fault::SessionLost
                    }
                }
                // The beginning is there, and what follows is not.
                None if matches!(sealed, Cow::Owned(_)) && store.knows_key_of(&sealed) => {
                    Fault::SessionCut
                }
                Some(_) | None => Fault::SessionRefused,
            },
        }
    }

    /// Whether the session that was just handed out is over already, by our clock.
    fn died_at_once(&self, headers: &HeaderMap, now: UnixTime, counted: &Counted) -> bool {
        let Presented::Sealed(sealed) = Presented::of(headers, self.gateway.site.names()) else {
            return false;
        };
        let store = &self.gateway.store;
        let session = store.unseal(&sealed);
        session.is_some_and(|session| session.is_over(now, store.policy) && counted.is_of(&session))
    }

    /// The count that the browser keeps.
    fn counted(&self, headers: &HeaderMap) -> Option<Counted> {
        let name = self.attempts_cookie();
        let binding = self.attempts_binding(&name);
        cookies::crumbs(headers)
            .filter(|crumb| crumb.name == name.as_bytes())
            .take(MAX_COUNTS)
            .find_map(|crumb| {
                let opened = self.gateway.store.keys.open(&binding, crumb.value).ok()?;
                postcard::from_bytes(&opened.plaintext).ok()
            })
    }

    /// Whether a cookie is the count and not an attempt.
    pub(super) fn is_attempts_cookie(&self, name: &str) -> bool {
        name.strip_prefix(self.gateway.site.names().login_prefix()) == Some(SUFFIX)
    }

    fn attempts_cookie(&self) -> String {
        format!("{}{SUFFIX}", self.gateway.site.names().login_prefix())
    }

    fn attempts_binding<'a>(&'a self, cookie: &'a str) -> Binding<'a> {
        let store = &self.gateway.store;
        Binding {
            purpose: Purpose::Login,
            cookie,
            host: &store.host,
            tenant: &store.tenant,
        }
    }
}

/// What tells browsers at one address apart, as far as anything does.
pub(super) fn agent(headers: &HeaderMap) -> &[u8] {
    headers
        .get(header::USER_AGENT)
        .map_or(b"", HeaderValue::as_bytes)
}

/// Whether something was sealed at a time that has not come yet: by a gateway whose clock is ahead.
pub(super) fn is_early(sealed_at: UnixTime, now: UnixTime) -> bool {
    sealed_at.since(now) > TOLERANCE
}

/// Clocks that are kept by NTP agree far better.
const TOLERANCE: Duration = Duration::from_secs(30);

/// Counts that are tried, where the cookie comes several times.
const MAX_COUNTS: usize = 4;

/// A navigation after so many sign-ins without fruit gets a page.
pub(super) const MAX_FRUITLESS: u8 = 3;

#[derive(serde::Serialize, serde::Deserialize)]
struct Counted {
    attempts: u8,
    at: UnixTime,
}

impl Counted {
    /// Whether this counts the sign-in that made `session`, both by the clock of who did so.
    fn is_of(&self, session: &Session) -> bool {
        let signed_in_at = session.signed_in_at;
        self.at.since(signed_in_at) < MEMORY && signed_in_at.since(self.at) < MEMORY
    }
}

/// Not a state's suffix: those have twelve characters.
const SUFFIX: &str = "attempts";
