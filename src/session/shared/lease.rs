//! Leases: which replica renews a session. One that dies loses its leases by the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::error::StoreError;
use super::link::Link;
use crate::crypto::Entropy;

/// Gives out leases.
pub struct Leases {
    link: Arc<Link>,
    namespace: String,
    entropy: Arc<dyn Entropy>,
}

impl Leases {
    /// Leases kept at `link`.
    pub(super) fn new(link: Arc<Link>, namespace: String, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            link,
            namespace,
            entropy,
        }
    }

    /// Takes the lease on `flight`, if nobody has it.
    pub async fn take(&self, flight: &str) -> Result<Option<Lease>, StoreError> {
        let name = format!("{}:lease:{flight}", self.namespace);
        let owner = u128::from_be_bytes(self.entropy.bytes());
        let owner = format!("{owner:032x}");
        let mut set = redis::cmd("SET");
        set.arg(&name)
            .arg(&owner)
            .arg("NX")
            .arg("PX")
            .arg(millis(TERM));
        let taken: Option<String> = self.link.ask(&set).await?;
        Ok(taken.map(|_| Lease {
            link: Arc::clone(&self.link),
            name,
            owner,
        }))
    }
}

/// The right to renew one session, until it is given back or its term ends.
#[derive(Clone)]
pub struct Lease {
    link: Arc<Link>,
    name: String,
    owner: String,
}

impl Lease {
    /// Does `work` and extends the lease for as long as it takes: the token call may wait behind others.
    pub async fn hold<T>(&self, work: impl Future<Output = T>) -> T {
        let mut extend = tokio::time::interval(EXTENSION);
        extend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        extend.reset();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = extend.tick() => {
                    // Lost or not, the call is under way; what it brings has to be kept.
                    if let Err(error) = self.if_ours("PEXPIRE", &[&millis(TERM).to_string()]).await {
                        tracing::debug!(event = "lease.not_extended", %error, "A lease was not extended.");
                    }
                }
            }
        }
    }

    /// Gives the lease back, unless its term has ended and somebody else has it.
    pub async fn release(self) {
        if let Err(error) = self.if_ours("DEL", &[]).await {
            tracing::debug!(event = "lease.not_released", %error, "A lease ends by its term.");
        }
    }

    async fn if_ours(&self, command: &str, arguments: &[&str]) -> Result<(), StoreError> {
        let mut eval = redis::cmd("EVAL");
        eval.arg(IF_OURS)
            .arg(1)
            .arg(&self.name)
            .arg(&self.owner)
            .arg(command);
        for argument in arguments {
            eval.arg(argument);
        }
        self.link.ask::<i64>(&eval).await.map(|_| ())
    }
}

/// Runs the command on the lease only if it still has this owner.
const IF_OURS: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
     if ARGV[3] then return redis.call(ARGV[2], KEYS[1], ARGV[3]) end \
     return redis.call(ARGV[2], KEYS[1])";

/// How long a lease lasts that nobody extends: longer than a token call may take, and not so long that
/// the people of a replica that died have to wait.
pub const TERM: Duration = Duration::from_secs(8);

/// How often a lease in use is extended.
const EXTENSION: Duration = Duration::from_secs(2);

const _: () = assert!(
    TERM.as_millis() > crate::oauth::endpoint::CALL_DEADLINE.as_millis() + EXTENSION.as_millis(),
    "a lease outlives the token call, even if one extension fails"
);

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
