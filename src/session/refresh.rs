//! Renewing tokens without races.
//!
//! Refresh tokens are used once. So there is one call at a time per refresh token, in a task of its
//! own that no client can cancel, and its result stays for requests that still bring the old cookie.

mod error;
mod spans;
mod switch;
mod together;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use sha2::Digest as _;
use sha2::Sha256;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

pub use super::changes::Renewed;
pub use error::RefreshError;
pub use switch::Switched;

use super::changes::Changes;
use super::cookie::CookieStore;
use super::cookie::SealedSession;
use super::live::Live;
use super::model::Session;
use super::shared::Replicas;
use crate::crypto::secret::RefreshToken;
use crate::oauth::Directory;
use crate::oauth::Identity;
use crate::oauth::Subdomain;
use crate::oauth::error::Consequence;
use crate::oauth::provider::BusinessUnit;
use crate::oauth::token::Granted;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::labels;
use crate::telemetry::traces::TraceContext;
use crate::time::Clock;
use crate::time::UnixTime;

/// Renews sessions for all workers.
pub struct Refresher {
    provider: Arc<Directory>,
    store: Arc<CookieStore>,
    clock: Arc<dyn Clock>,
    /// Part of the key, so that no two packages can ever share a result (CVE-2026-71326).
    realm: String,
    runtime: Handle,
    tasks: TaskTracker,
    /// What is coordinated with other replicas, and how.
    replicas: Option<Arc<Replicas>>,
    /// Kept when the configuration changes, and so is what follows: a refresh token is used once,
    /// whichever configuration its request came under.
    flights: Arc<Mutex<HashMap<FlightKey, Flight>>>,
    changes: Arc<Changes>,
    /// Whether each refresh asks who it is, too.
    rereads: bool,
    events: Events,
    spans: Option<spans::Spans>,
}

impl Refresher {
    /// A refresher whose calls run on `runtime` and are waited for at shutdown by way of `tasks`.
    pub fn new(
        provider: Arc<Directory>,
        store: Arc<CookieStore>,
        clock: Arc<dyn Clock>,
        realm: String,
        runtime: Handle,
        tasks: TaskTracker,
        events: Events,
    ) -> Self {
        Self {
            provider,
            store,
            clock,
            realm,
            runtime,
            tasks,
            replicas: None,
            flights: Arc::default(),
            changes: Arc::default(),
            rereads: false,
            events,
            spans: None,
        }
    }

    /// The same, for a gateway that is not alone.
    #[must_use]
    pub fn together_with(self, replicas: Arc<Replicas>) -> Self {
        Self {
            replicas: Some(replicas),
            ..self
        }
    }

