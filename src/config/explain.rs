//! What a configuration decides about requests, for those who ask before they send.

use super::Config;
use crate::gateway::Bounds;
use crate::gateway::Router;
use crate::gateway::Site;
use crate::gateway::explain::Terms;

impl Config {
    /// The terms of every site, in the order of the file.
    pub fn terms(&self) -> Vec<Terms<'_>> {
        let sites = self
            .tenants()
            .flat_map(|tenant| tenant.urls().map(move |url| (tenant, url)));
        sites
            .map(|(tenant, url)| Terms {
                tenant: tenant.name.as_ref().map(super::TenantName::as_str),
                site: Site::new(url.clone(), self.endpoint_prefix.clone())
                    .framed_by(self.framing.clone()),
                router: Router::new(tenant.routes.clone()),
                cross_site: &self.cross_site,
                bounds: Bounds::from(self.limits),
                trusted: &self.trusted_proxies,
                provider: &tenant.provider,
            })
            .collect()
    }
}
