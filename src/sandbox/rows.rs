//! Rows of data extensions, under keys that a careless proxy breaks.

use std::collections::HashMap;

use http::Method;
use http::StatusCode;
use hyper::Request;
use serde_json::Value;
use serde_json::json;

use crate::sandbox::body::Metered;
use crate::sandbox::grants::Grant;
use crate::sandbox::people::EUROPE;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest;
use crate::sandbox::rest::Page;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::tenant::Tenant;

/// The rows of every data extension, by business unit and key as spelled in a path.
#[derive(Default)]
pub(super) struct Rows(HashMap<(u64, &'static str), Vec<Value>>);

/// `GET /data/v1/customobjectdata/key/{key}/rowset`
pub(super) fn rowset(
    tenant: &Tenant,
    grant: &Grant,
    request: &Request<Metered>,
    key: &str,
) -> Result<Reply, RestError> {
    if !rest::reads(request.method()) {
        return Err(RestError::method_not_allowed());
    }
    rest::require(grant, &["data_extensions_read"])?;
    let page = Page::parse(request)?;
    let mut content = tenant.content();
    let rows = content.rows.of(grant.mid, key)?;
    let path = format!("/v1/customobjectdata/key/{key}/rowset");
    let mut body = page.of(rows, &path);
    rest::set(&mut body, "customObjectKey", key.into());
    Ok(reply::json(StatusCode::OK, &body))
}

/// `POST /hub/v1/dataevents/key:{key}/rowset`: an array of `{keys, values}`.
pub(super) async fn upsert(
    tenant: &Tenant,
    grant: &Grant,
    request: Request<Metered>,
    key: &str,
) -> Result<Reply, RestError> {
    if request.method() != Method::POST {
        return Err(RestError::method_not_allowed());
    }
    rest::require(grant, &["data_extensions_write"])?;
    let body = rest::read_json(request).await?;
    let given = body.as_array().filter(|given| given.iter().all(is_row));
    let given = given.ok_or_else(|| {
        RestError::bad_request("The body is not an array of objects with keys and values")
    })?;
    let mut content = tenant.content();
    let rows = content.rows.of(grant.mid, key)?;
    for row in given {
        let known = rows.iter_mut().find(|known| known["keys"] == row["keys"]);
        if let Some(known) = known {
            rest::set(known, "values", row["values"].clone());
        } else if rows.len() < MAX_ROWS {
            rows.push(row.clone());
        } else {
            let message = "This data extension has as many rows as it may have";
            return Err(RestError::invalid(message));
        }
    }
    Ok(reply::json(StatusCode::OK, &body))
}

impl Rows {
    fn of(&mut self, mid: u64, key: &str) -> Result<&mut Vec<Value>, RestError> {
        let known = KEYS.iter().find(|&&known| known == key);
        let &known = known.ok_or_else(RestError::not_found)?;
        Ok(self.0.entry((mid, known)).or_insert_with(|| seed(mid)))
    }
}

fn is_row(row: &Value) -> bool {
    row["keys"].is_object() && row["values"].is_object()
}

fn seed(mid: u64) -> Vec<Value> {
    let (names, cities, region) = if mid == EUROPE {
        (
            IN_EUROPE,
            ["Lyon", "Hamburg", "Leeds", "Porto", "Gent"],
            "EU",
        )
    } else {
        (
            ELSEWHERE,
            ["Osaka", "Sydney", "Busan", "Auckland", "Taipei"],
            "AP",
        )
    };
    let tiers = [
        "Gold", "Silver", "Silver", "Member", "Member", "Member", "Member",
    ];
    // Eight first names and seven last names meet each other but once.
    let people = names.iter().cycle().zip(LAST.iter().cycle());
    let places = cities.iter().cycle().zip(tiers.iter().cycle());
    (1001_u32..=1048)
        .zip(people.zip(places))
        .map(|(n, ((first, last), (city, tier)))| {
            json!({
                "keys": { "customerid": format!("{region}-{n}") },
                "values": {
                    "firstname": first,
                    "lastname": last,
                    "email": format!("customer.{n}@example.com"),
                    "city": city,
                    "tier": tier,
                },
            })
        })
        .collect()
}

/// Keys as they must arrive: `Orders/2026`, `VIP;EU` and `50% Off`, encoded by the caller.
const KEYS: [&str; 4] = ["Customers", "Orders%2F2026", "VIP;EU", "50%25%20Off"];

const MAX_ROWS: usize = 10_000;

const IN_EUROPE: [&str; 8] = [
    "Amélie", "Björn", "Chiara", "Dylan", "Elif", "Femke", "Goran", "Hanna",
];
const ELSEWHERE: [&str; 8] = [
    "Aiko", "Bao", "Chloe", "Daiki", "Eun-ji", "Farid", "Grace", "Haruto",
];
const LAST: [&str; 7] = [
    "Andersson",
    "Lindqvist",
    "Okafor",
    "Moreau",
    "Sato",
    "O'Brien",
    "Nguyen",
];
