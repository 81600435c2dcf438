//! The sign-in page, and the page for requests that may not be sent back.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header;
use sha2::Digest;
use sha2::Sha256;
use url::Url;

use crate::sandbox::grants::Pending;
use crate::sandbox::people::Person;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::tenant::Tenant;

/// Asks who is signing in.
pub(super) fn page(tenant: &Tenant, pending: &Pending, login: &str) -> Reply {
    let partners = tenant.partners.iter().map(|(_, partner)| partner.as_ref());
    let units = std::iter::once(tenant).chain(partners).flat_map(units);
    let template = SignIn {
        css: STYLE,
        client_id: &pending.client_id,
        scopes: pending.scope.join(" "),
        login,
        units: units.filter(|unit| !unit.people.is_empty()).collect(),
    };
    // The browser applies `form-action` to the redirect that answers the form, too.
    let target = Url::parse(&pending.redirect_uri).map_or_else(
        |_| String::new(),
        |url| match url.origin() {
            origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
            url::Origin::Opaque(_) => format!("{}:", url.scheme()),
        },
    );
    let policy = policy(&format!("'self' {target}"));
    let page = render(StatusCode::OK, &template, &policy);
    // As the real page does: in a frame of another site it stays blank.
    reply::with(page, header::X_FRAME_OPTIONS, "DENY")
}

fn units(tenant: &Tenant) -> impl Iterator<Item = Unit<'_>> {
    let settings = &tenant.settings;
    settings.business_units.iter().map(move |unit| Unit {
        name: &unit.name,
        mid: unit.mid,
        people: settings
            .people
            .iter()
            .filter(|person| person.business_units.first() == Some(&unit.mid))
            .map(Face::of)
            .collect(),
    })
}

/// Says what is wrong with a request, without sending the browser anywhere.
pub(super) fn problem(status: StatusCode, what: &str) -> Reply {
    let template = Problem { css: STYLE, what };
    render(status, &template, &policy("'none'"))
}

/// Fills in a template.
pub(super) fn render(status: StatusCode, template: &impl Template, policy: &str) -> Reply {
    match template.render() {
        Ok(html) => reply::page(status, html, policy),
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Nothing but our own style sheet, by its digest.
pub(super) fn policy(form_action: &str) -> String {
    let digest = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; \
         form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    )
}

/// The style sheet of the sandbox's pages.
pub(super) const STYLE: &str = concat!(
    include_str!("../http/look.css"),
    include_str!("pages/style.css")
);

struct Unit<'a> {
    name: &'a str,
    mid: u64,
    people: Vec<Face<'a>>,
}

struct Face<'a> {
    person: &'a Person,
    initials: String,
}

impl<'a> Face<'a> {
    fn of(person: &'a Person) -> Self {
        let words = person.name.split_whitespace();
        Self {
            person,
            initials: words
                .filter_map(|word| word.chars().next())
                .take(2)
                .collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/sandbox/pages/askama.toml")]
struct SignIn<'a> {
    css: &'static str,
    client_id: &'a str,
    scopes: String,
    login: &'a str,
    units: Vec<Unit<'a>>,
}

#[derive(Template)]
#[template(path = "problem.html", config = "src/sandbox/pages/askama.toml")]
struct Problem<'a> {
    css: &'static str,
    what: &'a str,
}
