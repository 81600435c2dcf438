//! `GET /v2/authorize` and the form behind its page.

use http::Method;
use http::StatusCode;
use hyper::Request;
use url::Host;
use url::Url;
use url::form_urlencoded;

use crate::sandbox::body::Metered;
use crate::sandbox::fault::Fault;
use crate::sandbox::fault::Place;
use crate::sandbox::grants::Pending;
use crate::sandbox::mint;
use crate::sandbox::oauth_error::ERROR_URI;
use crate::sandbox::oauth_error::OauthError;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::settings::Client;
use crate::sandbox::settings::ClientKind;
use crate::sandbox::sign_in;
use crate::sandbox::tenant;
use crate::sandbox::tenant::Tenant;
use crate::sandbox::token_fields::Fields;
use crate::sandbox::witness;

/// Checks an authorization request; shows the sign-in page or goes straight on.
pub(super) fn start(tenant: &Tenant, request: &Request<Metered>) -> Reply {
    tenant::count(&tenant.counters.authorize);
    if request.method() != Method::GET {
        return RestError::method_not_allowed().reply();
    }
    let query = request.uri().query().unwrap_or_default();
    let fields = match Fields::from_form(query.as_bytes()) {
        Ok(fields) => fields,
        Err(error) => return sign_in::problem(StatusCode::BAD_REQUEST, &error.description),
    };
    // An unknown client or redirect URI must not send anybody anywhere (RFC 6749 §4.1.2.1).
    let client = fields
        .get("client_id")
        .and_then(|id| tenant.settings.client(id));
    let Some(client) = client else {
        return OauthError::unknown_client().reply();
    };
    let redirect_uri = fields.get("redirect_uri").unwrap_or_default();
    if !is_registered(client, redirect_uri) {
        return sign_in::problem(
            StatusCode::BAD_REQUEST,
            "The redirect_uri is not one of this API integration.",
        );
    }
    let state = fields.get("state").map(str::to_owned);
    witness::saw("state", state.as_deref().unwrap_or_default());
    if let Some(Fault::Oauth { code, .. }) = tenant.faults.strike(Place::Authorize) {
        return sent_back(redirect_uri, state.as_deref(), &code, "As it was armed.");
    }
    let pending = match check(tenant, client, &fields) {
        Ok((scope, challenge)) => Pending {
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state,
            scope,
            challenge,
        },
        Err(error) => return failure(redirect_uri, state.as_deref(), &error),
    };
    let hint = fields.get("login_hint").filter(|hint| !hint.is_empty());
    let signed_in = tenant.signed_in();
    if let Some(person) = hint.or(signed_in.as_deref()) {
        return finish(tenant, pending, person);
    }
    let login = mint::opaque(tenant.entropy(), 43);
    let page = sign_in::page(tenant, &pending, &login);
    let now = tenant.now();
    tenant.grants().open_login(login, pending, now);
    page
}

/// The sign-in form: `login` (hidden on the page) and `person`, or `deny`.
pub(super) async fn decide(tenant: &Tenant, request: Request<Metered>) -> Reply {
    if request.method() != Method::POST {
        return RestError::method_not_allowed().reply();
    }
    let body = request.into_body().read(MAX_FORM).await.unwrap_or_default();
    let pending = Fields::from_form(&body).ok().and_then(|fields| {
        let now = tenant.now();
        let pending = tenant.grants().take_login(fields.get("login")?, now)?;
        Some((fields, pending))
    });
    let Some((fields, pending)) = pending else {
        return sign_in::problem(
            StatusCode::BAD_REQUEST,
            "This sign-in page was used before or is older than ten minutes. Start again.",
        );
    };
    let choice = match fields.get("deny") {
        Some(_) => DENY,
        None => fields.get("person").unwrap_or_default(),
    };
    finish(tenant, pending, choice)
}

/// Sends the browser back with a code, or with the reason why there is none.
fn finish(tenant: &Tenant, pending: Pending, choice: &str) -> Reply {
    let partners = tenant.partners.iter();
    let mut at_partners = partners.filter_map(|(subdomain, partner)| {
        let person = partner.settings.person(choice)?;
        Some((Some(subdomain.as_str()), partner.as_ref(), person))
    });
    let home = tenant.settings.person(choice);
    let found = home
        .map(|person| (tenant.settings.tssd.as_deref(), tenant, person))
        .or_else(|| at_partners.next());
    let (tssd, issuer) = found.map_or((None, tenant), |(tssd, issuer, _)| (tssd, issuer));
    let person = match found.map(|(.., person)| person) {
        Some(person) if person.licensed => person.clone(),
        Some(_) => {
            let error = OauthError::new(
                StatusCode::FORBIDDEN,
                "user_not_licensed",
                "The user is not licensed for this package.",
            );
            return failure(&pending.redirect_uri, pending.state.as_deref(), &error);
        }
        None => {
            let why = if choice == DENY {
                "The user refused."
            } else {
                "Nobody of this name can sign in."
            };
            let error = OauthError::access_denied(why);
            return failure(&pending.redirect_uri, pending.state.as_deref(), &error);
        }
    };
    let code = mint::code(tenant.entropy());
    let location = with_query(
        &pending.redirect_uri,
        &[
            ("code", Some(&code)),
            ("state", pending.state.as_deref()),
            ("tssd", tssd),
        ],
    );
    let now = tenant.now();
    issuer.grants().add_code(code, pending, person, now);
    reply::redirect(&location)
}

