//! The tenant's state, shared by its endpoints and by whoever controls it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use http::HeaderMap;
use http::header;

use crate::crypto::Entropy;
use crate::http::Origin;
use crate::sandbox::assets::Assets;
use crate::sandbox::fault::Faults;
use crate::sandbox::grants::Grant;
use crate::sandbox::grants::Grants;
use crate::sandbox::record::Log;
use crate::sandbox::rows::Rows;
use crate::sandbox::settings::Settings;
use crate::sandbox::soap::Objects;
use crate::time::Clock;
use crate::time::UnixTime;

/// The simulated tenant.
pub(super) struct Tenant {
    pub(super) settings: Settings,
    pub(super) faults: Faults,
    pub(super) counters: Counters,
    pub(super) log: Arc<Log>,
    /// Other tenants, by subdomain.
    pub(super) partners: Vec<(String, Arc<Self>)>,
    origin: Origin,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    grants: Mutex<Grants>,
    content: Mutex<Content>,
    signed_in: Mutex<Option<String>>,
}

/// What the business units own.
#[derive(Default)]
pub(super) struct Content {
    pub(super) assets: Assets,
    pub(super) rows: Rows,
    pub(super) objects: Objects,
}

/// How often what was called.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) authorize: AtomicU64,
    pub(super) token: AtomicU64,
    pub(super) code_grants: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) userinfo: AtomicU64,
    pub(super) rest: AtomicU64,
    pub(super) soap: AtomicU64,
    pub(super) dead_tokens: AtomicU64,
}

impl Tenant {
    pub(super) fn new(
        settings: Settings,
        origin: Origin,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let partners = settings.partners.iter().filter_map(|partner| {
            let host = format!("{}.localhost:{}", partner.subdomain, origin.port());
            let at = Origin::from_authority(origin.scheme(), &host).ok()?;
            let settings = Settings {
                people: partner.people.clone(),
                business_units: partner.business_units.clone(),
                enterprise_id: partner.enterprise_id,
                partners: Vec::new(),
                tssd: None,
                ..settings.clone()
            };
            let tenant = Self::new(settings, at, Arc::clone(&clock), Arc::clone(&entropy));
            Some((partner.subdomain.clone(), Arc::new(tenant)))
        });
        let signed_in = Mutex::new(settings.auto_sign_in.clone());
        Self {
            partners: partners.collect(),
            settings,
            faults: Faults::default(),
            counters: Counters::default(),
            log: Arc::default(),
            origin,
            clock,
            entropy,
            grants: Mutex::default(),
            content: Mutex::default(),
            signed_in,
        }
    }

    /// The tenant whose host a request names: this one, or another.
    pub(super) fn at_host<'a>(self: &'a Arc<Self>, headers: &HeaderMap) -> &'a Arc<Self> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let named = host.and_then(|host| {
            let mut partners = self.partners.iter();
            partners.find(|(_, partner)| partner.origin.authority().eq_ignore_ascii_case(host))
        });
        named.map_or(self, |(_, partner)| partner)
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(super) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    pub(super) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is signed in to Marketing Cloud itself.
    pub(super) fn signed_in(&self) -> Option<String> {
        self.signed_in_lock().clone()
    }

    /// Signs somebody in to Marketing Cloud itself, or out.
    pub(super) fn sign_in(&self, person: Option<&str>) {
        *self.signed_in_lock() = person.map(str::to_owned);
    }

    fn signed_in_lock(&self) -> MutexGuard<'_, Option<String>> {
        self.signed_in
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// `rest_instance_url` of token replies.
    pub(super) fn rest_instance_url(&self) -> String {
        self.instance_url(self.settings.rest_instance_url.as_ref())
    }

    /// `soap_instance_url` of token replies.
    pub(super) fn soap_instance_url(&self) -> String {
        self.instance_url(self.settings.soap_instance_url.as_ref())
    }

    /// What the request's bearer token stands for, if it has one that lives.
    pub(super) fn bearer(&self, headers: &HeaderMap) -> Option<Grant> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next()?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        if values.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let grant = self.grants().access(token, self.now()).cloned();
        if grant.is_none() {
            count(&self.counters.dead_tokens);
        }
        grant
    }

    /// Back to the first day: tokens, content, faults, counters and records.
    pub(super) fn reset(&self) {
        self.grants().reset();
        *self.content() = Content::default();
        self.faults.replace(std::collections::BTreeMap::new());
        self.counters.reset();
        self.log.clear();
        self.sign_in(self.settings.auto_sign_in.as_deref());
    }

    fn instance_url(&self, chosen: Option<&String>) -> String {
        chosen.map_or_else(
            || self.settings.instance_url_style.spell(&self.origin),
            Clone::clone,
        )
    }
}

impl Counters {
    fn reset(&self) {
        for counter in [
            &self.authorize,
            &self.token,
            &self.code_grants,
            &self.refreshes,
            &self.userinfo,
            &self.rest,
            &self.soap,
            &self.dead_tokens,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
