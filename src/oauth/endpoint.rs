//! The provider's back channel: `/v2/token` and `/v2/userinfo`, as a seam that tests can replace.

mod client;
mod response;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use client::ClientError;
pub use client::ProviderClient;

use super::error::Consequence;
use super::error::TokenErrorCode;
use super::provider::BusinessUnit;
use super::reply::ReplyError;
use super::token::Granted;
use super::userinfo::Identity;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::CodeVerifier;
use crate::crypto::secret::RefreshToken;
use crate::fault::Fault;

/// Asks the provider for tokens and for the person behind them.
///
/// Each call ends within [`CALL_DEADLINE`]. Dropping one does not take a request back that was
/// sent: a refresh has to run in a task of its own.
pub trait TokenEndpoint: Send + Sync {
    /// Exchanges a code for tokens (RFC 6749 §4.1.3).
    fn exchange(
        &self,
        code: AuthorizationCode,
        verifier: Option<CodeVerifier>,
    ) -> BoxFuture<'_, Result<Granted, TokenError>>;

    /// Exchanges a refresh token for a new pair (RFC 6749 §6), in `unit` or in the configured
    /// business unit.
    fn refresh<'a>(
        &'a self,
        token: &'a RefreshToken,
        unit: Option<BusinessUnit>,
    ) -> BoxFuture<'a, Result<Granted, TokenError>>;

    /// Asks whose token it is.
    fn userinfo<'a>(
        &'a self,
        token: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Identity, TokenError>>;
}

/// How long a call may take as a whole, with both secrets tried.
pub const CALL_DEADLINE: Duration = Duration::from_secs(5);

/// The longest wait that a `Retry-After` may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Why there are no tokens, by what to do next. Holds no secret, code or token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The provider understood and refused: see [`TokenErrorCode::consequence`].
    #[error("the provider refused: {0}")]
    Refused(TokenErrorCode),
    /// The provider did not answer, or not now: try later.
    #[error("the provider is unavailable: {why}")]
    Unavailable {
        /// When to try again, if the provider says so; at most [`MAX_RETRY_AFTER`].
        retry_after: Option<Duration>,
        /// What happened.
        why: Outage,
    },
    /// The provider answered something that cannot be used.
    #[error("the provider's reply is unusable: {0}")]
    BadReply(#[from] ReplyError),
}

impl TokenError {
    /// What the person is told when it ends a sign-in.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Refused(code) => code.fault(),
            Self::Unavailable { retry_after, why } => match (why, retry_after) {
                (Outage::RateLimited, Some(_)) => Fault::ProviderThrottled,
                (Outage::RateLimited, None) => Fault::ProviderBlocked,
                (Outage::Status(596), _) => Fault::ProviderGone,
                _ => Fault::ProviderUnavailable,
            },
            Self::BadReply(error) => error.fault(),
        }
    }

    /// When the provider wants to be asked again, if it said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Refused(_) | Self::BadReply(_) => None,
        }
    }

    /// What it means for a session that was to be refreshed.
    pub const fn consequence(&self) -> Consequence {
        match self {
            Self::Refused(code) => code.consequence(),
            Self::Unavailable { .. } | Self::BadReply(_) => Consequence::KeepAndRetry,
        }
    }
}

/// Why the provider is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Outage {
    /// No connection, or no trust in the other end.
    #[error("no connection")]
    Connect,
    /// No answer within a deadline.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// Status 429.
    #[error("too many token requests")]
    RateLimited,
    /// Not asked, since it was in trouble a moment ago.
    #[error("it is given a rest after a failure")]
    Resting,
    /// Status 408, or 500 and above.
    #[error("status {0}")]
    Status(u16),
}

#[cfg(test)]
mod tests;
