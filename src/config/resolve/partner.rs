//! `marketing_cloud.partner`: whether people of other tenants sign in, and of which.

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawPartner;
use crate::config::raw::RawPartnerSection;
use crate::config::raw::RawTexts;
use crate::oauth::Partner;
use crate::oauth::Subdomain;
use crate::oauth::partner::AuthHosts;
use crate::oauth::partner::Tenants;

impl Resolver<'_> {
    /// `local` is whether the configured tenant's own authorization server is another than Marketing
    /// Cloud's.
    pub(super) fn partner(
        &mut self,
        path: &KeyPath,
        raw: Option<RawPartner>,
        local: bool,
    ) -> Option<Partner> {
        let section = match raw? {
            RawPartner::Switch(text) => {
                let on = self.optional(path, Some(text), values::boolean)?;
                if !on {
                    return None;
                }
                RawPartnerSection::default()
            }
            RawPartner::Section(section) => section,
        };
        let tenants = self.partner_tenants(path, section.tenants)?;
        let auth_path = path.child("auth_base_url");
        let given = section.auth_base_url.is_some();
        let auth = self.optional(&auth_path, section.auth_base_url, AuthHosts::parse);
        if local && !given {
            self.findings
                .missing(&auth_path, "marketing_cloud.auth_base_url leads elsewhere, so other tenants need one too: http://{tssd}.localhost:9100");
            return None;
        }
        if given && !auth.as_ref()?.is_marketing_cloud() {
            let message = "codes and the client secret go to hosts that are not Marketing Cloud's";
            self.findings
                .warn(Risk::OtherProvider, &auth_path, message)
                .hint("for the sandbox and tests only");
        }
        Some(Partner {
            tenants,
            auth: auth.unwrap_or_else(AuthHosts::marketing_cloud),
        })
    }

    fn partner_tenants(&mut self, path: &KeyPath, raw: Option<RawTexts>) -> Option<Tenants> {
        let list = path.child("tenants");
        let any = match &raw {
            None => true,
            Some(RawTexts::One(text)) => text == "any",
            Some(RawTexts::Many(_)) => false,
        };
        if any {
            let at = if raw.is_some() { &list } else { path };
            let message =
                "people of every Marketing Cloud account that installs the package can sign in";
            self.findings
                .warn(Risk::AnyTenant, at, message)
                .hint("partner: { tenants: [their subdomains] } lets in those of a list only");
            return Some(Tenants::Any);
        }
        let given = self.each(&list, raw, |text| {
            Subdomain::parse(&text.to_ascii_lowercase())
        })?;
        if given.is_empty() && !self.findings.blames(&list) {
            self.findings
                .problem(Code::BadValue, &list, "must name at least one tenant")
                .hint("their subdomains, or any");
        }
        Some(Tenants::Listed(
            given.into_iter().map(|(_, tenant)| tenant).collect(),
        ))
    }
}
