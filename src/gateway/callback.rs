//! Ending a sign-in: the callback is checked, its code exchanged, the person read, the session set.

mod spans;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;
use tracing::Instrument as _;

use spans::Asked;
use spans::Spans;
use spans::noted;

use super::Gateway;
use super::browser_cookies::set_cookies;
use super::lookup::Lookup;
use super::loop_breaker;
use super::rates;
use super::record::Record;
use super::worker::Worker;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::CodeVerifier;
use crate::fault::Fault;
use crate::http::Jar;
use crate::http::ReturnPath;
use crate::http::refusal::Refusal;
use crate::http::reply;
use crate::http::reply::Reply;
use crate::oauth::Subdomain;
use crate::oauth::callback::Callback;
use crate::oauth::endpoint::TokenError;
use crate::oauth::error::TokenErrorCode;
use crate::oauth::transaction::State;
use crate::session::Line;
use crate::session::id::SessionId;
use crate::session::model::Person;
use crate::session::model::Session;
use crate::session::ticket::Ticket;

impl Worker {
    /// `GET /oauth2/callback`.
    pub(super) async fn callback(&self, parts: &Parts, record: &mut Record) -> Reply {
        if let Err(refusal) = self.gateway.limiters.callback(record.client()) {
            return rates::refuse(&refusal, &self.voice(parts), parts, record);
        }
        let query = parts.uri.query().unwrap_or_default();
        let outcome = match Callback::parse(query) {
            Ok(Callback::Granted {
                code,
                state,
                tssd,
                iss: _,
            }) => match self.gateway.provider.tenant_of(tssd) {
                Ok(tenant) => {
                    let code = Redemption { code, tenant };
                    self.granted(code, &state, parts, record).await
                }
                Err(error) => Err(Failed {
                    fault: error.fault(),
                    state: Some(state),
                    wait: None,
                }),
            },
            Ok(Callback::Refused {
                error,
                state,
                description,
            }) => {
                tracing::info!(
                    event = "sign_in.refused",
                    ?error,
                    description,
                    code = error.fault().code(),
                    setup = error.fault().in_setup(),
                    request_id = record.id().as_str(),
                    "The provider refused a sign-in."
                );
                // Only an answer to a question of this browser's is worth a page of its own.
                let ours = state
                    .as_ref()
                    .is_some_and(|state| self.transaction(state, &parts.into()).is_some());
                Err(Failed {
                    fault: if ours {
                        error.fault()
                    } else {
                        Fault::ForeignCallback
                    },
                    state,
                    wait: None,
                })
            }
            Err(error) => Err(Failed {
                fault: error.fault(),
                state: None,
                wait: None,
            }),
        };
        match outcome {
            Ok(reply) => reply,
            Err(failed) => self.failed(failed, parts, record).await,
        }
    }

