//! Another business unit for a session: a refresh that names the unit, checked by userinfo.
//!
//! It is a refresh like any other to whoever else needs the session: one at a time per refresh token, with a
//! result that is kept. So the session stays one line of tokens, whatever comes at once.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use super::Outcome;
use super::RefreshError;
use super::Refresher;
use super::Renewed;
use super::failed;
use super::home;
use crate::oauth::endpoint::TokenError;
use crate::oauth::error::AboutUnit;
use crate::oauth::provider::BusinessUnit;
use crate::session::model::Session;
use crate::time::UnixTime;

/// How a switch ended. Where the session was renewed on the way, its new state comes along.
#[derive(Debug)]
pub enum Switched {
    /// The session is in the unit that was asked for.
    Done(Option<Arc<Renewed>>),
    /// The person has no access to the unit; the session is in the unit that it was in.
    Denied(Option<Arc<Renewed>>),
    /// It could not be done, or not be checked; the session is in the unit that it was in.
    Unavailable {
        /// Its state, if that is a new one.
        renewed: Option<Arc<Renewed>>,
        /// When the provider wants to be asked again.
        retry_after: Option<Duration>,
        /// What happened, if that is known.
        error: Option<Arc<RefreshError>>,
    },
    /// The session is over.
    Ended(Arc<RefreshError>),
}

/// What a refresh that led to a unit found out, where that is not the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No access.
    Denied,
    /// Tokens were granted, and userinfo did not say for which unit.
    Unknown,
}

impl Refresher {
    /// Moves `session` to `unit`. What is under way comes first; the switch follows on from there.
    pub async fn switch(self: &Arc<Self>, session: &Arc<Session>, unit: BusinessUnit) -> Switched {
        let mut session = Arc::clone(session);
        let mut renewed: Option<Arc<Renewed>> = None;
        for _ in 0..MAX_HOPS {
            if home(&session) == Some(unit) && !session.line.unsettled {
                return Switched::Done(renewed);
            }
            let Some(waiting) = self.board(&session, Some(unit), None) else {
                return Switched::Ended(Arc::new(RefreshError::NoToken));
            };
            let aim = waiting.aim.clone();
            let ours = aim.unit == Some(unit);
            match waiting.wait_at_most(PATIENCE).await {
                Some(Outcome::Renewed(next)) => {
                    session = Arc::clone(&next.live.session);
                    renewed = Some(next);
                    match aim.verdict.get() {
                        Some(Verdict::Denied) if ours => return Switched::Denied(renewed),
                        Some(Verdict::Unknown) if ours => {
                            return Switched::Unavailable {
                                renewed,
                                retry_after: None,
                                error: None,
                            };
                        }
                        // The switch itself, or something that came before it.
                        _ => {}
                    }
                }
                Some(Outcome::Kept) if ours => return Switched::Denied(renewed),
                // Somebody else's switch was refused: now it is our turn.
                Some(Outcome::Kept) => {}
                Some(Outcome::Ended(error)) => return Switched::Ended(error),
                Some(Outcome::Unavailable { error, retry_after }) => {
                    return Switched::Unavailable {
                        renewed,
                        retry_after,
                        error: Some(error),
                    };
                }
                None => break,
            }
        }
        Switched::Unavailable {
            renewed,
            retry_after: None,
            error: None,
        }
    }

    /// Refreshes into `unit`, checks that, and moves back where it is another one.
    pub(super) async fn move_to(
        &self,
        session: &Session,
        unit: BusinessUnit,
        verdict: &OnceLock<Verdict>,
    ) -> Result<Session, Outcome> {
        let found = |what: Verdict| {
            // One call finds out one thing.
            let _first = verdict.set(what);
        };
        let granted = match self.ask(session, Some(unit)).await {
            Ok(granted) => granted,
            Err(RefreshError::Provider(TokenError::Refused(code)))
                if code.about_unit() == AboutUnit::Refused =>
            {
                // A refusal uses no token up (RFC 6749 §6): the pair stays as it is.
                found(Verdict::Denied);
                return Err(Outcome::Kept);
            }
            Err(RefreshError::Provider(TokenError::Refused(code)))
                if code.about_unit() == AboutUnit::Unclear =>
            {
                // Where the token is dead, the session is over and nothing else is true of it.
                let renewed = self.ask(session, home(session)).await.map_err(failed)?;
                found(Verdict::Denied);
                return Ok(renewed);
            }
            Err(error) => return Err(failed(error)),
        };
        let Some(identity) = self.who(&granted).await else {
            found(Verdict::Unknown);
            return Ok(Self::set_aside(granted));
        };
        if identity.sub != session.person.sub {
            return Err(Outcome::Ended(Arc::new(RefreshError::Stranger)));
        }
        let given = identity.business_unit;
        if given == Some(unit.mid()) {
            tracing::info!(event = "unit.switched", session = %session.id, business_unit = unit.mid(), "Switched the business unit.");
            return Ok(with_person(granted, identity));
        }
        found(Verdict::Denied);
        tracing::info!(event = "unit.other", session = %session.id, asked = unit.mid(), ?given,
            "The provider granted another business unit than it was asked for.");
        if given == session.person.business_unit {
            return Ok(with_person(granted, identity));
        }
        let Ok(back) = self.ask(&granted, home(session)).await else {
            return Ok(Self::set_aside(granted));
        };
        match self.who(&back).await {
            Some(identity) if identity.sub == session.person.sub => Ok(with_person(back, identity)),
            _ => Ok(Self::set_aside(back)),
        }
    }

    /// The session with tokens that nobody may use: the next request leads back to the unit that the
    /// session names.
    fn set_aside(mut session: Session) -> Session {
        session.tokens.expires_at = UnixTime::default();
        session.line.unsettled = true;
        session
    }
}

fn with_person(session: Session, identity: crate::oauth::Identity) -> Session {
    Session {
        person: session.person.updated(identity),
        ..session
    }
}

/// How long a switch waits: for the refresh that may be under way, for its own two calls, and for the two
/// of the way back.
const PATIENCE: Duration = Duration::from_secs(21);

/// Refreshes followed from one late cookie, and other people's switches let by.
const MAX_HOPS: usize = 16;

#[cfg(test)]
mod tests;
