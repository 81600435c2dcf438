//! `require` and `business_unit` of a route, and the permissions that sessions keep for them.

use std::sync::Arc;

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawRequire;
use crate::config::raw::RawTexts;
use crate::gateway::Route;
use crate::gateway::Rule;
use crate::gateway::route::Access;
use crate::oauth::Permissions;
use crate::oauth::Provider;
use crate::oauth::partner::Tenants;
use crate::oauth::permissions::Pattern;
use crate::oauth::permissions::PermissionName;
use crate::oauth::provider::BusinessUnit;

impl Resolver<'_> {
    /// The permissions that tools are told of.
    pub(super) fn permissions(&mut self, path: &KeyPath, raw: Option<RawTexts>) -> Permissions {
        let patterns = self.at_least_one(path, raw, Pattern::parse);
        Permissions::new(patterns.unwrap_or_default())
    }

    /// Who may use a route.
    pub(super) fn rule(
        &mut self,
        entry: &KeyPath,
        unit: Option<String>,
        require: Option<RawRequire>,
        access: Option<Access>,
    ) -> Option<Arc<Rule>> {
        let path = entry.child("require");
        if unit.is_none() && require.is_none() {
            return None;
        }
        if !matches!(access, None | Some(Access::SignedIn)) {
            let key = if require.is_some() {
                "require"
            } else {
                "business_unit"
            };
            self.findings
                .problem(
                    Code::BadValue,
                    &entry.child(key),
                    "a rule needs a signed-in person",
                )
                .hint("leave access out, or the rule");
        }
        if let Some(require) = &require
            && require.enterprise.is_none()
            && require.business_unit.is_none()
            && require.permission.is_none()
            && require.email_domain.is_none()
            && !self.findings.blames(&path)
        {
            self.findings
                .problem(Code::BadValue, &path, "must ask for something")
                .hint("enterprise, business_unit, permission or email_domain");
        }
        let raw = require.unwrap_or_default();
        if unit.is_some() && raw.business_unit.is_some() {
            self.findings
                .problem(
                    Code::BadValue,
                    &path.child("business_unit"),
                    "stands beside business_unit of the route",
                )
                .hint("leave one of them out");
        }
        let target = self.optional(&entry.child("business_unit"), unit, values::business_unit);
        let path = |key| path.child(key);
        let unit = values::business_unit;
        let units = self.at_least_one(&path("business_unit"), raw.business_unit, unit);
        let enterprises = self.at_least_one(&path("enterprise"), raw.enterprise, |text| {
            unit(text).map(BusinessUnit::mid)
        });
        let name = PermissionName::parse;
        let permissions = self.at_least_one(&path("permission"), raw.permission, name);
        let domains = self.at_least_one(&path("email_domain"), raw.email_domain, domain);
        Some(Arc::new(Rule {
            enterprises: enterprises.unwrap_or_default().into(),
            email_domains: domains.unwrap_or_default().into(),
            permissions: permissions.unwrap_or_default().into(),
            units: units.unwrap_or_else(|| target.into_iter().collect()).into(),
            target,
        }))
    }

    /// What a mail address says of a person is up to the administrators of the person's account.
    pub(super) fn trusts_mail_addresses(
        &mut self,
        tenant: &KeyPath,
        routes: &[Route],
        provider: Option<&Provider>,
    ) {
        let partner = provider.and_then(|provider| provider.partner.as_ref());
        if !partner.is_some_and(|partner| partner.tenants == Tenants::Any) {
            return;
        }
        for (index, route) in routes.iter().enumerate() {
            let by_mail =
                |rule: &Arc<Rule>| !rule.email_domains.is_empty() && rule.enterprises.is_empty();
            if route.rule.as_ref().is_some_and(by_mail) {
                let entry = tenant.child("routes").index(index);
                let path = entry.child("require").child("email_domain");
                let message = "any account's administrators can give its people such addresses";
                self.findings
                    .warn(Risk::AnyTenant, &path, message)
                    .hint("name the enterprise as well, or list the tenants of partner");
            }
        }
    }

    /// A list that means something only if it is not empty: an empty rule would let everybody in.
    fn at_least_one<T, E: std::fmt::Display>(
        &mut self,
        path: &KeyPath,
        raw: Option<RawTexts>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let items = self.each(path, raw, parse)?;
        if items.is_empty() && !self.findings.blames(path) {
            self.findings
                .problem(Code::BadValue, path, "must name at least one")
                .hint("leave the key out");
        }
        Some(items.into_iter().map(|(_, item)| item).collect())
    }
}

/// The provider with sessions that keep what the routes' rules ask for.
pub(super) fn needed_by(routes: &[Route], mut provider: Provider) -> Provider {
    let rules = routes.iter().filter_map(|route| route.rule.as_ref());
    let names = rules.flat_map(|rule| rule.permissions.iter().cloned());
    provider.permissions.require(names);
    provider
}

/// What follows the `@` of a mail address.
fn domain(text: &str) -> Result<Box<str>, &'static str> {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(plain)
    };
    if text.contains('.') && text.split('.').all(label) {
        Ok(text.into())
    } else {
        Err("must be a whole domain in ASCII, such as example.com, without @ or *")
    }
}
