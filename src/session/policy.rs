//! How long a session lives.

use std::time::Duration;

/// Limits of each session: promised when it is sealed, and no longer than those in force when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From sign-in to the end, whatever happens.
    pub lifetime: Duration,
    /// From the last request to the end.
    pub idle_timeout: Duration,
}
