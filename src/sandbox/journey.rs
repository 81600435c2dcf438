//! The calls of Journey Builder's servers to a custom activity: JSON in, signed with the package's secret.

use http::StatusCode;
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use serde_json::Value;
use serde_json::json;
use url::Url;

use crate::crypto::tls;
use crate::http::Origin;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::tenant::Tenant;

/// The body of a call, as a custom activity with `useJwt` gets it.
pub(super) fn sign(tenant: &Tenant, claims: &Value) -> String {
    let key = EncodingKey::from_secret(tenant.settings.jwt_signing_secret.as_bytes());
    // HMAC of JSON that is there already cannot fail.
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap_or_default()
}

/// `POST /sandbox/journey[?to=URL]` with claims: answers the signed body, or what `to` answers to it.
pub(super) async fn call(tenant: &Tenant, query: &str, body: &[u8]) -> Reply {
    let bad = |what: &str| reply::json(StatusCode::BAD_REQUEST, &json!({ "error": what }));
    let Ok(claims @ Value::Object(_)) = serde_json::from_slice(body) else {
        return bad("the body has to be a JSON object");
    };
    let signed = sign(tenant, &claims);
    let to = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
    let Some((_, to)) = to else {
        return reply::with_type(StatusCode::OK, "application/jwt", signed);
    };
    let url = Url::parse(&to).ok().filter(|url| {
        let origin = Origin::parse(&url.origin().ascii_serialization());
        origin.is_ok_and(|origin| origin.is_loopback())
    });
    let Some(url) = url else {
        return bad("`to` has to be on this machine");
    };
    match send(url, signed).await {
        Ok((status, body)) => {
            reply::json(StatusCode::OK, &json!({ "status": status, "body": body }))
        }
        Err(error) => reply::json(
            StatusCode::BAD_GATEWAY,
            &json!({ "error": error.without_url().to_string() }),
        ),
    }
}

async fn send(url: Url, signed: String) -> reqwest::Result<(u16, String)> {
    let tls = std::sync::Arc::unwrap_or_clone(tls::client_config());
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .timeout(PATIENCE)
        .build()?;
    let request = client.post(url).header("content-type", "application/jwt");
    let answer = request.body(signed).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// How long a called activity may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
