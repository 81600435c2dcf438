//! What a provider may answer to a switch, step by step, and what the session is then.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::*;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::CodeVerifier;
use crate::crypto::secret::RefreshToken;
use crate::oauth::Directory;
use crate::oauth::Identity;
use crate::oauth::TokenErrorCode;
use crate::oauth::breaker::Rests;
use crate::oauth::endpoint::ClientError;
use crate::oauth::endpoint::Outage;
use crate::oauth::endpoint::TokenEndpoint;
use crate::oauth::token::Granted;
use crate::oauth::token::TokenSet;
use crate::session::cookie::tests::store;
use crate::session::model::tests::session;
use crate::telemetry::metrics::Events;
use crate::time::ManualClock;

const NOW: UnixTime = UnixTime::from_millis(1_000_000);

/// The unit of the session to begin with, the one that is asked for, and a third one.
const HOME: u64 = 7_281_699;
const ASKED: u64 = 2;
const THIRD: u64 = 3;

/// One step of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Tokens for whatever unit.
    Grant,
    Refuse(TokenErrorCode),
    Down,
    /// Userinfo shows this unit.
    Shows(u64),
    /// Userinfo shows somebody else.
    Stranger,
}
use Step::Down;
use Step::Grant;
use Step::Refuse;
use Step::Shows;

struct Scripted {
    script: Mutex<VecDeque<Step>>,
    /// The unit of each refresh, and the token that it was asked with.
    asked: Mutex<Vec<(Option<u64>, String)>>,
}

impl Scripted {
    fn next(&self) -> Step {
        let mut script = self.script.lock().expect("unharmed");
        script
            .pop_front()
            .expect("a call that is not in the script")
    }
}

fn down() -> TokenError {
    TokenError::Unavailable {
        retry_after: None,
        why: Outage::Broken,
    }
}

impl Rests for Scripted {
    fn rests(&self) -> bool {
        false
    }
}

impl TokenEndpoint for Scripted {
    fn exchange(
        &self,
        _: AuthorizationCode,
        _: Option<CodeVerifier>,
    ) -> BoxFuture<'_, Result<Granted, TokenError>> {
        Box::pin(async { Err(down()) })
    }

    fn refresh<'a>(
        &'a self,
        token: &'a RefreshToken,
        unit: Option<BusinessUnit>,
    ) -> BoxFuture<'a, Result<Granted, TokenError>> {
        let mut asked = self.asked.lock().expect("unharmed");
        asked.push((unit.map(BusinessUnit::mid), token.expose().to_owned()));
        let number = asked.len();
        let lifetime = Duration::from_secs(1_079);
        let outcome = match self.next() {
            Refuse(code) => Err(TokenError::Refused(code)),
            Grant => Ok(Granted {
                tokens: TokenSet {
                    access: AccessToken::parse(&format!("a{number}")).expect("a token"),
                    refresh: RefreshToken::parse(&format!("r{number}")).ok(),
                    expires_at: NOW.plus(lifetime),
                    lifetime,
                },
                scope: None,
                rest: None,
                soap: None,
            }),
            _ => Err(down()),
        };
        Box::pin(async { outcome })
    }

    fn userinfo<'a>(&'a self, _: &'a AccessToken) -> BoxFuture<'a, Result<Identity, TokenError>> {
        let person = |sub: &str, unit| Identity {
            sub: sub.to_owned(),
            business_unit: Some(unit),
            ..Identity::default()
        };
        let outcome = match self.next() {
            Shows(unit) => Ok(person("10654321", unit)),
            Step::Stranger => Ok(person("1", ASKED)),
            _ => Err(down()),
        };
        Box::pin(async { outcome })
    }
}

