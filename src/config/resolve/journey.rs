//! What Journey Builder's calls need: the package's signing secrets, and routes for them.

use secrecy::ExposeSecret as _;

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::raw::RawSecret;
use crate::config::secret_source::SecretSource;
use crate::gateway::Route;
use crate::gateway::route::Access;
use crate::gateway::route::Destination;
use crate::gateway::route::JourneyBody;
use crate::gateway::route::Token;
use crate::oauth::signed_call::SigningSecret;
use crate::oauth::signed_call::SigningSecrets;

impl Resolver<'_> {
    /// The secrets that sign calls, and where they can be read again.
    pub(super) fn signing_secrets(
        &mut self,
        tenant: &KeyPath,
        first: Option<RawSecret>,
        next: Option<RawSecret>,
    ) -> Option<(SigningSecrets, Vec<SecretSource>)> {
        let section = tenant.child("marketing_cloud");
        if first.is_none() && next.is_some() {
            let path = section.child("next_jwt_signing_secret");
            self.bad(&path, "is of no use without jwt_signing_secret");
        }
        let mut read = |key: &str, raw: Option<RawSecret>| {
            let path = section.child(key);
            let (text, source) = self.secret(&path, raw?)?;
            match SigningSecret::parse(text.expose_secret()) {
                Ok(secret) => Some((secret, source)),
                Err(error) => {
                    self.bad(&path, error.to_string());
                    None
                }
            }
        };
        let first = read("jwt_signing_secret", first);
        let next = read("next_jwt_signing_secret", next);
        let (secrets, sources): (Vec<SigningSecret>, Vec<SecretSource>) =
            [first?].into_iter().chain(next).unzip();
        Some((SigningSecrets::new(secrets), sources))
    }

    /// What of a signed call a tool gets; only a route for such calls can say so.
    pub(super) fn journey_body(
        &mut self,
        entry: &KeyPath,
        text: Option<String>,
        access: Option<Access>,
    ) -> Option<Access> {
        let choices = [
            ("unchanged", JourneyBody::Unchanged),
            ("decoded", JourneyBody::Decoded),
        ];
        let path = entry.child("journey_body");
        let given = text.is_some();
        let body = self.optional(&path, text, |text| values::one_of(text, &choices));
        match access {
            Some(Access::JourneyBuilder(usual)) => {
                Some(Access::JourneyBuilder(body.unwrap_or(usual)))
            }
            other => {
                if given {
                    self.bad(&path, "is for access: journey_builder");
                }
                other
            }
        }
    }

    /// A call of a server's has no person, so no token either.
    pub(super) fn journey(&mut self, entry: &KeyPath, to: &Destination, token: Option<Token>) {
        if to.is_api() {
            self.bad(
                &entry.child("access"),
                "a route to an API needs a signed-in person",
            );
        } else if token == Some(Token::Bearer) {
            self.findings
                .problem(
                    Code::BadValue,
                    &entry.child("token"),
                    "a call of Journey Builder's has no token to give",
                )
                .hint("leave the key out");
        }
    }

    /// Routes for signed calls are of no use without a secret.
    pub(super) fn needs_signing_secret(&mut self, tenant: &KeyPath, routes: &[Route], given: bool) {
        let asks = |route: &Route| matches!(route.access, Access::JourneyBuilder(_));
        let path = tenant.child("marketing_cloud").child("jwt_signing_secret");
        if routes.iter().any(asks) && !given && !self.findings.blames(&path) {
            let hint =
                "the package's JWT Signing Secret, for the routes with access: journey_builder";
            self.findings.missing(&path, hint);
        }
    }
}
