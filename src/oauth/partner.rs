//! Packages of the `AppExchange`: people of other tenants sign in, each at the hosts of their own tenant,
//! which the callback names (`tssd`). Code, client secret and tokens go to those hosts, so that which
//! they can be is decided here.

use std::collections::BTreeSet;

use super::tenant::Subdomain;
use crate::http::Origin;
use crate::http::Scheme;

/// Who beside the configured tenant's people may sign in, and where they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Whose people are let in.
    pub tenants: Tenants,
    /// Where their tenants' authorization servers are.
    pub auth: AuthHosts,
}

impl Partner {
    /// The authorization server of `tenant`, if its people are let in.
    pub fn auth_of(&self, tenant: &Subdomain) -> Option<Origin> {
        self.tenants
            .admits(tenant)
            .then(|| self.auth.of(tenant))
            .flatten()
    }
}

/// Other tenants whose people are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// Those of this list.
    Listed(BTreeSet<Subdomain>),
    /// All whose name is one that Marketing Cloud gives out: see [`Subdomain::is_given_out`].
    Any,
}

impl Tenants {
    /// Whether people of `tenant` are let in.
    pub fn admits(&self, tenant: &Subdomain) -> bool {
        match self {
            Self::Listed(list) => list.contains(tenant),
            Self::Any => tenant.is_given_out(),
        }
    }
}

/// A fixed suffix under which every tenant has its authorization server: what a browser brings is one label
/// in front of it and never anything else of the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthHosts {
    scheme: Scheme,
    /// With its leading dot.
    suffix: Box<str>,
    port: u16,
}

impl AuthHosts {
    /// `https://{tssd}.auth.marketingcloudapis.com`.
    pub fn marketing_cloud() -> Self {
        Self {
            scheme: Scheme::Https,
            suffix: SUFFIX.into(),
            port: Scheme::Https.default_port(),
        }
    }

    /// Reads `scheme://{tssd}.suffix[:port]`, plain http on loopback only.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let (scheme, rest) = text.split_once("://").ok_or(BadTemplate)?;
        let rest = rest.strip_prefix(PLACE).ok_or(BadTemplate)?;
        // With the longest label that there is, so that no tenant's name can make the host too long.
        let longest = format!("{scheme}://{}{rest}", "m".repeat(63));
        let origin = Origin::parse(&longest).map_err(|_| BadTemplate)?;
        let suffix = origin.host().get(63..).ok_or(BadTemplate)?;
        let plain = origin.scheme() == Scheme::Http && !origin.is_loopback();
        if plain || !suffix.starts_with('.') {
            return Err(BadTemplate);
        }
        Ok(Self {
            scheme: origin.scheme(),
            suffix: suffix.into(),
            port: origin.port(),
        })
    }

    /// Whether it is Marketing Cloud's own.
    pub fn is_marketing_cloud(&self) -> bool {
        *self == Self::marketing_cloud()
    }

    fn of(&self, tenant: &Subdomain) -> Option<Origin> {
        let authority = format!("{tenant}{}:{}", self.suffix, self.port);
        Origin::from_authority(self.scheme, &authority).ok()
    }
}

/// Not a template for addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be https://{{tssd}}. and the rest of a host; http is for names below localhost only")]
pub struct BadTemplate;

const PLACE: &str = "{tssd}";
const SUFFIX: &str = ".auth.marketingcloudapis.com";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REAL: &str = "mc563885gzs27c5t9-63k636ttgm";

    fn tenant(text: &str) -> Subdomain {
        Subdomain::parse(text).expect("a label")
    }

    fn partner(tenants: Tenants) -> Partner {
        Partner {
            tenants,
            auth: AuthHosts::marketing_cloud(),
        }
    }

    #[test]
    fn any_tenant_is_one_that_marketing_cloud_gives_out() {
        let any = partner(Tenants::Any);
        let auth = any.auth_of(&tenant(REAL)).expect("let in");
        assert_eq!(
            auth.to_string(),
            "https://mc563885gzs27c5t9-63k636ttgm.auth.marketingcloudapis.com"
        );
        for other in [
            "www",
            "mc",
            "mc563885gzs27c5t9-63k636ttg",
            "mc563885gzs27c5t9-63k636ttgmx",
            "xc563885gzs27c5t9-63k636ttgm",
        ] {
            assert_eq!(any.auth_of(&tenant(other)), None, "{other}");
        }
    }

    #[test]
    fn a_list_is_exact() {
        let listed = partner(Tenants::Listed([tenant("mcone")].into()));
        assert!(listed.auth_of(&tenant("mcone")).is_some());
        assert!(listed.auth_of(&tenant("mcon")).is_none());
        assert!(listed.auth_of(&tenant(REAL)).is_none());
    }

    #[test]
    fn a_template_has_the_tenant_in_front_and_nowhere_else() {
        let local = AuthHosts::parse("http://{tssd}.localhost:9100").expect("a template");
        let origin = local.of(&tenant(REAL)).expect("a host");
        assert_eq!(origin.to_string(), format!("http://{REAL}.localhost:9100"));
        let own = AuthHosts::parse("https://{tssd}.auth.marketingcloudapis.com/");
        assert!(own.is_ok_and(|own| own.is_marketing_cloud()));
        for text in [
            "",
            "{tssd}",
            "https://{tssd}",
            "https://{tssd}:443",
            "https://{tssd}auth.example",
            "https://auth.{tssd}.example",
            "https://x.example/{tssd}",
            "https://{tssd}.{tssd}.example",
            "https://{tssd}@x.example",
            "https://u@{tssd}.example",
            "http://{tssd}.example",
            "http://{tssd}.127.0.0.1",
            "ftp://{tssd}.localhost",
            "https://{tssd}.example/x",
        ] {
            assert_eq!(AuthHosts::parse(text), Err(BadTemplate), "{text}");
        }
    }

    proptest! {
        /// Whatever a browser brings, it never leads anywhere but below the suffix.
        #[test]
        fn no_name_leaves_the_suffix(text in "\\PC{0,70}|[a-zA-Z0-9.:@/%-]{1,64}") {
            let Ok(tenant) = Subdomain::parse(&text.to_ascii_lowercase()) else { return Ok(()) };
            let listed = partner(Tenants::Listed([tenant.clone()].into()));
            let auth = listed.auth_of(&tenant).expect("every label makes a host");
            prop_assert_eq!(auth.scheme(), Scheme::Https);
            prop_assert_eq!(auth.port(), 443);
            prop_assert_eq!(auth.host().strip_suffix(SUFFIX), Some(tenant.as_str()));
            prop_assert!(!tenant.as_str().contains('.'));
        }
    }
}
