//! What the replicas of one gateway share, in Redis or Valkey: either whole sessions
//! ([`Records`]), or only the results of refreshes while cookies stay the state ([`Results`]).
//!
//! Whoever reads the store alone learns nothing: records are sealed with keys that only the browsers'
//! cookies hold, results with the session keys.

pub mod ended;
pub mod error;
pub mod lease;
pub mod link;
pub mod probe;
pub mod records;
pub mod results;
pub mod settings;

use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

pub use error::StoreError;
pub use lease::Lease;
pub use lease::Leases;
pub use lease::TERM as LEASE_TERM;
pub use link::Link;
pub use records::Records;
pub use results::Results;
pub use settings::RedisSettings;

use super::cookie::CookieStore;
use super::model::Session;
use super::revocation::Revocations;
use crate::time::Clock;
use crate::time::UnixTime;
use ended::EndedLog;

/// All that a gateway has at its store.
pub struct Shared {
    /// The connection.
    pub link: Arc<Link>,
    /// How replicas renew together.
    pub replicas: Arc<Replicas>,
    /// The sessions, if they are kept there.
    pub records: Option<Arc<Records>>,
    /// Whether traffic may come: where the store has the sessions, while it answers; otherwise as soon as
    /// it is known who has signed out elsewhere.
    pub ready: watch::Receiver<bool>,
    cookies: Arc<ArcSwap<CookieStore>>,
    keeping: Keeping,
    clock: Arc<dyn Clock>,
    work: Arc<Work>,
}

/// What goes on beside requests. It ends when nobody has the store any more.
struct Work([AbortHandle; 3]);

impl Drop for Work {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Shared {
    /// Sessions, or the results of refreshes, at the server of `settings`. The connection is kept up, and
    /// what other replicas tell is followed, for as long as `control` runs.
    pub fn new(
        settings: RedisSettings,
        keeping: Keeping,
        cookies: &Arc<CookieStore>,
        revocations: Arc<Revocations>,
        clock: &Arc<dyn Clock>,
        tasks: &TaskTracker,
        control: &Handle,
    ) -> Self {
        let link = Arc::new(Link::new(settings, Arc::clone(&cookies.entropy)));
        let (replicas, records) = rooms(&link, keeping, cookies, clock);
        let current = Arc::new(ArcSwap::new(Arc::clone(cookies)));
        let log = EndedLog::new(
            Arc::clone(&link),
            &namespace(&cookies.host, &cookies.tenant),
            Arc::clone(&current),
            records.clone(),
            revocations,
            Arc::clone(clock),
            tasks,
        );
        let ready = match &records {
            Some(_) => link.subscribe(),
            None => log.caught_up(),
        };
        let work = [
            control.spawn(Arc::clone(&link).keep_up()).abort_handle(),
            control.spawn(log.patience()).abort_handle(),
            control.spawn(log.follow()).abort_handle(),
        ];
        Self {
            work: Arc::new(Work(work)),
            replicas: Arc::new(replicas),
            records,
            ready,
            cookies: current,
            keeping,
            clock: Arc::clone(clock),
            link,
        }
    }

    /// The same over the same connection, for sessions that are sealed as `cookies` says from now on: of the
    /// same host and tenant.
    #[must_use]
    pub fn with(&self, cookies: &Arc<CookieStore>) -> Self {
        let (replicas, records) = rooms(&self.link, self.keeping, cookies, &self.clock);
        Self {
            link: Arc::clone(&self.link),
            replicas: Arc::new(replicas),
            records,
            ready: self.ready.clone(),
            cookies: Arc::clone(&self.cookies),
            keeping: self.keeping,
            clock: Arc::clone(&self.clock),
            work: Arc::clone(&self.work),
        }
    }

    /// What other replicas are told is sealed as `cookies` says from now on.
    pub fn tell_as(&self, cookies: &Arc<CookieStore>) {
        self.cookies.store(Arc::clone(cookies));
    }
}

/// What requests use of the store at `link`.
fn rooms(
    link: &Arc<Link>,
    keeping: Keeping,
    cookies: &Arc<CookieStore>,
    clock: &Arc<dyn Clock>,
) -> (Replicas, Option<Arc<Records>>) {
    let namespace = namespace(&cookies.host, &cookies.tenant);
    let (link_of, name_of) = (|| Arc::clone(link), || namespace.clone());
    let records = (keeping == Keeping::Sessions).then(|| {
        Arc::new(Records::new(
            link_of(),
            name_of(),
            cookies,
            Arc::clone(clock),
        ))
    });
    let sharing = match &records {
        Some(records) => Sharing::Records(Arc::clone(records)),
        None => Sharing::Results(Results::new(
            link_of(),
            name_of(),
            Arc::clone(cookies),
            Arc::clone(clock),
        )),
    };
    let leases = Leases::new(link_of(), name_of(), Arc::clone(&cookies.entropy));
    (Replicas { sharing, leases }, records)
}

/// What a store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It keeps the sessions.
    Sessions,
    /// Cookies keep the sessions; it has the results of refreshes.
    Results,
}

/// What binds the replicas of a gateway together.
pub struct Replicas {
    /// What they share.
    pub sharing: Sharing,
    /// Who of them renews a session.
    pub leases: Leases,
}

/// What is shared beside leases.
pub enum Sharing {
    /// Whole sessions: without the store there are none.
    Records(Arc<Records>),
    /// The results of refreshes: without the store each replica is on its own.
    Results(Results),
}

impl Sharing {
    /// Whether sessions cannot do without the store.
    pub const fn is_vital(&self) -> bool {
        matches!(self, Self::Records(_))
    }

    /// What has become of `session` in another replica. `flight` names its refresh.
    pub async fn elsewhere(
        &self,
        flight: &str,
        session: &Session,
    ) -> Result<Elsewhere, StoreError> {
        match self {
            Self::Records(records) => records.elsewhere(session).await,
            Self::Results(results) => results.elsewhere(flight, session).await,
        }
    }

    /// Lets the other replicas have a renewed session, whose old cookies live until `old_until`. `false`
    /// if it was signed out meanwhile.
    pub async fn publish(
        &self,
        flight: &str,
        renewed: &Session,
        old_until: UnixTime,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Records(records) => records.replace(renewed).await,
            Self::Results(results) => {
                let published = results.publish(flight, renewed, old_until).await;
                published.map(|()| true)
            }
        }
    }
}

/// What a replica learns of a session that it wants to renew.
#[derive(Debug)]
pub enum Elsewhere {
    /// It is as it was.
    Unchanged,
    /// It has new tokens.
    Renewed(Box<Session>),
    /// It is gone.
    Gone,
}

/// The beginning of all names of one gateway, so that several can share a server. An ACL rule
/// `~sidegate:*` covers them all.
pub(super) fn namespace(host: &str, tenant: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(host.len().to_be_bytes());
    hash.update(host);
    hash.update(tenant);
    let digest: [u8; 32] = hash.finalize().into();
    let short = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
    format!("sidegate:{short:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_have_names_of_their_own() {
        let one = namespace("a.example.com", "mc1/x");
        assert_eq!(one.len(), "sidegate:".len() + 16);
        assert_eq!(one, namespace("a.example.com", "mc1/x"));
        for (host, tenant) in [
            ("b.example.com", "mc1/x"),
            ("a.example.com", "mc2/x"),
            ("a.example.comm", "c1/x"),
        ] {
            assert_ne!(one, namespace(host, tenant));
        }
    }
}