/// The scopes that are granted and the challenge, if the request is in order.
fn check(
    tenant: &Tenant,
    client: &Client,
    fields: &Fields,
) -> Result<(Vec<String>, Option<String>), OauthError> {
    if matches!(client.kind, ClientKind::ServerToServer { .. }) {
        return Err(OauthError::unauthorized_client());
    }
    match fields.get("response_type") {
        Some("code") => {}
        None => return Err(OauthError::invalid_request("The response_type is missing.")),
        Some(_) => {
            return Err(OauthError::new(
                StatusCode::BAD_REQUEST,
                "unsupported_response_type",
                "The only response_type is code.",
            ));
        }
    }
    Ok((scope(client, fields)?, challenge(tenant, fields)?))
}

/// Absent: everything the package has. Present but empty: nothing.
fn scope(client: &Client, fields: &Fields) -> Result<Vec<String>, OauthError> {
    let Some(text) = fields.get("scope") else {
        return Ok(client.scopes.clone());
    };
    let asked: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    match asked.iter().find(|&scope| !client.scopes.contains(scope)) {
        Some(unknown) => Err(OauthError::invalid_scope(unknown)),
        None => Ok(asked),
    }
}

/// PKCE with S256 (RFC 7636 §4.3); `plain`, also by omission, is refused.
fn challenge(tenant: &Tenant, fields: &Fields) -> Result<Option<String>, OauthError> {
    match (
        fields.get("code_challenge"),
        fields.get("code_challenge_method"),
    ) {
        (None, None) if tenant.settings.require_pkce => {
            Err(OauthError::invalid_request("A code challenge is required."))
        }
        (None, None) => Ok(None),
        (Some(challenge), Some("S256")) if challenge.len() == 43 => Ok(Some(challenge.to_owned())),
        _ => Err(OauthError::invalid_request(
            "The code challenge is not one of method S256.",
        )),
    }
}

fn is_registered(client: &Client, redirect_uri: &str) -> bool {
    if !client.redirect_uris.is_empty() {
        return client.redirect_uris.iter().any(|uri| uri == redirect_uri);
    }
    Url::parse(redirect_uri).is_ok_and(|url| {
        let web = matches!(url.scheme(), "http" | "https");
        let here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        };
        web && here && url.fragment().is_none() && url.username().is_empty()
    })
}

fn failure(redirect_uri: &str, state: Option<&str>, error: &OauthError) -> Reply {
    sent_back(redirect_uri, state, error.code, &error.description)
}

fn sent_back(redirect_uri: &str, state: Option<&str>, code: &str, description: &str) -> Reply {
    reply::redirect(&with_query(
        redirect_uri,
        &[
            ("error", Some(code)),
            ("error_description", Some(description)),
            ("error_uri", Some(ERROR_URI)),
            ("state", state),
        ],
    ))
}

/// Appends parameters, leaving what stands in front of them byte for byte.
fn with_query(uri: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let joint = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{joint}{}", query.finish())
}

/// Longer than any sign-in form.
const MAX_FORM: usize = 4096;

/// The `login_hint` of somebody who refuses.
const DENY: &str = "deny";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_any_uri_on_this_machine_will_do() {
        let client = Client::web();
        for (uri, fine) in [
            ("http://127.0.0.1:8080/oauth2/callback", true),
            ("https://[::1]/cb?x=1", true),
            ("http://localhost:3000", true),
            ("https://tool.example.com/cb", false),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1/#x", false),
            ("http://user@127.0.0.1/", false),
            ("app://127.0.0.1/", false),
            ("", false),
        ] {
            assert_eq!(is_registered(&client, uri), fine, "{uri}");
        }
    }

    #[test]
    fn listed_uris_match_exactly() {
        let client = Client {
            redirect_uris: vec!["https://a.example/cb".to_owned()],
            ..Client::web()
        };
        assert!(is_registered(&client, "https://a.example/cb"));
        assert!(!is_registered(&client, "https://a.example/cb/"));
        assert!(!is_registered(&client, "http://127.0.0.1/cb"));
    }

    #[test]
    fn parameters_are_appended() {
        assert_eq!(
            with_query(
                "http://x/cb?a=1",
                &[("code", Some("a b")), ("state", None), ("t", Some("/"))]
            ),
            "http://x/cb?a=1&code=a+b&t=%2F"
        );
    }
}
