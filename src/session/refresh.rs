//! Renewing tokens without races.
//!
//! Refresh tokens are used once. So there is one call at a time per refresh token, in a task of its
//! own that no client can cancel, and its result stays for requests that still bring the old cookie.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use sha2::Digest as _;
use sha2::Sha256;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::cookie::CookieStore;
use super::cookie::SealedSession;
use super::cookie::TooLarge;
use super::live::Live;
use super::model::Session;
use crate::crypto::secret::RefreshToken;
use crate::oauth::endpoint::TokenEndpoint;
use crate::oauth::endpoint::TokenError;
use crate::oauth::error::Consequence;
use crate::oauth::provider::BusinessUnit;
use crate::oauth::token::Granted;
use crate::time::Clock;
use crate::time::UnixTime;

/// Renews sessions for all workers.
pub struct Refresher {
    endpoint: Arc<dyn TokenEndpoint>,
    store: Arc<CookieStore>,
    clock: Arc<dyn Clock>,
    /// Part of the key, so that no two packages can ever share a result (CVE-2026-71326).
    realm: String,
    runtime: Handle,
    tasks: TaskTracker,
    flights: Mutex<HashMap<FlightKey, Flight>>,
}

impl Refresher {
    /// A refresher whose calls run on `runtime` and are waited for at shutdown by way of `tasks`.
    pub fn new(
        endpoint: Arc<dyn TokenEndpoint>,
        store: Arc<CookieStore>,
        clock: Arc<dyn Clock>,
        realm: String,
        runtime: Handle,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            endpoint,
            store,
            clock,
            realm,
            runtime,
            tasks,
            flights: Mutex::default(),
        }
    }

    /// The refresh of this session, if there is or was one of late.
    pub fn known(&self, session: &Session) -> Option<Waiting> {
        let key = self.key(session)?;
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = flights.get(&key)?;
        Some(Waiting {
            outcome: flight.outcome.clone(),
            leads: false,
        })
    }

    /// Joins the refresh of this session or starts one. `None` if it has no refresh token.
    pub fn join(self: &Arc<Self>, session: &Arc<Session>) -> Option<Waiting> {
        let key = self.key(session)?;
        let now = self.clock.now();
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key)
            && flight.serves(now)
        {
            return Some(Waiting {
                outcome: flight.outcome.clone(),
                leads: false,
            });
        }
        make_room(&mut flights, now);
        let (sender, outcome) = watch::channel(None);
        flights.insert(
            key,
            Flight {
                outcome: outcome.clone(),
                until: UnixTime::from_millis(u64::MAX),
                started: now,
            },
        );
        drop(flights);
        let (this, session) = (Arc::clone(self), Arc::clone(session));
        self.tasks.spawn_on(
            async move { this.fly(key, &session, &sender).await },
            &self.runtime,
        );
        Some(Waiting {
            outcome,
            leads: true,
        })
    }

    async fn fly(
        &self,
        key: FlightKey,
        session: &Session,
        outcome: &watch::Sender<Option<Outcome>>,
    ) {
        let landed = self.renew(session).await;
        let keep = match &landed {
            Outcome::Renewed(_) => {
                tracing::info!(event = "token.refresh", session = %session.id, "Token renewed.");
                // The browser may never have seen the new cookie, and come back with the old one for as
                // long as that is alive.
                session.idle_until.since(self.clock.now()).max(LATE_COMERS)
            }
            Outcome::Ended(error) if matches!(**error, RefreshError::TooLarge(_)) => {
                tracing::error!(
                    event = "token.refresh", session = %session.id, %error,
                    "The renewed session does not fit the cookies; these are the lengths of its parts."
                );
                LATE_COMERS
            }
            Outcome::Ended(error) => {
                tracing::info!(event = "token.refresh", session = %session.id, %error, "Session ended by the provider.");
                LATE_COMERS
            }
            Outcome::Unavailable { error, .. } => {
                tracing::warn!(event = "token.refresh", session = %session.id, %error, "Token not renewed; the session is kept.");
                COOL_DOWN
            }
        };
        // The result is there before anybody is told that the call ended, so nobody starts another.
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get_mut(&key) {
            flight.until = self.clock.now().plus(keep);
        }
        outcome.send_replace(Some(landed));
    }

    async fn renew(&self, session: &Session) -> Outcome {
        let Some(token) = &session.tokens.refresh else {
            return Outcome::Ended(Arc::new(RefreshError::NoToken));
        };
        let unit = session
            .person
            .business_unit
            .and_then(NonZeroU64::new)
            .map(BusinessUnit);
        match self.endpoint.refresh(token, unit).await {
            Ok(granted) => self.seal(session, granted),
            Err(error) => match error.consequence() {
                Consequence::EndSession => Outcome::Ended(Arc::new(error.into())),
                Consequence::Misconfigured | Consequence::KeepAndRetry => {
                    let retry_after = error.retry_after();
                    Outcome::Unavailable {
                        retry_after,
                        error: Arc::new(error.into()),
                    }
                }
            },
        }
    }

    fn seal(&self, session: &Session, granted: Granted) -> Outcome {
        let now = self.clock.now();
        let mut tokens = granted.tokens;
        // A provider that does not rotate sends no new one: the old one stays good (RFC 6749 §6).
        if tokens.refresh.is_none() {
            let old = session.tokens.refresh.as_ref();
            tokens.refresh = old.and_then(|token| RefreshToken::parse(token.expose()).ok());
        }
        let mut renewed = session.with_tokens(tokens, now, self.store.policy);
        renewed.rest = granted.rest.or(renewed.rest);
        renewed.soap = granted.soap.or(renewed.soap);
        match self.store.seal(&renewed, now) {
            Ok(cookies) => {
                let live = Arc::new(Live::new(Arc::new(renewed)));
                Outcome::Renewed(Arc::new(Renewed { live, cookies }))
            }
            Err(too_large) => Outcome::Ended(Arc::new(too_large.into())),
        }
    }

    /// `None` if the session has no refresh token.
    fn key(&self, session: &Session) -> Option<FlightKey> {
        let token = session.tokens.refresh.as_ref()?;
        let mut hash = Sha256::new();
        hash.update(self.realm.len().to_be_bytes());
        hash.update(&self.realm);
        // Tells apart the refreshes of a token that a provider without rotation takes again and again.
        let expiry = session.tokens.expires_at.as_millis();
        hash.update(expiry.to_be_bytes());
        hash.update(token.expose());
        Some(hash.finalize().into())
    }
}

