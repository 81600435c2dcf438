//! Sites: one for each host of a tenant.

use std::sync::Arc;

use http::HeaderName;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Span;

use super::labelled;
use super::ledger::Kept;
use super::ledger::Ledger;
use super::ledger::Numbers;
use crate::admin::TenantSource;
use crate::app::Ports;
use crate::app::StartError;
use crate::app::metrics;
use crate::app::reload::Newcomer;
use crate::app::reread::ClientSecretFiles;
use crate::app::reread::Group;
use crate::app::reread::SigningSecretFiles;
use crate::config::Tenant;
use crate::crypto::Entropy;
use crate::crypto::Keys;
use crate::gateway::Bounds;
use crate::gateway::CrossSite;
use crate::gateway::Fairness;
use crate::gateway::Gateway;
use crate::gateway::Limiters;
use crate::gateway::Router;
use crate::gateway::Shares;
use crate::gateway::Site;
use crate::gateway::Standing;
use crate::gateway::route::PathPrefix;
use crate::http::Framing;
use crate::http::Origin;
use crate::http::pages::Pages;
use crate::net::settings::TrustedProxies;
use crate::oauth::Directory;
use crate::oauth::Provider;
use crate::oauth::Subdomain;
use crate::oauth::breaker::Breaker;
use crate::oauth::directory::Guarded;
use crate::oauth::endpoint::ClientError;
use crate::oauth::endpoint::ProviderClient;
use crate::oauth::metered::Metered;
use crate::oauth::provider::Client;
use crate::oauth::signed_call::SigningSecrets;
use crate::session::CookieStore;
use crate::session::Policy;
use crate::session::Refresher;
use crate::session::Revocations;
use crate::session::shared::Keeping;
use crate::session::shared::RedisSettings;
use crate::session::shared::Shared;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::Slot;
use crate::telemetry::metrics::Traffic;
use crate::telemetry::traces::Tracer;
use crate::time::Clock;

/// What all sites have in common.
pub(super) struct Common<'a> {
    pub(super) keys: Arc<Keys>,
    pub(super) policy: Policy,
    pub(super) framing: Option<Framing>,
    pub(super) tracer: Option<Tracer>,
    pub(super) shared: Option<(RedisSettings, Keeping)>,
    pub(super) prefix: PathPrefix,
    pub(super) trusted: TrustedProxies,
    pub(super) cross_site: CrossSite,
    pub(super) bounds: Bounds,
    pub(super) keep_fragment: bool,
    pub(super) asked_path: Option<HeaderName>,
    pub(super) pages: Arc<Pages>,
    pub(super) shares: Shares,
    pub(super) limiters: Arc<Limiters>,
    pub(super) ports: &'a Ports,
    pub(super) control: &'a Handle,
    pub(super) tasks: &'a TaskTracker,
}

/// Makes sites, and collects what the process has to know of each.
pub(super) struct Builder<'a> {
    pub(super) common: Common<'a>,
    pub(super) ledger: Ledger,
    /// What is done once nothing can go wrong any more.
    pub(super) steps: Vec<Box<dyn FnOnce()>>,
    pub(super) registry: Registry,
    pub(super) groups: Vec<Box<dyn Group>>,
    pub(super) ready: Vec<watch::Receiver<bool>>,
    pub(super) stores: Vec<watch::Receiver<bool>>,
    /// Of sites that were not there before.
    pub(super) newcomers: Vec<Newcomer>,
    pub(super) sources: Vec<TenantSource>,
}

impl<'a> Builder<'a> {
    /// One that has made nothing yet.
    pub(super) fn new(
        common: Common<'a>,
        ledger: Ledger,
        steps: Vec<Box<dyn FnOnce()>>,
        registry: Registry,
    ) -> Self {
        Self {
            common,
            ledger,
            steps,
            registry,
            groups: Vec::new(),
            ready: Vec::new(),
            stores: Vec::new(),
            newcomers: Vec::new(),
            sources: Vec::new(),
        }
    }
}

