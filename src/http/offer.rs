//! What a signed-in person can do about a refusal.

/// Ways out for a signed-in person.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The kind of rule that refused.
    pub rule: Option<&'static str>,
    /// The business unit that was asked for or is needed, if it is one.
    pub wanted: Option<u64>,
    /// The unit that the session is in.
    pub now: Option<u64>,
    /// Units to switch to, and what they are called.
    pub units: Vec<(u64, String)>,
    /// Where that is done.
    pub switch: String,
    /// The page to come back to.
    pub back: String,
    /// The account page.
    pub account: String,
    /// Where to sign out.
    pub sign_out: String,
}
