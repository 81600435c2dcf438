//! All cookies of ours in one browser. An answer that sets or removes some of them leaves the whole in
//! order: what can no longer serve is gone, and together they fit the `Cookie` line.
//!
//! The session comes first, then the newest sign-ins: sixty tabs that nobody finished must neither fill
//! the line nor push a signed-in person out.

use http::HeaderValue;
use http::header;

use super::lookup::Lookup;
use super::worker::Worker;
use crate::crypto::Binding;
use crate::crypto::Purpose;
use crate::http::Jar;
use crate::http::cookies;
use crate::http::reply::Reply;
use crate::oauth::transaction::State;
use crate::oauth::transaction::Transaction;
use crate::session::cookie::COOKIE_BUDGET;
use crate::session::cookie::SealedSession;
use crate::time::UnixTime;

impl Worker {
    /// Lines that put a session into the browser. The sign-in that it is `of` has done its work, and
    /// older ones that no longer fit beside the session go too.
    pub(super) fn keep_session(
        &self,
        sealed: &SealedSession,
        jar: &Jar<'_>,
        of: Option<&str>,
    ) -> Vec<HeaderValue> {
        let mut lines = sealed.lines(&self.gateway.store, jar);
        let room = COOKIE_BUDGET.saturating_sub(sealed.weight() + COUNT);
        lines.extend(self.thin_out(jar, room, MAX_ATTEMPTS, of));
        lines
    }

    /// Lines that remove sign-ins which can no longer succeed, and the one `of` this answer.
    pub(super) fn sweep(&self, jar: &Jar<'_>, of: Option<&str>) -> Vec<HeaderValue> {
        self.thin_out(jar, usize::MAX, usize::MAX, of)
    }

    /// Lines that take the session out of the browser.
    pub(super) fn drop_session(&self, jar: &Jar<'_>) -> Vec<HeaderValue> {
        let mut lines = self.gateway.store.clear(jar);
        lines.extend(self.sweep(jar, None));
        lines
    }

    /// Lines that make room for another sign-in beside `session`, whose cookie takes so many bytes; `None` where it
    /// would not fit even alone beside the session.
    pub(super) fn make_room(
        &self,
        jar: &Jar<'_>,
        session: &Lookup,
        adding: usize,
    ) -> Option<Vec<HeaderValue>> {
        let store = &self.gateway.store;
        let mut lines = Vec::new();
        let session = match session {
            Lookup::Live(_) | Lookup::Unavailable => store.weight(jar),
            Lookup::NotPresented => 0,
            Lookup::Invalid => {
                lines = store.clear(jar);
                0
            }
        };
        let room = COOKIE_BUDGET
            .saturating_sub(session + COUNT)
            .min(MAX_BYTES)
            .checked_sub(adding)?;
        lines.extend(self.thin_out(jar, room, MAX_ATTEMPTS - 1, None));
        Some(lines)
    }

    /// The sign-in under way that `state` names, however long ago it began. Of cookies with the one name
    /// that takes part which is ours: another may lie at another path.
    pub(super) fn past_transaction(&self, state: &State, jar: &Jar<'_>) -> Option<Transaction> {
        let name = self.login_cookie(state);
        jar.crumbs()
            .filter(|crumb| crumb.name == name.as_bytes())
            .take(MAX_TWINS)
            .filter_map(|crumb| self.open_attempt(&name, crumb.value))
            .find(|transaction| transaction.state.matches(state))
    }

    /// The name of the cookie of one attempt.
    pub(super) fn login_cookie(&self, state: &State) -> String {
        format!(
            "{}{}",
            self.gateway.site.names().login_prefix(),
            state.cookie_suffix()
        )
    }

    pub(super) fn login_binding<'a>(&'a self, cookie: &'a str) -> Binding<'a> {
        let store = &self.gateway.store;
        Binding {
            purpose: Purpose::Login,
            cookie,
            host: &store.host,
            tenant: &store.tenant,
        }
    }

    fn open_attempt(&self, name: &str, value: &[u8]) -> Option<Transaction> {
        let keys = &self.gateway.store.keys;
        let opened = keys.open(&self.login_binding(name), value).ok()?;
        Transaction::from_bytes(&opened.plaintext)
    }

    fn thin_out(
        &self,
        jar: &Jar<'_>,
        room: usize,
        most: usize,
        spent: Option<&str>,
    ) -> Vec<HeaderValue> {
        let names = self.gateway.site.names();
        let attempts = self.attempts(jar);
        let doubled: Vec<&str> = attempts
            .iter()
            .filter(|attempt| attempt.times > 1)
            .map(|attempt| attempt.name)
            .collect();
        let doomed = superfluous(attempts, room, most, spent);
        let mut lines = jar.removals(names, &doomed);
        let kept = doubled.into_iter().filter(|name| !doomed.contains(name));
        lines.extend(kept.flat_map(|name| jar.shadows(names, name)));
        lines
    }

    /// The sign-ins under way in this browser.
    fn attempts<'a>(&self, jar: &Jar<'a>) -> Vec<Attempt<'a>> {
        let prefix = self.gateway.site.names().login_prefix();
        let now = self.gateway.clock.now();
        let mut attempts: Vec<Attempt<'a>> = Vec::new();
        let crumbs = jar.crumbs().take(MAX_LOOKED_AT);
        for (name, value) in crumbs.filter_map(|crumb| {
            let name = std::str::from_utf8(crumb.name).ok()?;
            Some((name, crumb.value))
        }) {
            if !name.starts_with(prefix) || self.is_attempts_cookie(name) {
                continue;
            }
            let live = self
                .open_attempt(name, value)
                .filter(|transaction| !transaction.is_expired(now));
            let one = Attempt {
                started: live.map(|transaction| transaction.started),
                name,
                weight: cookies::weight(name.len(), value.len()),
                times: 1,
            };
            match attempts.iter_mut().find(|other| other.name == name) {
                Some(other) => other.join(&one),
                None => attempts.push(one),
            }
        }
        attempts
    }
}

