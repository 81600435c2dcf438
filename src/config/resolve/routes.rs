//! The list `routes`.

use super::Resolver;
use super::upstream::ADDRESS_HINT;
use super::upstream::RawOptions;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::problem::Risk;
use crate::config::raw::RawRoute;
use crate::config::raw::RawTexts;
use crate::gateway::Route;
use crate::gateway::route::Access;
use crate::gateway::route::Destination;
use crate::gateway::route::JourneyBody;
use crate::gateway::route::PathPrefix;
use crate::gateway::route::Token;
use crate::http::Scheme;
use crate::upstream::Upstream;
use crate::upstream::settings::TlsFiles;

impl Resolver<'_> {
    pub(super) fn routes(
        &mut self,
        parent: &KeyPath,
        raw: Option<Vec<Option<RawRoute>>>,
        endpoints: Option<&PathPrefix>,
        tls: &TlsFiles,
    ) -> Vec<Route> {
        let list = parent.child("routes");
        let hint = "such as { path: /, to: http://127.0.0.1:3000 }";
        let given = raw.is_some();
        let items = raw.unwrap_or_default();
        if !given {
            self.findings.missing(&list, hint);
        } else if items.is_empty() {
            self.findings
                .problem(Code::BadValue, &list, "must hold at least one route")
                .hint(hint);
        }
        let mut paths: Vec<(KeyPath, PathPrefix)> = Vec::with_capacity(items.len());
        let mut routes = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let Some(mut raw) = item else { continue };
            let entry = list.index(index);
            let prefix = self.prefix(&entry.child("path"), raw.path.take(), endpoints, &paths);
            if let Some(prefix) = &prefix {
                paths.push((entry.child("path"), prefix.clone()));
            }
            routes.extend(self.route(&entry, raw, prefix, tls));
        }
        routes
    }

    fn prefix(
        &mut self,
        path: &KeyPath,
        text: Option<String>,
        endpoints: Option<&PathPrefix>,
        known: &[(KeyPath, PathPrefix)],
    ) -> Option<PathPrefix> {
        let prefix = self.required(path, text, "such as / or /assets/", PathPrefix::parse)?;
        if endpoints.is_some_and(|endpoints| under(&prefix, endpoints)) {
            self.findings
                .problem(
                    Code::BadValue,
                    path,
                    "lies where the gateway's own endpoints are",
                )
                .hint("choose another path, or move the endpoints with endpoint_prefix");
        }
        if let Some((first, _)) = known.iter().find(|(_, other)| *other == prefix) {
            let message = format!("is the same path as {first}");
            self.bad(path, message);
        }
        Some(prefix)
    }

    fn route(
        &mut self,
        entry: &KeyPath,
        raw: RawRoute,
        prefix: Option<PathPrefix>,
        tls: &TlsFiles,
    ) -> Option<Route> {
        let access = self.access(&entry.child("access"), raw.access);
        let access = self.journey_body(entry, raw.journey_body, access);
        let token = self.optional(&entry.child("token"), raw.token, |text| {
            values::one_of(text, &[("none", Token::None), ("bearer", Token::Bearer)])
        });
        let strip_prefix = self.optional(
            &entry.child("strip_prefix"),
            raw.strip_prefix,
            values::boolean,
        );
        let isolated = self.optional(&entry.child("isolated"), raw.isolated, values::boolean);
        let body_size = self.optional(&entry.child("body_size"), raw.body_size, values::size);
        let rule = self.rule(entry, raw.business_unit, raw.require, access);
        let options = RawOptions {
            protocol: raw.protocol,
            health: raw.health,
            upstream_tls: raw.upstream_tls,
        };
        let to = self.destination(entry, raw.to, options, tls)?;
        match &to {
            _ if matches!(access, Some(Access::JourneyBuilder(_))) => {
                self.journey(entry, &to, token);
            }
            Destination::Rest => self.api("rest", entry, access, token, strip_prefix),
            Destination::Soap => self.api("soap", entry, access, token, strip_prefix),
            Destination::Tool(tool) => self.tool(entry, tool, access, token),
        }
        let api = to.is_api();
        let implied = if api { Token::Bearer } else { Token::None };
        Some(Route {
            prefix: prefix?,
            to,
            access: access.unwrap_or(Access::SignedIn),
            token: token.unwrap_or(implied),
            strip_prefix: strip_prefix.unwrap_or(api),
            isolated: isolated.unwrap_or(false),
            rule,
            body_size,
        })
    }

    fn access(&mut self, path: &KeyPath, text: Option<String>) -> Option<Access> {
        let journey_builder = Access::JourneyBuilder(JourneyBody::Unchanged);
        let choices = [
            ("signed_in", Access::SignedIn),
            ("optional", Access::Optional),
            ("public", Access::Public),
            ("journey_builder", journey_builder),
        ];
        self.optional(path, text, |text| values::one_of(text, &choices))
    }

    fn destination(
        &mut self,
        entry: &KeyPath,
        to: Option<RawTexts>,
        options: RawOptions,
        tls: &TlsFiles,
    ) -> Option<Destination> {
        let path = entry.child("to");
        let Some(to) = to else {
            self.findings.missing(&path, ADDRESS_HINT);
            return None;
        };
        match &to {
            RawTexts::One(text) if text == "rest" || text == "soap" => {
                for key in options.given() {
                    let message =
                        format!("a {text} route is spoken to as Marketing Cloud asks for");
                    self.findings
                        .problem(Code::BadValue, &entry.child(key), message)
                        .hint("leave the key out");
                }
                Some(if text == "rest" {
                    Destination::Rest
                } else {
                    Destination::Soap
                })
            }
            _ => self
                .tool_upstream(entry, to, options, tls)
                .map(Destination::Tool),
        }
    }

    /// The tenant's API is reached with the person's token or not at all.
    fn api(
        &mut self,
        kind: &str,
        entry: &KeyPath,
        access: Option<Access>,
        token: Option<Token>,
        strip_prefix: Option<bool>,
    ) {
        let refused = [
            (
                matches!(access, Some(Access::Public | Access::Optional)),
                "access",
                "needs a signed-in person",
            ),
            (
                token == Some(Token::None),
                "token",
                "always carries the token",
            ),
            (
                strip_prefix == Some(false),
                "strip_prefix",
                "always takes its path off",
            ),
        ];
        for (_, key, message) in refused.into_iter().filter(|(given, ..)| *given) {
            let message = format!("a {kind} route {message}");
            self.findings
                .problem(Code::BadValue, &entry.child(key), message)
                .hint("leave the key out");
        }
    }

    fn tool(
        &mut self,
        entry: &KeyPath,
        tool: &Upstream,
        access: Option<Access>,
        token: Option<Token>,
    ) {
        if token != Some(Token::Bearer) {
            return;
        }
        let path = entry.child("token");
        if access == Some(Access::Public) {
            self.findings
                .problem(Code::BadValue, &path, "a public route has no token to give")
                .hint("set access: signed_in or optional, or leave token out");
        } else if tool
            .addresses
            .iter()
            .any(|address| address.scheme() == Scheme::Http && !address.is_local())
        {
            let message = "the token crosses the network unencrypted";
            self.findings
                .warn(Risk::TokenInPlainText, &path, message)
                .hint("use https, or run the tool beside the gateway");
        }
    }
}

/// Whether endpoints would take a route's requests away, with or without the last slash.
fn under(prefix: &PathPrefix, endpoints: &PathPrefix) -> bool {
    let bare = |prefix: &PathPrefix| prefix.as_str().trim_end_matches('/').to_owned();
    bare(prefix) == bare(endpoints) || endpoints.strip(prefix.as_str()).is_some()
}
