//! The section `marketing_cloud`: the package and where its provider is.

use secrecy::ExposeSecret;

use super::Resolver;
use super::listener::secure_origin;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawMarketingCloud;
use crate::config::raw::RawSecret;
use crate::config::raw::RawTexts;
use crate::config::secret_source::SecretSource;
use crate::crypto::secret::ClientSecret;
use crate::http::Origin;
use crate::http::Scheme;
use crate::oauth::Fence;
use crate::oauth::Provider;
use crate::oauth::Subdomain;
use crate::oauth::client_secrets::ClientSecrets;
use crate::oauth::fence::HostRule;
use crate::oauth::provider::Client;
use crate::oauth::provider::ClientId;
use crate::oauth::provider::Pkce;
use crate::oauth::provider::Scope;

impl Resolver<'_> {
    /// The provider, and where its client's secrets can be read again.
    pub(super) fn provider(
        &mut self,
        parent: &KeyPath,
        raw: RawMarketingCloud,
    ) -> (Option<Provider>, Vec<SecretSource>) {
        let mut sources = Vec::new();
        let section = parent.child("marketing_cloud");
        (self.package(&section, raw, &mut sources), sources)
    }

    fn package(
        &mut self,
        section: &KeyPath,
        raw: RawMarketingCloud,
        sources: &mut Vec<SecretSource>,
    ) -> Option<Provider> {
        let hint = "the part before .auth.marketingcloudapis.com in the package's URLs";
        let path = section.child("subdomain");
        let subdomain = self.required(&path, raw.subdomain, hint, Subdomain::parse);
        let hint = "the package's API integration shows it";
        let path = section.child("client_id");
        let client_id = self.required(&path, raw.client_id, hint, ClientId::parse);
        let client = self.client(
            section,
            raw.client_type,
            raw.client_secret,
            raw.next_client_secret,
            sources,
        );
        let scope = self.scope(&section.child("scope"), raw.scope);
        let path = section.child("business_unit");
        let business_unit = self.optional(&path, raw.business_unit, values::business_unit);
        let permissions = self.permissions(&section.child("permissions"), raw.permissions);
        let pkce = self.pkce(&section.child("pkce"), raw.pkce);
        let path = section.child("auth_base_url");
        let auth = self.auth_base_url(&path, raw.auth_base_url);
        let mut fence = self.fence(&section.child("instance_hosts"), raw.instance_hosts);
        let local = auth.as_ref().is_some_and(Origin::is_loopback);
        let partner = self.partner(&section.child("partner"), raw.partner, local);
        if let Some(partner) = &partner {
            fence = fence.with_partners(partner.tenants.clone());
        }
        let subdomain = subdomain?;
        Some(Provider {
            auth: auth.unwrap_or_else(|| subdomain.auth_origin()),
            subdomain,
            client_id: client_id?,
            client: client?,
            scope,
            business_unit,
            permissions,
            pkce,
            fence,
            partner,
        })
    }

    fn client(
        &mut self,
        section: &KeyPath,
        client_type: Option<String>,
        secret: Option<RawSecret>,
        next: Option<RawSecret>,
        sources: &mut Vec<SecretSource>,
    ) -> Option<Client> {
        let type_path = section.child("client_type");
        let secret_path = section.child("client_secret");
        let next_path = section.child("next_client_secret");
        let public = self.optional(&type_path, client_type, |text| {
            values::one_of(text, &[("web", false), ("public", true)])
        });
        if public == Some(true) {
            for (path, given) in [(&secret_path, secret), (&next_path, next)] {
                if given.is_some() {
                    self.findings
                        .problem(Code::BadValue, path, "a public client has no secret")
                        .hint("leave the key out, or set client_type: web");
                }
            }
            self.findings
                .warn(
                    Risk::PublicClient,
                    &type_path,
                    "the client proves itself with nothing",
                )
                .hint("use a web app integration, which has a secret");
            return Some(Client::Public);
        }
        // With an unknown type there is no telling whether a secret is needed.
        if secret.is_none() && !self.findings.blames(&type_path) {
            self.findings.missing(
                &secret_path,
                "a web app has one; else set client_type: public",
            );
        }
        let next = next.and_then(|raw| self.client_secret(&next_path, raw));
        let (secret, source) = self.client_secret(&secret_path, secret?)?;
        let (next, next_source) = next.unzip();
        sources.push(source);
        sources.extend(next_source);
        Some(Client::Web(ClientSecrets::new(secret, next)))
    }

    fn client_secret(
        &mut self,
        path: &KeyPath,
        raw: RawSecret,
    ) -> Option<(ClientSecret, SecretSource)> {
        let (text, source) = self.secret(path, raw)?;
        match ClientSecret::parse(text.expose_secret()) {
            Ok(secret) => Some((secret, source)),
            Err(error) => {
                self.bad(path, error.to_string());
                None
            }
        }
    }

    fn scope(&mut self, path: &KeyPath, raw: Option<RawTexts>) -> Option<Scope> {
        // OAuth separates scopes by spaces, our lists by commas: both are taken.
        let between = |c: char| c == ',' || c.is_whitespace();
        let raw = raw.map(|raw| match raw {
            RawTexts::One(text) => {
                let words = text.split(between).filter(|word| !word.is_empty());
                RawTexts::Many(words.map(|word| Some(word.to_owned())).collect())
            }
            many @ RawTexts::Many(_) => many,
        });
        let single = |text: &str| Scope::parse(&[text]).map(|_| text.to_owned());
        let tokens = self.each(path, raw, single)?;
        let tokens: Vec<&str> = tokens.iter().map(|(_, token)| token.as_str()).collect();
        let scope = Scope::parse(&tokens);
        if let Err(error) = &scope
            && !self.findings.blames(path)
        {
            self.bad(path, error.to_string());
        }
        scope.ok()
    }

    fn pkce(&mut self, path: &KeyPath, text: Option<String>) -> Pkce {
        let choices = [("s256", Pkce::S256), ("off", Pkce::Off)];
        let pkce = self.optional(path, text, |text| values::one_of(text, &choices));
        if pkce == Some(Pkce::Off) {
            let message = "an intercepted code can be redeemed by others";
            self.findings
                .warn(Risk::NoPkce, path, message)
                .hint("leave the key out");
        }
        pkce.unwrap_or(Pkce::S256)
    }

    fn auth_base_url(&mut self, path: &KeyPath, text: Option<String>) -> Option<Origin> {
        let origin = self.optional(path, text, secure_origin)?;
        let own = origin.scheme() == Scheme::Https
            && origin.port() == Scheme::Https.default_port()
            && origin.host().ends_with(".auth.marketingcloudapis.com");
        if !own {
            let message = "codes and the client secret go to a host that is not Marketing Cloud's";
            self.findings
                .warn(Risk::OtherProvider, path, message)
                .hint("for the sandbox and tests only");
        }
        Some(origin)
    }

    fn fence(&mut self, path: &KeyPath, raw: Option<RawTexts>) -> Fence {
        let default = Fence::marketing_cloud();
        let Some(rules) = self.each(path, raw, HostRule::parse) else {
            return default;
        };
        if rules.is_empty() && !self.findings.blames(path) {
            self.findings
                .problem(Code::BadValue, path, "must name at least one host")
                .hint("leave the key out for Marketing Cloud's own hosts");
        }
        for (path, rule) in &rules {
            if !is_within(rule, &default) {
                let message = "tokens may go beyond Marketing Cloud's own hosts";
                self.findings
                    .warn(Risk::WidenedFence, path, message)
                    .hint("leave the key out for Marketing Cloud's own hosts");
            }
        }
        Fence::new(rules.into_iter().map(|(_, rule)| rule).collect())
    }
}

/// Whether `rule` admits nothing that `fence` does not.
fn is_within(rule: &HostRule, fence: &Fence) -> bool {
    let host = |host: &str| {
        Origin::from_authority(Scheme::Https, host).is_ok_and(|origin| fence.admits(&origin))
    };
    match rule {
        // Any label stands for all of them.
        HostRule::Label { suffix } => host(&format!("x{suffix}")),
        HostRule::Host(name) => host(name),
        HostRule::Local { .. } => false,
        HostRule::Exact(origins) => origins.iter().all(|origin| fence.admits(origin)),
    }
}
