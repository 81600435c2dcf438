//! The token endpoint: a code that cannot be right tells whether the client itself is accepted. It is
//! tried with each configured secret on its own.

use std::sync::Arc;

use super::finding::Cause;
use super::finding::Finding;
use super::finding::Status;
use super::subject::Subject;
use super::subject::WAY_OUT;
use crate::config::rotation::STAGE;
use crate::crypto::secret::AuthorizationCode;
use crate::crypto::secret::ClientSecret;
use crate::fault::Fault;
use crate::http::Origin;
use crate::oauth::Provider;
use crate::oauth::ProviderClient;
use crate::oauth::TokenEndpoint as _;
use crate::oauth::TokenError;
use crate::oauth::TokenErrorCode;
use crate::oauth::client_secrets::ClientSecrets;
use crate::oauth::endpoint::Outage;
use crate::oauth::pkce;
use crate::oauth::provider::Client;
use crate::oauth::provider::Pkce;

pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let provider = &subject.tenant().provider;
    let auth = &provider.auth;
    let Client::Web(secrets) = &provider.client else {
        return vec![judge(NAME, &ask(subject, auth, None).await)];
    };
    let pair = secrets.pair();
    let first = ask(subject, auth, Some(pair.first()));
    let Some(next) = pair.next() else {
        return vec![judge(FIRST, &first.await)];
    };
    let (first, next) = tokio::join!(first, ask(subject, auth, Some(next)));
    let (mut first, mut next) = (judge(FIRST, &first), judge(NEXT, &next));
    // One that works is enough, for now.
    match (first.cause, next.cause) {
        (Some(_), None) => soften(
            &mut first,
            "Make next_client_secret the client_secret: the old one has ended or was replaced.",
        ),
        (None, Some(_)) => soften(
            &mut next,
            "Compare it with the staged secret in Setup; a staged secret works five minutes after it was made.",
        ),
        _ => {}
    }
    vec![first, next]
}

/// The same question to another tenant's authorization server, with the secret that works or is to work.
pub(super) async fn at_partner(subject: &Subject, auth: &Origin) -> Finding {
    let outcome = match &subject.tenant().provider.client {
        Client::Web(secrets) => ask(subject, auth, Some(secrets.pair().first())).await,
        Client::Public => ask(subject, auth, None).await,
    };
    judge(NAME, &outcome)
}

fn soften(refused: &mut Finding, advice: &str) {
    if refused.code == Some(Fault::ClientRefused.code()) {
        refused.status = Status::Warning;
        refused.cause = None;
        refused.advice = Some(advice.to_owned());
    }
}

async fn ask(
    subject: &Subject,
    auth: &Origin,
    secret: Option<&ClientSecret>,
) -> Result<(), TokenError> {
    let known = &subject.tenant().provider;
    let unusable = || TokenError::Refused(TokenErrorCode::Other);
    let secret = secret.and_then(|secret| ClientSecret::parse(secret.expose()).ok());
    let provider = Provider {
        subdomain: known.subdomain.clone(),
        client_id: known.client_id.clone(),
        client: secret.map_or(Client::Public, |secret| {
            Client::Web(ClientSecrets::new(secret, None))
        }),
        scope: known.scope.clone(),
        business_unit: known.business_unit,
        permissions: known.permissions.clone(),
        pkce: known.pkce,
        auth: auth.clone(),
        fence: known.fence.clone(),
        partner: None,
    };
    let verifier = (known.pkce == Pkce::S256).then(|| pkce::verifier(subject.entropy.as_ref()));
    let redirect_uri = subject.site.redirect_uri();
    let client = ProviderClient::new(Arc::new(provider), redirect_uri, Arc::clone(&subject.clock))
        .map_err(|_| unusable())?;
    let code = AuthorizationCode::parse("sidegate-doctor-no-code").map_err(|_| unusable())?;
    client.exchange(code, verifier).await.map(drop)
}

fn judge(name: &'static str, outcome: &Result<(), TokenError>) -> Finding {
    match outcome {
        Ok(()) => Finding::warning(name, "takes a code that nobody gave out")
            .advice("This is not how a token endpoint behaves: see where auth_base_url leads."),
        Err(TokenError::Refused(TokenErrorCode::InvalidGrant)) => Finding::ok(
            name,
            "the client is accepted; a wrong code is refused as it should be",
        ),
        Err(TokenError::Refused(TokenErrorCode::InvalidClient)) => {
            let detail =
                "the client is refused: wrong client id, wrong secret, or a secret that has ended";
            let advice = format!(
                "Check client id, client type and secret; a secret ends 180 days after it was made ({STAGE})."
            );
            Finding::failed(name, Cause::Configuration, detail)
                .advice(advice)
                .fault(Fault::ClientRefused)
        }
        Err(error @ TokenError::Refused(code)) => {
            Finding::failed(name, Cause::Configuration, error.to_string()).fault(code.fault())
        }
        Err(
            error @ TokenError::Unavailable {
                why: Outage::Connect | Outage::Timeout,
                ..
            },
        ) => Finding::failed(name, Cause::Surroundings, error.to_string())
            .advice(WAY_OUT)
            .fault(error.fault()),
        Err(error) => {
            Finding::failed(name, Cause::Surroundings, error.to_string()).fault(error.fault())
        }
    }
}

const NAME: &str = "token endpoint";
const FIRST: &str = "token endpoint, client_secret";
const NEXT: &str = "token endpoint, next_client_secret";
