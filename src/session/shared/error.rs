//! Why the shared store gave no answer.

use redis::ErrorKind;
use redis::RedisError;
use redis::ServerErrorKind;

/// What went wrong at the store. Holds no key, value or password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no connection at the moment.
    #[error("the session store is not connected")]
    Down,
    /// No answer in time.
    #[error("the session store did not answer in time")]
    Slow,
    /// The connection broke, or the server cannot serve now (loading, failing over, read-only).
    #[error("the session store broke off: {0}")]
    Broken(String),
    /// The server understood and refused: a permission, its memory.
    #[error("the session store refused: {0}")]
    Refused(String),
    /// The settings cannot be used.
    #[error("the session store's settings cannot be used: {0}")]
    Settings(String),
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        // Never the whole text of an answer: a server quotes arguments.
        let code = || {
            let code = error.code().unwrap_or("no code").chars();
            code.filter(char::is_ascii_graphic).take(MAX_CODE).collect()
        };
        match error.kind() {
            _ if error.is_timeout() => Self::Slow,
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask,
            ) => Self::Broken(code()),
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused(code()),
            ErrorKind::InvalidClientConfig => Self::Settings(error.category().to_owned()),
            ErrorKind::AuthenticationFailed => Self::Refused("AUTH".to_owned()),
            // The system's or TLS' own words: they hold nothing of ours.
            ErrorKind::Io => Self::Broken(error.to_string()),
            // The answer came whole, and is not what it should be: the connection is none the worse.
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => {
                Self::Refused(error.category().to_owned())
            }
            _ => Self::Broken(error.category().to_owned()),
        }
    }
}

/// How much is told of an error's code, which the server may make up.
const MAX_CODE: usize = 32;
