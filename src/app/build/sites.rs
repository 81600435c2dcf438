//! Sites: one for each host of a tenant.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Span;

use super::labelled;
use crate::admin::TenantSource;
use crate::app::Ports;
use crate::app::StartError;
use crate::app::metrics;
use crate::app::reread::ClientSecretFiles;
use crate::app::reread::Group;
use crate::app::reread::SigningSecretFiles;
use crate::config::Tenant;
use crate::crypto::Entropy;
use crate::crypto::Keys;
use crate::gateway::Arrivals;
use crate::gateway::Bounds;
use crate::gateway::CrossSite;
use crate::gateway::Fairness;
use crate::gateway::Gateway;
use crate::gateway::Limiters;
use crate::gateway::Router;
use crate::gateway::Shares;
use crate::gateway::Site;
use crate::gateway::UsedStates;
use crate::gateway::route::PathPrefix;
use crate::http::Framing;
use crate::http::Origin;
use crate::net::settings::TrustedProxies;
use crate::oauth::Directory;
use crate::oauth::Provider;
use crate::oauth::Subdomain;
use crate::oauth::breaker::Breaker;
use crate::oauth::directory::Guarded;
use crate::oauth::endpoint::ClientError;
use crate::oauth::endpoint::ProviderClient;
use crate::oauth::metered::Metered;
use crate::oauth::signed_call::SigningSecrets;
use crate::session::CookieStore;
use crate::session::Policy;
use crate::session::Refresher;
use crate::session::Revocations;
use crate::session::shared::Keeping;
use crate::session::shared::RedisSettings;
use crate::session::shared::Shared;
use crate::telemetry::metrics::Events;
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
    pub(super) shares: Shares,
    pub(super) limiters: Arc<Limiters>,
    pub(super) ports: &'a Ports,
    pub(super) control: &'a Handle,
    pub(super) tasks: &'a TaskTracker,
}

/// Makes sites, and collects what the process has to know of each.
pub(super) struct Builder<'a> {
    pub(super) common: Common<'a>,
    pub(super) registry: Registry,
    pub(super) groups: Vec<Box<dyn Group>>,
    pub(super) revocations: Vec<Arc<Revocations>>,
    pub(super) ready: Vec<watch::Receiver<bool>>,
    pub(super) stores: Vec<watch::Receiver<bool>>,
    pub(super) sources: Vec<TenantSource>,
}

impl Builder<'_> {
    /// The site at a tenant's public URL, and those at its further ones. They share credentials, routes,
    /// numbers and fair shares; sessions, refreshes and breakers are each one's own.
    pub(super) fn tenant(
        &mut self,
        tenant: Tenant,
        revocations: &Arc<Revocations>,
    ) -> Result<(Gateway, Vec<Gateway>), StartError> {
        let origins: Vec<Origin> = tenant.urls().cloned().collect();
        let name = tenant.name.as_ref().map(|name| Arc::from(name.as_str()));
        let span = name.as_deref().map_or_else(Span::none, |name: &str| {
            // Enabled at every level of the log.
            tracing::error_span!("site", tenant = name)
        });
        let provider = Arc::new(tenant.provider);
        let router = Router::new(tenant.routes);
        let events = Events::default();
        let traffic = metrics::traffic(&self.common.prefix, &router);
        let fairness = Arc::new(Fairness::new(self.common.shares));
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
            fairness,
        };
        let further = origins.into_iter().skip(1);
        let first = self.site(tenant.public_url, &shared, revocations)?;
        let further: Result<Vec<_>, _> = further
            .map(|origin| self.site(origin, &shared, revocations))
            .collect();
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

    fn site(
        &mut self,
        origin: Origin,
        of: &PerTenant,
        notice: &Arc<Revocations>,
    ) -> Result<Gateway, StartError> {
        let common = &self.common;
        let ports = common.ports;
        let site = Site::new(origin, common.prefix.clone()).framed_by(common.framing.clone());
        let endpoint = Endpoints {
            provider: Arc::clone(&of.provider),
            redirect_uri: site.redirect_uri(),
            events: of.events.clone(),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
        };
        let home = endpoint.of(None)?;
        let directory = Arc::new(Directory::new(home, move |tenant| {
            endpoint.of(Some(tenant))
        }));
        let realm = of.realm();
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
        let revocations = Arc::new(notice.beside());
        let shared = common.shared.clone().map(|(settings, keeping)| {
            let revocations = Arc::clone(&revocations);
            Shared::new(
                settings,
                keeping,
                &store,
                revocations,
                &ports.clock,
                common.tasks,
            )
        });
        let mut records = None;
        if let Some(shared) = shared {
            refresher = refresher.together_with(Arc::clone(&shared.replicas));
            records.clone_from(&shared.records);
            self.ready.push(shared.ready());
            self.stores.push(shared.link.subscribe());
            shared.run(common.control);
        }
        self.revocations.push(Arc::clone(&revocations));
        Ok(Gateway {
            name: of.name.clone(),
            span: of.span.clone(),
            site,
            router: of.router.clone(),
            trusted: common.trusted.clone(),
            cross_site: common.cross_site.clone(),
            bounds: common.bounds,
            keep_fragment: common.keep_fragment,
            provider: Arc::clone(&of.provider),
            signing_secrets: of.signing_secrets.clone(),
            directory,
            store,
            records,
            refresher: Arc::new(refresher),
            arrivals: Arrivals::default(),
            revocations,
            used_states: UsedStates::default(),
            fairness: Arc::clone(&of.fairness),
            limiters: Arc::clone(&common.limiters),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            control: common.control.clone(),
            tasks: common.tasks.clone(),
            events: of.events.clone(),
            traffic: Arc::clone(&of.traffic),
        })
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
    fairness: Arc<Fairness>,
}

impl PerTenant {
    /// What tells its sessions from all others, beside the host.
    fn realm(&self) -> String {
        let Provider {
            subdomain,
            client_id,
            ..
        } = self.provider.as_ref();
        let package = format!("{subdomain}/{}", client_id.as_str());
        match &self.name {
            None => package,
            Some(name) => format!("{name}/{package}"),
        }
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
