//! One refresh over all replicas: whoever has the lease calls, the others wait for what comes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Aim;
use super::Outcome;
use super::RefreshError;
use super::Refresher;
use crate::session::model::Session;
use crate::session::shared::Elsewhere;
use crate::session::shared::LEASE_TERM;
use crate::session::shared::Lease;
use crate::session::shared::Replicas;
use crate::session::shared::StoreError;
use crate::time::UnixTime;

impl Refresher {
    /// Renews `session`, or takes over what another replica made of it.
    pub(super) async fn renew_together(
        self: &Arc<Self>,
        replicas: &Arc<Replicas>,
        flight: &str,
        session: &Session,
        aim: &Aim,
    ) -> Outcome {
        let lease = match self.lease(replicas, flight, session).await {
            Ok(lease) => Some(lease),
            Err(NoLease::Settled(outcome)) => return outcome,
            Err(NoLease::Store(error)) if replicas.sharing.is_vital() => {
                return unavailable(RefreshError::Store(error));
            }
            Err(NoLease::Store(error)) => {
                // Cookies are the state: rather one refresh too many than a session that stands still.
                tracing::warn!(event = "token.refresh_alone", session = %session.id, %error,
                    "The refresh is not coordinated with other replicas.");
                None
            }
        };
        let call = self.call(session, aim);
        let called = match &lease {
            Some(lease) => lease.hold(call).await,
            None => call.await,
        };
        let outcome = match called {
            Ok(renewed) => {
                return self
                    .published(replicas, flight, session, renewed, lease)
                    .await;
            }
            // Another replica may have used the token without a lease: its result is as good.
            Err(ended @ Outcome::Ended(_)) => self
                .soon_elsewhere(replicas, flight, session)
                .await
                .unwrap_or(ended),
            Err(outcome) => outcome,
        };
        self.released(lease);
        outcome
    }

