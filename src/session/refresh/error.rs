//! Why a refresh brings no new tokens.

use crate::fault::Fault;
use crate::oauth::endpoint::TokenError;
use crate::session::cookie::TooLarge;
use crate::session::shared::StoreError;

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The provider never gave a refresh token.
    #[error("the session has no refresh token")]
    NoToken,
    /// The provider's answer.
    #[error(transparent)]
    Provider(#[from] TokenError),
    /// Another replica signed the session out.
    #[error("the session was ended elsewhere")]
    Gone,
    /// Another replica has been renewing the session for too long.
    #[error("another replica is renewing the session")]
    Elsewhere,
    /// The new token is another person's.
    #[error("the new token belongs to somebody else")]
    Stranger,
    /// The store that keeps the session does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new tokens do not fit the cookies.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl RefreshError {
    /// What an administrator does about it in Marketing Cloud's Setup, where that is the place.
    pub fn in_setup(&self) -> Option<&'static str> {
        match self {
            Self::Provider(error) => error.fault().in_setup(),
            _ => None,
        }
    }

    /// What a request is told that cannot go on without new tokens.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Store(_) => Fault::StoreUnavailable,
            Self::NoToken
            | Self::Provider(_)
            | Self::Gone
            | Self::Elsewhere
            | Self::Stranger
            | Self::TooLarge(_) => Fault::RefreshUnavailable,
        }
    }
}
