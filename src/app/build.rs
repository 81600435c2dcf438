//! From the configuration to the state that all workers share.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::Ports;
use super::StartError;
use super::metrics;
use super::reread::CertificateFiles;
use super::reread::ClientSecretFiles;
use super::reread::Group;
use super::reread::KeyFiles;
use super::reread::Rereader;
use super::reread::RevocationFile;
use super::reread::SigningSecretFiles;
use crate::admin::Readiness;
use crate::config::Config;
use crate::config::NotBeforeFile;
use crate::config::SecretSource;
use crate::gateway::Arrivals;
use crate::gateway::Bounds;
use crate::gateway::Fairness;
use crate::gateway::Gateway;
use crate::gateway::Limiters;
use crate::gateway::Route;
use crate::gateway::Router;
use crate::gateway::Site;
use crate::gateway::UsedStates;
use crate::net::settings::Tls;
use crate::net::tls::Identity;
use crate::oauth::Provider;
use crate::oauth::breaker::Breaker;
use crate::oauth::endpoint::ProviderClient;
use crate::oauth::endpoint::TokenEndpoint;
use crate::oauth::metered::Metered;
use crate::oauth::signed_call::SigningSecrets;
use crate::session::CookieStore;
use crate::session::NotBefore;
use crate::session::Refresher;
use crate::session::Revocations;
use crate::session::shared::Shared;
use crate::telemetry::metrics::Events;
use crate::time::Clock;
use crate::upstream::Upstreams;
use crate::upstream::settings::number;

/// Gives the routes' upstreams their slots and reads the files of their TLS.
pub(super) fn upstreams(config: &mut Config, ports: &Ports) -> Result<Upstreams, StartError> {
    let tools = config.routes.iter_mut().filter_map(Route::tool_mut);
    let list = number(tools.collect());
    let resolver = Arc::clone(&ports.resolver);
    Ok(Upstreams::new(
        &list,
        config.pool,
        config.timeouts,
        resolver,
    )?)
}

/// Puts the rooms together, and what watches the files behind them beside it.
pub(super) fn gateway(
    config: Config,
    ports: &Ports,
    control: &Handle,
    tasks: &TaskTracker,
    identity: Option<Arc<Identity>>,
) -> Result<Built, StartError> {
    let mut site = Site::new(config.public_url, config.endpoint_prefix);
    if let Some(framing) = config.framing {
        site = site.framed_by(framing);
    }
    let provider = Arc::new(config.provider);
    let client = ProviderClient::new(
        Arc::clone(&provider),
        site.redirect_uri(),
        Arc::clone(&ports.clock),
    )?;
    let events = Events::default();
    let breaker = Arc::new(Breaker::new(
        Metered::new(client, events.clone()),
        Arc::clone(&ports.clock),
        Arc::clone(&ports.entropy),
    ));
    let endpoint: Arc<dyn TokenEndpoint> = breaker.clone();
    let tenant = format!("{}/{}", provider.subdomain, provider.client_id.as_str());
    let store = Arc::new(CookieStore {
        keys: config.keys.into(),
        names: site.names().clone(),
        host: site.origin().authority(),
        tenant: tenant.clone(),
        policy: config.session,
        fence: provider.fence.clone(),
        entropy: Arc::clone(&ports.entropy),
        events: events.clone(),
    });
    let mut refresher = Refresher::new(
        Arc::clone(&endpoint),
        Arc::clone(&store),
        Arc::clone(&ports.clock),
        tenant,
        control.clone(),
        tasks.clone(),
        events.clone(),
    );
    let revocations = Arc::<Revocations>::default();
    let shared = config.shared.map(|(settings, keeping)| {
        let revocations = Arc::clone(&revocations);
        Shared::new(settings, keeping, &store, revocations, &ports.clock, tasks)
    });
    if let Some(shared) = &shared {
        refresher = refresher.together_with(Arc::clone(&shared.replicas));
    }
    let records = shared.as_ref().and_then(|shared| shared.records.clone());
    let readiness = shared.as_ref().map_or_else(Readiness::default, |shared| {
        Readiness::with_store(shared.ready())
    });
    let store_state = shared.as_ref().map(|shared| shared.link.subscribe());
    if let Some(shared) = shared {
        shared.run(control);
    }
    let (signing_secrets, signing_sources) = config.signing_secrets.unzip();
    let signing_secrets = signing_secrets.map(Arc::new);
    let watched = Watched {
        signing: signing_secrets.clone().zip(signing_sources),
        keys: config.key_sources,
        client_secrets: config.client_secret_sources,
        not_before: config.not_before,
        certificate: config.tls.zip(identity),
    };
    let rereader = watched.rereader(&store, &provider, &revocations, &ports.clock);
    let router = Router::new(config.routes);
    let traffic = metrics::traffic(&site, &router);
    let mut registry = crate::telemetry::metrics::registry(ports.clock.now());
    events.register(&mut registry);
    registry.register_collector(Box::new(Arc::clone(&traffic)));
    registry.register_collector(Box::new(metrics::State::new(
        &provider,
        &breaker,
        store_state.clone(),
    )));
    let gateway = Gateway {
        site,
        router,
        trusted: config.trusted_proxies,
        cross_site: config.cross_site,
        bounds: Bounds::from(config.limits),
        keep_fragment: config.keep_fragment,
        provider,
        signing_secrets,
        endpoint,
        store,
        refresher: Arc::new(refresher),
        records,
        arrivals: Arrivals::default(),
        revocations,
        used_states: UsedStates::default(),
        fairness: Arc::new(Fairness::new(config.shares)),
        limiters: Limiters::new(config.rates, &ports.clock),
        clock: Arc::clone(&ports.clock),
        entropy: Arc::clone(&ports.entropy),
        control: control.clone(),
        tasks: tasks.clone(),
        events,
        traffic,
    };
    Ok((gateway, rereader, readiness, registry, store_state))
}

/// The files that may change while the gateway runs.
struct Watched {
    keys: Vec<SecretSource>,
    client_secrets: Vec<SecretSource>,
    signing: Option<(Arc<SigningSecrets>, Vec<SecretSource>)>,
    not_before: Option<(NotBeforeFile, NotBefore)>,
    certificate: Option<(Tls, Arc<Identity>)>,
}

impl Watched {
    fn rereader(
        self,
        store: &Arc<CookieStore>,
        provider: &Arc<Provider>,
        revocations: &Arc<Revocations>,
        clock: &Arc<dyn Clock>,
    ) -> Rereader {
        let mut groups: Vec<Box<dyn Group>> = vec![
            Box::new(KeyFiles {
                sources: self.keys,
                store: Arc::clone(store),
            }),
            Box::new(ClientSecretFiles {
                sources: self.client_secrets,
                provider: Arc::clone(provider),
            }),
        ];
        if let Some((secrets, sources)) = self.signing {
            groups.push(Box::new(SigningSecretFiles { sources, secrets }));
        }
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
            revocations.replace(list, clock.now());
            groups.push(Box::new(RevocationFile {
                file,
                revocations: Arc::clone(revocations),
                clock: Arc::clone(clock),
            }));
        }
        Rereader::new(groups, Arc::clone(revocations), Arc::clone(clock))
    }
}

/// What requests share, what watches files, what probes and scrapes tell, and whether the store answers.
type Built = (
    Gateway,
    Rereader,
    Readiness,
    Registry,
    Option<watch::Receiver<bool>>,
);
