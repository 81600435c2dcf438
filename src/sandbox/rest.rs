//! The REST host: who may call, and which resource answers.

use http::Method;
use http::StatusCode;
use hyper::Request;
use serde_json::Value;
use serde_json::json;
use url::form_urlencoded;

use crate::sandbox::assets;
use crate::sandbox::body::Metered;
use crate::sandbox::grants::Grant;
use crate::sandbox::probe;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::rows;
use crate::sandbox::server::Cut;
use crate::sandbox::tenant::Tenant;

/// Answers a REST request. The path is matched as it was sent: what decodes a key on the way
/// here is found out.
pub(super) async fn answer(tenant: &Tenant, request: Request<Metered>) -> Result<Reply, Cut> {
    if has_token_in_query(&request) {
        return Ok(RestError::new(
            StatusCode::UNAUTHORIZED,
            40_004,
            "The access token must be in the Authorization header",
        )
        .reply());
    }
    let Some(grant) = tenant.bearer(request.headers()) else {
        return Ok(RestError::not_authorized().reply());
    };
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let answer = match *segments {
        ["platform", "v1", "tokenContext"] => Ok(token_context(tenant, &grant)),
        ["platform", "v1", "endpoints"] => Ok(endpoints(tenant)),
        ["asset", "v1", "content", "assets"] => assets::collection(tenant, &grant, request).await,
        ["asset", "v1", "content", "assets", id] => {
            assets::single(tenant, &grant, request, id).await
        }
        ["data", "v1", "customobjectdata", "key", key, "rowset"] => {
            rows::rowset(tenant, &grant, &request, key)
        }
        ["hub", "v1", "dataevents", key, "rowset"] => match key.strip_prefix("key:") {
            Some(key) => rows::upsert(tenant, &grant, request, key).await,
            None => Err(RestError::not_found()),
        },
        ["echo", ..] => return probe::echo(request).await,
        ["bytes", length] => Ok(probe::bytes(length)),
        ["slow", millis] => Ok(probe::slow(millis).await),
        ["status", code] => Ok(probe::status(code)),
        _ => Err(RestError::not_found()),
    };
    Ok(answer.unwrap_or_else(|error| error.reply()))
}

/// Refuses a grant that lacks every one of `scopes`.
pub(super) fn require(grant: &Grant, scopes: &[&str]) -> Result<(), RestError> {
    let has = |scope: &&str| grant.scope.iter().any(|granted| granted == scope);
    if scopes.iter().any(has) {
        return Ok(());
    }
    let message = format!("Insufficient Privileges: needs {}", scopes.join(" or "));
    Err(RestError::new(StatusCode::FORBIDDEN, 20_002, &message))
}

/// The JSON in a request's body.
pub(super) async fn read_json(request: Request<Metered>) -> Result<Value, RestError> {
    let body = request.into_body().read(MAX_JSON).await;
    let body = body.map_err(|_| RestError::bad_request("The body is too long or incomplete"))?;
    serde_json::from_slice(&body).map_err(|_| RestError::bad_request("The body is not JSON"))
}

/// A part of a list.
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
}

impl Page {
    /// `$page` and `$pageSize`; other parameters, such as `$filter` and `$orderBy`, are tolerated
    /// and ignored.
    pub(super) fn parse(request: &Request<Metered>) -> Result<Self, RestError> {
        let mut page = Self {
            number: 1,
            size: 50,
        };
        let query = request.uri().query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "$page" => &mut page.number,
                "$pageSize" => &mut page.size,
                _ => continue,
            };
            let number = value.parse().ok();
            *field = number
                .filter(|number| (1..=MAX_PAGE).contains(number))
                .ok_or_else(|| {
                    RestError::bad_request(&format!("{name} must be a number from 1 to {MAX_PAGE}"))
                })?;
        }
        Ok(page)
    }

    /// The page of `all`, in the envelope of the newer routes.
    pub(super) fn of(&self, all: &[Value], path: &str) -> Value {
        let start = (self.number - 1) * self.size;
        let items: Vec<&Value> = all.iter().skip(start).take(self.size).collect();
        let link = |page| format!("{path}?$page={page}&$pageSize={}", self.size);
        let mut links = json!({ "self": link(self.number) });
        if start + items.len() < all.len() {
            set(&mut links, "next", link(self.number + 1).into());
        }
        json!({
            "count": all.len(),
            "page": self.number,
            "pageSize": self.size,
            "links": links,
            "items": items,
        })
    }
}

fn has_token_in_query(request: &Request<Metered>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// 202, as the documentation's sample has it.
fn token_context(tenant: &Tenant, grant: &Grant) -> Reply {
    reply::json(
        StatusCode::ACCEPTED,
        &json!({
            "enterprise": { "id": tenant.settings.enterprise_id },
            "organization": { "id": grant.mid },
            "user": { "id": grant.person.sub },
        }),
    )
}

fn endpoints(tenant: &Tenant) -> Reply {
    let items = json!([
        { "type": "rest", "url": tenant.rest_instance_url() },
        { "type": "soap", "url": tenant.soap_instance_url() },
    ]);
    reply::json(
        StatusCode::OK,
        &json!({ "count": 2, "page": 1, "pageSize": 50, "items": items }),
    )
}

/// Sets a member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// Whether the method reads only.
pub(super) fn reads(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// Longest JSON body taken: larger than any asset a test sends.
const MAX_JSON: usize = 4 * 1024 * 1024;

/// Largest page number and page size.
const MAX_PAGE: usize = 10_000;
