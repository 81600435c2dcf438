//! The authorize endpoint: whether it knows the client and the redirect URI.

use http::StatusCode;
use http::header;
use url::Url;

use super::finding::Cause;
use super::finding::Finding;
use super::finding::Status;
use super::subject::Subject;
use super::subject::WAY_OUT;
use super::subject::why;
use crate::fault::Fault;
use crate::oauth::AuthorizeError;
use crate::oauth::State;
use crate::oauth::TokenErrorCode;
use crate::oauth::authorize_url;
use crate::oauth::pkce;
use crate::oauth::provider::Pkce;

pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let redirect_uri = subject.site.redirect_uri();
    let (ours, nobodys) = tokio::join!(ask(subject, &redirect_uri), ask(subject, NOBODYS));
    vec![match ours {
        Ok(answer) => {
            let shape = Shape::of(&answer);
            let mut finding = judge(answer, &redirect_uri).await;
            // Only a provider that refuses another one says something about ours.
            let same = nobodys.is_ok_and(|nobodys| Shape::of(&nobodys) == shape);
            if finding.status == Status::Ok && same {
                finding.detail.push_str(
                    "; it takes any redirect URI before a sign-in, so whether ours is registered shows only then",
                );
            }
            finding
        }
        Err(error) => {
            let auth = &subject.tenant().provider.auth;
            let detail = format!("{auth} does not answer: {}", why(error));
            Finding::failed(NAME, Cause::Surroundings, detail)
                .advice(WAY_OUT)
                .fault(Fault::ProviderUnavailable)
        }
    }]
}

async fn ask(subject: &Subject, redirect_uri: &str) -> Result<reqwest::Response, reqwest::Error> {
    let provider = &subject.tenant().provider;
    let entropy = subject.entropy.as_ref();
    let challenge =
        (provider.pkce == Pkce::S256).then(|| pkce::challenge(&pkce::verifier(entropy)));
    let state = State::generate(entropy);
    let url = authorize_url(provider, redirect_uri, &state, challenge.as_deref());
    let request = subject.http.get(url).header(header::ACCEPT, "text/html");
    request.send().await
}

/// What two answers have in common if they mean the same.
#[derive(PartialEq, Eq)]
struct Shape {
    status: StatusCode,
    /// Without its query, which names the request.
    location: Option<Vec<u8>>,
}

impl Shape {
    fn of(answer: &reqwest::Response) -> Self {
        let location = answer.headers().get(header::LOCATION);
        let page = location.and_then(|location| location.as_bytes().split(|&b| b == b'?').next());
        Self {
            status: answer.status(),
            location: page.map(<[u8]>::to_vec),
        }
    }
}

/// An unknown client or redirect URI gets a page or document of the provider's own; anything else that
/// is wrong comes back to us as `error` (RFC 6749 §4.1.2.1).
async fn judge(answer: reqwest::Response, redirect_uri: &str) -> Finding {
    let status = answer.status();
    if status.is_redirection() {
        let location = answer.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        return redirected(location.unwrap_or_default(), redirect_uri);
    }
    if status.is_success() {
        return Finding::ok(
            NAME,
            "takes the client and the redirect URI, and shows a sign-in page",
        );
    }
    if !status.is_client_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Finding::failed(NAME, Cause::Surroundings, format!("answers {status}"))
            .fault(Fault::ProviderUnavailable);
    }
    let document = beginning(answer).await;
    match TokenErrorCode::parse(&document) {
        Some(TokenErrorCode::InvalidClient) => {
            Finding::failed(NAME, Cause::Configuration, "does not know the client id")
                .advice(
                    "Compare marketing_cloud.client_id and subdomain with the installed package.",
                )
                .fault(Fault::ClientRefused)
        }
        Some(code) => Finding::failed(NAME, Cause::Configuration, format!("refuses: {code}"))
            .fault(code.fault()),
        None => {
            let detail =
                format!("answers {status} with an error page, where a sign-in page should be");
            Finding::failed(NAME, Cause::Configuration, detail)
                .advice(format!(
                    "Add exactly {redirect_uri} to the redirect URIs of the package's API integration, and compare the client id."
                ))
                .fault(Fault::AuthorizeRefused)
        }
    }
}

fn redirected(location: &str, redirect_uri: &str) -> Finding {
    let Some(query) = location.strip_prefix(redirect_uri) else {
        let url = Url::parse(location).ok();
        let host = url
            .as_ref()
            .and_then(Url::host_str)
            .unwrap_or("its own pages");
        let detail =
            format!("takes the client and the redirect URI, and sends people to sign in at {host}");
        return Finding::ok(NAME, detail);
    };
    let pairs = url::form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    let error = pairs.into_iter().find(|(name, _)| name == "error");
    match error {
        None => Finding::ok(
            NAME,
            "takes the client and the redirect URI, and signs in at once",
        ),
        Some((_, code)) => {
            let error = AuthorizeError::parse(&code);
            let fault = error.fault();
            let cause = match error {
                AuthorizeError::ServerError | AuthorizeError::TemporarilyUnavailable => {
                    Cause::Surroundings
                }
                _ => Cause::Configuration,
            };
            Finding::failed(
                NAME,
                cause,
                format!("sends people back at once: {}", fault.title()),
            )
            .fault(fault)
        }
    }
}

/// As much of a document as an error needs.
async fn beginning(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ERROR {
            break;
        }
    }
    body
}

const NAME: &str = "authorize endpoint";

/// A redirect URI that no integration has (RFC 6761 §6.4).
const NOBODYS: &str = "https://sidegate-doctor.invalid/oauth2/callback";

/// Bytes.
const MAX_ERROR: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    const OURS: &str = "https://tool.example.com/oauth2/callback";

    #[test]
    fn a_redirect_to_us_with_an_error_is_told_apart_from_one_to_a_sign_in_page() {
        for (location, status, code) in [
            (
                "https://mc.login.exacttarget.com/hub-cas/login?service=https%3A%2F%2Fx",
                Status::Ok,
                None,
            ),
            ("/hub-cas/login?error=no", Status::Ok, None),
            (
                "https://tool.example.com/oauth2/callback?error=invalid_scope&state=x",
                Status::Failed,
                Some("SG-2007"),
            ),
            (
                "https://tool.example.com/oauth2/callback?state=x&error=unauthorized_client",
                Status::Failed,
                Some("SG-2006"),
            ),
            (
                "https://tool.example.com/oauth2/callback?code=x&state=y",
                Status::Ok,
                None,
            ),
        ] {
            let finding = redirected(location, OURS);
            assert_eq!((finding.status, finding.code), (status, code), "{location}");
        }
    }
}
