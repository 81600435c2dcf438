//! Whom the gateway serves: `public_url`, `marketing_cloud` and `routes` for one, or the list `tenants`.

use super::Resolver;
use super::listener::secure_origin;
use super::rules;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawMarketingCloud;
use crate::config::raw::RawRoute;
use crate::config::raw::RawTenant;
use crate::config::raw::RawTexts;
use crate::config::rotation;
use crate::config::tenant::Tenant;
use crate::config::tenant::TenantName;
use crate::gateway::route::PathPrefix;
use crate::http::Origin;
use crate::http::Scheme;
use crate::upstream::settings::TlsFiles;

/// What the file says about whom it serves.
pub(super) struct RawServed {
    pub(super) public_url: Option<String>,
    pub(super) marketing_cloud: RawMarketingCloud,
    pub(super) routes: Option<Vec<Option<RawRoute>>>,
    pub(super) tenants: Option<Vec<Option<RawTenant>>>,
}

/// What all tenants have in common.
pub(super) struct Common<'a> {
    pub(super) endpoints: Option<&'a PathPrefix>,
    pub(super) tls: &'a TlsFiles,
}

impl Resolver<'_> {
    /// The first or only tenant and the others, and every public URL, of tenants with problems too.
    pub(super) fn served(
        &mut self,
        raw: RawServed,
        common: &Common<'_>,
    ) -> (Option<(Tenant, Vec<Tenant>)>, Vec<Origin>) {
        let Some(tenants) = raw.tenants else {
            let url = self.public_url(raw.public_url);
            let root = KeyPath::root();
            let (package, routes) = (raw.marketing_cloud, raw.routes);
            let only = self.tenant(
                &root,
                None,
                url.clone().into_iter().collect(),
                package,
                routes,
                common,
            );
            return (
                only.map(|only| (only, Vec::new())),
                url.into_iter().collect(),
            );
        };
        let root = KeyPath::root();
        for key in ["public_url", "marketing_cloud", "routes"] {
            let path = root.child(key);
            if self.findings.places.has(&path) {
                self.findings
                    .problem(Code::BadValue, &path, "stands beside tenants")
                    .hint("move it into the tenants, or leave tenants out");
            }
        }
        self.tenants(tenants, common)
    }

    fn tenants(
        &mut self,
        raw: Vec<Option<RawTenant>>,
        common: &Common<'_>,
    ) -> (Option<(Tenant, Vec<Tenant>)>, Vec<Origin>) {
        let list = KeyPath::root().child("tenants");
        if raw.is_empty() {
            self.findings
                .problem(Code::BadValue, &list, "must hold at least one tenant")
                .hint(HINT);
        } else if raw.len() > MAX_TENANTS {
            self.bad(
                &list,
                format!("must not hold more than {MAX_TENANTS} tenants"),
            );
        }
        let mut names: Vec<(KeyPath, TenantName)> = Vec::with_capacity(raw.len());
        let mut urls: Vec<(KeyPath, Origin)> = Vec::with_capacity(raw.len());
        let mut tenants = Vec::with_capacity(raw.len());
        for (index, raw) in raw.into_iter().enumerate() {
            let Some(raw) = raw else { continue };
            let section = list.index(index);
            let name = self.tenant_name(&section.child("name"), raw.name, &mut names);
            let own = self.hosts(&section.child("hosts"), raw.hosts, &mut urls);
            let tenant = self.tenant(
                &section,
                name.clone(),
                own,
                raw.marketing_cloud,
                raw.routes,
                common,
            );
            tenants.extend(tenant.filter(|_| name.is_some()));
        }
        let mut tenants = tenants.into_iter();
        let served = tenants.next().map(|first| (first, tenants.collect()));
        (served, urls.into_iter().map(|(_, url)| url).collect())
    }

    fn tenant(
        &mut self,
        section: &KeyPath,
        name: Option<TenantName>,
        urls: Vec<Origin>,
        package: RawMarketingCloud,
        routes: Option<Vec<Option<RawRoute>>>,
        common: &Common<'_>,
    ) -> Option<Tenant> {
        let mut package = package;
        let (first, next) = (
            package.jwt_signing_secret.take(),
            package.next_jwt_signing_secret.take(),
        );
        let signing_secrets = self.signing_secrets(section, first, next);
        let (provider, client_secret_sources) = self.provider(section, package);
        let routes = self.routes(section, routes, common.endpoints, common.tls);
        self.needs_signing_secret(section, &routes, signing_secrets.is_some());
        self.trusts_mail_addresses(section, &routes, provider.as_ref());
        let places = rotation::paths(section).map(|path| self.findings.places.value(&path));
        let mut urls = urls.into_iter();
        Some(Tenant {
            name,
            public_url: urls.next()?,
            further_urls: urls.collect(),
            provider: rules::needed_by(&routes, provider?),
            client_secret_sources,
            signing_secrets,
            routes,
            section: section.clone(),
            secret_places: places.into(),
        })
    }

    fn tenant_name(
        &mut self,
        path: &KeyPath,
        text: Option<String>,
        known: &mut Vec<(KeyPath, TenantName)>,
    ) -> Option<TenantName> {
        let hint = "what logs and metrics call it, such as acme";
        let name = self.required(path, text, hint, TenantName::parse)?;
        if let Some((first, _)) = known.iter().find(|(_, other)| *other == name) {
            let message = format!("is the same name as {first}");
            self.bad(path, message);
        }
        known.push((path.clone(), name.clone()));
        Some(name)
    }

    /// Hosts tell tenants apart, so that no two may have one in common, whatever its scheme.
    fn hosts(
        &mut self,
        path: &KeyPath,
        raw: Option<RawTexts>,
        known: &mut Vec<(KeyPath, Origin)>,
    ) -> Vec<Origin> {
        let hint = "what browsers type, such as [acme.tools.example.com]";
        let Some(given) = self.each(path, raw, host) else {
            self.findings.missing(path, hint);
            return Vec::new();
        };
        if given.is_empty() && !self.findings.blames(path) {
            self.findings
                .problem(Code::BadValue, path, "must name at least one host")
                .hint(hint);
        } else if given.len() > MAX_HOSTS {
            self.bad(path, format!("must not name more than {MAX_HOSTS} hosts"));
        }
        let mut own = Vec::with_capacity(given.len());
        for (path, url) in given {
            if url.scheme() == Scheme::Http {
                let message = "plain http: cookies are sent without Secure";
                self.findings
                    .warn(Risk::PlainHttp, &path, message)
                    .hint("for development only");
            }
            let alike = |other: &Origin| {
                let port = other.host() == url.host() && other.port() == url.port();
                port || other.authority() == url.authority()
            };
            if let Some((first, _)) = known.iter().find(|(_, other)| alike(other)) {
                let message = format!("is the same host as {first}");
                self.bad(&path, message);
            }
            known.push((path, url.clone()));
            own.push(url);
        }
        own
    }
}

/// A host with or without a port, for https; or a whole origin.
fn host(text: &str) -> Result<Origin, String> {
    if text.contains("://") {
        return secure_origin(text);
    }
    Origin::from_authority(Scheme::Https, text).map_err(|error| error.to_string())
}

const HINT: &str = "{ name: acme, hosts: [acme.tools.example.com], marketing_cloud: …, routes: … }";

/// More need a gateway of their own.
const MAX_TENANTS: usize = 256;

/// Of one tenant.
const MAX_HOSTS: usize = 16;
