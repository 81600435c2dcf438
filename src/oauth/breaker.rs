//! Spares a provider in trouble: few calls at a time, and after a failure none for a moment.
//!
//! Marketing Cloud's limit on token calls is low and shared by all people of a package. When the
//! endpoint is down, every session whose token runs out would ask; one probe at a time asks for all.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::endpoint::Outage;
use super::endpoint::TokenEndpoint;
use super::endpoint::TokenError;
use super::provider::BusinessUnit;
use super::reply::ReplyError;
use super::token::Granted;
use super::userinfo::Identity;
use crate::crypto::Entropy;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::CodeVerifier;
use crate::crypto::secret::RefreshToken;
use crate::time::Clock;
use crate::time::UnixTime;

/// A token endpoint behind a circuit breaker.
pub struct Breaker<E> {
    endpoint: E,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    slots: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Set by a failure, cleared by a success.
    resting_until: Option<UnixTime>,
    /// Whether somebody is finding out if the provider is back.
    probing: bool,
}

impl<E: TokenEndpoint> Breaker<E> {
    /// Puts `endpoint` behind a breaker. `entropy` spreads the probes of several gateways.
    pub fn new(endpoint: E, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            endpoint,
            clock,
            entropy,
            slots: Semaphore::new(SLOTS),
            state: Mutex::default(),
        }
    }

    async fn call(
        &self,
        call: BoxFuture<'_, Result<Granted, TokenError>>,
    ) -> Result<Granted, TokenError> {
        let Ok(_slot) = self.slots.acquire().await else {
            return Err(resting(RETRY));
        };
        let attempt = self.admit()?;
        let outcome = if attempt.is_probe {
            // A hanging probe would hold everybody up after the provider is back.
            let late = TokenError::Unavailable {
                retry_after: None,
                why: Outage::Timeout,
            };
            timeout(PROBE_DEADLINE, call).await.unwrap_or(Err(late))
        } else {
            call.await
        };
        attempt.learn(&outcome);
        outcome
    }

    /// Waits a little for the end of a rest: a person who signs in would rather wait than start again.
    async fn settled(&self) {
        let settled = async {
            while self.rests() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        // If it takes longer, the call is refused with the time that is left.
        let _settled = timeout(SIGN_IN_PATIENCE, settled).await;
    }

    fn admit(&self) -> Result<Attempt<'_, E>, TokenError> {
        let mut state = self.state();
        let is_probe = match state.resting_until {
            None => false,
            Some(until) => {
                let rest = until.since(self.clock.now());
                if !rest.is_zero() || state.probing {
                    return Err(resting(rest.max(RETRY)));
                }
                state.probing = true;
                true
            }
        };
        Ok(Attempt {
            breaker: self,
            is_probe,
        })
    }

    /// Half a second to one, or what the provider asks for.
    fn rest(&self, asked: Option<Duration>) -> Duration {
        let [jitter] = self.entropy.bytes::<1>();
        let own = REST + REST * u32::from(jitter) / 256;
        asked.map_or(own, |asked| asked.clamp(own, MAX_REST))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that may be given a rest.
pub trait Rests: Send + Sync {
    /// Whether calls are held back at the moment.
    fn rests(&self) -> bool;
}

impl<E: TokenEndpoint> Rests for Breaker<E> {
    fn rests(&self) -> bool {
        let state = self.state();
        state
            .resting_until
            .is_some_and(|until| state.probing || self.clock.now() < until)
    }
}

/// A call that was let through.
struct Attempt<'a, E: TokenEndpoint> {
    breaker: &'a Breaker<E>,
    is_probe: bool,
}

impl<E: TokenEndpoint> Attempt<'_, E> {
    fn learn(&self, outcome: &Result<Granted, TokenError>) {
        let failure = match outcome {
            // A refusal is an answer too, and so is a tenant we don't like: the provider is there.
            Ok(_)
            | Err(
                TokenError::Refused(_)
                | TokenError::BadReply(ReplyError::OutsideFence(_) | ReplyError::OtherTenant(_)),
            ) => None,
            Err(error) => Some(error.retry_after()),
        };
        let rest = failure.map(|asked| self.breaker.rest(asked));
        let mut state = self.breaker.state();
        state.resting_until = rest.map(|rest| self.breaker.clock.now().plus(rest));
    }
}

