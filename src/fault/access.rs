//! Refusals of people who are signed in: business units and rules of routes.

use http::StatusCode;

use super::Entry;
use super::Fault;

/// What is said about them; `None` for other faults.
pub(super) fn entry(fault: Fault) -> Option<Entry> {
    let (code, status, title, advice) = match fault {
        Fault::UnitDenied => (
            "SG-2030",
            StatusCode::FORBIDDEN,
            "You have no access to this business unit",
            "You are still in the unit that you were in. Ask your Marketing Cloud administrator for access to the other one; a change takes up to five minutes.",
        ),
        Fault::OtherUnit => (
            "SG-2031",
            StatusCode::FORBIDDEN,
            "This address belongs to another business unit",
            "Switch to its unit and come back.",
        ),
        Fault::UnitOvertaken => (
            "SG-2032",
            StatusCode::CONFLICT,
            "Another switch of business unit came after yours",
            "Look at which unit you are in now, and switch again if that is not the one you want.",
        ),
        Fault::UnitMalformed => (
            "SG-2033",
            StatusCode::BAD_REQUEST,
            "This is not a business unit",
            "Give the unit's MID, a number, as `account_id`: in JSON or in a form.",
        ),
        Fault::OtherEnterprise => (
            "SG-2034",
            StatusCode::FORBIDDEN,
            "This address is not for your enterprise",
            "Sign out, then sign in with a user of an enterprise that may use it.",
        ),
        Fault::OtherEmailDomain => (
            "SG-2035",
            StatusCode::FORBIDDEN,
            "This address is not for your mail domain",
            "Sign out, then sign in with a user whose mail address may use it.",
        ),
        Fault::PermissionMissing => (
            "SG-2036",
            StatusCode::FORBIDDEN,
            "You lack a permission for this address",
            "Ask your Marketing Cloud administrator for it, then sign out and in again; or switch to a business unit in which you have it.",
        ),
        Fault::UnitFixed => (
            "SG-2037",
            StatusCode::CONFLICT,
            "This session stays in its business unit",
            "You are still in the unit that you were in. Whoever runs this tool: a switch needs a refresh token; add the scope `offline` to the package, and to `marketing_cloud.scope` if that is set.",
        ),
        Fault::PathUnnamed => (
            "SG-2061",
            StatusCode::FORBIDDEN,
            "The proxy in front does not say which page this is about",
            "Whoever runs this tool: some routes are not for everybody, so let the proxy set the field of `auth_path_header`, once, with every question to /oauth2/auth.",
        ),
        Fault::SignedCallsOnly => (
            "SG-2062",
            StatusCode::FORBIDDEN,
            "This address is for Journey Builder's signed calls",
            "Whoever runs this tool: let the proxy in front pass them on to the gateway, which looks for the signature, instead of asking about them.",
        ),
        _ => return None,
    };
    Some(Entry {
        code,
        status,
        title,
        advice,
    })
}
