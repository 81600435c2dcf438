//! TLS to upstreams: whom we believe and who we are, by the route's files.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem;
use rustls_pki_types::pem::PemObject as _;
use tokio_rustls::TlsConnector;

use super::settings::Protocol;
use super::settings::TlsFiles;
use super::settings::Upstream;
use crate::crypto;

impl Upstream {
    /// How TLS is spoken to its addresses: `default`, with what its files say.
    pub fn client_config(
        &self,
        default: &Arc<ClientConfig>,
    ) -> Result<Arc<ClientConfig>, UpstreamTlsError> {
        config(&self.tls, self.protocol, default)
    }
}

/// How TLS is spoken to the addresses of an upstream. Each new connection asks; those that are open stay.
#[derive(Debug)]
pub struct ClientTls {
    current: ArcSwap<ClientConfig>,
    files: TlsFiles,
    protocol: Protocol,
    default: Arc<ClientConfig>,
}

impl ClientTls {
    /// By the upstream's files, or `default` where it has none.
    pub(super) fn of(
        upstream: &Upstream,
        default: &Arc<ClientConfig>,
    ) -> Result<Self, UpstreamTlsError> {
        Ok(Self {
            current: ArcSwap::new(upstream.client_config(default)?),
            files: upstream.tls.clone(),
            protocol: upstream.protocol,
            default: Arc::clone(default),
        })
    }

    /// By no files.
    pub(super) fn plain(default: &Arc<ClientConfig>) -> Self {
        Self {
            current: ArcSwap::new(Arc::clone(default)),
            files: TlsFiles::default(),
            protocol: Protocol::Http1,
            default: Arc::clone(default),
        }
    }

    /// What is spoken where no file says otherwise.
    pub(super) fn default_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.default)
    }

    /// For one handshake.
    pub(super) fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.current.load_full())
    }

    /// The files that it follows from.
    pub fn files(&self) -> Vec<PathBuf> {
        let identity = self.files.identity.iter();
        let identity = identity.flat_map(|(certificate, key)| [certificate, key]);
        let files = self.files.authorities.iter().chain(identity);
        files.cloned().collect()
    }

    /// What they say now.
    pub fn read(&self) -> Result<Arc<ClientConfig>, UpstreamTlsError> {
        config(&self.files, self.protocol, &self.default)
    }

    /// New connections are made with `config`. Sessions of earlier ones are not resumed.
    pub fn replace(&self, config: Arc<ClientConfig>) {
        self.current.store(config);
    }
}

/// `default` with what the files say. The name in the certificate is checked in any case.
pub(super) fn config(
    files: &TlsFiles,
    protocol: Protocol,
    default: &Arc<ClientConfig>,
) -> Result<Arc<ClientConfig>, UpstreamTlsError> {
    if *files == TlsFiles::default() && protocol == Protocol::Http1 {
        return Ok(Arc::clone(default));
    }
    let roots = match &files.authorities {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in chain(file)? {
                roots.add(certificate)?;
            }
            roots
        }
        None => crypto::tls::roots(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(default.crypto_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match &files.identity {
        Some((certificate, key)) => {
            builder.with_client_auth_cert(chain(certificate)?, read_key(key)?)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(Arc::new(config))
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamTlsError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system or the PEM reader said.
        error: io::Error,
    },
    /// A certificate is of no use, or does not go with its key.
    #[error("a certificate for upstreams cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, UpstreamTlsError> {
    let read = || -> Result<Vec<_>, pem::Error> { CertificateDer::pem_file_iter(path)?.collect() };
    let chain = read().map_err(|error| pem_failure(path, error))?;
    if chain.is_empty() {
        return Err(pem_failure(path, pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, UpstreamTlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| pem_failure(path, error))
}

fn pem_failure(path: &Path, error: pem::Error) -> UpstreamTlsError {
    let error = match error {
        pem::Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    };
    failure(path, error)
}

fn failure(path: &Path, error: io::Error) -> UpstreamTlsError {
    UpstreamTlsError::File {
        path: path.display().to_string(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_configured_is_the_default() {
        let default = crypto::tls::client_config();
        let same = config(&TlsFiles::default(), Protocol::Http1, &default).expect("good");
        assert!(Arc::ptr_eq(&same, &default));
        let h2 = config(&TlsFiles::default(), Protocol::Http2, &default).expect("good");
        assert_eq!(h2.alpn_protocols, [&b"h2"[..], b"http/1.1"]);
    }

    #[test]
    fn a_file_that_is_no_good_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let default = crypto::tls::client_config();
        let file = folder.path().join("ca.pem");
        let files = TlsFiles {
            authorities: Some(file.clone()),
            identity: None,
        };
        for content in [None, Some(""), Some("no certificate")] {
            if let Some(content) = content {
                std::fs::write(&file, content).expect("written");
            }
            let error = config(&files, Protocol::Http1, &default).expect_err("no good");
            assert!(error.to_string().contains("ca.pem"), "{content:?}: {error}");
        }
    }
}