impl<E: TokenEndpoint> Drop for Attempt<'_, E> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.state().probing = false;
        }
    }
}

impl<E: TokenEndpoint> TokenEndpoint for Breaker<E> {
    fn exchange(
        &self,
        code: AuthorizationCode,
        verifier: Option<CodeVerifier>,
    ) -> BoxFuture<'_, Result<Granted, TokenError>> {
        Box::pin(async move {
            self.settled().await;
            self.call(self.endpoint.exchange(code, verifier)).await
        })
    }

    fn refresh<'a>(
        &'a self,
        token: &'a RefreshToken,
        unit: Option<BusinessUnit>,
    ) -> BoxFuture<'a, Result<Granted, TokenError>> {
        Box::pin(self.call(self.endpoint.refresh(token, unit)))
    }

    fn userinfo<'a>(
        &'a self,
        token: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Identity, TokenError>> {
        self.endpoint.userinfo(token)
    }
}

fn resting(rest: Duration) -> TokenError {
    TokenError::Unavailable {
        retry_after: Some(rest),
        why: Outage::Resting,
    }
}

/// Calls at a time. A burst that meets a dead provider costs this many calls, not one a session.
const SLOTS: usize = 8;

/// The shortest pause after a failure; jitter makes it up to twice as long.
const REST: Duration = Duration::from_millis(500);

/// The longest pause that a `Retry-After` buys: one call in four seconds over all sessions hurts no
/// provider, and people are back soon after it is.
const MAX_REST: Duration = Duration::from_secs(4);

/// How long the call may take that finds out whether the provider is back.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// How long a sign-in waits for a rest to end.
const SIGN_IN_PATIENCE: Duration = Duration::from_secs(2);

