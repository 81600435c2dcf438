//! E-mail assets of Content Builder, each business unit with its own.

use std::collections::HashMap;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use http::Method;
use http::StatusCode;
use hyper::Request;
use serde_json::Value;
use serde_json::json;

use crate::sandbox::body::Metered;
use crate::sandbox::grants::Grant;
use crate::sandbox::people::ENTERPRISE_ID;
use crate::sandbox::people::EUROPE;
use crate::sandbox::people::Person;
use crate::sandbox::people::ready_made;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest;
use crate::sandbox::rest::Page;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::tenant::Tenant;
use crate::time::UnixTime;

/// The assets of every business unit, newest first.
#[derive(Default)]
pub(super) struct Assets {
    units: HashMap<u64, Vec<Value>>,
    created: u64,
}

/// `/asset/v1/content/assets`
pub(super) async fn collection(
    tenant: &Tenant,
    grant: &Grant,
    request: Request<Metered>,
) -> Result<Reply, RestError> {
    match *request.method() {
        Method::GET | Method::HEAD => list(tenant, grant, &request),
        Method::POST => create(tenant, grant, request).await,
        _ => Err(RestError::method_not_allowed()),
    }
}

/// `/asset/v1/content/assets/{id}`
pub(super) async fn single(
    tenant: &Tenant,
    grant: &Grant,
    request: Request<Metered>,
    id: &str,
) -> Result<Reply, RestError> {
    let id = id.parse().map_err(|_| RestError::not_found())?;
    match *request.method() {
        Method::GET | Method::HEAD => show(tenant, grant, id),
        Method::PATCH | Method::PUT => update(tenant, grant, request, id).await,
        Method::DELETE => remove(tenant, grant, id),
        _ => Err(RestError::method_not_allowed()),
    }
}

fn list(tenant: &Tenant, grant: &Grant, request: &Request<Metered>) -> Result<Reply, RestError> {
    rest::require(grant, &READ)?;
    let page = Page::parse(request)?;
    let mut content = tenant.content();
    let all = content.assets.of(grant.mid);
    Ok(reply::json(
        StatusCode::OK,
        &page.of(all, "/v1/content/assets"),
    ))
}

async fn create(
    tenant: &Tenant,
    grant: &Grant,
    request: Request<Metered>,
) -> Result<Reply, RestError> {
    rest::require(grant, &WRITE)?;
    let given = rest::read_json(request).await?;
    let name = given.get("name").and_then(Value::as_str).map(str::trim);
    let Some(name) = name.filter(|name| !name.is_empty() && name.chars().count() <= 200) else {
        return Err(RestError::invalid(
            "An asset needs a name of 1 to 200 characters",
        ));
    };
    let now = tenant.now();
    let mut content = tenant.content();
    let unit = content.assets.of(grant.mid);
    if unit.iter().any(|asset| asset["name"] == name) {
        return Err(RestError::invalid(
            "Asset names within a category and asset type must be unique",
        ));
    }
    if unit.len() >= MAX_ASSETS {
        return Err(RestError::invalid(
            "This business unit has as many assets as it may have",
        ));
    }
    content.assets.created += 1;
    let id = FIRST_CREATED + content.assets.created;
    let subject = given
        .pointer("/views/subjectline/content")
        .and_then(Value::as_str);
    let subject = subject.unwrap_or_default();
    let mut asset = asset(id, grant.mid, name, subject, "Draft", &grant.person, now);
    merge(&mut asset, &given);
    content.assets.of(grant.mid).insert(0, asset.clone());
    Ok(reply::json(StatusCode::CREATED, &asset))
}

fn show(tenant: &Tenant, grant: &Grant, id: u64) -> Result<Reply, RestError> {
    rest::require(grant, &READ)?;
    let mut content = tenant.content();
    let asset = content.assets.find(grant.mid, id)?;
    Ok(reply::json(StatusCode::OK, asset))
}

async fn update(
    tenant: &Tenant,
    grant: &Grant,
    request: Request<Metered>,
    id: u64,
) -> Result<Reply, RestError> {
    rest::require(grant, &WRITE)?;
    let given = rest::read_json(request).await?;
    let now = tenant.now();
    let mut content = tenant.content();
    let asset = content.assets.find(grant.mid, id)?;
    merge(asset, &given);
    rest::set(asset, "modifiedDate", date(now).into());
    Ok(reply::json(StatusCode::OK, asset))
}

fn remove(tenant: &Tenant, grant: &Grant, id: u64) -> Result<Reply, RestError> {
    rest::require(grant, &WRITE)?;
    let mut content = tenant.content();
    content.assets.find(grant.mid, id)?;
    content
        .assets
        .of(grant.mid)
        .retain(|asset| asset["id"] != id);
    Ok(reply::json(StatusCode::OK, &json!("OK")))
}

impl Assets {
    fn of(&mut self, mid: u64) -> &mut Vec<Value> {
        self.units.entry(mid).or_insert_with(|| seed(mid))
    }

