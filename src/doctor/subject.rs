//! What is examined, and the means to do so.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns;
use reqwest::redirect;
use rustls::ClientConfig;

use super::PATIENCE;
use crate::config::Loaded;
use crate::config::Tenant;
use crate::config::TenantName;
use crate::crypto::Entropy;
use crate::crypto::tls;
use crate::gateway::Site;
use crate::http::Origin;
use crate::time::Clock;
use crate::upstream::Resolve;

/// A configuration with what is needed to try it.
pub struct Subject {
    pub(super) loaded: Arc<Loaded>,
    /// Which of the tenants, from 0.
    tenant: usize,
    pub(super) site: Site,
    pub(super) http: reqwest::Client,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) resolver: Arc<dyn Resolve>,
    /// How long one step may take.
    pub patience: Duration,
}

impl Subject {
    /// Prepares the examination of `loaded`. `clock` is the one that is compared with the provider's,
    /// `resolver` knows the addresses of names.
    pub fn new(
        loaded: Loaded,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, Unfit> {
        let tls = tls::client_config();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&tls))
            // What is looked at is the first answer.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Names(Arc::clone(&resolver))))
            .referer(false)
            .http1_only()
            .timeout(PATIENCE)
            .user_agent(concat!("sidegate-doctor/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let site = site(&loaded, &loaded.config.first.public_url);
        Ok(Self {
            loaded: Arc::new(loaded),
            tenant: 0,
            site,
            http,
            tls,
            clock,
            entropy,
            resolver,
            patience: PATIENCE,
        })
    }

    /// The tenant that is looked at.
    pub(super) fn tenant(&self) -> &Tenant {
        let config = &self.loaded.config;
        config.tenants().nth(self.tenant).unwrap_or(&config.first)
    }

    /// What tells the sessions of the tenant from those of all others, beside the host.
    pub(super) fn realm(&self) -> String {
        let tenant = self.tenant();
        let provider = &tenant.provider;
        provider.realm(tenant.name.as_ref().map(TenantName::as_str))
    }

    /// Whatever a step has to look at, each for itself.
    pub(super) fn each(&self, scope: Scope) -> Vec<Self> {
        let tenants = self.loaded.config.tenants().enumerate();
        let urls = tenants.flat_map(|(index, tenant)| tenant.urls().map(move |url| (index, url)));
        let mut seen = None;
        let wanted = urls.filter(|(index, _)| match scope {
            Scope::Process => seen.replace(0).is_none(),
            Scope::Tenant => seen.replace(*index) != Some(*index),
            Scope::Host => true,
        });
        wanted.map(|(index, url)| self.at(index, url)).collect()
    }

    fn at(&self, tenant: usize, url: &Origin) -> Self {
        Self {
            loaded: Arc::clone(&self.loaded),
            tenant,
            site: site(&self.loaded, url),
            http: self.http.clone(),
            tls: Arc::clone(&self.tls),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            resolver: Arc::clone(&self.resolver),
            patience: self.patience,
        }
    }
}

/// Our resolver, for the HTTP client.
struct Names(Arc<dyn Resolve>);

impl dns::Resolve for Names {
    fn resolve(&self, name: dns::Name) -> dns::Resolving {
        let resolver = Arc::clone(&self.0);
        Box::pin(async move {
            // The client puts the port in.
            let addresses = resolver.resolve(name.as_str(), 0).await?;
            let addresses: dns::Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// As the gateway makes it.
fn site(loaded: &Loaded, url: &Origin) -> Site {
    let config = &loaded.config;
    Site::new(url.clone(), config.endpoint_prefix.clone()).framed_by(config.framing.clone())
}

/// What a step looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// What all tenants have in common.
    Process,
    /// Each tenant.
    Tenant,
    /// Each host of each tenant.
    Host,
}

/// Why there was no answer, down to the system's own words. No URL: its query may be long.
pub(super) fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What to do about a provider that cannot be reached.
pub(super) const WAY_OUT: &str =
    "Check marketing_cloud.subdomain, DNS and the way out of this network.";

/// There is nothing to examine with.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built")]
pub struct Unfit(#[from] reqwest::Error);
