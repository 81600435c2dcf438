//! TLS at the public listener: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN (RFC 9325).

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem;
use rustls_pki_types::pem::PemObject as _;

use super::settings::Tls;

/// The listener's TLS settings. `host` goes into a certificate that is made on the spot.
pub fn server_config(tls: &Tls, host: &str) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = match tls {
        Tls::Files { certificate, key } => (read_chain(certificate)?, read_key(key)?),
        Tls::SelfSigned => self_signed(host)?,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A replayed request would be forwarded twice (RFC 8470): no early data.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system or the PEM reader said.
        error: io::Error,
    },
    /// The certificate and the key do not go together, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

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
        path: path.display().to_string(),
        error,
    }
}

fn self_signed(host: &str) -> Result<Identity, TlsError> {
    let names = [host, "localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok((vec![made.cert.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_our_own_works() {
        assert!(server_config(&Tls::SelfSigned, "tool.example.com").is_ok());
    }

    #[test]
    fn a_missing_or_empty_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tls.crt");
        let tls = Tls::Files {
            certificate: file.clone(),
            key: file.clone(),
        };
        let text = server_config(&tls, "x").expect_err("no file").to_string();
        assert!(text.contains("tls.crt"), "{text}");
        std::fs::write(&file, "").expect("written");
        assert!(server_config(&tls, "x").is_err());
    }
}