    /// The same, which goes on where `before` is: one of the same realm, under an earlier configuration.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        debug_assert_eq!(self.realm, before.realm, "no two realms share a result");
        Self {
            flights: Arc::clone(&before.flights),
            changes: Arc::clone(&before.changes),
            ..self
        }
    }

    /// The same, where what userinfo tells is to be no older than the tokens.
    #[must_use]
    pub fn rereading(self, rereads: bool) -> Self {
        Self { rereads, ..self }
    }

    /// What sessions have become that are more than renewed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The refresh of this session, if there is or was one of late.
    pub fn known(&self, session: &Session) -> Option<Waiting> {
        let key = self.key(session)?;
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = flights.get(&key)?;
        Some(Waiting {
            outcome: flight.outcome.clone(),
            aim: flight.aim.clone(),
            leads: false,
        })
    }

    /// What another replica has made of this session, if replicas share the results of their refreshes.
    pub async fn known_elsewhere(&self, session: &Session) -> Option<Outcome> {
        let replicas = self.replicas.as_ref()?;
        let flight = hex(&self.key(session)?);
        self.result_elsewhere(replicas, &flight, session).await
    }

    /// Joins the refresh of this session or starts one. `None` if it has no refresh token.
    pub fn join(self: &Arc<Self>, session: &Arc<Session>) -> Option<Waiting> {
        self.board(session, None, None)
    }

    /// The same for a refresh that leads to `unit`, unless another one is there already.
    fn board(
        self: &Arc<Self>,
        session: &Arc<Session>,
        unit: Option<BusinessUnit>,
        cause: Option<TraceContext>,
    ) -> Option<Waiting> {
        let key = self.key(session)?;
        let now = self.clock.now();
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key)
            && flight.serves(now)
        {
            if flight.is_renewed() {
                self.events.came_late();
            }
            return Some(Waiting {
                outcome: flight.outcome.clone(),
                aim: flight.aim.clone(),
                leads: false,
            });
        }
        make_room(&mut flights, now);
        let (sender, outcome) = watch::channel(None);
        let aim = Aim {
            unit,
            verdict: Arc::default(),
            place: self.place(cause),
        };
        flights.insert(
            key,
            Flight {
                outcome: outcome.clone(),
                aim: aim.clone(),
                until: UnixTime::from_millis(u64::MAX),
                started: now,
            },
        );
        drop(flights);
        let (this, session) = (Arc::clone(self), Arc::clone(session));
        let to = aim.clone();
        self.tasks.spawn_on(
            // Log lines name what the request's do.
            async move { this.fly(key, &session, &to, &sender).await }.in_current_span(),
            &self.runtime,
        );
        Some(Waiting {
            outcome,
            aim,
            leads: true,
        })
    }

    async fn fly(
        self: &Arc<Self>,
        key: FlightKey,
        session: &Session,
        aim: &Aim,
        outcome: &watch::Sender<Option<Outcome>>,
    ) {
        let begun = Instant::now();
        let landed = self.renew(&key, session, aim).await;
        self.events.refreshed(landed.label());
        self.note_span(aim, begun, landed.label());
        let keep = match &landed {
            Outcome::Renewed(renewed) => {
                tracing::info!(event = "token.refresh", session = %session.id, "Token renewed.");
                // The browser may never have seen the new cookie, and come back with the old one for as
                // long as that is alive.
                let now = self.clock.now();
                let keep = session.idle_until.since(now).max(LATE_COMERS);
                self.changes.note(session, renewed, now.plus(keep), now);
                keep
            }
            Outcome::Kept => {
                tracing::info!(event = "unit.refused", session = %session.id, "The provider refused the business unit.");
                Duration::ZERO
            }
            Outcome::Ended(error) if matches!(**error, RefreshError::TooLarge(_)) => {
                tracing::error!(
                    event = "token.refresh", session = %session.id, %error,
                    "The renewed session does not fit the cookies; these are the lengths of its parts."
                );
                LATE_COMERS
            }
            Outcome::Ended(error) => {
                tracing::info!(event = "token.refresh", session = %session.id, %error, "The session is over.");
                LATE_COMERS
            }
            Outcome::Unavailable { error, .. } => {
                tracing::warn!(
                    event = "token.refresh", session = %session.id, %error, setup = error.in_setup(),
                    "Token not renewed; the session is kept."
                );
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

    async fn renew(self: &Arc<Self>, key: &FlightKey, session: &Session, aim: &Aim) -> Outcome {
        let Some(replicas) = &self.replicas else {
            let called = self.call(session, aim).await;
            return called.map_or_else(|failed| failed, |renewed| self.outcome(renewed));
        };
        let flight = hex(key);
        self.renew_together(replicas, &flight, session, aim).await
    }

    /// The session with new tokens from the provider, or what its refusal comes to.
    async fn call(&self, session: &Session, aim: &Aim) -> Result<Session, Outcome> {
        let renewed = match aim.unit {
            Some(unit) => self.move_to(session, unit, &aim.verdict).await?,
            None => self.follow(session).await?,
        };
        Ok(self.fitting(renewed))
    }

    /// A refresh that stays in the unit.
    async fn follow(&self, session: &Session) -> Result<Session, Outcome> {
        // Always said: nothing documents which unit a refresh without it is for.
        let renewed = self.ask(session, home(session)).await.map_err(failed)?;
        if self.rereads || session.line.unsettled {
            self.reread(renewed).await
        } else {
            Ok(renewed)
        }
    }

    /// Rather without the list of units than without the session.
    fn fitting(&self, mut session: Session) -> Session {
        let listed = session.ticket.is_none() && session.person.recent.len() > 1;
        if listed && self.store.seal_text(&session).is_err() {
            session.person.recent.truncate(1);
        }
        session
    }

    /// One token call.
    async fn ask(
        &self,
        session: &Session,
        unit: Option<BusinessUnit>,
    ) -> Result<Session, RefreshError> {
        let token = session.tokens.refresh.as_ref();
        let token = token.ok_or(RefreshError::NoToken)?;
        let endpoint = self.provider.at(session.tenant.as_ref())?;
        let granted = endpoint.refresh(token, unit).await?;
        Ok(self.renewed(session, granted))
    }

    /// The session with what userinfo tells now. Without an answer what was known stays: the next
    /// refresh asks again.
    async fn reread(&self, session: Session) -> Result<Session, Outcome> {
        let asked = tokio::time::timeout(FACTS, self.who(&session)).await;
        match asked.ok().flatten() {
            Some(identity) if identity.sub != session.person.sub => {
                Err(Outcome::Ended(Arc::new(RefreshError::Stranger)))
            }
            Some(identity) => Ok(Session {
                person: session.person.updated(identity),
                ..session
            }),
            None => Ok(session),
        }
    }

    /// Who it is by the session's new token.
    async fn who(&self, session: &Session) -> Option<Identity> {
        let told = match self.provider.at(session.tenant.as_ref()) {
            Ok(endpoint) => endpoint.userinfo(&session.tokens.access).await,
            Err(error) => Err(error),
        };
        told.inspect_err(|error| {
            tracing::warn!(event = "userinfo.failed", session = %session.id, %error,
                "What is known of a person was not read again.");
        })
        .ok()
    }

    fn renewed(&self, session: &Session, granted: Granted) -> Session {
        let mut tokens = granted.tokens;
        // A provider that does not rotate sends no new one: the old one stays good (RFC 6749 §6).
        if tokens.refresh.is_none() {
            let old = session.tokens.refresh.as_ref();
            tokens.refresh = old.and_then(|token| RefreshToken::parse(token.expose()).ok());
        }
        let mut renewed = session.with_tokens(tokens, self.clock.now(), self.store.policy);
        renewed.line = session.line.next();
        renewed.rest = granted.rest.or(renewed.rest);
        renewed.soap = granted.soap.or(renewed.soap);
        renewed
    }

    /// A renewed session, ready for use, with what the browser has to learn of it: where a store keeps
    /// it, nothing.
    fn outcome(&self, renewed: Session) -> Outcome {
        let cookies = if renewed.ticket.is_some() {
            Ok(SealedSession::unchanged())
        } else {
            self.store.seal(&renewed, self.clock.now())
        };
        match cookies {
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
        let tenant = session.tenant.as_ref().map_or("", Subdomain::as_str);
        hash.update(tenant.len().to_be_bytes());
        hash.update(tenant);
        // Tells apart the refreshes of a token that a provider without rotation takes again and again.
        let expiry = session.tokens.expires_at.as_millis();
        hash.update(expiry.to_be_bytes());
        hash.update(session.line.step.to_be_bytes());
        hash.update(token.expose());
        Some(hash.finalize().into())
    }
}

/// A refresh that is under way, or ended a short while ago.
#[derive(Clone, Debug)]
pub struct Waiting {
    outcome: watch::Receiver<Option<Outcome>>,
    aim: Aim,
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
    /// The business unit that was asked for was refused; the session is as it was, and so are its tokens.
    Kept,
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

impl Outcome {
    fn label(&self) -> labels::Refresh {
        match self {
            Self::Renewed(_) => labels::Refresh::Renewed,
            Self::Ended(error) => match **error {
                RefreshError::TooLarge(_) => labels::Refresh::TooLarge,
                RefreshError::NoToken
                | RefreshError::Provider(_)
                | RefreshError::Gone
                | RefreshError::Elsewhere
                | RefreshError::Stranger
                | RefreshError::Store(_) => labels::Refresh::Ended,
            },
            Self::Kept => labels::Refresh::Kept,
            Self::Unavailable { .. } => labels::Refresh::Unavailable,
        }
    }
}

/// What a failed call means for the session.
fn failed(error: RefreshError) -> Outcome {
    let (consequence, retry_after) = match &error {
        RefreshError::Provider(error) => (error.consequence(), error.retry_after()),
        _ => (Consequence::EndSession, None),
    };
    match consequence {
        Consequence::EndSession => Outcome::Ended(Arc::new(error)),
        Consequence::Misconfigured | Consequence::KeepAndRetry => Outcome::Unavailable {
            error: Arc::new(error),
            retry_after,
        },
    }
}

/// The unit that a session is in.
fn home(session: &Session) -> Option<BusinessUnit> {
    session.person.business_unit.and_then(BusinessUnit::of)
}

/// Where a refresh leads, and what came of that for whoever asked for it.
#[derive(Clone, Debug)]
struct Aim {
    unit: Option<BusinessUnit>,
    verdict: Arc<OnceLock<switch::Verdict>>,
    /// Its span, if somebody follows the trace of the request that began it.
    place: Option<spans::Place>,
}

struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    aim: Aim,
    until: UnixTime,
    started: UnixTime,
}

impl Flight {
    fn is_renewed(&self) -> bool {
        matches!(&*self.outcome.borrow(), Some(Outcome::Renewed(_)))
    }

    /// Whether a request may have this result instead of a call of its own. A token that was renewed
    /// must not be used again, so that result is good for as long as it is kept.
    fn serves(&self, now: UnixTime) -> bool {
        match &*self.outcome.borrow() {
            Some(Outcome::Renewed(_)) => true,
            Some(Outcome::Kept) => false,
            Some(Outcome::Ended(_) | Outcome::Unavailable { .. }) => now < self.until,
            // A call that ended without a result was a defect of ours; it must not block the session.
            None => self.outcome.has_changed().is_ok(),
        }
    }
}

/// As it is named where other replicas see it.
fn hex(key: &FlightKey) -> String {
    key.iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
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

/// How long a refresh waits for what userinfo tells.
const FACTS: Duration = Duration::from_secs(2);

/// How long an answer is held back for the cookies of a refresh that its request started.
const COURTESY: Duration = Duration::from_secs(1);

/// Results kept at a time; one is about 5 KB.
const MAX_FLIGHTS: usize = 10_000;

#[cfg(test)]
mod tests;
