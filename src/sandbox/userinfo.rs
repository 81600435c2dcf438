//! `GET /v2/userinfo`: who the token belongs to, nested as the provider nests it.

use http::Method;
use http::StatusCode;
use hyper::Request;
use serde_json::Value;
use serde_json::json;
use url::form_urlencoded;

use crate::sandbox::body::Metered;
use crate::sandbox::fault::Fault;
use crate::sandbox::grants::Grant;
use crate::sandbox::people::ENTERPRISE_NAME;
use crate::sandbox::people::Person;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::settings::InstanceUrlStyle;
use crate::sandbox::tenant::Tenant;

/// Answers a userinfo request.
pub(super) fn answer(tenant: &Tenant, request: &Request<Metered>) -> Reply {
    if request.method() != Method::GET {
        return RestError::method_not_allowed().reply();
    }
    let Some(grant) = tenant.bearer(request.headers()) else {
        return RestError::not_authorized().reply();
    };
    let query = request.uri().query().unwrap_or_default();
    let oidc =
        form_urlencoded::parse(query.as_bytes()).any(|pair| pair == ("view".into(), "oidc".into()));
    let played = request.extensions().get();
    reply::json(StatusCode::OK, &document(tenant, &grant, oidc, played))
}

fn document(tenant: &Tenant, grant: &Grant, oidc: bool, played: Option<&Fault>) -> Value {
    let mid = match played {
        Some(Fault::OtherUnit) => tenant.settings.enterprise_id,
        _ => grant.mid,
    };
    let permissions = match (played, &grant.person.permissions) {
        (Some(Fault::NoPermissions), _) => json!([]),
        (_, Some(few)) => listed(few),
        (_, None) => permissions(),
    };
    let client = tenant.settings.client(&grant.client_id);
    // The documented reply has no slash here, unlike the token reply.
    let instance = InstanceUrlStyle::SchemeNoSlash.spell(tenant.origin());
    json!({
        "exp": grant.expires.as_secs(),
        "iss": "https://mc.exacttarget.com",
        "user": user(&grant.person, oidc),
        "organization": {
            "member_id": mid,
            "enterprise_id": tenant.settings.enterprise_id,
            "enterprise_name": ENTERPRISE_NAME,
            "account_type": "enterprise",
            "stack_key": "S7",
            "region": "NA1",
            "locale": "en-US",
            "zoneinfo": "America/Los_Angeles",
            "timezone": zone("(GMT-08:00) Pacific Time (US & Canada)", "GMT-8", -8.0),
        },
        "rest": { "rest_instance_url": instance, "soap_instance_url": instance },
        "application": {
            "id": "0b8ad4e6-1f4a-4f0e-9a5e-6d1f6f9f3c11",
            "name": "Campaign Desk",
            "redirectUrl": client.map(|client| &client.redirect_uris),
            "appScopes": grant.scope,
        },
        "permissions": permissions,
    })
}

fn user(person: &Person, oidc: bool) -> Value {
    let sub = if oidc {
        format!("https://mc.auth.marketingcloudapis.com/uid/{}", person.sub)
    } else {
        person.sub.to_string()
    };
    json!({
        "sub": sub,
        "name": person.name,
        "preferred_username": person.username,
        "email": person.email,
        "locale": person.locale,
        "zoneinfo": person.zone,
        "timezone": zone(&person.zone, "GMT+0", 0.0),
    })
}

fn zone(long: &str, short: &str, offset: f64) -> Value {
    json!({ "longName": long, "shortName": short, "offset": offset, "dst": true })
}

fn listed(names: &[String]) -> Value {
    let pairs = names.iter().filter_map(|name| name.split_once('.'));
    let entry = |(id, (object, operation))| entry(id, object, operation);
    (100_u32..).zip(pairs).map(entry).collect()
}

fn entry(id: u32, object: &str, operation: &str) -> Value {
    json!({
        "objectTypeName": object,
        "operationName": operation,
        "name": operation,
        "id": id,
    })
}

/// Some forty kilobytes, as administrators have.
fn permissions() -> Value {
    let objects = [
        "Account",
        "Approval",
        "Asset",
        "Audience",
        "Automation",
        "Calendar",
        "Campaign",
        "Content",
        "DataExtension",
        "Email",
        "EventDefinition",
        "FileLocation",
        "Interaction",
        "Key",
        "List",
        "Portfolio",
        "Query",
        "Report",
        "Role",
        "Send",
        "SendClassification",
        "SenderProfile",
        "Subscriber",
        "Tag",
        "Template",
        "Tracking",
        "User",
        "Workflow",
    ];
    let operations = [
        "Administer",
        "Approve",
        "Copy",
        "Create",
        "Delete",
        "Execute",
        "Export",
        "Import",
        "Move",
        "Publish",
        "Read",
        "Schedule",
        "Send",
        "Share",
        "Update",
        "View",
    ];
    let all = objects
        .iter()
        .flat_map(|object| operations.iter().map(move |operation| (object, operation)));
    let entry = |(id, (object, operation)): (u32, (&&str, &&str))| entry(id, object, operation);
    (100_u32..).zip(all).map(entry).collect()
}
