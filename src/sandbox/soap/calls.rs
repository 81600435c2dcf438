//! Retrieve, Create and Describe.

use std::fmt::Write;

use crate::sandbox::grants::Grant;
use crate::sandbox::reply::escape;
use crate::sandbox::soap::PARTNER;
use crate::sandbox::soap::objects::Kind;
use crate::sandbox::soap::objects::Object;
use crate::sandbox::soap::objects::Objects;
use crate::sandbox::soap::xml::Element;

/// The body of the answer to a call; `None` if it is none that the WSDL knows.
pub(super) fn answer(call: &Element, grant: &Grant, objects: &mut Objects) -> Option<String> {
    if call.namespace != PARTNER {
        return None;
    }
    match call.name.as_str() {
        "RetrieveRequestMsg" => Some(retrieve(call, grant, objects)),
        "CreateRequest" => Some(create(call, grant, objects)),
        "DefinitionRequestMsg" => Some(describe(call)),
        _ => None,
    }
}

/// A page of what is there; `RequestID` says where the next one begins.
fn retrieve(call: &Element, grant: &Grant, objects: &mut Objects) -> String {
    let request = call.child("RetrieveRequest");
    let value = |name| request.and_then(|request| request.value(name));
    let (kind, start) = match value("ContinueRequest").filter(|text| !text.is_empty()) {
        Some(id) => match continued(id) {
            Some(found) => found,
            None => return retrieved("Error: The request to continue is unknown", FIRST, ""),
        },
        None => match value("ObjectType").and_then(Kind::named) {
            Some(kind) => (kind, 0),
            None => return retrieved("Error: The object type is unknown", FIRST, ""),
        },
    };
    let size = request
        .and_then(|request| request.child("Options")?.value("BatchSize")?.parse().ok())
        .filter(|size| (1..=PAGE).contains(size))
        .unwrap_or(PAGE);
    let wanted: Vec<&str> = request
        .into_iter()
        .flat_map(|request| request.all("Properties"))
        .map(|property| property.text.trim())
        .collect();
    let all = objects.of(grant.mid, kind, &grant.person);
    let page: String = all
        .iter()
        .skip(start)
        .take(size)
        .map(|object| result(kind, object, grant.mid, &wanted))
        .collect();
    let end = start + size;
    if end < all.len() {
        retrieved("MoreDataAvailable", &to_continue(kind, end), &page)
    } else {
        retrieved("OK", FIRST, &page)
    }
}

fn retrieved(status: &str, id: &str, results: &str) -> String {
    format!(
        "<RetrieveResponseMsg xmlns=\"{PARTNER}\"><OverallStatus>{status}</OverallStatus><RequestID>{id}</RequestID>{results}</RetrieveResponseMsg>"
    )
}

fn result(kind: Kind, object: &Object, mid: u64, wanted: &[&str]) -> String {
    let mut text = format!(
        "<Results xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{}\"><Client><ID>{mid}</ID></Client>",
        kind.name()
    );
    for (name, value) in object {
        if wanted.is_empty() || wanted.contains(name) {
            // Writing to a string cannot fail.
            write!(text, "<{name}>{}</{name}>", escape(value)).ok();
        }
    }
    text.push_str("</Results>");
    text
}

/// Every object has a status of its own.
fn create(call: &Element, grant: &Grant, objects: &mut Objects) -> String {
    let (mut results, mut good, mut bad) = (String::new(), 0, 0);
    for (ordinal, given) in call.all("Objects").enumerate() {
        let (status, message, error, id) = match made(given, grant, objects) {
            Ok(id) => {
                good += 1;
                ("OK", "Created", String::new(), id)
            }
            Err((code, message)) => {
                bad += 1;
                (
                    "Error",
                    message,
                    format!("<ErrorCode>{code}</ErrorCode>"),
                    0,
                )
            }
        };
        write!(
            results,
            "<Results><StatusCode>{status}</StatusCode><StatusMessage>{message}</StatusMessage><OrdinalID>{ordinal}</OrdinalID>{error}<NewID>{id}</NewID></Results>"
        )
        .ok();
    }
    let overall = match (good, bad) {
        (_, 0) => "OK",
        (0, _) => "Error",
        _ => "Has Errors",
    };
    format!(
        "<CreateResponse xmlns=\"{PARTNER}\">{results}<RequestID>{FIRST}</RequestID><OverallStatus>{overall}</OverallStatus></CreateResponse>"
    )
}

fn made(
    given: &Element,
    grant: &Grant,
    objects: &mut Objects,
) -> Result<usize, (u32, &'static str)> {
    let kind = given.kind.as_deref().and_then(Kind::named);
    let kind = kind.ok_or((10_001, "The object type is unknown"))?;
    if kind == Kind::BusinessUnit {
        return Err((10_002, "Business units cannot be created"));
    }
    let all = objects.of(grant.mid, kind, &grant.person);
    let id = all.len() + 1001;
    let value = |name: &&'static str| {
        let value = given.value(name).unwrap_or_default().to_owned();
        let value = match *name {
            "ID" => id.to_string(),
            "Status" if value.is_empty() => "Active".to_owned(),
            _ => value,
        };
        (*name, value)
    };
    let object: Object = kind.properties().iter().map(value).collect();
    if kind == Kind::Subscriber {
        let address = |object: &Object| {
            let found = object.iter().find(|(name, _)| *name == "EmailAddress");
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        if !address(&object).contains('@') {
            return Err((12_002, "InvalidEmailAddress"));
        }
        if all.iter().any(|known| address(known) == address(&object)) {
            return Err((12_014, "The subscriber is already on the list"));
        }
    }
    if all.len() >= MAX_OBJECTS {
        return Err((10_003, "There are as many objects as there may be"));
    }
    all.push(object);
    Ok(id)
}

fn describe(call: &Element) -> String {
    let requests = call.child("DescribeRequests");
    let requests = requests
        .into_iter()
        .flat_map(|list| list.all("ObjectDefinitionRequest"));
    let kinds = requests.filter_map(|request| Kind::named(request.value("ObjectType")?));
    let definitions = kinds.fold(String::new(), |mut text, kind| {
        write!(text, "<ObjectDefinition><ObjectType>{}</ObjectType>", kind.name()).ok();
        for name in kind.properties() {
            let number = if *name == "ID" { "Int32" } else { "String" };
            write!(text, "<Properties><Name>{name}</Name><PropertyType>{number}</PropertyType><IsRetrievable>true</IsRetrievable></Properties>").ok();
        }
        text.push_str("</ObjectDefinition>");
        text
    });
    format!(
        "<DefinitionResponseMsg xmlns=\"{PARTNER}\">{definitions}<RequestID>{FIRST}</RequestID></DefinitionResponseMsg>"
    )
}

/// A request id that says what to go on with.
fn to_continue(kind: Kind, start: usize) -> String {
    let index = Kind::ALL
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(0);
    format!("{CONTINUE}{index:02x}{start:010x}")
}

fn continued(id: &str) -> Option<(Kind, usize)> {
    let (index, start) = id.strip_prefix(CONTINUE)?.split_at_checked(2)?;
    let kind = *Kind::ALL.get(usize::from_str_radix(index, 16).ok()?)?;
    Some((kind, usize::from_str_radix(start, 16).ok()?))
}

const CONTINUE: &str = "5f1c0a52-0000-4000-8001-";

/// The id of requests with which nobody goes on.
const FIRST: &str = "5f1c0a52-0000-4000-8000-000000000001";

/// Most objects in one answer.
const PAGE: usize = 25;

const MAX_OBJECTS: usize = 10_000;
