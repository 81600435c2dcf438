//! The fence: the only hosts that an access token may go to (RFC 10017, dynamic forwarding).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use super::partner::Tenants;
use super::tenant::Subdomain;
use crate::http::Origin;
use crate::http::Scheme;
use crate::http::origin::is_below_localhost;

/// A list of host rules. Checked when a token reply names a host and again when a request is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    rules: Arc<[HostRule]>,
    /// Which other tenants' people there are, if any.
    partners: Option<Arc<Tenants>>,
    /// Of one tenant's hosts only.
    tenant: Option<Subdomain>,
}

impl Fence {
    /// Admits what any of `rules` admits.
    pub fn new(rules: Vec<HostRule>) -> Self {
        Self {
            rules: rules.into(),
            partners: None,
            tenant: None,
        }
    }

    /// The same fence, for the people of these other tenants too.
    #[must_use]
    pub fn with_partners(self, tenants: Tenants) -> Self {
        Self {
            partners: Some(Arc::new(tenants)),
            ..self
        }
    }

    /// The part of the fence that holds the hosts of a person's tenant; `None` names the configured one.
    /// No part at all, if people of that tenant are not let in.
    pub fn of(&self, tenant: Option<&Subdomain>) -> Option<Cow<'_, Self>> {
        let Some(tenant) = tenant else {
            return Some(Cow::Borrowed(self));
        };
        let admitted = self.partners.as_ref()?.admits(tenant);
        admitted.then(|| {
            Cow::Owned(Self {
                tenant: Some(tenant.clone()),
                ..self.clone()
            })
        })
    }

    /// Marketing Cloud's own REST and SOAP hosts.
    pub fn marketing_cloud() -> Self {
        let suffix = |suffix: &str| HostRule::Label {
            suffix: suffix.into(),
        };
        Self::new(vec![
            suffix(".rest.marketingcloudapis.com"),
            suffix(".soap.marketingcloudapis.com"),
        ])
    }

    /// Normalises an instance URL as token replies write it (with or without scheme and trailing
    /// slash) and admits it, or says why not.
    pub fn admit(&self, text: &str) -> Result<InstanceUrl, FenceError> {
        let origin = if text.contains("://") {
            Origin::parse(text)
        } else {
            Origin::from_authority(Scheme::Https, text.strip_suffix('/').unwrap_or(text))
        };
        let origin = origin.map_err(|_| FenceError::NotAnOrigin)?;
        if !self.rules.iter().any(|rule| rule.admits(&origin)) {
            return Err(FenceError::Outside);
        }
        if !self.admits(&origin) {
            return Err(FenceError::OtherTenant);
        }
        let host = HeaderValue::try_from(origin.authority());
        let host = host.map_err(|_| FenceError::NotAnOrigin)?;
        Ok(InstanceUrl { origin, host })
    }

    /// Whether a token may go to `origin`. Every host of a tenant begins with its subdomain.
    pub fn admits(&self, origin: &Origin) -> bool {
        let first = || origin.host().split('.').next();
        let own = |tenant: &Subdomain| first() == Some(tenant.as_str());
        self.tenant.as_ref().is_none_or(own) && self.rules.iter().any(|rule| rule.admits(origin))
    }
}

impl Fence {
    /// Whether a rule names this very host, so that the operator vouches for wherever it leads.
    pub fn names(&self, origin: &Origin) -> bool {
        let named = |rule: &&HostRule| !matches!(rule, HostRule::Label { .. });
        self.rules
            .iter()
            .filter(named)
            .any(|rule| rule.admits(origin))
    }
}

impl Fence {
    /// The origins that rules name one by one. A loopback host of any port is none, and loopback without a
    /// scheme is two.
    pub fn named(&self) -> Vec<Origin> {
        let named = self.rules.iter().flat_map(|rule| match rule {
            HostRule::Label { .. } | HostRule::Local { .. } => Vec::new(),
            HostRule::Host(host) => Origin::from_authority(Scheme::Https, host)
                .into_iter()
                .filter(|origin| !origin.is_loopback())
                .collect(),
            HostRule::Exact(origins) => origins.clone(),
        });
        named.collect()
    }
}

/// A base URL of a tenant that passed the fence. Only a [`Fence`] makes one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InstanceUrl {
    origin: Origin,
    host: HeaderValue,
}

impl InstanceUrl {
    /// Where to connect.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What a `Host` field says.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }
}

impl fmt::Display for InstanceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.origin, f)
    }
}

impl fmt::Debug for InstanceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.origin, f)
    }
}

/// One entry of `marketing_cloud.instance_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// `*.suffix`: https, default port, exactly one label of `a-z0-9-` before the suffix.
    Label {
        /// The suffix with its leading dot, in lower case.
        suffix: Box<str>,
    },
    /// `*.localhost:port` (sandbox, tests): either scheme, exactly one label before the suffix.
    Local {
        /// The suffix with its leading dot, in lower case.
        suffix: Box<str>,
        /// The port.
        port: u16,
    },
    /// `host`: https and the default port; on loopback (sandbox, tests) either scheme and any port.
    Host(Box<str>),
    /// `host:port` or a whole origin: exactly that one. Plain http only on loopback.
    Exact(Vec<Origin>),
}