impl Builder<'_> {
    /// The site at a tenant's public URL, and those at its further ones. They share credentials, routes,
    /// numbers and fair shares; sessions, refreshes and breakers are each one's own.
    pub(super) fn tenant(
        &mut self,
        tenant: Tenant,
    ) -> Result<(Arc<Gateway>, Vec<Arc<Gateway>>), StartError> {
        let origins: Vec<Origin> = tenant.urls().cloned().collect();
        let name = tenant.name.as_ref().map(|name| Arc::from(name.as_str()));
        let span = name.as_deref().map_or_else(Span::none, |name: &str| {
            // Enabled at every level of the log.
            tracing::error_span!("site", tenant = name)
        });
        let provider = self.provider(name.as_ref(), tenant.provider, &span);
        let router = Router::new(tenant.routes);
        let (own, portions) = (self.common.prefix.as_str(), self.common.shares);
        let Numbers {
            events,
            traffic,
            fairness,
        } = self.ledger.numbers(name.as_ref(), own, portions);
        let slots = traffic.slots(router.prefixes());
        let (fair, counts, prefix) = (
            Arc::clone(&fairness),
            Arc::clone(&traffic),
            self.common.prefix.clone(),
        );
        self.steps.push(Box::new(move || {
            fair.share(portions);
            counts.call_own(prefix.as_str());
        }));
        self.groups.push(Box::new(ClientSecretFiles {
            sources: tenant.client_secret_sources,
            provider: Arc::clone(&provider),
            span: span.clone(),
            tenant: name.clone(),
        }));
        let (signing_secrets, sources) = tenant.signing_secrets.unzip();
        let signing_secrets = signing_secrets.map(Arc::new);
        if let (Some(secrets), Some(sources)) = (&signing_secrets, sources) {
            self.groups.push(Box::new(SigningSecretFiles {
                sources,
                secrets: Arc::clone(secrets),
                span: span.clone(),
                tenant: name.clone(),
            }));
        }
        let shared = PerTenant {
            name,
            span,
            provider,
            signing_secrets,
            router,
            events,
            traffic,
            slots,
            fairness,
        };
        let further = origins.into_iter().skip(1);
        let first = self.site(tenant.public_url, &shared)?;
        let further: Result<Vec<_>, _> = further.map(|origin| self.site(origin, &shared)).collect();
        let further = further?;
        let sites = std::iter::once(&first).chain(&further);
        let directories: Vec<_> = sites.map(|site| Arc::clone(&site.directory)).collect();
        self.sources.push(TenantSource {
            name: shared.name.clone(),
            traffic: Arc::clone(&shared.traffic),
            events: shared.events.clone(),
            provider: Arc::clone(&shared.provider),
            directories: directories.clone(),
        });
        let registry = match &shared.name {
            None => &mut self.registry,
            Some(name) => labelled(&mut self.registry, name),
        };
        shared.events.register(registry);
        registry.register_collector(Box::new(Arc::clone(&shared.traffic)));
        registry.register_collector(Box::new(metrics::State::new(&shared.provider, directories)));
        Ok((first, further))
    }

    /// The package of a tenant. If only its secrets are others, it takes them over.
    fn provider(&mut self, name: Option<&Arc<str>>, new: Provider, span: &Span) -> Arc<Provider> {
        let Some(known) = self.ledger.provider(name, &new) else {
            return Arc::new(new);
        };
        let (provider, span) = (Arc::clone(&known), span.clone());
        self.steps.push(Box::new(move || {
            if let (Client::Web(known), Client::Web(new)) = (&provider.client, &new.client)
                && known.adopt(new)
            {
                let _named = span.entered();
                tracing::info!(
                    event = "client_secret.changed",
                    "Client secrets taken over."
                );
            }
        }));
        known
    }

    /// The token endpoints: those of before, with their rest after a failure, if nothing about them is new.
    fn directory(
        &self,
        site: &Site,
        of: &PerTenant,
        known: Option<&Gateway>,
    ) -> Result<Arc<Directory>, StartError> {
        let redirect_uri = site.redirect_uri();
        let known = known.filter(|known| {
            Arc::ptr_eq(&known.provider, &of.provider) && known.site.redirect_uri() == redirect_uri
        });
        if let Some(known) = known {
            return Ok(Arc::clone(&known.directory));
        }
        let ports = self.common.ports;
        let endpoint = Endpoints {
            provider: Arc::clone(&of.provider),
            redirect_uri,
            events: of.events.clone(),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
        };
        let home = endpoint.of(None)?;
        let others = move |tenant: &Subdomain| endpoint.of(Some(tenant));
        Ok(Arc::new(Directory::new(home, others)))
    }

    /// What is shared with other replicas, at the same server all along: another one waits for a restart.
    fn store(
        &self,
        known: Option<&Arc<Shared>>,
        cookies: &Arc<CookieStore>,
        revocations: &Arc<Revocations>,
    ) -> Option<Arc<Shared>> {
        let common = &self.common;
        if let Some(known) = known {
            return Some(Arc::new(known.with(cookies)));
        }
        let (settings, keeping) = common.shared.clone()?;
        Some(Arc::new(Shared::new(
            settings,
            keeping,
            cookies,
            Arc::clone(revocations),
            &common.ports.clock,
            common.tasks,
            common.control,
        )))
    }

    fn site(&mut self, origin: Origin, of: &PerTenant) -> Result<Arc<Gateway>, StartError> {
        let common = &self.common;
        let ports = common.ports;
        let realm = of.realm();
        let before = self.ledger.site(&origin.authority(), &realm);
        let known = before.as_ref().map(|kept| kept.gateway.as_ref());
        let site = Site::new(origin, common.prefix.clone()).framed_by(common.framing.clone());
        let directory = self.directory(&site, of, known)?;
        let store = Arc::new(CookieStore {
            keys: Arc::clone(&common.keys),
            names: site.names().clone(),
            host: site.origin().authority(),
            tenant: realm.clone(),
            policy: common.policy,
            fence: of.provider.fence.clone(),
            entropy: Arc::clone(&ports.entropy),
            events: of.events.clone(),
        });
        let mut refresher = Refresher::new(
            Arc::clone(&directory),
            Arc::clone(&store),
            Arc::clone(&ports.clock),
            realm,
            common.control.clone(),
            common.tasks.clone(),
            of.events.clone(),
        );
        let (tracer, asked) = (common.tracer.clone(), of.provider.auth.clone());
        refresher = refresher.traced_by(tracer, asked);
        // Rules and tools are to see facts that are no older than the tokens.
        refresher =
            refresher.rereading(of.router.has_rules() || !of.provider.permissions.is_empty());
        if let Some(known) = known {
            refresher = refresher.after(&known.refresher);
        }
        let revocations = known.map_or_else(
            || Arc::new(self.ledger.notice.beside()),
            |known| Arc::clone(&known.revocations),
        );
        let known_store = before.as_ref().and_then(|kept| kept.shared.as_ref());
        let shared = self.store(known_store, &store, &revocations);
        let mut records = None;
        if let Some(shared) = &shared {
            refresher = refresher.together_with(Arc::clone(&shared.replicas));
            records.clone_from(&shared.records);
            self.ready.push(shared.ready.clone());
            if known_store.is_none() {
                self.newcomers
                    .push((store.host.clone(), shared.ready.clone()));
            }
            self.stores.push(shared.link.subscribe());
            let (shared, store) = (Arc::clone(shared), Arc::clone(&store));
            self.steps.push(Box::new(move || shared.tell_as(&store)));
        }
        let standing: Arc<Standing> =
            known.map_or_else(Arc::default, |known| Arc::clone(&known.standing));
        let (times, policy) = (Arc::clone(&standing), common.policy);
        self.steps.push(Box::new(move || times.live_by(policy)));
        let gateway = Arc::new(Gateway {
            name: of.name.clone(),
            span: of.span.clone(),
            site,
            router: of.router.clone(),
            trusted: common.trusted.clone(),
            cross_site: common.cross_site.clone(),
            bounds: common.bounds,
            keep_fragment: common.keep_fragment,
            asked_path: common.asked_path.clone(),
            pages: Arc::clone(&common.pages),
            provider: Arc::clone(&of.provider),
            signing_secrets: of.signing_secrets.clone(),
            directory,
            store,
            records,
            refresher: Arc::new(refresher),
            arrivals: known.map_or_else(Arc::default, |known| Arc::clone(&known.arrivals)),
            standing,
            revocations,
            used_states: known.map_or_else(Arc::default, |known| Arc::clone(&known.used_states)),
            fairness: Arc::clone(&of.fairness),
            limiters: Arc::clone(&common.limiters),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            control: common.control.clone(),
            tasks: common.tasks.clone(),
            events: of.events.clone(),
            traffic: Arc::clone(&of.traffic),
            slots: of.slots.clone(),
        });
        self.ledger.keep(Kept {
            gateway: Arc::clone(&gateway),
            shared,
        });
        Ok(gateway)
    }
}

/// What the sites of one tenant have in common.
struct PerTenant {
    name: Option<Arc<str>>,
    span: Span,
    provider: Arc<Provider>,
    signing_secrets: Option<Arc<SigningSecrets>>,
    router: Router,
    events: Events,
    traffic: Arc<Traffic>,
    slots: Vec<Slot>,
    fairness: Arc<Fairness>,
}

impl PerTenant {
    /// What tells its sessions from all others, beside the host.
    fn realm(&self) -> String {
        self.provider.realm(self.name.as_deref())
    }
}

/// Makes the token endpoints of one package, each behind a breaker of its own.
struct Endpoints {
    provider: Arc<Provider>,
    redirect_uri: String,
    events: Events,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Endpoints {
    fn of(&self, tenant: Option<&Subdomain>) -> Result<Arc<dyn Guarded>, ClientError> {
        let client = ProviderClient::of_tenant(
            tenant,
            Arc::clone(&self.provider),
            self.redirect_uri.clone(),
            Arc::clone(&self.clock),
        )?;
        Ok(Arc::new(Breaker::new(
            Metered::new(client, self.events.clone()),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        )))
    }
}
