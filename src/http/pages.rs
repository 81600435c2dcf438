//! The pages people see: one look, in the person's language, with the owner's brand. Nothing on them is
//! from elsewhere, and no script or style is allowed but those of ours, by their hashes.

mod accent;
mod account;
mod brand;
mod custom;
mod messages;
mod scopes;
mod script;
mod shell;

use std::fmt;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::HeaderValue;
use http::header;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

pub use accent::Accent;
pub use account::Account;
pub use brand::Brand;
pub use brand::BrandName;
pub use brand::Logo;
pub use brand::LogoError;
pub use brand::MAX_LOGO;
pub use brand::SupportUrl;
pub use custom::Custom;
pub use custom::TemplateError;
pub use messages::Messages;
pub use messages::fill;

use super::offer::Offer;
use super::reply;
use super::reply::Reply;
use crate::fault::Fault;
use crate::language::Language;
use script::Script;
use shell::Piece;
use shell::Shell;
use shell::Unit;
use shell::pieces;

/// The pages of one gateway.
pub struct Pages {
    brand: Brand,
    /// Templates of the owner's, where there are any.
    custom: Option<Custom>,
    style: String,
    /// The style sheet's name in a policy.
    style_hash: String,
}

impl Default for Pages {
    fn default() -> Self {
        Self::new(Brand::default(), None)
    }
}

impl Pages {
    /// Pages with the owner's brand and templates.
    pub fn new(brand: Brand, custom: Option<Custom>) -> Self {
        let accent = brand.accent.map(Accent::style).unwrap_or_default();
        let style = format!("{STYLE}{accent}");
        Self {
            style_hash: hash(&style),
            brand,
            custom,
            style,
        }
    }

    /// The pages for whoever sent a request with these `headers`.
    pub fn to<'a>(&'a self, headers: &'a HeaderMap) -> Voice<'a> {
        Voice {
            pages: self,
            asked: Asked::Headers(headers),
        }
    }

    /// The pages in `language`.
    pub fn in_language(&self, language: Language) -> Voice<'_> {
        Voice {
            pages: self,
            asked: Asked::Language(language),
        }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("brand", &self.brand)
            .field("custom", &self.custom.is_some())
            .finish_non_exhaustive()
    }
}

/// Pages on their way to somebody. Nothing is read of the request before there is a page to be made.
#[derive(Clone, Copy, Debug)]
pub struct Voice<'a> {
    pages: &'a Pages,
    asked: Asked<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Asked<'a> {
    Headers(&'a HeaderMap),
    Language(Language),
}

/// What the page of a fault is about.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// What happened.
    pub fault: Fault,
    /// What was found in this case.
    pub note: Option<&'a str>,
    /// Where to sign in, if that helps.
    pub login_url: Option<&'a str>,
    /// What a signed-in person can do about it.
    pub offer: Option<&'a Offer>,
    /// What to quote.
    pub request_id: &'a str,
}

impl Voice<'_> {
    /// The language to speak.
    pub fn language(&self) -> Language {
        match self.asked {
            Asked::Language(language) => language,
            Asked::Headers(headers) => {
                let lines = headers.get_all(header::ACCEPT_LANGUAGE);
                Language::negotiate(lines.iter().map(HeaderValue::as_bytes))
            }
        }
    }

    /// The page of a fault.
    pub fn failure(&self, refused: &Refused<'_>) -> Reply {
        let shell = self.shell();
        let page = Failure::new(shell, refused);
        self.own_or(&page, "failure.html", None)
    }

    /// The account page: who am I, which business unit, until when, sign out.
    pub fn account(&self, account: &Account<'_>) -> Reply {
        let page = account.page(self.shell());
        self.own_or(&page, "account.html", Some(&script::ACCOUNT))
    }

    /// The page with one button that signs out.
    pub fn sign_out(&self, action: &str) -> Reply {
        let shell = self.shell();
        self.own_or(&SignOut { shell, action }, "sign_out.html", None)
    }

    /// The page after a sign-out.
    pub fn signed_out(&self, again: &str) -> Reply {
        let shell = self.shell();
        self.own_or(&SignedOut { shell, again }, "signed_out.html", None)
    }

    /// The page that takes the fragment, which no request holds, along to `start` and back to `path`.
    pub fn keep_fragment(&self, start: &str, path: &str) -> Reply {
        let page = KeepFragment {
            shell: self.shell(),
            script: script::KEEP_FRAGMENT.text,
            start,
            path,
        };
        self.ours(&page, Some(&script::KEEP_FRAGMENT), "")
    }

    /// The page in a frame that signs in silently, or by way of a window.
    pub fn framed(&self, page: &Framed<'_>) -> Reply {
        // The provider's frame leads through hosts of its own choice; only on loopback without TLS.
        let more = format!(
            "connect-src 'self'; frame-src 'self' https: {}; ",
            page.provider
        );
        let template = FramedPage {
            shell: self.shell(),
            script: script::FRAMED.text,
            page,
        };
        self.ours(&template, Some(&script::FRAMED), &more)
    }

    /// The page that ends a silent sign-in in a frame.
    pub fn framed_done(&self) -> Reply {
        let shell = self.shell();
        self.ours(&FramedDone { shell }, None, "")
    }

    /// The page in a window that passes a `sealed` session to the frame which opened it, and takes the
    /// sign-in's answer out of the window's address.
    pub fn handover(&self, sealed: &str, address: &str) -> Reply {
        let page = Handover {
            shell: self.shell(),
            script: script::HANDOVER.text,
            sealed,
            address,
        };
        self.ours(&page, Some(&script::HANDOVER), "")
    }

    fn shell(&self) -> Shell<'_> {
        let pages = self.pages;
        Shell::new(self.language(), &pages.brand, &pages.style)
    }

    /// The owner's template of that name, else our own.
    fn own_or<T: Template + Serialize>(
        &self,
        page: &T,
        name: &str,
        script: Option<&Script>,
    ) -> Reply {
        let custom = self.pages.custom.as_ref();
        match custom.and_then(|custom| custom.render(name, page)) {
            Some(text) => {
                let more = custom.map_or("", |custom| custom.policy());
                let own = &self.pages.style_hash;
                let styles = custom.map_or("", |custom| custom.styles());
                self.respond(text, &policy(more, &format!("'{own}'{styles}")))
            }
            None => self.ours(page, script, ""),
        }
    }

    /// A page of ours, with its script and what that may do.
    fn ours(&self, page: &impl Template, script: Option<&Script>, more: &str) -> Reply {
        let script = script.map_or_else(String::new, |script| {
            format!("script-src '{}'; ", *script.hash)
        });
        let pictures = if self.pages.brand.logo.is_some() {
            "img-src data:; "
        } else {
            ""
        };
        let style = &self.pages.style_hash;
        let policy = policy(&format!("{script}{more}{pictures}"), &format!("'{style}'"));
        // Rendering into memory fails only where a template calls something that fails; ours don't.
        self.respond(page.render().unwrap_or_default(), &policy)
    }

    fn respond(&self, page: String, policy: &str) -> Reply {
        let mut reply = reply::html(page, policy);
        let headers = reply.headers_mut();
        let language = HeaderValue::from_static(self.language().tag());
        headers.insert(header::CONTENT_LANGUAGE, language);
        let vary = HeaderValue::from_name(header::ACCEPT_LANGUAGE);
        headers.insert(header::VARY, vary);
        reply
    }
}

