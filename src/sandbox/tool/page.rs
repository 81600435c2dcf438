//! The page of Campaign Desk, its style sheet and its script.

use askama::Template;
use http::HeaderMap;
use http::StatusCode;

use crate::sandbox::reply;
use crate::sandbox::reply::Reply;

/// The page, made out to whoever the gateway says is there.
pub(super) fn desk(headers: &HeaderMap) -> Reply {
    let text = |name: &str| {
        let value = headers.get(name).map_or(&[][..], |value| value.as_bytes());
        String::from_utf8_lossy(value).into_owned()
    };
    let username = text("x-forwarded-preferred-username");
    let user = text("x-forwarded-user");
    let template = Desk {
        name: if username.is_empty() { user } else { username },
        email: text("x-forwarded-email"),
        business_unit: text("x-marketing-cloud-business-unit"),
    };
    match template.render() {
        Ok(html) => reply::page(StatusCode::OK, html, POLICY),
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// `/desk.css`
pub(super) fn style() -> Reply {
    let style = concat!(
        include_str!("../../http/look.css"),
        include_str!("desk.css")
    )
    .to_owned();
    reply::with_type(StatusCode::OK, "text/css; charset=utf-8", style)
}

/// `/desk.js`
pub(super) fn script() -> Reply {
    let script = include_str!("desk.js").to_owned();
    reply::with_type(StatusCode::OK, "text/javascript; charset=utf-8", script)
}

/// Everything from here; who may frame it, the gateway says. Forms may end at the
/// provider's sign-in page, to which the gateway redirects.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'self' https: http://127.0.0.1:* http://localhost:*";

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Campaign Desk</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='7' fill='%230b5cab'/%3E%3Cpath d='M7 11l9 7 9-7M7 10h18v13H7z' fill='none' stroke='%23fff' stroke-width='2' stroke-linejoin='round'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/desk.css">
<script src="/desk.js" defer></script>
<script src="/oauth2/session.js" defer></script>
</head>
<body>
<a class="skip" href="#emails">Skip to the e-mails</a>
<header class="bar">
  <div class="brand">
    <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7"/><path d="M7 11l9 7 9-7M7 10h18v13H7z"/></svg>
    <h1>Campaign Desk</h1>
  </div>
  <div class="account">
    <div class="who" id="who">
      <b data-who="name">{% if name.is_empty() %}Nobody is signed in{% else %}{{ name }}{% endif %}</b>
      <span data-who="detail">{% if !email.is_empty() %}{{ email }}{% endif %}</span>
    </div>
    <form method="post" action="/oauth2/sign_out"><button class="quiet">Sign out</button></form>
  </div>
</header>
<section class="strip" aria-label="Session">
  <p><span data-who="enterprise">Business unit</span> <b data-who="unit">{% if business_unit.is_empty() %}unknown{% else %}{{ business_unit }}{% endif %}</b> <a href="/oauth2/">Switch</a></p>
  <p data-who="session"></p>
</section>
<main>
  <section class="panel" id="emails" aria-labelledby="emails-title" tabindex="-1">
    <div class="head">
      <h2 id="emails-title">E-mails <span class="count" data-count></span></h2>
      <button class="primary" type="button" id="compose" aria-expanded="false" aria-controls="new-email">New e-mail</button>
    </div>
    <form id="new-email" class="compose" hidden>
      <label>Name <input name="name" required maxlength="200" autocomplete="off"></label>
      <label>Subject line <input name="subject" maxlength="200" autocomplete="off"></label>
      <div class="actions">
        <button class="primary">Create draft</button>
        <button class="quiet" type="reset">Cancel</button>
        <p class="form-note" role="status"></p>
      </div>
    </form>
    <div class="state" data-state role="status">Loading e-mails …</div>
    <div class="list" data-list hidden></div>
    <nav class="pager" data-pager aria-label="Pages of e-mails" hidden></nav>
  </section>
  <section class="panel" id="customers" aria-labelledby="customers-title">
    <div class="head"><h2 id="customers-title">Customers <span class="count" data-count></span></h2></div>
    <div class="state" data-state role="status">Loading customers …</div>
    <div class="list" data-list hidden></div>
    <nav class="pager" data-pager aria-label="Pages of customers" hidden></nav>
  </section>
  <section class="panel" id="subscribers" aria-labelledby="subscribers-title">
    <div class="head">
      <h2 id="subscribers-title">Subscribers <span class="count" data-count></span></h2>
      <button class="quiet" type="button" id="retrieve">Retrieve by SOAP</button>
    </div>
    <div class="state" data-state role="status">An envelope without a token, sent to /mc/soap/Service.asmx.</div>
    <div class="list" data-list hidden></div>
    <nav class="pager" data-pager hidden></nav>
  </section>
</main>
<footer>An example of an internal tool. It holds no OAuth code, no token and no secret: the gateway in front of it does.</footer>
<noscript><p class="noscript">Campaign Desk needs JavaScript to show e-mails and customers.</p></noscript>
</body>
</html>
"##
)]
struct Desk {
    name: String,
    email: String,
    business_unit: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let template = Desk {
            name: "<script>alert(1)</script>".to_owned(),
            email: "\"'&".to_owned(),
            business_unit: String::new(),
        };
        let html = template.render().expect("it renders");
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(!html.contains("\"'&<"), "{html}");
    }
}