/// Switches by the script; answers what came of it, the session then, and the refreshes that were asked for.
async fn play(
    script: &[Step],
) -> (
    &'static str,
    Option<Arc<Session>>,
    Vec<(Option<u64>, String)>,
) {
    let endpoint = Arc::new(Scripted {
        script: Mutex::new(script.iter().copied().collect()),
        asked: Mutex::default(),
    });
    let refresher = Arc::new(Refresher::new(
        Arc::new(Directory::new(endpoint.clone(), |_| {
            Err(ClientError::NotAdmitted)
        })),
        Arc::new(store()),
        Arc::new(ManualClock::at(NOW)),
        "realm".to_owned(),
        Handle::current(),
        TaskTracker::new(),
        Events::default(),
    ));
    let session = Arc::new(session("t", NOW));
    let unit = BusinessUnit::of(ASKED).expect("not zero");
    let (what, renewed) = match refresher.switch(&session, unit).await {
        Switched::Done(renewed) => ("done", renewed),
        Switched::Denied(renewed) => ("denied", renewed),
        Switched::Unavailable { renewed, .. } => ("unavailable", renewed),
        Switched::Ended(_) => ("ended", None),
    };
    if let Some(renewed) = &renewed {
        let newest = refresher.changes().newest(&session);
        let changed = newest.is_some_and(|newest| Arc::ptr_eq(&newest, renewed));
        let moved = renewed.live.session.person != session.person;
        let unsettled = renewed.live.session.line.unsettled;
        assert_eq!(changed, moved || unsettled, "{script:?}");
    }
    let left = endpoint.script.lock().expect("unharmed").len();
    assert_eq!(left, 0, "{script:?}");
    let asked = endpoint.asked.lock().expect("unharmed").clone();
    let renewed = renewed.map(|renewed| Arc::clone(&renewed.live.session));
    (what, renewed, asked)
}

#[tokio::test]
async fn every_answer_has_its_outcome_and_the_session_knows_its_unit() {
    let denied = Refuse(TokenErrorCode::AccessDenied);
    let dead = Refuse(TokenErrorCode::InvalidGrant);
    // The script, what came of it, the unit that the session names, whether its token may be used, and how
    // many refreshes it is on.
    for (script, what, unit, usable, steps) in [
        (&[Grant, Shows(ASKED)][..], "done", ASKED, true, 1),
        (&[denied], "denied", 0, true, 0),
        (&[Refuse(TokenErrorCode::Other)], "denied", 0, true, 0),
        (
            &[Refuse(TokenErrorCode::InvalidClient)],
            "unavailable",
            0,
            true,
            0,
        ),
        (&[Down], "unavailable", 0, true, 0),
        (&[dead, Grant], "denied", HOME, true, 1),
        (&[dead, dead], "ended", 0, true, 0),
        (&[dead, Down], "unavailable", 0, true, 0),
        (&[Grant, Down], "unavailable", HOME, false, 1),
        (&[Grant, Shows(HOME)], "denied", HOME, true, 1),
        (&[Grant, Step::Stranger], "ended", 0, true, 0),
        (
            &[Grant, Shows(THIRD), Grant, Shows(HOME)],
            "denied",
            HOME,
            true,
            2,
        ),
        (&[Grant, Shows(THIRD), denied], "denied", HOME, false, 1),
        (&[Grant, Shows(THIRD), Down], "denied", HOME, false, 1),
        (
            &[Grant, Shows(THIRD), Grant, Down],
            "denied",
            HOME,
            false,
            2,
        ),
        // The truth is told, whatever it is.
        (
            &[Grant, Shows(THIRD), Grant, Shows(THIRD)],
            "denied",
            THIRD,
            true,
            2,
        ),
    ] {
        let (came, session, asked) = play(script).await;
        assert_eq!(came, what, "{script:?}");
        assert_eq!(asked.first(), Some(&(Some(ASKED), "r-t".to_owned())));
        if let Some((unit, token)) = asked.get(1) {
            // The way back, or the question whether the token is dead, with the newest token there is.
            let newest = if script[0] == Grant { "r1" } else { "r-t" };
            assert_eq!((*unit, token.as_str()), (Some(HOME), newest), "{script:?}");
        }
        let Some(session) = session else {
            assert_eq!(steps, 0, "{script:?}");
            continue;
        };
        assert_eq!(session.person.business_unit, Some(unit), "{script:?}");
        assert_eq!(session.line.step, steps, "{script:?}");
        assert_eq!(!session.line.unsettled, usable, "{script:?}");
        assert_eq!(session.tokens.expires_at > NOW, usable, "{script:?}");
        let newest = if script[0] == Grant { steps } else { 2 };
        let token = session.tokens.refresh.as_ref().map(RefreshToken::expose);
        assert_eq!(token, Some(format!("r{newest}").as_str()), "{script:?}");
    }
}
