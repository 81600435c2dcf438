//! The pages people see. One stylesheet, no script, nothing from elsewhere.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header;
use sha2::Digest as _;
use sha2::Sha256;

use super::offer::Offer;
use super::reply;
use super::reply::Reply;
use crate::fault::Fault;

/// The page of a fault.
pub fn failure(
    fault: Fault,
    note: Option<&str>,
    login_url: Option<&str>,
    offer: Option<&Offer>,
    request_id: &str,
) -> Reply {
    let (title, advice, code) = (fault.title(), fault.advice(), fault.code());
    respond(&Failure {
        style: STYLE,
        title,
        note,
        advice,
        code,
        request_id,
        login_url,
        offer,
    })
}

/// The account page: who am I, which business unit, until when, sign out.
pub fn account(account: &Account<'_>) -> Reply {
    respond(account)
}

/// The page with one button that signs out.
pub fn sign_out(action: &str) -> Reply {
    respond(&SignOut {
        style: STYLE,
        action,
    })
}

/// The page that takes the fragment, which no request holds, along to `start` and back to `path`.
pub fn keep_fragment(start: &str, path: &str) -> Reply {
    let page = KeepFragment {
        style: STYLE,
        script: SCRIPT,
        start,
        path,
    };
    reply::html(page.render().unwrap_or_default(), *SCRIPT_POLICY)
}

/// The page in a frame that signs in silently, or by way of a window.
pub fn framed(page: &Framed<'_>) -> Reply {
    // The provider's frame leads through hosts of its own choice; only on loopback without TLS.
    let more = format!(
        "script-src '{}'; connect-src 'self'; frame-src 'self' https: {}; ",
        hash(FRAMED_SCRIPT),
        page.provider
    );
    let template = FramedPage {
        style: STYLE,
        script: FRAMED_SCRIPT,
        page,
    };
    let mut reply = respond(&template);
    if let Ok(policy) = HeaderValue::try_from(policy_text(&more)) {
        reply
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    reply
}

/// The page that ends a silent sign-in in a frame.
pub fn framed_done() -> Reply {
    respond(&FramedDone { style: STYLE })
}

/// The page in a window that passes a `sealed` session to the frame which opened it, and takes the
/// sign-in's answer out of the window's address.
pub fn handover(sealed: &str, address: &str) -> Reply {
    let page = Handover {
        style: STYLE,
        script: HANDOVER_SCRIPT,
        sealed,
        address,
    };
    reply::html(page.render().unwrap_or_default(), *HANDOVER_POLICY)
}

/// The page after a sign-out.
pub fn signed_out(again: &str) -> Reply {
    respond(&SignedOut {
        style: STYLE,
        again,
    })
}

/// What the account page shows.
#[derive(Template)]
#[template(path = "account.html", config = "src/http/pages/askama.toml")]
pub struct Account<'a> {
    style: &'static str,
    /// The person's name or, failing that, key.
    pub name: &'a str,
    /// Label and value, in order.
    pub facts: &'a [(&'static str, String)],
    /// Where the sign-out form goes.
    pub sign_out: &'a str,
    /// Other units that the session was in, and what they are called.
    pub units: &'a [(u64, String)],
    /// Where the form goes that switches.
    pub switch: &'a str,
}

impl<'a> Account<'a> {
    /// An account page.
    pub fn new(
        name: &'a str,
        facts: &'a [(&'static str, String)],
        sign_out: &'a str,
        units: &'a [(u64, String)],
        switch: &'a str,
    ) -> Self {
        Self {
            style: STYLE,
            name,
            facts,
            sign_out,
            units,
            switch,
        }
    }
}

/// What the page in a frame has to know.
#[derive(Clone, Copy, Debug)]
pub struct Framed<'a> {
    /// Where to go once signed in; empty for the page's own address.
    pub go_on: &'a str,
    /// Starts a sign-in in a frame within.
    pub silent: &'a str,
    /// Starts a sign-in in a window.
    pub window: &'a str,
    /// Starts a sign-in in the frame itself.
    pub direct: &'a str,
    /// Where what the window gives is exchanged.
    pub handover: &'a str,
    /// The provider's origin.
    pub provider: &'a str,
}