    async fn granted(
        &self,
        code: Redemption,
        state: &State,
        parts: &Parts,
        record: &Record,
    ) -> Result<Reply, Failed> {
        let (gateway, client) = (&self.gateway, record.client());
        let failed = |fault| Failed {
            fault,
            state: State::parse(&state.to_text()).ok(),
            wait: None,
        };
        let transaction = self
            .transaction(state, &parts.into())
            .ok_or_else(|| failed(Fault::ForeignCallback))?;
        // The code is good once: a store that is away must not cost it.
        if gateway
            .records
            .as_ref()
            .is_some_and(|records| !records.is_up())
        {
            return Err(Failed {
                fault: Fault::StoreUnavailable,
                state: None,
                wait: None,
            });
        }
        let claim = state.cookie_suffix();
        if !gateway.used_states.claim(&claim, gateway.clock.now()) {
            return Err(failed(Fault::CodeRefused));
        }
        let mut session = self
            .exchange(code, transaction.verifier, record)
            .await
            .map_err(|error| {
                let (fault, wait) = (error.fault(), error.retry_after());
                tracing::warn!(event = "sign_in.failed", %error, code = fault.code(), setup = fault.in_setup(), "Sign-in failed.");
                if matches!(error, SignInError::Token(TokenError::Unavailable { .. })) {
                    // The code may still be good: loading the callback again is another try.
                    gateway.used_states.release(&claim);
                    let state = None;
                    return Failed { fault, state, wait };
                }
                Failed {
                    wait,
                    ..failed(fault)
                }
            })?;
        let now = gateway.clock.now();
        if let Some(records) = &gateway.records {
            let entropy = gateway.entropy.as_ref();
            let ticket = Ticket::generate(session.id, session.ends_at, entropy);
            session.ticket = Some(Arc::new(ticket));
            records.create(&session).await.map_err(|error| {
                tracing::error!(event = "sign_in.failed", %error, "The session could not be stored.");
                failed(Fault::StoreUnavailable)
            })?;
        }
        let sealed = match &session.ticket {
            Some(ticket) => Ok(gateway.store.seal_ticket(ticket, now)),
            None => gateway.store.seal(&session, now),
        };
        let sealed = sealed.map_err(|error| {
            tracing::error!(
                event = "sign_in.failed",
                %error,
                "The session does not fit the cookies; these are the lengths of its parts."
            );
            failed(Fault::SessionTooLarge)
        })?;
        gateway.events.sign_in_finished();
        tracing::info!(event = "sign_in.finished", session = %session.id, user = session.person.sub, "Signed in.");
        let spent = self.login_cookie(state);
        if let Some(challenge) = self.handover_challenge(&transaction.return_path) {
            let mut reply = self
                .hand_over(parts, &session, challenge, now)
                .ok_or_else(|| failed(Fault::Internal))?;
            set_cookies(&mut reply, self.sweep(&parts.into(), Some(&spent)));
            return Ok(reply);
        }
        let mut lines = self.keep_session(&sealed, &parts.into(), Some(&spent));
        let mut fruitless = transaction.attempts;
        if loop_breaker::is_early(transaction.started, now) {
            tracing::warn!(
                event = "sign_in.clocks_differ",
                ahead_seconds = transaction.started.since(now).as_secs(),
                "A gateway whose clock is ahead of ours started this sign-in."
            );
            // It may take the session for an old one, and has no memory of having sent it here.
            fruitless = fruitless.max(1);
        }
        lines.extend(self.count_sign_in(fruitless));
        let agent = loop_breaker::agent(&parts.headers);
        gateway.arrivals.arrived(
            client,
            agent,
            transaction.return_path.as_str(),
            session.id,
            now,
        );
        // With no code in the address (RFC 9700 §4.2).
        let to = transaction.return_path.as_str();
        let mut reply =
            reply::redirect(StatusCode::SEE_OTHER, to).ok_or_else(|| failed(Fault::Internal))?;
        set_cookies(&mut reply, lines);
        Ok(reply)
    }

    async fn failed(&self, failed: Failed, parts: &Parts, record: &mut Record) -> Reply {
        let Failed { fault, state, wait } = failed;
        let stale = matches!(fault, Fault::ForeignCallback | Fault::CodeRefused);
        // The back button over a finished sign-in: whoever is signed in just goes on.
        if stale
            && matches!(
                self.look_up(&parts.headers, self.gateway.clock.now()).await,
                Lookup::Live(_)
            )
        {
            let past = state
                .as_ref()
                .and_then(|state| self.past_transaction(state, &parts.into()));
            let to = past.map_or_else(ReturnPath::root, |past| past.return_path);
            let mut reply = reply::redirect(StatusCode::SEE_OTHER, to.as_str())
                .unwrap_or_else(|| reply::empty(StatusCode::OK));
            set_cookies(&mut reply, self.sweep(&parts.into(), None));
            return reply;
        }
        // Cookies with `Secure` never come over http: then no sign-in can be found.
        let fault = if fault == Fault::ForeignCallback && self.came_by_http(parts) {
            Fault::InsecureFront
        } else {
            fault
        };
        self.gateway.events.sign_in_failed(fault);
        record.refused(fault);
        let login_url = Some(self.gateway.site.login_url("/"));
        let refusal = Refusal {
            login_url,
            retry_after: wait
                .map(|wait| wait.as_secs().max(1))
                .or_else(|| retry_after(fault)),
            ..fault.into()
        };
        let mut reply = refusal.reply(
            self.audience(parts),
            &self.voice(parts),
            record.id().as_str(),
        );
        let jar = Jar::from(parts);
        if let Some(name) = state.map(|state| self.login_cookie(&state))
            && jar.crumbs().any(|crumb| crumb.name == name.as_bytes())
        {
            let spent = jar.removals(self.gateway.site.names(), &[&name]);
            set_cookies(&mut reply, spent);
        }
        reply
    }

    pub(super) fn came_by_http(&self, parts: &Parts) -> bool {
        let says = |name: &str, value: &[u8]| {
            parts
                .headers
                .get(name)
                .is_some_and(|field| field.as_bytes() == value)
        };
        self.gateway.site.is_https() && says("x-forwarded-proto", b"http")
    }