/// A sign-in that a browser has a cookie of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attempt<'a> {
    /// `None` for one that can no longer succeed.
    started: Option<UnixTime>,
    name: &'a str,
    weight: usize,
    times: usize,
}

impl Attempt<'_> {
    fn join(&mut self, other: &Attempt<'_>) {
        self.started = self.started.max(other.started);
        self.weight += other.weight;
        self.times += other.times;
    }
}

/// The attempts that have to go: what can no longer succeed, the one that is spent, and the oldest
/// until no more than `most` are left and all of them fit.
fn superfluous<'a>(
    mut attempts: Vec<Attempt<'a>>,
    room: usize,
    most: usize,
    spent: Option<&str>,
) -> Vec<&'a str> {
    let is_dead = |attempt: &Attempt<'_>| attempt.started.is_none() || spent == Some(attempt.name);
    attempts.sort_unstable_by_key(|attempt| (!is_dead(attempt), attempt.started, attempt.name));
    let mut count = attempts.len();
    let mut weight: usize = attempts.iter().map(|attempt| attempt.weight).sum();
    let mut doomed = Vec::new();
    for attempt in attempts {
        if !is_dead(&attempt) && count <= most && weight <= room {
            break;
        }
        doomed.push(attempt.name);
        count -= 1;
        weight -= attempt.weight;
    }
    doomed
}

/// Adds `lines` to an answer, each once.
pub(super) fn set_cookies(reply: &mut Reply, lines: impl IntoIterator<Item = HeaderValue>) {
    for line in lines {
        let fields = reply.headers_mut();
        if fields
            .get_all(header::SET_COOKIE)
            .iter()
            .all(|other| other != line)
        {
            fields.append(header::SET_COOKIE, line);
        }
    }
}

/// Sign-ins under way in one browser.
const MAX_ATTEMPTS: usize = 5;

/// Bytes of their cookies, together, however little the session takes.
const MAX_BYTES: usize = 4_500;

/// Bytes of the cookie that counts sign-ins without fruit: see `loop_breaker`.
const COUNT: usize = 120;

/// Cookies of one name that are tried.
const MAX_TWINS: usize = 4;

/// Cookies of a request that are looked at.
const MAX_LOOKED_AT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::KeyRing;
    use crate::crypto::MasterKey;
    use crate::crypto::OsEntropy;
    use crate::http::CookieNames;
    use crate::http::ReturnPath;
    use crate::oauth::pkce;
    use crate::session::cookie::SIGN_IN_ROOM;

    fn attempt(name: &str, started: Option<u64>, weight: usize) -> Attempt<'_> {
        Attempt {
            started: started.map(UnixTime::from_millis),
            name,
            weight,
            times: 1,
        }
    }

    #[test]
    fn the_dead_and_the_oldest_make_room() {
        let all = || {
            vec![
                attempt("new", Some(3), 100),
                attempt("dead", None, 100),
                attempt("old", Some(1), 100),
                attempt("middle", Some(2), 100),
            ]
        };
        for (room, most, spent, expected) in [
            (1_000, 5, None, &["dead"][..]),
            (300, 3, None, &["dead"]),
            (299, 3, None, &["dead", "old"]),
            (300, 2, None, &["dead", "old"]),
            (200, 5, Some("new"), &["dead", "new"]),
            (199, 5, Some("new"), &["dead", "new", "old"]),
            (0, 5, None, &["dead", "old", "middle", "new"]),
        ] {
            assert_eq!(
                superfluous(all(), room, most, spent),
                expected,
                "{room} {most} {spent:?}"
            );
        }
    }

    #[test]
    fn what_the_largest_session_leaves_free_is_enough_for_a_sign_in() {
        let state = State::generate(&OsEntropy);
        let prefix = CookieNames::new(true).login_prefix();
        let name = format!("{prefix}{}", state.cookie_suffix());
        let attempt = Transaction {
            state,
            verifier: Some(pkce::verifier(&OsEntropy)),
            return_path: ReturnPath::root(),
            started: UnixTime::from_millis(9_999_999_999_999),
            attempts: 3,
        };
        let binding = Binding {
            purpose: Purpose::Login,
            cookie: &name,
            host: "tool.example.com",
            tenant: "tenant/client",
        };
        let ring = KeyRing::new(MasterKey::generate(&OsEntropy), Vec::new());
        let sealed = ring.seal(&binding, &attempt.to_bytes(), &OsEntropy);
        let weight = cookies::weight(name.len(), sealed.len());
        assert!(weight + COUNT <= SIGN_IN_ROOM, "{weight}");
    }

    #[test]
    fn what_is_set_and_removed_stands_in_an_answer_once() {
        let mut reply = crate::http::reply::empty(http::StatusCode::OK);
        let line = HeaderValue::from_static("a=; Max-Age=0");
        set_cookies(&mut reply, [line.clone(), line.clone()]);
        set_cookies(&mut reply, [line, HeaderValue::from_static("b=")]);
        assert_eq!(
            reply.headers().get_all(header::SET_COOKIE).iter().count(),
            2
        );
    }
}
