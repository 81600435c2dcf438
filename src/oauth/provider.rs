//! What the operator says about the provider: one installed package of one tenant.

use std::num::NonZeroU64;

use super::callback::CallbackError;
use super::client_secrets::ClientSecrets;
use super::fence::Fence;
use super::partner::Partner;
use super::permissions::Permissions;
use super::tenant::Subdomain;
use crate::http::Origin;

/// An API integration of an installed package, and where to find its provider.
#[derive(Debug)]
pub struct Provider {
    /// The tenant's subdomain.
    pub subdomain: Subdomain,
    /// The integration's client id.
    pub client_id: ClientId,
    /// Web app or public app.
    pub client: Client,
    /// What to ask for. Never empty: `None` asks for all that the package has.
    pub scope: Option<Scope>,
    /// The business unit (MID) to sign in to; `None` is the person's own.
    pub business_unit: Option<BusinessUnit>,
    /// Which of a person's permissions a session keeps.
    pub permissions: Permissions,
    /// Whether a challenge is sent.
    pub pkce: Pkce,
    /// Scheme, host and port of `/v2/authorize`, `/v2/token` and `/v2/userinfo`.
    pub auth: Origin,
    /// Where tokens may go.
    pub fence: Fence,
    /// Whether people of other tenants sign in, and where.
    pub partner: Option<Partner>,
}

impl Provider {
    /// Whether `other` is the same but for its secrets.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self {
            subdomain,
            client_id,
            client,
            scope,
            business_unit,
            permissions,
            pkce,
            auth,
            fence,
            partner,
        } = other;
        let kinds = matches!(
            (&self.client, client),
            (Client::Web(_), Client::Web(_)) | (Client::Public, Client::Public)
        );
        kinds
            && self.subdomain == *subdomain
            && self.client_id == *client_id
            && self.scope == *scope
            && self.business_unit == *business_unit
            && self.permissions == *permissions
            && self.pkce == *pkce
            && self.auth == *auth
            && self.fence == *fence
            && self.partner == *partner
    }

    /// What tells the sessions of this package, at the tenant that operators call `name`, from all others of
    /// the same host.
    pub fn realm(&self, name: Option<&str>) -> String {
        let package = format!("{}/{}", self.subdomain, self.client_id.as_str());
        match name {
            None => package,
            Some(name) => format!("{name}/{package}"),
        }
    }

    /// The tenant of a person whose callback names `tssd`; `None` is the configured one.
    pub fn tenant_of(&self, tssd: Option<Subdomain>) -> Result<Option<Subdomain>, CallbackError> {
        match (tssd, &self.partner) {
            (None, _) => Ok(None),
            (Some(named), _) if named == self.subdomain => Ok(None),
            (Some(_), None) => Err(CallbackError::ForeignTenant),
            (Some(named), Some(partner)) if partner.tenants.admits(&named) => Ok(Some(named)),
            (Some(_), Some(_)) => Err(CallbackError::NotAdmitted),
        }
    }

    /// Scheme, host and port of a tenant's authorization server; `None` for a tenant that is not let in.
    pub fn auth_of(&self, tenant: Option<&Subdomain>) -> Option<Origin> {
        match tenant {
            None => Some(self.auth.clone()),
            Some(tenant) => self.partner.as_ref()?.auth_of(tenant),
        }
    }
}

/// How the client proves itself at the token endpoint (RFC 6749 §2.1).
#[derive(Debug)]
pub enum Client {
    /// A confidential client.
    Web(ClientSecrets),
    /// A client without a secret.
    Public,
}

/// Proof Key for Code Exchange (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// A fresh S256 challenge per sign-in.
    S256,
    /// No challenge.
    Off,
}

/// A client id: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// Reads a client id.
    pub fn parse(text: &str) -> Result<Self, ProviderError> {
        let visible = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        visible
            .then(|| Self(text.into()))
            .ok_or(ProviderError::ClientId)
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One or more scope tokens (RFC 6749 §3.3), joined by single spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Box<str>);

impl Scope {
    /// Takes the tokens of `scope`; at least one.
    pub fn parse(tokens: &[&str]) -> Result<Self, ProviderError> {
        let allowed = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        let good = |token: &&str| !token.is_empty() && token.bytes().all(allowed);
        if tokens.is_empty() || !tokens.iter().all(good) {
            return Err(ProviderError::Scope);
        }
        Ok(Self(tokens.join(" ").into()))
    }

    /// The parameter's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A business unit's MID, `account_id` in token requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct BusinessUnit(pub NonZeroU64);

impl BusinessUnit {
    /// The unit that userinfo names so.
    pub fn of(mid: u64) -> Option<Self> {
        NonZeroU64::new(mid).map(Self)
    }

    /// The MID.
    pub const fn mid(self) -> u64 {
        self.0.get()
    }
}

/// Why a value of `marketing_cloud` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Empty, too long or not visible ASCII.
    #[error("must have 1 to 128 visible ASCII characters")]
    ClientId,
    /// Empty, or a token with characters that RFC 6749 does not allow.
    #[error("must be a list of scope names such as email_read; leave the key out to ask for all")]
    Scope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_never_empty() {
        assert_eq!(Scope::parse(&[]), Err(ProviderError::Scope));
        assert_eq!(Scope::parse(&[""]), Err(ProviderError::Scope));
        assert_eq!(Scope::parse(&["a b"]), Err(ProviderError::Scope));
        assert_eq!(
            Scope::parse(&["email_read", "offline"])
                .map(|scope| scope.as_str().to_owned())
                .as_deref(),
            Ok("email_read offline")
        );
    }

    #[test]
    fn a_client_id_keeps_its_text() {
        assert_eq!(
            ClientId::parse("0123")
                .map(|id| id.as_str().to_owned())
                .as_deref(),
            Ok("0123")
        );
        assert!(ClientId::parse("").is_err());
        assert!(ClientId::parse("a b").is_err());
    }
}
