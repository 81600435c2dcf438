//! Starting a sign-in: state, challenge, a cookie for this attempt, and off to the provider.

use http::StatusCode;
use http::request::Parts;

use super::browser_cookies::set_cookies;
use super::worker::Worker;
use crate::fault::Fault;
use crate::http::Jar;
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
    pub(super) async fn start_sign_in(
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
            .is_some_and(|rest| rest != "/")
            && !self.ends_sign_in(&return_path);
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
        let mut transaction = Transaction {
            state,
            verifier,
            return_path,
            started: gateway.clock.now(),
            attempts,
        };
        let jar = Jar::from(parts);
        let session = self.look_up_in(&jar).await;
        let seal = |transaction: &Transaction| {
            let keys = &gateway.store.keys;
            let sealed = keys.seal(&self.login_binding(&name), &transaction.to_bytes(), entropy);
            let adding = cookies::weight(name.len(), sealed.len());
            let room = self.make_room(&jar, &session, adding);
            (sealed, room)
        };
        let (mut sealed, mut room) = seal(&transaction);
        if room.is_none() {
            // Beside a large session a long address does not fit; nobody is signed out for it.
            transaction.return_path = ReturnPath::root();
            (sealed, room) = seal(&transaction);
        }
        let Some(mut reply) = reply::redirect(StatusCode::FOUND, &location) else {
            return Refusal::from(Fault::Internal).reply(Audience::Person, &self.voice(parts), "");
        };
        set_cookies(&mut reply, room.unwrap_or_default());
        let line = gateway
            .site
            .names()
            .set(&name, &sealed, TRANSACTION_LIFETIME);
        set_cookies(&mut reply, [line]);
        gateway.events.sign_in_started();
        tracing::debug!(event = "sign_in.started", "Sign-in started.");
        reply
    }

    /// The sign-in that a callback with `state` belongs to, if this browser started it.
    pub(super) fn transaction(&self, state: &State, jar: &Jar<'_>) -> Option<Transaction> {
        let now = self.gateway.clock.now();
        self.past_transaction(state, jar)
            .filter(|transaction| !transaction.is_expired(now))
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
