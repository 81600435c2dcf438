//! `GET /`: everything the sandbox offers, on one page.

use askama::Template;
use http::StatusCode;

use crate::sandbox::reply::Reply;
use crate::sandbox::settings::Client;
use crate::sandbox::settings::ClientKind;
use crate::sandbox::sign_in;
use crate::sandbox::tenant::Tenant;

/// The help page.
pub(super) fn page(tenant: &Tenant) -> Reply {
    let template = Help {
        css: sign_in::STYLE,
        origin: tenant.origin().to_string(),
        clients: &tenant.settings.clients,
    };
    sign_in::render(StatusCode::OK, &template, &sign_in::policy("'none'"))
}

const fn kind(client: &Client) -> &'static str {
    match client.kind {
        ClientKind::Web { .. } => "web app, authorization code with a secret",
        ClientKind::Public => "public app, authorization code without a secret",
        ClientKind::ServerToServer { .. } => "server to server, client credentials",
    }
}

const ENDPOINTS: [(&str, &str); 17] = [
    (
        "GET /v2/authorize",
        "The sign-in page. login_hint=ada (jonas, mei, nora, deny) answers without it.",
    ),
    (
        "POST /v2/authorize/decision",
        "The page's form: login (from its hidden field) and person, or deny=1.",
    ),
    (
        "POST /v2/token",
        "authorization_code, refresh_token, client_credentials; JSON or form; account_id switches the business unit.",
    ),
    (
        "GET /cloud/?app={url}",
        "The shell around an app in a frame: sign in and out of Marketing Cloud itself, which calls the app's logout endpoint.",
    ),
    ("GET /v2/userinfo", "Who the token belongs to; ?view=oidc."),
    (
        "GET /platform/v1/tokenContext",
        "Enterprise, business unit and user of the token.",
    ),
    (
        "/asset/v1/content/assets[/{id}]",
        "E-mail assets: GET with $page and $pageSize, POST, PATCH, DELETE.",
    ),
    (
        "GET /data/v1/customobjectdata/key/{key}/rowset",
        "Rows of Customers, Orders%2F2026, VIP;EU and 50%25%20Off, matched as they are sent.",
    ),
    (
        "POST /hub/v1/dataevents/key:{key}/rowset",
        "Adds or replaces rows: [{\"keys\": {…}, \"values\": {…}}].",
    ),
    (
        "POST /Service.asmx",
        "SOAP with one fueloauth element in the header; an expired token is a fault with status 500. Retrieve (25 objects an answer, then MoreDataAvailable), Create, Describe.",
    ),
    (
        "GET /etframework.wsdl, /Service.asmx?wsdl",
        "What SOAP clients make their calls from, without a token.",
    ),
    (
        "/echo/…",
        "The request as it arrived, as JSON. Needs a token, as all of REST does.",
    ),
    (
        "/bytes/{n}, /slow/{ms}, /status/{code}",
        "Replies of any size, delay and status.",
    ),
    (
        "GET /sandbox/stats, /sandbox/requests",
        "Counters; the last 256 requests.",
    ),
    (
        "GET, PUT /sandbox/faults",
        "Faults by place (authorize, token, userinfo, rest, soap), such as {\"soap\": {\"fault\": \"token_expired\", \"times\": 1}}. PUT replaces all; {} clears them.",
    ),
    (
        "POST /sandbox/journey[?to={url}]",
        "Signs the JSON body as Journey Builder's servers do, with sandbox-signing-secret-do-not-use; with to, sends it there.",
    ),
    (
        "POST /sandbox/revoke_all, /sandbox/reset",
        "Ends all tokens; goes back to the first day.",
    ),
];

#[derive(Template)]
#[template(path = "help.html", config = "src/sandbox/pages/askama.toml")]
struct Help<'a> {
    css: &'static str,
    origin: String,
    clients: &'a [Client],
}
