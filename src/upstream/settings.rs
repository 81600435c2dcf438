//! How long to wait for an upstream.

use std::time::Duration;

/// The deadlines of one exchange with an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP and TLS, together.
    pub connect: Duration,
    /// From the request's end to the answer's head.
    pub response: Duration,
    /// A kept connection without an exchange.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        // Marketing Cloud's own gateway gives up after about 120 s.
        Self {
            connect: Duration::from_secs(5),
            response: Duration::from_mins(2),
            idle: Duration::from_secs(50),
        }
    }
}
