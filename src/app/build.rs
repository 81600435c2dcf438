//! From the configuration to the state that all workers share: one site for each host of each tenant.

use std::sync::Arc;

use futures_util::future::select_all;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Span;

use super::Ports;
use super::StartError;
use super::metrics;
use super::reread::CertificateFiles;
use super::reread::ClientSecretFiles;
use super::reread::Group;
use super::reread::KeyFiles;
use super::reread::Rereader;
use super::reread::RevocationFile;
use crate::admin::Readiness;
use crate::config::Config;
use crate::config::NotBeforeFile;
use crate::config::SecretSource;
use crate::config::Tenant;
use crate::crypto::Entropy;
use crate::crypto::Keys;
use crate::gateway::Arrivals;
use crate::gateway::Bounds;
use crate::gateway::CrossSite;
use crate::gateway::Fairness;
use crate::gateway::Gateway;
use crate::gateway::House;
use crate::gateway::Limiters;
use crate::gateway::Route;
use crate::gateway::Router;
use crate::gateway::Shares;
use crate::gateway::Site;
use crate::gateway::UsedStates;
use crate::gateway::route::PathPrefix;
use crate::http::Origin;
use crate::net::settings::Tls;
use crate::net::settings::TrustedProxies;
use crate::net::tls::Identity;
use crate::oauth::Directory;
use crate::oauth::Provider;
use crate::oauth::Subdomain;
use crate::oauth::breaker::Breaker;
use crate::oauth::directory::Guarded;
use crate::oauth::endpoint::ClientError;
use crate::oauth::endpoint::ProviderClient;
use crate::oauth::metered::Metered;
use crate::session::CookieStore;
use crate::session::NotBefore;
use crate::session::Policy;
use crate::session::Refresher;
use crate::session::Revocations;
use crate::session::shared::Keeping;
use crate::session::shared::RedisSettings;
use crate::session::shared::Shared;
use crate::telemetry::metrics::Events;
use crate::telemetry::metrics::Traffic;
use crate::time::Clock;
use crate::upstream::Upstreams;
use crate::upstream::settings::number;

/// Gives the routes' upstreams their slots and reads the files of their TLS. Tenants whose routes lead to
/// the same tool share its connections.
pub(super) fn upstreams(config: &mut Config, ports: &Ports) -> Result<Upstreams, StartError> {
    let tenants = std::iter::once(&mut config.first).chain(&mut config.more);
    let tools = tenants.flat_map(|tenant| &mut tenant.routes);
    let list = number(tools.filter_map(Route::tool_mut).collect());
    let resolver = Arc::clone(&ports.resolver);
    Ok(Upstreams::new(
        &list,
        config.pool,
        config.timeouts,
        resolver,
    )?)
}

/// Puts the rooms together, and what watches the files behind them beside it.
pub(super) fn house(
    mut config: Config,
    ports: &Ports,
    control: &Handle,
    tasks: &TaskTracker,
    identity: Option<Arc<Identity>>,
) -> Result<Built, StartError> {
    let (first, more) = (config.first, std::mem::take(&mut config.more));
    let revocations = Arc::<Revocations>::default();
    let mut builder = Builder {
        common: Common {
            keys: config.keys.into(),
            policy: config.session,
            shared: config.shared,
            prefix: config.endpoint_prefix,
            trusted: config.trusted_proxies,
            cross_site: config.cross_site,
            bounds: Bounds::from(config.limits),
            keep_fragment: config.keep_fragment,
            shares: config.shares,
            limiters: Arc::new(Limiters::new(config.rates, &ports.clock)),
            ports,
            control,
            tasks,
        },
        registry: crate::telemetry::metrics::registry(ports.clock.now()),
        groups: Vec::new(),
        revocations: Vec::new(),
        ready: Vec::new(),
        stores: Vec::new(),
    };
    let (first, mut others) = builder.tenant(first, &revocations)?;
    for tenant in more {
        let (site, further) = builder.tenant(tenant, &revocations)?;
        others.push(site);
        others.extend(further);
    }
    let Builder {
        common,
        mut registry,
        mut groups,
        revocations,
        ready,
        stores,
    } = builder;
    let hall = if others.is_empty() {
        Arc::clone(&first.traffic)
    } else {
        let own = common.prefix.as_str();
        let hall = Arc::new(Traffic::new(own, []));
        let registry = labelled(&mut registry, NOBODY);
        registry.register_collector(Box::new(Arc::clone(&hall)));
        hall
    };
    let store = all(stores, control);
    registry.register_collector(Box::new(metrics::Store(store.clone())));
    let watched = Watched {
        keys: config.key_sources,
        not_before: config.not_before,
        certificate: config.tls.zip(identity),
    };
    let clock = &ports.clock;
    groups.extend(watched.groups(&common.keys, &revocations, clock));
    Ok(Built {
        house: House {
            first: Arc::new(first),
            more: others.into_iter().map(Arc::new).collect(),
            hall,
        },
        rereader: Rereader::new(groups, revocations, Arc::clone(clock)),
        readiness: all(ready, control).map_or_else(Readiness::default, Readiness::with_store),
        registry,
        store,
    })
}

