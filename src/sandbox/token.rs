//! `POST /v2/token`: codes, refresh tokens and client credentials become tokens.

use http::HeaderMap;
use http::Method;
use http::StatusCode;
use http::header;
use hyper::Request;
use serde_json::json;

use crate::sandbox::body::Metered;
use crate::sandbox::fault::Fault;
use crate::sandbox::grants::Grant;
use crate::sandbox::grants::Grants;
use crate::sandbox::grants::ReusePolicy;
use crate::sandbox::mint;
use crate::sandbox::oauth_error::OauthError;
use crate::sandbox::people;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::settings::Client;
use crate::sandbox::settings::ClientKind;
use crate::sandbox::tenant;
use crate::sandbox::tenant::Tenant;
use crate::sandbox::token_fields::Fields;
use crate::sandbox::witness;

/// Answers a token request.
pub(super) async fn answer(tenant: &Tenant, request: Request<Metered>) -> Reply {
    if request.method() != Method::POST {
        return OauthError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_request",
            "Token requests are POST.",
        )
        .reply();
    }
    let (head, body) = request.into_parts();
    let Ok(body) = body.read(MAX_BODY).await else {
        return OauthError::invalid_request("The body is too long or incomplete.").reply();
    };
    let other_unit = head.extensions.get() == Some(&Fault::OtherUnit);
    exchange(tenant, &head.headers, &body, other_unit).unwrap_or_else(|error| error.reply())
}

fn exchange(
    tenant: &Tenant,
    headers: &HeaderMap,
    body: &[u8],
    other_unit: bool,
) -> Result<Reply, OauthError> {
    let fields = Fields::parse(headers, body)?;
    for (kind, name) in [
        ("verifier", "code_verifier"),
        ("client secret", "client_secret"),
    ] {
        if let Some(secret) = fields.get(name) {
            witness::saw(kind, secret);
        }
    }
    let grant_type = fields.need("grant_type")?;
    let client = authenticate(tenant, &fields)?;
    match grant_type {
        "authorization_code" => from_code(tenant, client, &fields),
        "refresh_token" => from_refresh(tenant, client, &fields, other_unit),
        "client_credentials" => from_credentials(tenant, client, &fields),
        _ => Err(OauthError::unsupported_grant_type()),
    }
}

/// Web apps prove themselves by one of their secrets; a public app must not send any.
fn authenticate<'a>(tenant: &'a Tenant, fields: &Fields) -> Result<&'a Client, OauthError> {
    let client = tenant
        .settings
        .client(fields.need("client_id")?)
        .ok_or_else(OauthError::unknown_client)?;
    let secret = fields.get("client_secret");
    let proven = match &client.kind {
        ClientKind::Web { secrets } | ClientKind::ServerToServer { secrets } => {
            secret.is_some_and(|secret| secrets.iter().any(|valid| valid == secret))
        }
        ClientKind::Public => secret.is_none(),
    };
    proven
        .then_some(client)
        .ok_or_else(OauthError::invalid_client)
}

fn from_code(tenant: &Tenant, client: &Client, fields: &Fields) -> Result<Reply, OauthError> {
    let now = tenant.now();
    let code = fields.need("code")?;
    let mut grants = tenant.grants();
    let mut grant = grants.redeem_code(
        code,
        &client.id,
        fields.get("redirect_uri"),
        fields.get("code_verifier"),
        reuse_policy(tenant),
        now,
    )?;
    narrow(tenant, &mut grant, fields)?;
    tenant::count(&tenant.counters.code_grants);
    Ok(issue(tenant, &mut grants, client, grant, true))
}

