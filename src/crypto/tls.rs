//! TLS towards others: whom we believe, and how we speak.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;

/// TLS 1.3 and 1.2 by aws-lc-rs, HTTP/1.1 by ALPN, certificates checked against the system's roots,
/// or against Mozilla's where the system has none (a container without `ca-certificates`).
///
/// Reads the roots from disk on each call: build it once and hand it around.
#[expect(
    clippy::expect_used,
    reason = "aws-lc-rs implements both default versions"
)]
pub fn client_config() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs speaks TLS 1.3 and 1.2")
        .with_root_certificates(roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The system's roots, or Mozilla's where the system has none.
pub fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(native.certs);
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    tracing::debug!(
        event = "tls.roots",
        native = added,
        ignored,
        errors = native.errors.len(),
        all = roots.len(),
        "Root certificates loaded."
    );
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_always_roots_and_no_http_2() {
        assert!(!roots().is_empty());
        assert_eq!(client_config().alpn_protocols, [b"http/1.1"]);
    }
}
