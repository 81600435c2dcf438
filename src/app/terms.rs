//! What a connection has to prove as it is made, and who is believed on it. Where a configuration says this
//! in another way, connections that were let in by the one before are not kept.

use super::reload::Shown;
use crate::config::Config;
use crate::net::settings::Protocols;
use crate::net::settings::Tls;
use crate::net::settings::TrustedProxies;

/// Everything that is asked of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// `None` without TLS.
    asked: Option<Asked>,
    protocols: Protocols,
    trusted: TrustedProxies,
}

impl Terms {
    /// Those of `config`, with the TLS that is `shown`.
    pub(super) fn of(config: &Config, shown: Option<&Shown>) -> Self {
        Self {
            asked: shown.map(Shown::asks),
            protocols: config.protocols,
            trusted: config.trusted_proxies.clone(),
        }
    }
}

/// What TLS asks of clients. The gateway's own certificate is no part of it: that is renewed every few weeks,
/// and whoever has seen the one before knows whom it talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked(Option<Certificate>);

/// The certificate that a client has, or may have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Certificate {
    required: bool,
    told: bool,
    /// The digest of those who vouch for it.
    authorities: [u8; 32],
}

impl Asked {
    /// By `tls`, with the authorities of this digest.
    pub(super) fn by(tls: &Tls, authorities: [u8; 32]) -> Self {
        let clients = match tls {
            Tls::Files { clients, .. } => clients.as_ref(),
            Tls::SelfSigned => None,
        };
        Self(clients.map(|clients| Certificate {
            required: clients.required,
            told: clients.told,
            authorities,
        }))
    }
}