impl HostRule {
    /// Reads `*.suffix`, `*.localhost:port`, `host`, `host:port`, `host:*` or `scheme://host[:port]`.
    pub fn parse(text: &str) -> Result<Self, FenceError> {
        if let Some(suffix) = text.strip_prefix('*') {
            return Self::label(suffix);
        }
        if text.contains("://") {
            let origin = Origin::parse(text).map_err(|_| FenceError::NotAnOrigin)?;
            return Self::exact(origin).ok_or(FenceError::PlainText);
        }
        let (host, any_port) = text
            .strip_suffix(":*")
            .map_or((text, false), |host| (host, true));
        let origin =
            Origin::from_authority(Scheme::Https, host).map_err(|_| FenceError::NotAnOrigin)?;
        if origin.port() != Scheme::Https.default_port() || host.ends_with(":443") {
            return Self::exact(origin).ok_or(FenceError::PlainText);
        }
        if !origin.is_loopback() && (any_port || origin.ip().is_some()) {
            return Err(FenceError::IpOrPort);
        }
        Ok(Self::Host(origin.host().into()))
    }

    fn label(suffix: &str) -> Result<Self, FenceError> {
        let host = suffix.strip_prefix('.').ok_or(FenceError::NotAnOrigin)?;
        let origin =
            Origin::from_authority(Scheme::Https, host).map_err(|_| FenceError::NotAnOrigin)?;
        if host.contains(':') && is_below_localhost(&format!(".{}", origin.host())) {
            return Ok(Self::Local {
                suffix: format!(".{}", origin.host()).into(),
                port: origin.port(),
            });
        }
        let named = origin.port() == Scheme::Https.default_port()
            && origin.ip().is_none()
            && !host.contains(':');
        // `*.com` would hand tokens to everybody.
        if !named || !origin.host().contains('.') {
            return Err(FenceError::NotAnOrigin);
        }
        Ok(Self::Label {
            suffix: format!(".{}", origin.host()).into(),
        })
    }

    /// `host:port` on loopback stands for both schemes, elsewhere for https.
    fn exact(origin: Origin) -> Option<Self> {
        let plain = Origin::from_authority(
            Scheme::Http,
            &format!("{}:{}", origin.host(), origin.port()),
        )
        .ok();
        match (origin.scheme(), origin.is_loopback()) {
            (Scheme::Http, false) => None,
            (Scheme::Https, true) => Some(Self::Exact(plain.into_iter().chain([origin]).collect())),
            _ => Some(Self::Exact(vec![origin])),
        }
    }

    fn admits(&self, origin: &Origin) -> bool {
        let default =
            origin.scheme() == Scheme::Https && origin.port() == Scheme::Https.default_port();
        let one_label = |suffix: &str| {
            let label = origin.host().strip_suffix(suffix);
            label.is_some_and(|label| Subdomain::parse(label).is_ok())
        };
        match self {
            Self::Label { suffix } => default && one_label(suffix),
            Self::Local { suffix, port } => origin.port() == *port && one_label(suffix),
            Self::Host(host) => origin.host() == host.as_ref() && (default || origin.is_loopback()),
            Self::Exact(origins) => origins.contains(origin),
        }
    }
}

