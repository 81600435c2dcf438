//! `/cloud/…`: the shell of Marketing Cloud around an app. It knows who is signed in, frames the app
//! that `app` names, and calls the app's logout endpoint when that person signs out, as the real one
//! does: by a GET of the browser, within a page of its own.
//!
//! One person is signed in at a time, in all browsers. While somebody is, `/v2/authorize` asks nothing.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::StatusCode;
use hyper::Request;
use sha2::Digest as _;
use sha2::Sha256;
use url::Url;
use url::form_urlencoded;

use crate::sandbox::body::Metered;
use crate::sandbox::people::Person;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::rest_error::RestError;
use crate::sandbox::sign_in;
use crate::sandbox::tenant::Tenant;
use crate::sandbox::token_fields::Fields;

/// Answers `/cloud/…`.
pub(super) async fn answer(tenant: &Tenant, request: Request<Metered>) -> Reply {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/cloud/") => shell(tenant, request.uri().query().unwrap_or_default()),
        (&Method::POST, "/cloud/sign_in") => sign_in(tenant, request).await,
        (&Method::POST, "/cloud/sign_out") => {
            tenant.sign_in(None);
            reply::text(StatusCode::OK, "Signed out.\n")
        }
        _ => RestError::not_found().reply(),
    }
}

fn shell(tenant: &Tenant, query: &str) -> Reply {
    let Ok(fields) = Fields::from_form(query.as_bytes()) else {
        return sign_in::problem(StatusCode::BAD_REQUEST, "The query is no form.");
    };
    let app = fields.get("app").map(Url::parse).and_then(Result::ok);
    let app = app.filter(|url| matches!(url.scheme(), "http" | "https"));
    let logout = fields.get("logout").map(Url::parse).and_then(Result::ok);
    let logout = logout.or_else(|| app.as_ref()?.join("/oauth2/sign_out").ok());
    let signed_in = tenant.signed_in();
    let person = signed_in.and_then(|id| tenant.settings.person(&id));
    let template = Shell {
        css: sign_in::STYLE,
        script: SCRIPT,
        app: app.map(String::from).unwrap_or_default(),
        logout: logout.map(String::from).unwrap_or_default(),
        query,
        person,
        people: &tenant.settings.people,
    };
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; frame-src http: https:; \
         connect-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        hash(sign_in::STYLE),
        hash(SCRIPT)
    );
    sign_in::render(StatusCode::OK, &template, &policy)
}

/// The form `person`, with the shell's own query to come back to.
async fn sign_in(tenant: &Tenant, request: Request<Metered>) -> Reply {
    let body = request.into_body().read(MAX_FORM).await.unwrap_or_default();
    let fields = Fields::from_form(&body);
    let Ok(fields) = fields else {
        return sign_in::problem(StatusCode::BAD_REQUEST, "This is no form.");
    };
    let person = fields.get("person").unwrap_or_default();
    if tenant.settings.person(person).is_none() {
        return sign_in::problem(StatusCode::BAD_REQUEST, "Nobody of this name can sign in.");
    }
    tenant.sign_in(Some(person));
    let query = fields.get("query").unwrap_or_default();
    // Written anew, so that nothing of it can end the field.
    let query: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form_urlencoded::parse(query.as_bytes()))
        .finish();
    reply::redirect(&format!("/cloud/?{query}"))
}

#[derive(Template)]
#[template(path = "cloud.html", config = "src/sandbox/pages/askama.toml")]
struct Shell<'a> {
    css: &'static str,
    script: &'static str,
    app: String,
    logout: String,
    query: &'a str,
    person: Option<&'a Person>,
    people: &'a [Person],
}

/// The logout endpoint is loaded out of sight; whatever it answers, the sign-out goes on.
const SCRIPT: &str = r#"(function(){
var button=document.getElementById("sign-out");
if(!button)return;
button.addEventListener("click",function(){
var hook=document.createElement("iframe"),done=false;
function end(){if(done)return;done=true;fetch("/cloud/sign_out",{method:"POST"}).then(function(){location.reload()})}
hook.hidden=true;
hook.addEventListener("load",end);
setTimeout(end,3000);
hook.src=document.getElementById("cloud").dataset.logout;
document.body.append(hook);
});
})()"#;

/// Longer than the form.
const MAX_FORM: usize = 8192;
