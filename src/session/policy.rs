//! How long a session lives.

use std::time::Duration;

/// Limits that are sealed into each session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From sign-in to the end, whatever happens.
    pub lifetime: Duration,
    /// From the last request to the end.
    pub idle_timeout: Duration,
}
