//! The token endpoints by tenant: that of the configured one, and those of other tenants whose people
//! sign in to a package of the `AppExchange`.
//!
//! Whom a callback names is up to whoever brings it. So each tenant has a breaker and connections of its
//! own, few tenants are kept at a time, and names that never answered are tried only a few at a time: a
//! thousand of them cost no other tenant anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::breaker::Rests;
use super::endpoint::ClientError;
use super::endpoint::Outage;
use super::endpoint::TokenEndpoint;
use super::endpoint::TokenError;
use super::provider::BusinessUnit;
use super::tenant::Subdomain;
use super::token::Granted;
use super::userinfo::Identity;
use crate::crypto::secret::AccessToken;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::CodeVerifier;
use crate::crypto::secret::RefreshToken;

/// A token endpoint behind a breaker.
pub trait Guarded: TokenEndpoint + Rests {}

impl<E: TokenEndpoint + Rests> Guarded for E {}

/// Makes the token endpoint of another tenant.
type Make = dyn Fn(&Subdomain) -> Result<Arc<dyn Guarded>, ClientError> + Send + Sync;

/// The token endpoints of one package.
pub struct Directory {
    home: Arc<dyn Guarded>,
    make: Box<Make>,
    partners: Mutex<Partners>,
    /// For tenants that have never answered.
    strangers: Arc<Semaphore>,
}

#[derive(Default)]
struct Partners {
    known: HashMap<Subdomain, Known>,
    /// Counts questions, to tell who was asked for last.
    asked: u64,
}

struct Known {
    endpoint: Arc<Acquaintance>,
    asked: u64,
}

/// How other tenants are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartnerState {
    /// How many are kept.
    pub known: usize,
    /// How many of them are given a rest.
    pub resting: usize,
}

impl Directory {
    /// The configured tenant's endpoint is `home`; `make` makes those of others when they are needed.
    pub fn new(
        home: Arc<dyn Guarded>,
        make: impl Fn(&Subdomain) -> Result<Arc<dyn Guarded>, ClientError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            home,
            make: Box::new(make),
            partners: Mutex::default(),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
        }
    }

    /// The endpoint of `tenant`; `None` is the configured one.
    pub fn at(&self, tenant: Option<&Subdomain>) -> Result<Arc<dyn TokenEndpoint>, TokenError> {
        let Some(tenant) = tenant else {
            return Ok(self.home.clone());
        };
        let mut partners = self.partners();
        partners.asked += 1;
        let asked = partners.asked;
        if let Some(known) = partners.known.get_mut(tenant) {
            known.asked = asked;
            return Ok(known.endpoint.clone());
        }
        let made = (self.make)(tenant).map_err(|error| {
            tracing::error!(event = "partner.refused", %tenant, %error, "There is no token endpoint for a tenant.");
            TokenError::Unavailable {
                retry_after: None,
                why: Outage::Connect,
            }
        })?;
        let endpoint = Arc::new(Acquaintance {
            endpoint: made,
            answered: AtomicBool::new(false),
            strangers: Arc::clone(&self.strangers),
        });
        partners.make_room();
        let known = Known {
            endpoint: Arc::clone(&endpoint),
            asked,
        };
        partners.known.insert(tenant.clone(), known);
        Ok(endpoint)
    }

    /// How other tenants are.
    pub fn partners_state(&self) -> PartnerState {
        let partners = self.partners();
        let rests = |known: &&Known| known.endpoint.endpoint.rests();
        PartnerState {
            known: partners.known.len(),
            resting: partners.known.values().filter(rests).count(),
        }
    }

    fn partners(&self) -> MutexGuard<'_, Partners> {
        self.partners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rests for Directory {
    fn rests(&self) -> bool {
        self.home.rests()
    }
}

impl Partners {
    /// Forgets who was not asked for the longest time. What is under way there goes on.
    fn make_room(&mut self) {
        if self.known.len() < MAX_PARTNERS {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.asked);
        if let Some(tenant) = oldest.map(|(tenant, _)| tenant.clone()) {
            self.known.remove(&tenant);
        }
    }
}

/// Another tenant's endpoint, and whether it has ever answered.
struct Acquaintance {
    endpoint: Arc<dyn Guarded>,
    answered: AtomicBool,
    strangers: Arc<Semaphore>,
}

impl TokenEndpoint for Acquaintance {
    fn exchange(
        &self,
        code: AuthorizationCode,
        verifier: Option<CodeVerifier>,
    ) -> BoxFuture<'_, Result<Granted, TokenError>> {
        Box::pin(async move {
            if self.answered.load(Ordering::Relaxed) {
                return self.endpoint.exchange(code, verifier).await;
            }
            let Ok(_turn) = self.strangers.try_acquire() else {
                return Err(TokenError::Unavailable {
                    retry_after: Some(RETRY),
                    why: Outage::Resting,
                });
            };
            let outcome = self.endpoint.exchange(code, verifier).await;
            if !matches!(outcome, Err(TokenError::Unavailable { .. })) {
                self.answered.store(true, Ordering::Relaxed);
            }
            outcome
        })
    }

    fn refresh<'a>(
        &'a self,
        token: &'a RefreshToken,
        unit: Option<BusinessUnit>,
    ) -> BoxFuture<'a, Result<Granted, TokenError>> {
        self.endpoint.refresh(token, unit)
    }

    fn userinfo<'a>(
        &'a self,
        token: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Identity, TokenError>> {
        self.endpoint.userinfo(token)
    }
}

