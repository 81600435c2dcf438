//! Templates of the owner's in place of ours: the language of Jinja, with everything escaped and nothing
//! undefined taken for empty. They see what our own templates see. They are tried with sample data when
//! they are read; one that fails later all the same leaves its place to ours.

mod inline;

use std::fmt;

use minijinja::AutoEscape;
use minijinja::Environment;
use minijinja::Error;
use minijinja::UndefinedBehavior;
use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

use super::Account;
use super::Failure;
use super::Pages;
use super::Refused;
use super::SignOut;
use super::SignedOut;
use super::hash;
use super::script;
use crate::fault::Fault;
use crate::http::offer::Offer;
use crate::language::Language;
use crate::time::UnixTime;

/// The owner's templates.
#[derive(Debug)]
pub struct Custom {
    environment: Environment<'static>,
    /// What their scripts and pictures may be, as directives.
    policy: String,
    /// Their style sheets' names.
    styles: String,
}

impl Custom {
    /// Pages that a template of the same name replaces. The others carry a sign-in into a frame or over a
    /// redirect, and stay ours.
    pub const NAMES: [&'static str; 4] = [
        "account.html",
        "failure.html",
        "sign_out.html",
        "signed_out.html",
    ];

    /// Reads templates, by file name, and tries them.
    pub fn compile(sources: Vec<(String, String)>) -> Result<Self, Vec<TemplateError>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_fuel(Some(FUEL));
        let (mut errors, mut scripts, mut styles) = (Vec::new(), String::new(), String::new());
        for (name, source) in sources {
            for found in inline::elements(&source) {
                match found {
                    Ok(inline::Element::Style(text)) => allow(&mut styles, text),
                    Ok(inline::Element::Script(text)) => allow(&mut scripts, text),
                    Err(fault) => errors.push(TemplateError {
                        file: name.clone(),
                        line: Some(fault.line),
                        what: fault.what.to_owned(),
                    }),
                }
            }
            if let Err(error) = environment.add_template_owned(name.clone(), source) {
                errors.push(TemplateError::of(&error, &name));
            }
        }
        let ours = &*script::ACCOUNT.hash;
        let custom = Self {
            environment,
            policy: format!("script-src '{ours}'{scripts}; img-src 'self' data:; "),
            styles,
        };
        if errors.is_empty() {
            errors = custom.tried();
        }
        if errors.is_empty() {
            Ok(custom)
        } else {
            Err(errors)
        }
    }

    /// The page by the template of that name, if there is one and it works.
    pub(super) fn render(&self, name: &str, page: &impl Serialize) -> Option<String> {
        let template = self.environment.get_template(name).ok()?;
        match template.render(Value::from(Serde(page))) {
            Ok(text) => Some(text),
            Err(error) => {
                let error = TemplateError::of(&error, name);
                tracing::warn!(event = "pages.template", %error, "A template failed; the page is ours.");
                None
            }
        }
    }

    pub(super) fn policy(&self) -> &str {
        &self.policy
    }

    pub(super) fn styles(&self) -> &str {
        &self.styles
    }

    /// What goes wrong with sample data: with everything that a page may hold, and without.
    fn tried(&self) -> Vec<TemplateError> {
        let pages = Pages::default();
        let mut errors: Vec<TemplateError> = Vec::new();
        for language in Language::ALL {
            let voice = pages.in_language(language);
            let shell = || voice.shell();
            let offer = Offer {
                units: vec![(7_281_698, "Aurora".to_owned())],
                ..Offer::default()
            };
            for (fault, offer) in [(Fault::OtherUnit, Some(&offer)), (Fault::SessionLost, None)] {
                let refused = Refused {
                    fault,
                    note: offer.map(|_| "A note."),
                    login_url: offer.map(|_| "/oauth2/start"),
                    offer,
                    request_id: "0123456789abcdef",
                };
                self.attempt(
                    "failure.html",
                    &Failure::new(shell(), &refused),
                    &mut errors,
                );
            }
            for units in [&[][..], &[(7_281_699, "Aurora".to_owned())]] {
                let account = sample_account(units);
                self.attempt("account.html", &account.page(shell()), &mut errors);
            }
            let action = "/oauth2/sign_out";
            let page = SignOut {
                shell: shell(),
                action,
            };
            self.attempt("sign_out.html", &page, &mut errors);
            let page = SignedOut {
                shell: shell(),
                again: action,
            };
            self.attempt("signed_out.html", &page, &mut errors);
        }
        errors
    }

    fn attempt(&self, name: &str, page: &impl Serialize, errors: &mut Vec<TemplateError>) {
        let Ok(template) = self.environment.get_template(name) else {
            return;
        };
        if let Err(error) = template.render(Value::from(Serde(page))) {
            let error = TemplateError::of(&error, name);
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
    }
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The file's name.
    pub file: String,
    /// The line, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl TemplateError {
    fn of(error: &Error, name: &str) -> Self {
        let detail = error.detail();
        let kind = error.kind();
        Self {
            file: error.name().unwrap_or(name).to_owned(),
            line: error.line(),
            what: detail.map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for TemplateError {}

fn allow(list: &mut String, text: &str) {
    // A browser has read CRLF as LF by then (HTML, 13.2.3.5).
    let name = format!(" '{}'", hash(&text.replace("\r\n", "\n")));
    if !list.contains(&name) {
        list.push_str(&name);
    }
}

fn sample_account(units: &[(u64, String)]) -> Account<'_> {
    let now = UnixTime::from_millis(1_700_000_000_000);
    Account {
        name: "Ada Martin",
        user: "ada@aurora-goods",
        email: Some("ada.martin@example.com").filter(|_| units.is_empty()),
        tenant: "mcabc",
        enterprise: Some(7_281_600),
        unit: Some("Aurora (7281698)".to_owned()),
        scope: Some("offline email_read").filter(|_| units.is_empty()),
        now,
        signed_in_at: now,
        idle_until: now,
        ends_at: now,
        token_until: now,
        streams: units.len(),
        units,
        switch: "/oauth2/business_unit",
        sign_out: "/oauth2/sign_out",
    }
}

/// Steps that a page may take; ours would take some hundred.
const FUEL: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(files: &[(&str, &str)]) -> Result<Custom, Vec<String>> {
        let sources = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let told = |errors: Vec<TemplateError>| errors.iter().map(ToString::to_string).collect();
        Custom::compile(sources.collect()).map_err(told)
    }

    #[test]
    fn errors_say_file_and_line() {
        for (files, wanted) in [
            (
                &[("failure.html", "a\n{% if %}")][..],
                "failure.html:2: syntax error",
            ),
            (
                &[("failure.html", "\n\n{{ titel }}")],
                "failure.html:3: undefined value",
            ),
            (
                &[("failure.html", "{{ shell.t.no_such }}")],
                "failure.html:1: undefined value",
            ),
            (
                &[("failure.html", "{% include 'x.html' %}")],
                "failure.html:1: template not found",
            ),
            (
                &[
                    ("base.html", "x\n{{ y }}"),
                    ("signed_out.html", "{% extends 'base.html' %}"),
                ],
                "base.html:2: undefined value",
            ),
            (
                &[(
                    "failure.html",
                    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                )],
                "failure.html:1: engine ran out of fuel",
            ),
            (
                &[("account.html", "{% if email %}{% endif %}")],
                "account.html:1: undefined value",
            ),
            (
                &[("failure.html", "\n<script src=x></script>")],
                "failure.html:2: ",
            ),
        ] {
            let errors = compile(files).expect_err(wanted);
            assert!(
                errors.iter().any(|error| error.starts_with(wanted)),
                "{wanted}: {errors:?}"
            );
        }
    }

    #[test]
    fn a_template_sees_what_ours_see_and_is_escaped() {
        let text = "<style>p{color:red}</style><p lang={{ shell.lang }}>{{ title }}|{{ note }}|{{ code }}|\
                    {% for piece in advice %}{{ piece.text }}{% endfor %}</p><script>1</script>";
        let custom = compile(&[("failure.html", text)]).expect("compiles");
        let pages = Pages::new(super::super::Brand::default(), Some(custom));
        let refused = Refused {
            fault: Fault::CodeRefused,
            note: Some("<b>"),
            login_url: None,
            offer: None,
            request_id: "i",
        };
        let reply = pages.in_language(Language::De).failure(&refused);
        let policy = reply.headers()["content-security-policy"]
            .to_str()
            .expect("text")
            .to_owned();
        let page =
            String::from_utf8(super::super::reply::into_bytes(reply).to_vec()).expect("text");
        assert!(
            page.contains("<p lang=de>Die Anmeldung wurde schon verwendet"),
            "{page}"
        );
        assert!(page.contains("|&lt;b&gt;|SG-2010|Beginnen Sie"), "{page}");
        for inline in ["p{color:red}", "1"] {
            assert!(policy.contains(&hash(inline)), "{policy}");
        }
        assert!(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        // The other pages are ours.
        let page = format!(
            "{:?}",
            pages.in_language(Language::En).signed_out("/x").body()
        );
        assert!(page.contains("You are signed out"), "{page}");
    }

    #[test]
    fn the_example_in_the_documentation_works() {
        let guide = include_str!("../../../deploy/docs/pages.md");
        let (_, example) = guide.split_once("```html\n").expect("an example");
        let (example, _) = example.split_once("```").expect("it ends");
        compile(&[("failure.html", example)]).expect("it works");
    }

    #[test]
    fn a_template_that_fails_later_leaves_its_place_to_ours() {
        // The samples have no such request id.
        let text = "{% if request_id == 'odd' %}{{ missing }}{% endif %}theirs";
        let custom = compile(&[("failure.html", text)]).expect("compiles");
        let pages = Pages::new(super::super::Brand::default(), Some(custom));
        let page = |request_id| {
            let refused = Refused {
                fault: Fault::CodeRefused,
                note: None,
                login_url: None,
                offer: None,
                request_id,
            };
            format!(
                "{:?}",
                pages.in_language(Language::En).failure(&refused).body()
            )
        };
        assert!(page("even").contains("theirs"));
        assert!(page("odd").contains("SG-2010") && !page("odd").contains("theirs"));
    }
}