/// Why a host is not admitted, or a rule is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// Not `[scheme://]host[:port][/]`.
    #[error("is not a host, or more than a host")]
    NotAnOrigin,
    /// A well-formed host that no rule admits.
    #[error("is not on the list of hosts that tokens may go to")]
    Outside,
    /// A host that tokens may go to, but not this tenant's.
    #[error("is a host of another tenant")]
    OtherTenant,
    /// Plain http to another machine.
    #[error("must be https; plain http is for loopback only")]
    PlainText,
    /// A rule for an address, or for any port, outside loopback.
    #[error("must name a host, not an address or any port")]
    IpOrPort,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(rules: &[&str]) -> Fence {
        Fence::new(
            rules
                .iter()
                .map(|rule| HostRule::parse(rule).expect("a rule"))
                .collect(),
        )
    }

    #[test]
    fn all_spellings_of_a_tenants_url_become_one() {
        let fence = Fence::marketing_cloud();
        for text in [
            "https://mcabc.rest.marketingcloudapis.com/",
            "https://mcabc.rest.marketingcloudapis.com",
            "mcabc.rest.marketingcloudapis.com",
            "mcabc.rest.marketingcloudapis.com/",
            "https://MCABC.rest.marketingcloudapis.com:443/",
        ] {
            let url = fence.admit(text).map(|url| url.to_string());
            assert_eq!(
                url.as_deref(),
                Ok("https://mcabc.rest.marketingcloudapis.com"),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_else_passes_the_default_fence() {
        let fence = Fence::marketing_cloud();
        for text in [
            "http://mcabc.rest.marketingcloudapis.com",
            "https://mcabc.rest.marketingcloudapis.com:8443",
            "https://u@mcabc.rest.marketingcloudapis.com",
            "https://mcabc.rest.marketingcloudapis.com/x",
            "https://mcabc.rest.marketingcloudapis.com?x",
            "https://mcabc.rest.marketingcloudapis.com#",
            "https://mcabc.rest.marketingcloudapis.com.evil.example",
            "https://evilrest.marketingcloudapis.com",
            "https://.rest.marketingcloudapis.com",
            "https://rest.marketingcloudapis.com",
            "https://a.b.rest.marketingcloudapis.com",
            "https://a_b.rest.marketingcloudapis.com",
            "https://evil.example\\.rest.marketingcloudapis.com",
            "https://127.0.0.1",
            "https://[::1]",
            "https://169.254.169.254",
            "http://localhost",
            "//x",
            "",
            "/",
            "https://mcabc.auth.marketingcloudapis.com",
            "https://mcabc.rest.marketingcloudapis.com.",
            "https://mcabc.rest.marketingcloudapis.com\n",
        ] {
            assert!(fence.admit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_a_partners_hosts_only_its_own_are_within_its_part() {
        let tenant = |text: &str| Subdomain::parse(text).expect("a label");
        let (ours, other) = (tenant("mcabc"), tenant("mcxyz"));
        let rules = [
            "*.rest.example.com",
            "mcxyz.rest.example.com",
            "*.localhost:9100",
        ];
        let whole = fence(&rules);
        assert!(whole.of(Some(&ours)).is_none(), "there are no partners");
        let whole = whole.with_partners(Tenants::Listed([ours.clone()].into()));
        assert!(whole.of(Some(&other)).is_none(), "not on the list");
        let part = whole.of(Some(&ours)).expect("on the list");
        for url in [
            "https://mcabc.rest.example.com",
            "http://mcabc.localhost:9100",
        ] {
            assert!(part.admit(url).is_ok(), "{url}");
        }
        for url in [
            "https://mcxyz.rest.example.com/",
            "http://mcxyz.localhost:9100",
        ] {
            assert_eq!(part.admit(url), Err(FenceError::OtherTenant), "{url}");
            assert!(whole.admit(url).is_ok(), "{url}");
        }
        for url in [
            "https://mcabc.evil.example",
            "https://mcabc.x.rest.example.com",
            "http://mcabc.localhost:9101",
            "http://a.mcabc.localhost:9100",
        ] {
            assert_eq!(part.admit(url), Err(FenceError::Outside), "{url}");
        }
    }

    #[test]
    fn loopback_must_be_named_to_be_admitted() {
        let open = fence(&["127.0.0.1"]);
        for text in [
            "http://127.0.0.1:9100",
            "https://127.0.0.1:9100/",
            "https://127.0.0.1",
        ] {
            assert!(open.admit(text).is_ok(), "{text}");
        }
        assert!(open.admit("http://127.0.0.2:9100").is_err());
        for rule in ["127.0.0.1:9100", "http://127.0.0.1:9100"] {
            let exact = fence(&[rule]);
            assert!(exact.admit("http://127.0.0.1:9100").is_ok(), "{rule}");
            assert!(exact.admit("http://127.0.0.1:9101").is_err(), "{rule}");
        }
    }

    #[test]
    fn only_a_rule_for_the_very_host_names_it() {
        let both = fence(&[
            "*.rest.example.com",
            "own.rest.example.com",
            "127.0.0.1:9100",
        ]);
        let names = |text: &str| both.names(&Origin::parse(text).expect("an origin"));
        assert!(names("https://own.rest.example.com"));
        assert!(names("http://127.0.0.1:9100"));
        assert!(!names("https://other.rest.example.com"));
        assert!(!names("https://own.rest.example.com:8443"));
    }

    #[test]
    fn what_is_named_can_be_gone_through() {
        let all = fence(&[
            "*.rest.example.com",
            "own.rest.example.com",
            "127.0.0.1",
            "127.0.0.1:9100",
            "http://localhost:9200",
            "api.example:8443",
        ]);
        let named: Vec<_> = all.named().iter().map(ToString::to_string).collect();
        assert_eq!(
            named,
            [
                "https://own.rest.example.com",
                "http://127.0.0.1:9100",
                "https://127.0.0.1:9100",
                "http://localhost:9200",
                "https://api.example:8443",
            ]
        );
        assert_eq!(Fence::marketing_cloud().named(), []);
    }

    #[test]
    fn a_rule_that_opens_too_much_is_refused() {
        for rule in [
            "*",
            "*.",
            "*.com",
            "*com",
            "*.1.2.3.4",
            "",
            "http://x.example",
            "10.0.0.1",
            "x.example:*",
            "a b",
            "*.x.example:443",
        ] {
            assert!(HostRule::parse(rule).is_err(), "{rule}");
        }
        let exact = fence(&["api.example:8443"]);
        assert!(exact.admit("https://api.example:8443").is_ok());
        assert!(exact.admit("http://api.example:8443").is_err());
        assert!(exact.admit("https://api.example").is_err());
    }
}
