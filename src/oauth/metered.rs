//! Counts and times every call that really goes to the provider.

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::endpoint::TokenEndpoint;
use super::endpoint::TokenError;
use super::error::TokenErrorCode;
use super::provider::BusinessUnit;
use super::reply::ReplyError;
use super::token::Granted;
use super::userinfo::Identity;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::CodeVerifier;
use crate::crypto::secret::RefreshToken;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::labels::Answer;
use crate::telemetry::metrics::labels::Call;
use crate::telemetry::metrics::labels::Fenced;
use crate::telemetry::metrics::labels::Post;

/// A token endpoint whose calls are counted. Stands inside of the breaker: a call that the breaker
/// holds back is none.
#[derive(Debug)]
pub struct Metered<E> {
    endpoint: E,
    events: Events,
}

impl<E: TokenEndpoint> Metered<E> {
    /// Counts the calls of `endpoint`.
    pub fn new(endpoint: E, events: Events) -> Self {
        Self { endpoint, events }
    }

    async fn count<T>(
        &self,
        call: Call,
        work: BoxFuture<'_, Result<T, TokenError>>,
    ) -> Result<T, TokenError> {
        let mut timer = Timer {
            events: &self.events,
            call,
            started: Instant::now(),
            // A call that is given up had no answer.
            answer: Answer::Unavailable,
        };
        let outcome = work.await;
        timer.answer = answer(&outcome);
        if let Some(reason) = fenced(&outcome) {
            let at = match call {
                Call::Exchange => Post::Exchange,
                Call::Refresh => Post::Refresh,
                Call::Userinfo => Post::Userinfo,
            };
            self.events.fenced(at, reason);
        }
        outcome
    }
}

fn answer<T>(outcome: &Result<T, TokenError>) -> Answer {
    match outcome {
        Ok(_) => Answer::Good,
        Err(TokenError::Refused(TokenErrorCode::InvalidGrant)) => Answer::InvalidGrant,
        Err(TokenError::Refused(TokenErrorCode::InvalidClient)) => Answer::InvalidClient,
        Err(TokenError::Refused(_)) => Answer::Refused,
        Err(TokenError::Unavailable { .. }) => Answer::Unavailable,
        Err(TokenError::BadReply(_)) => Answer::Unusable,
    }
}

/// Whether the reply names a host that tokens may not go to.
fn fenced<T>(outcome: &Result<T, TokenError>) -> Option<Fenced> {
    match outcome {
        Err(TokenError::BadReply(ReplyError::OutsideFence(_))) => Some(Fenced::Outside),
        Err(TokenError::BadReply(ReplyError::OtherTenant(_))) => Some(Fenced::OtherTenant),
        _ => None,
    }
}

struct Timer<'a> {
    events: &'a Events,
    call: Call,
    started: Instant,
    answer: Answer,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.events
            .called(self.call, self.answer, self.started.elapsed());
    }
}

impl<E: TokenEndpoint> TokenEndpoint for Metered<E> {
    fn exchange(
        &self,
        code: AuthorizationCode,
        verifier: Option<CodeVerifier>,
    ) -> BoxFuture<'_, Result<Granted, TokenError>> {
        Box::pin(self.count(Call::Exchange, self.endpoint.exchange(code, verifier)))
    }

    fn refresh<'a>(
        &'a self,
        token: &'a RefreshToken,
        unit: Option<BusinessUnit>,
    ) -> BoxFuture<'a, Result<Granted, TokenError>> {
        Box::pin(self.count(Call::Refresh, self.endpoint.refresh(token, unit)))
    }

    fn userinfo<'a>(
        &'a self,
        token: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Identity, TokenError>> {
        Box::pin(self.count(Call::Userinfo, self.endpoint.userinfo(token)))
    }
}