    fn find(&mut self, mid: u64, id: u64) -> Result<&mut Value, RestError> {
        let found = self.of(mid).iter_mut().find(|asset| asset["id"] == id);
        found.ok_or_else(RestError::not_found)
    }
}

/// Takes over what was given, except for what the server decides.
fn merge(asset: &mut Value, given: &Value) {
    const KEPT: [&str; 5] = ["id", "memberId", "enterpriseId", "createdDate", "owner"];
    for (name, value) in given.as_object().into_iter().flatten() {
        if !KEPT.contains(&name.as_str()) {
            rest::set(asset, name, value.clone());
        }
    }
}

/// Twelve campaigns in five mailings each.
fn seed(mid: u64) -> Vec<Value> {
    let campaigns = if mid == EUROPE { IN_EUROPE } else { ELSEWHERE };
    let people = ready_made();
    let mailings = campaigns
        .iter()
        .flat_map(|campaign| MAILINGS.iter().map(move |mailing| (campaign, mailing)));
    let owners = people
        .iter()
        .filter(|person| person.business_units.contains(&mid))
        .cycle();
    let statuses = ["Published", "Draft", "Published", "Published"]
        .iter()
        .cycle();
    (0_u64..)
        .zip(mailings)
        .zip(owners.zip(statuses))
        .map(
            |((n, ((campaign, offer), (mailing, subject))), (owner, status))| {
                let name = format!("{campaign} – {mailing}");
                let subject = subject.replace("{}", offer);
                let age = Duration::from_secs(n * 17 * 60 * 60);
                let id = 40_000 + (mid % 100) * 1000 + 60 - n;
                asset(id, mid, &name, &subject, status, owner, NEWEST.minus(age))
            },
        )
        .collect()
}

fn asset(
    id: u64,
    mid: u64,
    name: &str,
    subject: &str,
    status: &str,
    owner: &Person,
    created: UnixTime,
) -> Value {
    let status_id = if status == "Draft" { 1 } else { 2 };
    json!({
        "id": id,
        "customerKey": format!("aurora-{id}"),
        "objectID": format!("{id:08x}-5a1d-4e6a-9c11-0d5ca1ab1e00"),
        "assetType": { "id": 208, "name": "htmlemail", "displayName": "HTML Email" },
        "name": name,
        "owner": { "id": owner.sub, "name": owner.name, "email": owner.email },
        "createdDate": date(created),
        "modifiedDate": date(created),
        "category": { "id": 310_211, "name": "Content Builder", "parentId": 0 },
        "status": { "id": status_id, "name": status },
        "enterpriseId": ENTERPRISE_ID,
        "memberId": mid,
        "views": { "subjectline": { "content": subject } },
        "modelVersion": 2,
    })
}

fn date(time: UnixTime) -> String {
    // Years past 9999 have no such date; no clock of a sandbox gets there.
    let time = UNIX_EPOCH + Duration::from_millis(time.as_millis().min(253_402_300_799_000));
    humantime::format_rfc3339_millis(time).to_string()
}

const READ: [&str; 3] = [
    "email_read",
    "documents_and_images_read",
    "saved_content_read",
];
const WRITE: [&str; 3] = [
    "email_write",
    "documents_and_images_write",
    "saved_content_write",
];

const FIRST_CREATED: u64 = 50_000;
const MAX_ASSETS: usize = 2_000;

/// When the newest ready-made asset was created.
const NEWEST: UnixTime = UnixTime::from_millis(1_772_617_500_000);

const IN_EUROPE: [(&str, &str); 12] = [
    ("Spring Collection", "the spring collection"),
    ("Welcome Series", "your welcome gift"),
    ("Abandoned Basket", "your saved basket"),
    ("Loyalty Tier Upgrade", "your new Gold benefits"),
    ("Back in Stock", "the coat you asked about"),
    ("Birthday Treat", "a birthday treat"),
    ("Lyon Store Opening", "our new store in Lyon"),
    ("Review Request", "our two-minute review"),
    ("Linen Weeks", "30% off linen"),
    ("Win-back", "a reason to return"),
    ("Gift Guide", "the gift guide"),
    ("Repair Service", "free repairs for life"),
];

const ELSEWHERE: [(&str, &str); 12] = [
    ("Golden Week", "Golden Week offers"),
    ("Rainy Season Edit", "the rainy season edit"),
    ("Sydney Pop-up", "our pop-up in Sydney"),
    ("Singles Day", "11.11 early access"),
    ("Lunar New Year", "red envelopes inside"),
    ("App Launch", "the new Aurora app"),
    ("Osaka Flagship", "the Osaka flagship"),
    ("Points Expiry", "points that expire soon"),
    ("Cherry Blossom", "the hanami picnic set"),
    ("Click and Collect", "collect in two hours"),
    ("Matariki", "our Matariki stories"),
    ("Summer in December", "summer in December"),
];

const MAILINGS: [(&str, &str); 5] = [
    ("Announcement", "Introducing {}"),
    ("Members First", "For members first: {}"),
    ("Reminder", "Still on your list? Here is {}"),
    ("Last Call", "Last call for {}"),
    ("Follow-up", "More about {}"),
];
