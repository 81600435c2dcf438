//! What is examined, and the means to do so.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect;
use rustls::ClientConfig;

use super::PATIENCE;
use crate::config::Loaded;
use crate::crypto::Entropy;
use crate::crypto::tls;
use crate::gateway::Site;
use crate::time::Clock;

/// A configuration with what is needed to try it.
pub struct Subject {
    pub(super) loaded: Loaded,
    pub(super) site: Site,
    pub(super) http: reqwest::Client,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// How long one step may take.
    pub patience: Duration,
}

impl Subject {
    /// Prepares the examination of `loaded`. `clock` is the one that is compared with the provider's.
    pub fn new(
        loaded: Loaded,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Unfit> {
        let tls = tls::client_config();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&tls))
            // What is looked at is the first answer.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .timeout(PATIENCE)
            .user_agent(concat!("sidegate-doctor/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let site = Site::new(
            loaded.config.public_url.clone(),
            loaded.config.endpoint_prefix.clone(),
        );
        Ok(Self {
            loaded,
            site,
            http,
            tls,
            clock,
            entropy,
            patience: PATIENCE,
        })
    }
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
