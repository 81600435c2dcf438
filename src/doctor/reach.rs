//! Reaching a host: name, connection, TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::CertificateError;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::subject::Subject;
use crate::crypto::tls::roots;
use crate::http::Origin;
use crate::http::Scheme;

/// A host that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// With TLS: for how many days its certificate chain goes on to be valid, up to
    /// [`LOOK_AHEAD`].
    pub(super) days: Option<u64>,
}

/// Why a host was not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreached {
    #[error("{host} does not resolve: {error}")]
    Name { host: String, error: io::Error },
    #[error("no connection to {host}: {error}")]
    Connect { host: String, error: io::Error },
    #[error("no TLS with {host}: {error}")]
    Tls { host: String, error: io::Error },
}

impl Unreached {
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Name { .. } => "Check the name and this machine's DNS.",
            Self::Connect { .. } => "Check that it runs and that no firewall is in between.",
            Self::Tls { error, .. } => match certificate_error(error) {
                Some(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                    "Renew the certificate: it has ended. If it has not, this machine's clock is wrong."
                }
                Some(
                    CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
                ) => "Wait until the certificate begins, or set this machine's clock.",
                Some(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                ) => {
                    "Get a certificate for this very name, or mend the name: this one is for others."
                }
                Some(CertificateError::UnknownIssuer) => {
                    "Let a certificate authority sign it that browsers know, and send the intermediate certificates along; a self-signed one is for development. If the authority is your own, add its root to this machine (SSL_CERT_FILE)."
                }
                _ => {
                    "Check the certificate: its name, its dates, its chain, and that this machine trusts its root."
                }
            },
        }
    }
}

/// What is wrong with the certificate, if that is why there is no TLS.
fn certificate_error(error: &io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}

/// Connects to `origin` and, for https, shakes hands as everybody would.
pub(super) async fn reach(subject: &Subject, origin: &Origin) -> Result<Reached, Unreached> {
    reach_by(subject, origin, &subject.tls).await
}

/// The same with certificates of our choice.
pub(super) async fn reach_by(
    subject: &Subject,
    origin: &Origin,
    tls: &Arc<ClientConfig>,
) -> Result<Reached, Unreached> {
    let host = || origin.authority();
    let bare = origin
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let unnamed = |error| Unreached::Name {
        host: host(),
        error,
    };
    let addresses = subject.resolver.resolve(&bare, origin.port()).await;
    let addresses = addresses.map_err(unnamed)?;
    if addresses.is_empty() {
        let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(unnamed(error));
    }
    let tcp = TcpStream::connect(addresses.as_slice())
        .await
        .map_err(|error| Unreached::Connect {
            host: host(),
            error,
        })?;
    if origin.scheme() == Scheme::Http {
        return Ok(Reached { days: None });
    }
    let failed = |error| Unreached::Tls {
        host: host(),
        error,
    };
    let name = ServerName::try_from(bare).map_err(|error| failed(io::Error::other(error)))?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = connector.connect(name.clone(), tcp).await.map_err(failed)?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let now = Duration::from_millis(subject.clock.now().as_millis());
    Ok(Reached {
        days: Some(valid_days(chain, &name, roots(), now)),
    })
}

/// For how many days `chain` goes on to be valid: the first day on which it would be refused is looked
/// for by halves. So an intermediate certificate that ends earlier counts too.
fn valid_days(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: RootCertStore,
    now: Duration,
) -> u64 {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let (Ok(verifier), Some((leaf, rest))) = (verifier, chain.split_first()) else {
        return 0;
    };
    let good_on = |day: u64| {
        let then = now.saturating_add(Duration::from_hours(24 * day));
        let then = rustls_pki_types::UnixTime::since_unix_epoch(then);
        verifier
            .verify_server_cert(leaf, rest, name, &[], then)
            .is_ok()
    };
    let (mut good, mut bad) = (0, LOOK_AHEAD + 1);
    while good + 1 < bad {
        let day = u64::midpoint(good, bad);
        if good_on(day) {
            good = day;
        } else {
            bad = day;
        }
    }
    good
}

/// Days.
pub(super) const LOOK_AHEAD: u64 = 400;

#[cfg(test)]
mod tests {
    use rcgen::CertificateParams;
    use rcgen::KeyPair;

    use super::*;

    #[test]
    fn the_days_left_are_those_of_the_chain() {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(vec!["tool.example.com".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 3, 1);
        let certificate = params.self_signed(&key).expect("signed");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("a root");
        let name = ServerName::try_from("tool.example.com").expect("a name");
        // 2026-02-01.
        let now = Duration::from_hours(24 * 20_485);
        let chain = [certificate.der().clone()];
        assert_eq!(valid_days(&chain, &name, roots.clone(), now), 28);
        let late = now + Duration::from_hours(24 * 100);
        assert_eq!(valid_days(&chain, &name, roots.clone(), late), 0);
        assert_eq!(valid_days(&[], &name, roots, now), 0);
    }
}
