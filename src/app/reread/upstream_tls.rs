//! The files of TLS to an upstream: whom we believe there, and who we are.

use std::path::PathBuf;
use std::sync::Arc;

use super::Digest;
use super::Group;
use super::Reading;
use super::groups::digest;
use crate::admin::files::Watched;
use crate::upstream::ClientTls;

/// Authorities, certificate and key of one upstream.
pub(in crate::app) struct UpstreamTlsFiles {
    tls: Arc<ClientTls>,
    /// What was in them at the start.
    begun: Digest,
}

impl UpstreamTlsFiles {
    pub(in crate::app) fn new(tls: Arc<ClientTls>) -> Self {
        let begun = digest(&tls.files().iter().collect::<Vec<_>>());
        Self { tls, begun }
    }
}

impl Group for UpstreamTlsFiles {
    fn about(&self) -> Watched {
        Watched::new("TLS to an upstream", None)
    }

    fn files(&self) -> Vec<PathBuf> {
        self.tls.files()
    }

    fn read(&self) -> Reading {
        let files = self.tls.files();
        let digest = digest(&files.iter().collect::<Vec<_>>());
        let news = digest != self.begun;
        let tls = Arc::clone(&self.tls);
        let outcome = tls.read().map(|config| -> Box<dyn FnOnce()> {
            Box::new(move || {
                tls.replace(config);
                if news {
                    tracing::info!(
                        event = "upstream_tls.changed",
                        ?files,
                        "TLS files for an upstream were taken over; new connections use them."
                    );
                }
            })
        });
        Reading {
            digest,
            outcome: outcome.map_err(|error| error.to_string()),
        }
    }
}
