//! What can go wrong with an upstream, by who is to blame.

use crate::fault::Fault;

/// Why an exchange with an upstream did not end in an answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name does not resolve, nobody listens, or TLS fails.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection was not there in time.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The answer's head was not there in time.
    #[error("the answer took too long")]
    ResponseTimeout,
    /// The upstream broke off or broke HTTP's rules.
    #[error("the exchange broke: {0}")]
    Exchange(hyper::Error),
    /// A kept connection was closed.
    #[error("the connection was closed")]
    Closed,
    /// The client's own body broke off; the upstream is not to blame.
    #[error("the client's body went no further")]
    ClientBody(Fault),
}

impl UpstreamError {
    /// What the client is told.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Connect(_) => Fault::UpstreamUnreachable,
            Self::ConnectTimeout | Self::ResponseTimeout => Fault::UpstreamTimeout,
            Self::Exchange(_) | Self::Closed => Fault::UpstreamBroken,
            Self::ClientBody(fault) => *fault,
        }
    }
}