/// Other tenants that are kept: a breaker and a few connections each.
const MAX_PARTNERS: usize = 256;

/// Calls at a time to tenants that have never answered. A name that does not resolve holds a thread for
/// as long as the resolver takes.
const STRANGERS: usize = 16;

/// When to try again while so many are under way.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::oauth::error::TokenErrorCode;

    /// Refuses everything; hangs where it is told to.
    struct Fake {
        hangs: bool,
        exchanges: Arc<AtomicUsize>,
    }

    impl TokenEndpoint for Fake {
        fn exchange(
            &self,
            _: AuthorizationCode,
            _: Option<CodeVerifier>,
        ) -> BoxFuture<'_, Result<Granted, TokenError>> {
            self.exchanges.fetch_add(1, Ordering::Relaxed);
            let hangs = self.hangs;
            Box::pin(async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Err(TokenError::Refused(TokenErrorCode::InvalidGrant))
            })
        }
        fn refresh<'a>(
            &'a self,
            _: &'a RefreshToken,
            _: Option<BusinessUnit>,
        ) -> BoxFuture<'a, Result<Granted, TokenError>> {
            Box::pin(async { Err(TokenError::Refused(TokenErrorCode::InvalidGrant)) })
        }
        fn userinfo<'a>(
            &'a self,
            _: &'a AccessToken,
        ) -> BoxFuture<'a, Result<Identity, TokenError>> {
            Box::pin(async { Err(TokenError::Refused(TokenErrorCode::InvalidToken)) })
        }
    }

    impl Rests for Fake {
        fn rests(&self) -> bool {
            self.hangs
        }
    }

    /// Tenants whose name begins with `h` hang. Also counts how many endpoints were made.
    fn directory() -> (Directory, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (made, exchanges) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (making, counting) = (Arc::clone(&made), Arc::clone(&exchanges));
        let home = Arc::new(Fake {
            hangs: false,
            exchanges: Arc::clone(&exchanges),
        });
        let directory = Directory::new(home, move |tenant| {
            making.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::new(Fake {
                hangs: tenant.as_str().starts_with('h'),
                exchanges: Arc::clone(&counting),
            }))
        });
        (directory, made, exchanges)
    }

    fn tenant(name: &str) -> Subdomain {
        Subdomain::parse(name).expect("a label")
    }

    async fn exchange(endpoint: &dyn TokenEndpoint) -> Result<Granted, TokenError> {
        let code = AuthorizationCode::parse("c").expect("a code");
        endpoint.exchange(code, None).await
    }

    #[test]
    fn however_many_tenants_are_named_few_are_kept() {
        let (directory, made, _) = directory();
        let regular = tenant("regular");
        for number in 0..4 * MAX_PARTNERS {
            assert!(directory.at(Some(&tenant(&format!("n{number}")))).is_ok());
            assert!(directory.at(Some(&regular)).is_ok());
            assert!(directory.partners_state().known <= MAX_PARTNERS);
        }
        assert_eq!(
            made.load(Ordering::Relaxed),
            4 * MAX_PARTNERS + 1,
            "whoever is asked for now and then stays"
        );
        assert_eq!(directory.partners_state().resting, 0);
        assert!(directory.at(Some(&tenant("hanging"))).is_ok());
        assert_eq!(directory.partners_state().resting, 1);
        assert!(
            !directory.rests(),
            "the configured tenant has no part in it"
        );
    }

    #[tokio::test]
    async fn tenants_that_never_answer_hold_nobody_else_up() {
        let (directory, _, exchanges) = directory();
        let friend = directory.at(Some(&tenant("friend"))).expect("an endpoint");
        assert!(matches!(
            exchange(&*friend).await,
            Err(TokenError::Refused(_))
        ));
        let mut hanging = tokio::task::JoinSet::new();
        for number in 0..STRANGERS {
            let name = tenant(&format!("h{number}"));
            let endpoint = directory.at(Some(&name)).expect("an endpoint");
            hanging.spawn(async move { exchange(&*endpoint).await.is_ok() });
        }
        while exchanges.load(Ordering::Relaxed) < 1 + STRANGERS {
            tokio::task::yield_now().await;
        }
        let one_more = directory.at(Some(&tenant("h-more"))).expect("an endpoint");
        assert!(matches!(
            exchange(&*one_more).await,
            Err(TokenError::Unavailable {
                why: Outage::Resting,
                ..
            })
        ));
        let home = directory.at(None).expect("always there");
        for known in [&*home, &*friend] {
            assert!(matches!(exchange(known).await, Err(TokenError::Refused(_))));
        }
    }
}
