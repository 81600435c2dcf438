//! From the configuration to the state that all workers share.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::Ports;
use super::StartError;
use super::reread::CertificateFiles;
use super::reread::ClientSecretFiles;
use super::reread::Group;
use super::reread::KeyFiles;
use super::reread::Rereader;
use super::reread::RevocationFile;
use crate::config::Config;
use crate::gateway::Arrivals;
use crate::gateway::Bounds;
use crate::gateway::Gateway;
use crate::gateway::Router;
use crate::gateway::Site;
use crate::gateway::UsedStates;
use crate::net::settings::Tls;
use crate::net::tls::Identity;
use crate::oauth::breaker::Breaker;
use crate::oauth::endpoint::ProviderClient;
use crate::oauth::endpoint::TokenEndpoint;
use crate::session::CookieStore;
use crate::session::Refresher;
use crate::session::Revocations;

/// Puts the rooms together, and what watches the files behind them beside it.
pub(super) fn gateway(
    config: Config,
    ports: &Ports,
    control: &Handle,
    tasks: &TaskTracker,
    identity: Option<Arc<Identity>>,
) -> Result<(Gateway, Rereader), StartError> {
    let site = Site::new(config.public_url, config.endpoint_prefix);
    let provider = Arc::new(config.provider);
    let client = ProviderClient::new(
        Arc::clone(&provider),
        site.redirect_uri(),
        Arc::clone(&ports.clock),
    )?;
    let endpoint: Arc<dyn TokenEndpoint> = Arc::new(Breaker::new(
        client,
        Arc::clone(&ports.clock),
        Arc::clone(&ports.entropy),
    ));
    let tenant = format!("{}/{}", provider.subdomain, provider.client_id.as_str());
    let store = Arc::new(CookieStore {
        keys: config.keys.into(),
        names: site.names().clone(),
        host: site.origin().authority(),
        tenant: tenant.clone(),
        policy: config.session,
        fence: provider.fence.clone(),
        entropy: Arc::clone(&ports.entropy),
    });
    let refresher = Arc::new(Refresher::new(
        Arc::clone(&endpoint),
        Arc::clone(&store),
        Arc::clone(&ports.clock),
        tenant,
        control.clone(),
        tasks.clone(),
    ));
    let revocations = Arc::<Revocations>::default();
    let mut groups: Vec<Box<dyn Group>> = vec![
        Box::new(KeyFiles {
            sources: config.key_sources,
            store: Arc::clone(&store),
        }),
        Box::new(ClientSecretFiles {
            sources: config.client_secret_sources,
            provider: Arc::clone(&provider),
        }),
    ];
    if let (
        Some(Tls::Files {
            certificate, key, ..
        }),
        Some(identity),
    ) = (config.tls, identity)
    {
        groups.push(Box::new(CertificateFiles {
            certificate,
            key,
            identity,
        }));
    }
    if let Some((file, list)) = config.not_before {
        revocations.replace(list, ports.clock.now());
        groups.push(Box::new(RevocationFile {
            file,
            revocations: Arc::clone(&revocations),
            clock: Arc::clone(&ports.clock),
        }));
    }
    let rereader = Rereader::new(groups, Arc::clone(&revocations), Arc::clone(&ports.clock));
    let gateway = Gateway {
        site,
        router: Router::new(config.routes),
        trusted: config.trusted_proxies,
        bounds: Bounds::from(config.limits),
        keep_fragment: config.keep_fragment,
        provider,
        endpoint,
        store,
        refresher,
        arrivals: Arrivals::default(),
        revocations,
        used_states: UsedStates::default(),
        clock: Arc::clone(&ports.clock),
        entropy: Arc::clone(&ports.entropy),
        control: control.clone(),
        tasks: tasks.clone(),
    };
    Ok((gateway, rereader))
}