    /// Waits until the lease is ours or another replica has settled the matter.
    async fn lease(
        &self,
        replicas: &Replicas,
        flight: &str,
        session: &Session,
    ) -> Result<Lease, NoLease> {
        let patience = Instant::now() + PATIENCE;
        let mut pause = FIRST_LOOK;
        // Until when another replica may be calling, as far as we have seen.
        let mut held_until = None;
        loop {
            let step = self.step(replicas, flight, session);
            let step = if replicas.sharing.is_vital() {
                step.await
            } else {
                // The request that waits has to have time left for the call.
                let answer = tokio::time::timeout(FIRST_ANSWER, step).await;
                answer.unwrap_or(Err(NoLease::Store(StoreError::Slow)))
            };
            match step {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => held_until = Some(Instant::now() + LEASE_TERM),
                // Its call cannot be told from one that never was; to call as well would spend the token
                // twice.
                Err(NoLease::Store(_))
                    if !replicas.sharing.is_vital()
                        && held_until.is_some_and(|until| Instant::now() < until) => {}
                Err(NoLease::Store(_)) if held_until.is_some() && !replicas.sharing.is_vital() => {
                    return Err(NoLease::Settled(unavailable(RefreshError::Elsewhere)));
                }
                Err(settled) => return Err(settled),
            }
            if Instant::now() >= patience {
                return Err(NoLease::Settled(unavailable(RefreshError::Elsewhere)));
            }
            tokio::time::sleep(self.spread(pause)).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// One look and one try. `None` while another replica has the lease.
    async fn step(
        &self,
        replicas: &Replicas,
        flight: &str,
        session: &Session,
    ) -> Result<Option<Lease>, NoLease> {
        if let Some(outcome) = self.elsewhere(replicas, flight, session).await? {
            return Err(NoLease::Settled(outcome));
        }
        let Some(lease) = replicas.leases.take(flight).await? else {
            return Ok(None);
        };
        // Whoever had it before may have finished since we looked.
        match self.elsewhere(replicas, flight, session).await {
            Ok(None) => Ok(Some(lease)),
            other => {
                self.released(Some(lease));
                Err(other.map_or_else(NoLease::Store, |settled| {
                    settled.map_or(NoLease::Store(StoreError::Down), NoLease::Settled)
                }))
            }
        }
    }

    /// Gives a lease back without making anybody wait for that.
    fn released(&self, lease: Option<Lease>) {
        if let Some(lease) = lease {
            let _task = self.tasks.spawn_on(lease.release(), &self.runtime);
        }
    }

    /// A span and up to half of it, so that replicas do not ask in step.
    fn spread(&self, span: Duration) -> Duration {
        let [jitter] = self.store.entropy.bytes::<1>();
        span + span * u32::from(jitter) / 512
    }

    /// What another replica makes of the session within a moment: one without a lease may have used the
    /// token just now.
    async fn soon_elsewhere(
        &self,
        replicas: &Replicas,
        flight: &str,
        session: &Session,
    ) -> Option<Outcome> {
        let until = Instant::now() + SECOND_LOOK;
        let mut pause = FIRST_LOOK;
        loop {
            match self.elsewhere(replicas, flight, session).await {
                Ok(Some(outcome)) => return Some(outcome),
                Ok(None) if Instant::now() < until => {}
                Ok(None) | Err(_) => return None,
            }
            tokio::time::sleep(self.spread(pause)).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// The same as told by a shared result, on behalf of an answer that waits for it.
    pub(super) async fn result_elsewhere(
        &self,
        replicas: &Replicas,
        flight: &str,
        session: &Session,
    ) -> Option<Outcome> {
        if replicas.sharing.is_vital() {
            return None;
        }
        let told = self.elsewhere(replicas, flight, session);
        // Without an answer each replica is on its own, as always.
        tokio::time::timeout(PROMPT, told).await.ok()?.ok()?
    }

    /// What another replica made of the session, if anything.
    async fn elsewhere(
        &self,
        replicas: &Replicas,
        flight: &str,
        session: &Session,
    ) -> Result<Option<Outcome>, StoreError> {
        Ok(match replicas.sharing.elsewhere(flight, session).await? {
            Elsewhere::Unchanged => None,
            Elsewhere::Renewed(renewed) => Some(self.outcome(*renewed)),
            Elsewhere::Gone => Some(Outcome::Ended(Arc::new(RefreshError::Gone))),
        })
    }

    /// Lets the others have the result. The provider has given the new tokens out once: if the store is
    /// away just now, a task of its own keeps trying, and the lease with it.
    async fn published(
        self: &Arc<Self>,
        replicas: &Arc<Replicas>,
        flight: &str,
        old: &Session,
        renewed: Session,
        lease: Option<Lease>,
    ) -> Outcome {
        let publish = replicas.sharing.publish(flight, &renewed, old.idle_until);
        let published = if replicas.sharing.is_vital() {
            publish.await
        } else {
            // Where cookies are the state, no answer is held back for long.
            let published = tokio::time::timeout(PROMPT, publish).await;
            published.unwrap_or(Err(StoreError::Slow))
        };
        match published {
            Ok(true) => {}
            Ok(false) => {
                self.released(lease);
                return Outcome::Ended(Arc::new(RefreshError::Gone));
            }
            Err(error) => {
                tracing::warn!(event = "token.refresh_unshared", session = %renewed.id, %error,
                    "The other replicas do not know of the new tokens yet.");
                return self.published_later(replicas, flight, old.idle_until, renewed, lease);
            }
        }
        self.released(lease);
        self.outcome(renewed)
    }

    fn published_later(
        self: &Arc<Self>,
        replicas: &Arc<Replicas>,
        flight: &str,
        old_until: UnixTime,
        renewed: Session,
        lease: Option<Lease>,
    ) -> Outcome {
        let outcome = self.outcome(renewed);
        let Outcome::Renewed(kept) = &outcome else {
            return outcome;
        };
        let session = Arc::clone(&kept.live.session);
        let (replicas, flight) = (Arc::clone(replicas), flight.to_owned());
        let this = Arc::clone(self);
        let publish = async move {
            let until = Instant::now() + PERSISTENCE;
            let mut pause = FIRST_TRY;
            while Instant::now() < until {
                tokio::time::sleep(this.spread(pause)).await;
                pause = (pause * 2).min(LONGEST_TRY);
                let published = replicas.sharing.publish(&flight, &session, old_until).await;
                if published.is_ok() {
                    return;
                }
            }
            tracing::error!(event = "token.refresh_lost", session = %session.id,
                "The session store stayed away; the session ends with its old tokens.");
        };
        let _task = self.tasks.spawn_on(
            async move {
                match lease {
                    Some(lease) => {
                        lease.hold(publish).await;
                        lease.release().await;
                    }
                    None => publish.await,
                }
            },
            &self.runtime,
        );
        outcome
    }
}

fn unavailable(error: RefreshError) -> Outcome {
    Outcome::Unavailable {
        error: Arc::new(error),
        retry_after: None,
    }
}

/// Why a replica does not call.
enum NoLease {
    /// Another one did.
    Settled(Outcome),
    /// The store does not say.
    Store(StoreError),
}

impl From<StoreError> for NoLease {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// When a replica without the lease looks for the result; then after twice as long each time.
const FIRST_LOOK: Duration = Duration::from_millis(30);

/// Between any two looks.
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// How long after a refusal another replica's result is looked for.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// How long a store that sessions can do without may take to say who renews.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// How long it does: as long as the lease of a replica that died lasts, and a little.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer is held back for the store, where sessions can do without it.
const PROMPT: Duration = Duration::from_millis(300);

/// When a result is offered again to a store that is away; then after twice as long each time.
const FIRST_TRY: Duration = Duration::from_millis(100);

/// Between any two offers.
const LONGEST_TRY: Duration = Duration::from_secs(2);

/// For how long.
const PERSISTENCE: Duration = Duration::from_mins(2);
