//! Loops stop: a browser whose sessions do not come back is told why, instead of being sent round.
//!
//! A navigation without a session, right after a sign-in to the same page from the same place, raises
//! a suspicion. Its own sign-in then leaves a cookie for a minute that counts; the navigation after the
//! third sign-in without fruit ends in a page. A sign-in that works leaves nothing.

use std::net::IpAddr;

use http::HeaderMap;
use http::HeaderValue;
use http::header;

use super::arrivals::MEMORY;
use super::pipeline::Lookup;
use super::worker::Worker;
use crate::crypto::Binding;
use crate::crypto::Purpose;
use crate::fault::Fault;
use crate::http::ReturnPath;
use crate::http::cookies;
use crate::session::Presented;
use crate::time::UnixTime;

impl Worker {
    /// How many sign-ins of this browser bore no fruit within the last minute.
    pub(super) fn fruitless_sign_ins(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
        path: &ReturnPath,
    ) -> u8 {
        let name = self.attempts_cookie();
        let crumb = cookies::crumbs(headers).find(|crumb| crumb.name == name.as_bytes());
        let opened = crumb.and_then(|crumb| {
            self.gateway
                .store
                .keys
                .open(&self.attempts_binding(&name), crumb.value)
                .ok()
        });
        let counted =
            opened.and_then(|opened| postcard::from_bytes::<Counted>(&opened.plaintext).ok());
        let now = self.gateway.clock.now();
        if let Some(counted) = counted.filter(|counted| now.since(counted.at) < MEMORY) {
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
    pub(super) async fn loop_cause(&self, headers: &HeaderMap, now: UnixTime) -> Fault {
        match (
            Presented::of(headers, self.gateway.site.names()),
            self.look_up(headers, now).await,
        ) {
            (_, Lookup::Live(_)) => Fault::SessionEnded,
            (_, Lookup::Unavailable) => Fault::StoreUnavailable,
            (Presented::Nothing, _) => Fault::SessionLost,
            (Presented::Broken, _) => Fault::SessionCut,
            (Presented::Sealed(_), _) => Fault::SessionRefused,
        }
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

/// A navigation after so many sign-ins without fruit gets a page.
pub(super) const MAX_FRUITLESS: u8 = 3;

#[derive(serde::Serialize, serde::Deserialize)]
struct Counted {
    attempts: u8,
    at: UnixTime,
}

/// Not a state's suffix: those have twelve characters.
const SUFFIX: &str = "attempts";
