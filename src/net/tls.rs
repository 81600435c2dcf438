//! TLS at the public listener: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN (RFC 9325).

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::server::VerifierBuilderError;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem;
use rustls_pki_types::pem::PemObject as _;

use super::settings::ClientCertificates;
use super::settings::Tls;
use crate::time::UnixTime;

/// The listener's TLS settings, and the identity that it shows.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// Can be changed while they go on.
    pub identity: Arc<Identity>,
}

impl ServerTls {
    /// Reads what `tls` names. `hosts` go into a certificate that is made on the spot.
    pub fn new(tls: &Tls, hosts: &[&str]) -> Result<Self, TlsError> {
        let (key, clients) = match tls {
            Tls::Files {
                certificate,
                key,
                clients,
            } => (read(certificate, key)?, clients.as_ref()),
            Tls::SelfSigned => (self_signed(hosts)?, None),
        };
        let identity = Arc::new(Identity(ArcSwap::from_pointee(key)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(verifier(clients)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(identity.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A replayed request would be forwarded twice (RFC 8470): no early data.
        config.max_early_data_size = 0;
        Ok(Self {
            config: Arc::new(config),
            identity,
        })
    }
}

/// The certificate that new handshakes are given.
#[derive(Debug)]
pub struct Identity(ArcSwap<CertifiedKey>);

impl Identity {
    /// Shows `key` from now on; `false` if its certificate is the one that was shown already.
    pub fn replace(&self, key: CertifiedKey) -> bool {
        let before = self.0.swap(Arc::new(key));
        before.cert != self.0.load().cert
    }

    /// Until when its leaf is valid (RFC 5280 §4.1.2.5); `None` if that cannot be read.
    pub fn valid_until(&self) -> Option<UnixTime> {
        let key = self.0.load();
        let (_, leaf) = x509_parser::parse_x509_certificate(key.end_entity_cert().ok()?).ok()?;
        let seconds = leaf.validity().not_after.timestamp();
        let millis = u64::try_from(seconds).ok()?.checked_mul(1000)?;
        Some(UnixTime::from_millis(millis))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Reads a chain and the key that goes with it.
pub fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    certified(read_chain(certificate)?, read_key(key)?)
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the PEM reader said.
        error: io::Error,
    },
    /// The certificate and the key do not go together, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// The clients' authorities cannot vouch for anybody.
    #[error("the authorities for client certificates cannot be used: {0}")]
    Authorities(#[from] VerifierBuilderError),
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    let provider = aws_lc_rs::default_provider();
    // Fails where the key is not the leaf's.
    Ok(CertifiedKey::from_der(chain, key, &provider)?)
}

fn verifier(clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in read_chain(&clients.authorities)? {
        roots.add(authority)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients.required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    Ok(builder.build()?)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = || -> Result<Vec<_>, pem::Error> { CertificateDer::pem_file_iter(path)?.collect() };
    let chain = read().map_err(|error| failure(path, error))?;
    if chain.is_empty() {
        return Err(failure(path, pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| failure(path, error))
}

fn failure(path: &Path, error: pem::Error) -> TlsError {
    let error = match error {
        pem::Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    };
    TlsError::File {
        path: path.to_owned(),
        error,
    }
}

fn self_signed(hosts: &[&str]) -> Result<CertifiedKey, TlsError> {
    let local = ["localhost", "127.0.0.1", "::1"];
    let names = hosts.iter().chain(&local).copied().map(str::to_owned);
    let names: Vec<_> = names.collect();
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    certified(vec![made.cert.der().clone()], key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_our_own_works() {
        assert!(ServerTls::new(&Tls::SelfSigned, &["tool.example.com"]).is_ok());
    }

    #[test]
    fn a_missing_or_empty_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tls.crt");
        let text = read(&file, &file).expect_err("no file").to_string();
        assert!(text.contains("tls.crt"), "{text}");
        std::fs::write(&file, "").expect("written");
        assert!(read(&file, &file).is_err());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("crt"), folder.path().join("key"));
        let one = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
        let other = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
        std::fs::write(&certificate, one.cert.pem()).expect("written");
        std::fs::write(&key, one.signing_key.serialize_pem()).expect("written");
        assert!(read(&certificate, &key).is_ok());
        std::fs::write(&key, other.signing_key.serialize_pem()).expect("written");
        assert!(read(&certificate, &key).is_err());
    }
}
