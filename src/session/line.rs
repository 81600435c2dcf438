//! Where a session stands in its line of refresh tokens.

use serde::Deserialize;
use serde::Serialize;

/// Each refresh, and so each switch of business unit, leads one step on. Of two states of one session
/// the one further on is the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Steps since the sign-in.
    pub step: u32,
    /// Nobody knows for which business unit the access token speaks: it must not be used, and the next
    /// refresh leads back to the unit that the session names.
    pub unsettled: bool,
}

impl Line {
    /// The next step, with tokens that are to be used.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            step: self.step.saturating_add(1),
            unsettled: false,
        }
    }
}