/// How often a waiting sign-in looks whether the probe came back.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// When to ask again while another call is finding out.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::crypto::OsEntropy;
    use crate::oauth::error::TokenErrorCode;
    use tokio::time::Instant;

    use crate::oauth::fence::Fence;

    /// Answers what it is told to, and counts.
    struct Scripted {
        calls: AtomicU32,
        answer: Mutex<Script>,
    }

    /// A clock that follows the runtime's paused time.
    struct Paused(Instant);

    impl Clock for Paused {
        fn now(&self) -> UnixTime {
            UnixTime::default().plus(self.0.elapsed())
        }
    }

    #[derive(Clone, Copy)]
    enum Script {
        Good,
        Down,
        Hanging,
        Refusing,
        Busy(u64),
    }

    impl TokenEndpoint for Scripted {
        fn exchange(
            &self,
            _: AuthorizationCode,
            _: Option<CodeVerifier>,
        ) -> BoxFuture<'_, Result<Granted, TokenError>> {
            Box::pin(self.answer())
        }
        fn refresh<'a>(
            &'a self,
            _: &'a RefreshToken,
            _: Option<BusinessUnit>,
        ) -> BoxFuture<'a, Result<Granted, TokenError>> {
            Box::pin(self.answer())
        }
        fn userinfo<'a>(
            &'a self,
            _: &'a AccessToken,
        ) -> BoxFuture<'a, Result<Identity, TokenError>> {
            Box::pin(async { Err(TokenError::Refused(TokenErrorCode::InvalidToken)) })
        }
    }

    impl Scripted {
        async fn answer(&self) -> Result<Granted, TokenError> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let script = *self.answer.lock().expect("free");
            let down = |retry_after, why| Err(TokenError::Unavailable { retry_after, why });
            match script {
                Script::Good => {
                    let body = br#"{"access_token":"a","token_type":"Bearer","expires_in":1079}"#;
                    Ok(Granted::parse(
                        body,
                        &Fence::marketing_cloud(),
                        UnixTime::default(),
                    )?)
                }
                Script::Down => down(None, Outage::Status(503)),
                Script::Hanging => {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    down(None, Outage::Timeout)
                }
                Script::Refusing => Err(TokenError::Refused(TokenErrorCode::InvalidGrant)),
                Script::Busy(seconds) => {
                    down(Some(Duration::from_secs(seconds)), Outage::RateLimited)
                }
            }
        }
    }

    fn breaker(script: Script) -> Arc<Breaker<Scripted>> {
        let endpoint = Scripted {
            calls: AtomicU32::new(0),
            answer: Mutex::new(script),
        };
        let clock = Arc::new(Paused(Instant::now()));
        Arc::new(Breaker::new(endpoint, clock, Arc::new(OsEntropy)))
    }

    fn say(breaker: &Breaker<Scripted>, script: Script) {
        *breaker.endpoint.answer.lock().expect("free") = script;
    }

    fn calls(breaker: &Breaker<Scripted>) -> u32 {
        breaker.endpoint.calls.load(Ordering::Relaxed)
    }

    async fn refresh(breaker: &Breaker<Scripted>) -> Result<Granted, TokenError> {
        let token = RefreshToken::parse("r").expect("a token");
        breaker.refresh(&token, None).await
    }

    /// A hundred sessions that all want to refresh, ten times a second, for so long.
    async fn storm(breaker: &Arc<Breaker<Scripted>>, seconds: u32) {
        for _ in 0..seconds * 10 {
            for _ in 0..100 {
                let breaker = Arc::clone(breaker);
                tokio::spawn(async move { refresh(&breaker).await.map(drop) });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_costs_two_calls_a_second_at_most() {
        for script in [Script::Down, Script::Hanging] {
            let breaker = breaker(script);
            storm(&breaker, 60).await;
            let count = calls(&breaker);
            assert!((10..=120 + 8).contains(&count), "{count} calls in a minute");
            say(&breaker, Script::Good);
            let back = Instant::now();
            while refresh(&breaker).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(
                back.elapsed() < Duration::from_secs(5),
                "{:?} after its return",
                back.elapsed()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_no_outage() {
        let breaker = breaker(Script::Refusing);
        for _ in 0..20 {
            assert!(matches!(
                refresh(&breaker).await,
                Err(TokenError::Refused(_))
            ));
        }
        assert_eq!(calls(&breaker), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn the_provider_may_ask_for_a_longer_rest() {
        let breaker = breaker(Script::Busy(30));
        let first = refresh(&breaker).await.expect_err("busy");
        assert_eq!(first.retry_after(), Some(Duration::from_secs(30)));
        tokio::time::advance(Duration::from_millis(3_900)).await;
        let second = refresh(&breaker).await.expect_err("resting");
        assert!(
            matches!(
                second,
                TokenError::Unavailable {
                    why: Outage::Resting,
                    ..
                }
            ),
            "{second:?}"
        );
        assert_eq!(calls(&breaker), 1);
        tokio::time::advance(Duration::from_millis(100)).await;
        say(&breaker, Script::Good);
        assert!(refresh(&breaker).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_in_waits_for_a_short_rest_but_not_for_a_long_one() {
        let exchange = |breaker: Arc<Breaker<Scripted>>| async move {
            breaker
                .exchange(AuthorizationCode::parse("c").expect("a code"), None)
                .await
        };
        let short = breaker(Script::Down);
        assert!(refresh(&short).await.is_err());
        say(&short, Script::Good);
        assert!(exchange(Arc::clone(&short)).await.is_ok());
        let long = breaker(Script::Busy(30));
        assert!(refresh(&long).await.is_err());
        say(&long, Script::Good);
        let before = Instant::now();
        assert!(exchange(Arc::clone(&long)).await.is_err());
        assert_eq!(before.elapsed(), SIGN_IN_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_does_not_close_the_way() {
        let breaker = breaker(Script::Down);
        assert!(refresh(&breaker).await.is_err());
        tokio::time::advance(Duration::from_secs(1)).await;
        say(&breaker, Script::Hanging);
        let given_up = timeout(Duration::from_millis(10), refresh(&breaker)).await;
        assert!(given_up.is_err());
        say(&breaker, Script::Good);
        assert!(refresh(&breaker).await.is_ok());
    }
}
