//! Starting a sign-in: state, challenge, a cookie for this attempt, and off to the provider.

use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use http::request::Parts;

use super::worker::Worker;
use crate::crypto::Binding;
use crate::crypto::Purpose;
use crate::fault::Fault;
use crate::http::ReturnPath;
use crate::http::cookies;
use crate::http::refusal::Audience;
use crate::http::refusal::Refusal;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::oauth::authorize::authorize_url;
use crate::oauth::pkce;
use crate::oauth::provider::Pkce;
use crate::oauth::transaction::State;
use crate::oauth::transaction::TRANSACTION_LIFETIME;
use crate::oauth::transaction::Transaction;

impl Worker {
    /// Sends a person to the provider, to come back to `return_path`, after so many `attempts` that
    /// bore no fruit.
    pub(super) fn start_sign_in(
        &self,
        parts: &Parts,
        return_path: ReturnPath,
        attempts: u8,
    ) -> Reply {
        let gateway = &self.gateway;
        let entropy = gateway.entropy.as_ref();
        // Coming back to `start` would start again, for ever.
        let own = gateway
            .site
            .prefix()
            .strip(return_path.as_str())
            .is_some_and(|rest| rest != "/");
        let return_path = if own { ReturnPath::root() } else { return_path };
        let state = State::generate(entropy);
        let verifier = (gateway.provider.pkce == Pkce::S256).then(|| pkce::verifier(entropy));
        let challenge = verifier.as_ref().map(pkce::challenge);
        let location = authorize_url(
            &gateway.provider,
            &gateway.site.redirect_uri(),
            &state,
            challenge.as_deref(),
        );
        let name = self.login_cookie(&state);
        let transaction = Transaction {
            state,
            verifier,
            return_path,
            started: gateway.clock.now(),
            attempts,
        };
        let sealed =
            gateway
                .store
                .keys
                .seal(&self.login_binding(&name), &transaction.to_bytes(), entropy);
        let Some(mut reply) = reply::redirect(StatusCode::FOUND, &location) else {
            return Refusal::from(Fault::Internal).reply(Audience::Person, "");
        };
        for line in self.crowded_out(&parts.headers, name.len() + sealed.len()) {
            reply.headers_mut().append(header::SET_COOKIE, line);
        }
        let line = gateway
            .site
            .names()
            .set(&name, &sealed, TRANSACTION_LIFETIME);
        reply.headers_mut().append(header::SET_COOKIE, line);
        gateway.events.sign_in_started();
        tracing::debug!(event = "sign_in.started", "Sign-in started.");
        reply
    }

    /// The sign-in that a callback with `state` belongs to, if this browser started it.
    pub(super) fn transaction(&self, state: &State, headers: &HeaderMap) -> Option<Transaction> {
        let now = self.gateway.clock.now();
        self.past_transaction(state, headers)
            .filter(|transaction| !transaction.is_expired(now))
    }

    /// The same, however long ago.
    pub(super) fn past_transaction(
        &self,
        state: &State,
        headers: &HeaderMap,
    ) -> Option<Transaction> {
        let name = self.login_cookie(state);
        let mut found = cookies::crumbs(headers).filter(|crumb| crumb.name == name.as_bytes());
        let (sealed, second) = (found.next()?, found.next());
        if second.is_some() {
            return None;
        }
        let opened = self
            .gateway
            .store
            .keys
            .open(&self.login_binding(&name), sealed.value)
            .ok()?;
        let transaction = Transaction::from_bytes(&opened.plaintext)?;
        transaction.state.matches(state).then_some(transaction)
    }

    /// The name of the cookie of one attempt.
    pub(super) fn login_cookie(&self, state: &State) -> String {
        format!(
            "{}{}",
            self.gateway.site.names().login_prefix(),
            state.cookie_suffix()
        )
    }

    fn login_binding<'a>(&'a self, cookie: &'a str) -> Binding<'a> {
        let store = &self.gateway.store;
        Binding {
            purpose: Purpose::Login,
            cookie,
            host: &store.host,
            tenant: &store.tenant,
        }
    }

    /// Removes the oldest attempts when there are too many: sixty tabs that nobody finished must not
    /// fill the browser's `Cookie` line.
    fn crowded_out(&self, headers: &HeaderMap, adding: usize) -> Vec<HeaderValue> {
        let names = self.gateway.site.names();
        let mut attempts: Vec<_> = cookies::crumbs(headers)
            .filter_map(|crumb| Some((std::str::from_utf8(crumb.name).ok()?, crumb.value)))
            .filter(|(name, _)| {
                name.starts_with(names.login_prefix()) && !self.is_attempts_cookie(name)
            })
            .map(|(name, value)| (self.started(name, value), name, name.len() + value.len()))
            .collect();
        attempts.sort_unstable();
        // Nobody makes us write more lines than a browser has cookies.
        attempts.truncate(MAX_CLEARED);
        let mut count = attempts.len() + 1;
        let mut bytes = adding + attempts.iter().map(|(_, _, length)| length).sum::<usize>();
        let mut lines = Vec::new();
        for (started, name, length) in attempts {
            if count <= MAX_ATTEMPTS && bytes <= MAX_BYTES && started.is_some() {
                break;
            }
            lines.push(names.clear(name));
            count -= 1;
            bytes -= length;
        }
        lines
    }

    /// When an attempt began; `None` for one that can no longer succeed, which sorts first.
    fn started(&self, name: &str, value: &[u8]) -> Option<crate::time::UnixTime> {
        let opened = self
            .gateway
            .store
            .keys
            .open(&self.login_binding(name), value)
            .ok()?;
        let transaction = Transaction::from_bytes(&opened.plaintext)?;
        (!transaction.is_expired(self.gateway.clock.now())).then_some(transaction.started)
    }
}

/// Where a person wanted to go: the page that was asked for, never a host.
pub(super) fn requested_path(parts: &Parts) -> ReturnPath {
    let asked = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    ReturnPath::parse(asked).unwrap_or_else(|_| ReturnPath::root())
}

/// Attempts looked at in one request.
const MAX_CLEARED: usize = 50;

/// Sign-ins under way in one browser.
const MAX_ATTEMPTS: usize = 5;

/// Bytes of their cookies, together.
const MAX_BYTES: usize = 4_500;