/// What all sites have in common.
struct Common<'a> {
    keys: Arc<Keys>,
    policy: Policy,
    shared: Option<(RedisSettings, Keeping)>,
    prefix: PathPrefix,
    trusted: TrustedProxies,
    cross_site: CrossSite,
    bounds: Bounds,
    keep_fragment: bool,
    shares: Shares,
    limiters: Arc<Limiters>,
    ports: &'a Ports,
    control: &'a Handle,
    tasks: &'a TaskTracker,
}

/// Makes sites, and collects what the process has to know of each.
struct Builder<'a> {
    common: Common<'a>,
    registry: Registry,
    groups: Vec<Box<dyn Group>>,
    revocations: Vec<Arc<Revocations>>,
    ready: Vec<watch::Receiver<bool>>,
    stores: Vec<watch::Receiver<bool>>,
}

impl Builder<'_> {
    /// The site at a tenant's public URL, and those at its further ones. They share credentials, routes,
    /// numbers and fair shares; sessions, refreshes and breakers are each one's own.
    fn tenant(
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
        }));
        let shared = PerTenant {
            name,
            span,
            provider,
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
        let directories = sites.map(|site| Arc::clone(&site.directory)).collect();
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
        let site = Site::new(origin, common.prefix.clone());
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

/// The part of the registry whose numbers are a tenant's.
fn labelled<'a>(registry: &'a mut Registry, tenant: &str) -> &'a mut Registry {
    registry.sub_registry_with_label(("tenant".into(), tenant.to_owned().into()))
}

/// Whether all of these are so; `None` of none.
fn all(mut each: Vec<watch::Receiver<bool>>, control: &Handle) -> Option<watch::Receiver<bool>> {
    if each.len() < 2 {
        return each.pop();
    }
    let (whole, answer) = watch::channel(false);
    control.spawn(async move {
        loop {
            let now = each.iter_mut().all(|one| *one.borrow_and_update());
            whole.send_if_modified(|was| std::mem::replace(was, now) != now);
            let changes = each.iter_mut().map(|one| Box::pin(one.changed()));
            let (Ok(()), ..) = select_all(changes).await else {
                break;
            };
        }
    });
    Some(answer)
}

/// The name of nobody, which no tenant can have.
const NOBODY: &str = "-";

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

/// The files of all sites that may change while the gateway runs.
struct Watched {
    keys: Vec<SecretSource>,
    not_before: Option<(NotBeforeFile, NotBefore)>,
    certificate: Option<(Tls, Arc<Identity>)>,
}

impl Watched {
    fn groups(
        self,
        keys: &Arc<Keys>,
        revocations: &[Arc<Revocations>],
        clock: &Arc<dyn Clock>,
    ) -> Vec<Box<dyn Group>> {
        let mut groups: Vec<Box<dyn Group>> = vec![Box::new(KeyFiles {
            sources: self.keys,
            keys: Arc::clone(keys),
        })];
        if let Some((
            Tls::Files {
                certificate, key, ..
            },
            identity,
        )) = self.certificate
        {
            groups.push(Box::new(CertificateFiles {
                certificate,
                key,
                identity,
            }));
        }
        if let Some((file, list)) = self.not_before {
            for site in revocations {
                site.replace(list.clone(), clock.now());
            }
            groups.push(Box::new(RevocationFile {
                file,
                revocations: revocations.to_vec(),
                clock: Arc::clone(clock),
            }));
        }
        groups
    }
}

/// What came of a configuration.
pub(super) struct Built {
    /// The sites, for all workers.
    pub(super) house: House,
    /// Watches files.
    pub(super) rereader: Rereader,
    /// What probes are told.
    pub(super) readiness: Readiness,
    /// What scrapes are told.
    pub(super) registry: Registry,
    /// Whether the session store answers.
    pub(super) store: Option<watch::Receiver<bool>>,
}
