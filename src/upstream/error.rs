//! What can go wrong with an upstream, by who is to blame.

use std::time::Duration;

use crate::fault::Fault;
use crate::http::refusal::Refusal;

/// Why an exchange with an upstream did not end in an answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name does not resolve, nobody listens, or TLS fails.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection was not there in time.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The name leads to addresses that a tenant's host cannot have.
    #[error("the name leads to no public address")]
    NotPublic,
    /// No address has worked of late; none is tried now.
    #[error("no address works")]
    Down {
        /// Until the next try.
        retry_after: Duration,
    },
    /// All connections that may be had are in use.
    #[error("all connections are in use")]
    Full,
    /// The answer's head was not there in time.
    #[error("the answer took too long")]
    ResponseTimeout,
    /// The upstream broke off or broke HTTP's rules.
    #[error("the exchange broke: {0}")]
    Exchange(hyper::Error),
    /// The answer is coded in a way that is not taken off here.
    #[error("the answer comes in a transfer coding other than chunked")]
    Coding,
    /// A kept connection was closed.
    #[error("the connection was closed")]
    Closed,
    /// The client's own body broke off; the upstream is not to blame.
    #[error("the client's body went no further")]
    ClientBody(Fault),
    /// The route leads to nothing that this worker knows.
    #[error("the route has no upstream")]
    Unknown,
}

impl UpstreamError {
    /// What the client is told.
    pub fn refusal(&self) -> Refusal {
        let (fault, retry_after) = match self {
            Self::Connect(_) => (Fault::UpstreamUnreachable, None),
            Self::ConnectTimeout | Self::ResponseTimeout => (Fault::UpstreamTimeout, None),
            Self::NotPublic => (Fault::UpstreamNotPublic, None),
            Self::Down { retry_after } => (Fault::UpstreamDown, Some(*retry_after)),
            Self::Full => (Fault::UpstreamFull, Some(Duration::from_secs(1))),
            Self::Exchange(_) | Self::Coding | Self::Closed => (Fault::UpstreamBroken, None),
            Self::ClientBody(fault) => (*fault, None),
            Self::Unknown => (Fault::Internal, None),
        };
        Refusal {
            retry_after: retry_after.map(whole_seconds),
            ..fault.into()
        }
    }

    /// Whether the address could not be reached, so that nothing was sent and another may be tried.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout)
    }
}

/// Rounded up, and never none: `Retry-After: 0` asks for trouble.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0 || span.is_zero())
}