/// Only our own styles, named by their hashes, and forms to ourselves.
fn policy(more: &str, styles: &str) -> String {
    format!(
        "default-src 'none'; {more}style-src {styles}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The name by which a `Content-Security-Policy` allows an inline script or style.
pub fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
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
    shell: Shell<'a>,
    script: &'static str,
    page: &'a Framed<'a>,
}

#[derive(Template)]
#[template(path = "framed_done.html", config = "src/http/pages/askama.toml")]
struct FramedDone<'a> {
    shell: Shell<'a>,
}

#[derive(Template)]
#[template(path = "handover.html", config = "src/http/pages/askama.toml")]
struct Handover<'a> {
    shell: Shell<'a>,
    script: &'static str,
    sealed: &'a str,
    address: &'a str,
}

#[derive(Template, Serialize)]
#[template(path = "failure.html", config = "src/http/pages/askama.toml")]
struct Failure<'a> {
    shell: Shell<'a>,
    title: &'static str,
    reason: &'static str,
    note: Option<&'a str>,
    advice: Vec<Piece>,
    operator: Vec<Piece>,
    sign_in: Option<&'a str>,
    offer: Option<Ways<'a>>,
    code: &'static str,
    status: u16,
    request_id: &'a str,
}

impl<'a> Failure<'a> {
    fn new(shell: Shell<'a>, refused: &Refused<'a>) -> Self {
        let fault = refused.fault;
        let told = fault.told(shell.language);
        let advice = match (fault, told.advice) {
            // There is a button for it.
            (Fault::SignInRequired, _) if refused.login_url.is_some() => {
                shell.t.please_sign_in_note
            }
            (_, "") => shell.t.tell_operators,
            (_, advice) => advice,
        };
        Self {
            title: told.title,
            reason: told.reason,
            note: refused.note,
            advice: pieces(advice),
            operator: pieces(told.operator),
            sign_in: refused.login_url,
            offer: refused.offer.map(|offer| Ways::new(offer, shell.t)),
            code: fault.code(),
            status: fault.status().as_u16(),
            request_id: refused.request_id,
            shell,
        }
    }
}

/// What a signed-in person can do about a refusal.
#[derive(Serialize)]
struct Ways<'a> {
    units: Vec<Unit>,
    switch: &'a str,
    back: &'a str,
    account: &'a str,
    sign_out: &'a str,
}

impl<'a> Ways<'a> {
    fn new(offer: &'a Offer, t: &Messages) -> Self {
        let label = |name: &str| fill(t.switch_to, &[("unit", name)]);
        let units = offer.units.iter();
        Self {
            units: units
                .map(|(id, name)| Unit {
                    id: *id,
                    label: label(name),
                })
                .collect(),
            switch: &offer.switch,
            back: &offer.back,
            account: &offer.account,
            sign_out: &offer.sign_out,
        }
    }
}

#[derive(Template, Serialize)]
#[template(path = "sign_out.html", config = "src/http/pages/askama.toml")]
struct SignOut<'a> {
    shell: Shell<'a>,
    action: &'a str,
}

#[derive(Template, Serialize)]
#[template(path = "signed_out.html", config = "src/http/pages/askama.toml")]
struct SignedOut<'a> {
    shell: Shell<'a>,
    again: &'a str,
}

#[derive(Template)]
#[template(path = "keep_fragment.html", config = "src/http/pages/askama.toml")]
struct KeepFragment<'a> {
    shell: Shell<'a>,
    script: &'static str,
    start: &'a str,
    path: &'a str,
}

const STYLE: &str = concat!(include_str!("look.css"), include_str!("pages/style.css"));

#[cfg(test)]
mod tests;
