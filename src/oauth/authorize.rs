//! The authorization request (RFC 6749 §4.1.1): the address that a browser is sent to.

use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use super::provider::Provider;
use super::transaction::State;

/// The authorization endpoint's address for one attempt.
///
/// `scope` stays away unless configured: at Marketing Cloud an empty one is a request for nothing.
pub fn authorize_url(
    provider: &Provider,
    redirect_uri: &str,
    state: &State,
    challenge: Option<&str>,
) -> String {
    let mut url = format!("{}/v2/authorize?response_type=code", provider.auth);
    let mut add = |name: &str, value: &str| {
        url.push('&');
        url.push_str(name);
        url.push('=');
        url.extend(utf8_percent_encode(value, &RESERVED));
    };
    add("client_id", provider.client_id.as_str());
    add("redirect_uri", redirect_uri);
    add("state", &state.to_text());
    if let Some(scope) = &provider.scope {
        add("scope", scope.as_str());
    }
    if let Some(challenge) = challenge {
        add("code_challenge", challenge);
        add("code_challenge_method", "S256");
    }
    url
}

/// All but the unreserved characters of RFC 3986 §2.3, so a space is `%20` and never `+`.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::crypto::OsEntropy;
    use crate::oauth::fence::Fence;
    use crate::oauth::permissions::Permissions;
    use crate::oauth::provider::Client;
    use crate::oauth::provider::ClientId;
    use crate::oauth::provider::Pkce;
    use crate::oauth::provider::Scope;
    use crate::oauth::tenant::Subdomain;

    fn provider(scope: Option<&[&str]>) -> Provider {
        let subdomain = Subdomain::parse("mcabc").expect("a label");
        Provider {
            auth: subdomain.auth_origin(),
            subdomain,
            client_id: ClientId::parse("id&x=1").expect("visible"),
            client: Client::Public,
            scope: scope.map(|tokens| Scope::parse(tokens).expect("tokens")),
            business_unit: None,
            permissions: Permissions::default(),
            pkce: Pkce::S256,
            fence: Fence::marketing_cloud(),
            partner: None,
        }
    }

    const REDIRECT: &str = "https://tool.example.com/oauth2/callback";

    #[test]
    fn the_request_holds_what_the_rfc_asks_for() {
        let state = State::generate(&OsEntropy);
        let provider = provider(Some(&["email_read", "offline"]));
        let url = authorize_url(&provider, REDIRECT, &state, Some("E9Me_-"));
        assert_eq!(
            url,
            format!(
                "https://mcabc.auth.marketingcloudapis.com/v2/authorize?response_type=code\
                 &client_id=id%26x%3D1\
                 &redirect_uri=https%3A%2F%2Ftool.example.com%2Foauth2%2Fcallback\
                 &state={}&scope=email_read%20offline\
                 &code_challenge=E9Me_-&code_challenge_method=S256",
                state.to_text()
            )
        );
    }

    #[test]
    fn what_is_not_configured_is_not_sent() {
        let state = State::generate(&OsEntropy);
        let url = Url::parse(&authorize_url(&provider(None), REDIRECT, &state, None)).unwrap();
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["response_type", "client_id", "redirect_uri", "state"]
        );
    }
}