fn from_refresh(
    tenant: &Tenant,
    client: &Client,
    fields: &Fields,
    other_unit: bool,
) -> Result<Reply, OauthError> {
    let now = tenant.now();
    let token = fields.need("refresh_token")?;
    let mut grants = tenant.grants();
    let mut grant = grants.look_up_refresh(token, &client.id, reuse_policy(tenant), now)?;
    if other_unit {
        grant.mid = grant
            .person
            .business_units
            .first()
            .copied()
            .unwrap_or_default();
    } else {
        narrow(tenant, &mut grant, fields)?;
    }
    // Only a request that succeeds uses the token up.
    grants.use_refresh(token, now);
    tenant::count(&tenant.counters.refreshes);
    Ok(issue(tenant, &mut grants, client, grant, true))
}

fn from_credentials(
    tenant: &Tenant,
    client: &Client,
    fields: &Fields,
) -> Result<Reply, OauthError> {
    if !matches!(client.kind, ClientKind::ServerToServer { .. }) {
        return Err(OauthError::unauthorized_client());
    }
    let mut grants = tenant.grants();
    let person = people::integration(&client.id);
    let mut grant = Grant {
        family: grants.new_family(),
        client_id: client.id.clone(),
        mid: person.business_units.first().copied().unwrap_or_default(),
        person,
        scope: client.scopes.clone(),
        expires: tenant.now(),
    };
    narrow(tenant, &mut grant, fields)?;
    Ok(issue(tenant, &mut grants, client, grant, false))
}

/// Applies `scope` (a subset; empty means none) and `account_id` (another business unit).
fn narrow(tenant: &Tenant, grant: &mut Grant, fields: &Fields) -> Result<(), OauthError> {
    if let Some(scope) = fields.get("scope") {
        let asked: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
        if let Some(unknown) = asked.iter().find(|&scope| !grant.scope.contains(scope)) {
            return Err(OauthError::invalid_scope(unknown));
        }
        grant.scope = asked;
    }
    if let Some(text) = fields.get("account_id") {
        let mid = text
            .parse()
            .map_err(|_| OauthError::invalid_request("The account_id is not a number."))?;
        if !tenant
            .settings
            .business_units
            .iter()
            .any(|unit| unit.mid == mid)
        {
            return Err(OauthError::invalid_request(
                "The account_id is no business unit of this enterprise.",
            ));
        }
        if !grant.person.business_units.contains(&mid) {
            return Err(OauthError::access_denied(
                "The user has no access to this business unit.",
            ));
        }
        grant.mid = mid;
    }
    Ok(())
}

fn issue(
    tenant: &Tenant,
    grants: &mut Grants,
    client: &Client,
    grant: Grant,
    with_refresh_token: bool,
) -> Reply {
    let settings = &tenant.settings;
    let (now, entropy) = (tenant.now(), tenant.entropy());
    let access_token = mint::access_token(entropy, client, settings.token_length);
    let mut body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": settings.access_token_lifetime.as_secs(),
        "scope": grant.scope.join(" "),
        "rest_instance_url": tenant.rest_instance_url(),
        "soap_instance_url": tenant.soap_instance_url(),
    });
    if with_refresh_token {
        let refresh_token = mint::refresh_token(entropy, client, settings.token_length);
        if let Some(members) = body.as_object_mut() {
            members.insert("refresh_token".to_owned(), refresh_token.as_str().into());
        }
        let expires = now.plus(settings.refresh_token_lifetime);
        let grant = Grant {
            expires,
            ..grant.clone()
        };
        grants.add_refresh(refresh_token, grant, now);
    }
    let expires = now.plus(settings.access_token_lifetime);
    grants.add_access(access_token, Grant { expires, ..grant }, now);
    let reply = reply::json(StatusCode::OK, &body);
    reply::with(reply, header::CACHE_CONTROL, "no-store")
}

const fn reuse_policy(tenant: &Tenant) -> ReusePolicy {
    ReusePolicy {
        grace: tenant.settings.refresh_grace,
        revokes: tenant.settings.reuse_revokes_family,
    }
}

/// No token request is longer.
const MAX_BODY: usize = 16 * 1024;