/// A refresh that is under way, or ended a short while ago.
#[derive(Clone, Debug)]
pub struct Waiting {
    outcome: watch::Receiver<Option<Outcome>>,
    leads: bool,
}

impl Waiting {
    /// Whether this request started the refresh. It has to bring the result to the browser: there may
    /// be no other request for a long time.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// The result, if it is there.
    pub fn now(&self) -> Option<Outcome> {
        self.outcome.borrow().clone()
    }

    /// Waits for the result; `None` if it does not come in time.
    pub async fn wait(self) -> Option<Outcome> {
        self.wait_at_most(PATIENCE).await
    }

    /// Waits a moment for the result, on behalf of a request that can do without.
    pub async fn wait_briefly(self) -> Option<Outcome> {
        self.wait_at_most(COURTESY).await
    }

    async fn wait_at_most(mut self, patience: Duration) -> Option<Outcome> {
        let landed = tokio::time::timeout(patience, self.outcome.wait_for(Option::is_some)).await;
        landed.ok()?.ok()?.clone()
    }
}

/// How a refresh ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// New tokens.
    Renewed(Arc<Renewed>),
    /// The provider said that the session is over.
    Ended(Arc<RefreshError>),
    /// The provider said nothing of use; the session stays.
    Unavailable {
        /// What happened.
        error: Arc<RefreshError>,
        /// When the provider wants to be asked again.
        retry_after: Option<Duration>,
    },
}

/// A session with new tokens, and the cookies that hold it.
#[derive(Debug)]
pub struct Renewed {
    /// The session, ready for use.
    pub live: Arc<Live>,
    /// Its cookies, sealed once for all answers.
    pub cookies: SealedSession,
}

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The provider never gave a refresh token.
    #[error("the session has no refresh token")]
    NoToken,
    /// The provider's answer.
    #[error(transparent)]
    Provider(#[from] TokenError),
    /// The new tokens do not fit the cookies.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    until: UnixTime,
    started: UnixTime,
}

impl Flight {
    /// Whether a request may have this result instead of a call of its own. A token that was renewed
    /// must not be used again, so that result is good for as long as it is kept.
    fn serves(&self, now: UnixTime) -> bool {
        match &*self.outcome.borrow() {
            Some(Outcome::Renewed(_)) => true,
            Some(Outcome::Ended(_) | Outcome::Unavailable { .. }) => now < self.until,
            // A call that ended without a result was a defect of ours; it must not block the session.
            None => self.outcome.has_changed().is_ok(),
        }
    }
}

/// A hash of the whole refresh token, the client and the tenant.
type FlightKey = [u8; 32];

/// Forgets what nobody can ask for any more and, when there are very many, what is oldest.
fn make_room(flights: &mut HashMap<FlightKey, Flight>, now: UnixTime) {
    if flights.len() < MAX_FLIGHTS && flights.len() % 64 != 63 {
        return;
    }
    flights.retain(|_, flight| now < flight.until);
    if flights.len() >= MAX_FLIGHTS {
        let oldest = flights
            .iter()
            .filter(|(_, flight)| flight.outcome.borrow().is_some());
        if let Some(key) = oldest
            .min_by_key(|(_, flight)| flight.started)
            .map(|(key, _)| *key)
        {
            flights.remove(&key);
        }
    }
}

/// How long the result waits, at least, for requests with the old cookie.
const LATE_COMERS: Duration = Duration::from_mins(2);

/// How long nobody asks again after a failure.
const COOL_DOWN: Duration = Duration::from_secs(1);

/// How long a request waits for a refresh: a little longer than the token call may take.
const PATIENCE: Duration = Duration::from_millis(5_500);

/// How long an answer is held back for the cookies of a refresh that its request started.
const COURTESY: Duration = Duration::from_secs(1);

/// Results kept at a time; one is about 5 KB.
const MAX_FLIGHTS: usize = 10_000;

#[cfg(test)]
mod tests;