#[derive(Template)]
#[template(path = "framed.html", config = "src/http/pages/askama.toml")]
struct FramedPage<'a> {
    style: &'static str,
    script: &'static str,
    page: &'a Framed<'a>,
}

#[derive(Template)]
#[template(path = "framed_done.html", config = "src/http/pages/askama.toml")]
struct FramedDone {
    style: &'static str,
}

#[derive(Template)]
#[template(path = "handover.html", config = "src/http/pages/askama.toml")]
struct Handover<'a> {
    style: &'static str,
    script: &'static str,
    sealed: &'a str,
    address: &'a str,
}

#[derive(Template)]
#[template(path = "failure.html", config = "src/http/pages/askama.toml")]
struct Failure<'a> {
    style: &'static str,
    title: &'a str,
    note: Option<&'a str>,
    advice: &'a str,
    code: &'a str,
    request_id: &'a str,
    login_url: Option<&'a str>,
    offer: Option<&'a Offer>,
}

#[derive(Template)]
#[template(path = "sign_out.html", config = "src/http/pages/askama.toml")]
struct SignOut<'a> {
    style: &'static str,
    action: &'a str,
}

#[derive(Template)]
#[template(path = "signed_out.html", config = "src/http/pages/askama.toml")]
struct SignedOut<'a> {
    style: &'static str,
    again: &'a str,
}

#[derive(Template)]
#[template(path = "keep_fragment.html", config = "src/http/pages/askama.toml")]
struct KeepFragment<'a> {
    style: &'static str,
    script: &'static str,
    start: &'a str,
    path: &'a str,
}

const SCRIPT: &str = include_str!("pages/keep_fragment.js");

const FRAMED_SCRIPT: &str = include_str!("pages/framed.js");

const HANDOVER_SCRIPT: &str = include_str!("pages/handover.js");

const STYLE: &str = include_str!("pages/style.css");

/// Only our own stylesheet, named by its hash, and forms to ourselves.
static POLICY: LazyLock<&'static str> = LazyLock::new(|| policy(""));

/// The same with our own script.
static SCRIPT_POLICY: LazyLock<&'static str> =
    LazyLock::new(|| policy(&format!("script-src '{}'; ", hash(SCRIPT))));

/// The same for the page that hands a session over.
static HANDOVER_POLICY: LazyLock<&'static str> =
    LazyLock::new(|| policy(&format!("script-src '{}'; ", hash(HANDOVER_SCRIPT))));

/// Made once each; they live as long as the process.
fn policy(more: &str) -> &'static str {
    Box::leak(policy_text(more).into_boxed_str())
}

fn policy_text(more: &str) -> String {
    let style = hash(STYLE);
    format!(
        "default-src 'none'; {more}style-src '{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The name by which a `Content-Security-Policy` allows an inline script or style.
pub fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

fn respond(page: &impl Template) -> Reply {
    // Rendering into memory fails only where a template calls something that fails; ours don't.
    reply::html(page.render().unwrap_or_default(), *POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_interpolated_is_escaped() {
        let facts = [("E-mail", "<b>&\"'".to_owned())];
        let units = [(7, "<b>unit".to_owned())];
        let (name, out) = ("<script>alert(1)</script>", "/oauth2/sign_out");
        let page = Account::new(name, &facts, out, &units, "/oauth2/business_unit")
            .render()
            .expect("renders");
        assert!(
            !page.contains("<script>") && !page.contains("<b>"),
            "{page}"
        );
        let login_url = "/x?\"><script>";
        let page = format!(
            "{:?}",
            failure(Fault::Internal, Some("<u>"), Some(login_url), None, "<i>").body()
        );
        assert!(
            !page.contains("<script>") && !page.contains("<i>") && !page.contains("<u>"),
            "{page}"
        );
    }

    #[test]
    fn pages_carry_a_policy_without_unsafe_inline() {
        let reply = sign_out("/oauth2/sign_out");
        let policy = reply
            .headers()
            .get("content-security-policy")
            .expect("set")
            .to_str()
            .expect("text");
        assert!(
            policy.contains("style-src 'sha256-") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"));
    }
}