    /// Runs where no client can cancel it: a code is good for one use.
    async fn exchange(
        &self,
        code: Redemption,
        verifier: Option<CodeVerifier>,
        record: &Record,
    ) -> Result<Session, SignInError> {
        let ours = code.tenant.is_none().then_some(&self.gateway.provider.auth);
        let spans = Spans::below(record.context(), self.tracer.as_ref(), ours);
        let gateway = Arc::clone(&self.gateway);
        let span = gateway.span.clone();
        let work =
            async move { sign_in(&gateway, code, verifier, spans.as_ref()).await }.instrument(span);
        let task = self.gateway.tasks.spawn_on(work, &self.gateway.control);
        task.await.unwrap_or(Err(SignInError::Defect))
    }
}

/// Exchanges the code, reads the person, makes a new session: a new id with every sign-in, whatever
/// cookies came.
async fn sign_in(
    gateway: &Gateway,
    Redemption { code, tenant }: Redemption,
    verifier: Option<CodeVerifier>,
    spans: Option<&Spans>,
) -> Result<Session, SignInError> {
    let endpoint = gateway.directory.at(tenant.as_ref())?;
    let exchange = endpoint.exchange(code, verifier);
    let granted = noted(spans, gateway, Asked::Exchange, exchange).await?;
    let identity = endpoint.userinfo(&granted.tokens.access);
    let identity = noted(spans, gateway, Asked::Person, identity).await;
    let identity = identity.map_err(SignInError::Unidentified)?;
    let now = gateway.clock.now();
    let policy = gateway.store.policy;
    if let (Some(asked), Some(given)) = (&gateway.provider.scope, &granted.scope) {
        let missing: Vec<_> = asked
            .as_str()
            .split(' ')
            .filter(|scope| !given.split(' ').any(|given| given == *scope))
            .collect();
        if !missing.is_empty() {
            tracing::warn!(
                event = "sign_in.scope",
                ?missing,
                "The provider granted less than was asked for."
            );
        }
    }
    Ok(Session {
        id: SessionId::generate(gateway.entropy.as_ref()),
        tenant,
        tokens: granted.tokens,
        rest: granted.rest.or_else(|| identity.rest.clone()),
        soap: granted.soap.or_else(|| identity.soap.clone()),
        scope: granted.scope.filter(|scope| scope.len() <= MAX_SCOPE),
        person: Person::of(identity),
        line: Line::default(),
        signed_in_at: now,
        ends_at: now.plus(policy.lifetime),
        idle_until: now.plus(policy.idle_timeout),
        seen_at: Some(now),
        ticket: None,
    })
}

fn retry_after(fault: Fault) -> Option<u64> {
    match fault {
        Fault::ProviderUnavailable | Fault::ProviderGone => Some(Duration::from_secs(5).as_secs()),
        Fault::ProviderBlocked | Fault::ProviderThrottled => Some(Duration::from_mins(1).as_secs()),
        Fault::StoreUnavailable => Some(Duration::from_secs(2).as_secs()),
        _ => None,
    }
}

/// A code, and the tenant that gave it out if that is not the configured one.
struct Redemption {
    code: AuthorizationCode,
    tenant: Option<Subdomain>,
}

/// A callback that leads nowhere, and the attempt it ends, if it does.
struct Failed {
    fault: Fault,
    state: Option<State>,
    /// What the provider wants to be waited for.
    wait: Option<Duration>,
}

/// Why a code did not become a session.
#[derive(Debug, thiserror::Error)]
enum SignInError {
    /// The provider's answer.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The provider's answer when it was asked who signed in: the code is spent by then.
    #[error("who signed in is not known: {0}")]
    Unidentified(TokenError),
    /// The task ended without a result.
    #[error("the sign-in task broke off")]
    Defect,
}

impl SignInError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(error) | Self::Unidentified(error) => error.retry_after(),
            Self::Defect => None,
        }
    }

    fn fault(&self) -> Fault {
        match self {
            // The code was good, and a token that is a moment old is refused.
            Self::Unidentified(TokenError::Refused(
                TokenErrorCode::InvalidGrant | TokenErrorCode::InvalidToken,
            )) => Fault::ProviderError,
            Self::Token(error) | Self::Unidentified(error) => error.fault(),
            Self::Defect => Fault::Internal,
        }
    }
}

/// A scope longer than this is not carried in the cookie: all scopes of a package are 1.5 KB.
pub const MAX_SCOPE: usize = 512;
