use super::*;
use crate::http::offer::Offer;
use crate::time::UnixTime;

/// Every page by name, in one language.
fn all(pages: &Pages, language: Language) -> Vec<(String, Reply)> {
    let voice = pages.in_language(language);
    let (hostile, offer) = ("<script>alert(1)</script>\"'&", offer());
    let units = [(7, "<b>unit".to_owned())];
    let now = UnixTime::from_millis(1_700_000_000_000);
    let account = Account {
        name: hostile,
        user: hostile,
        email: Some("<b>&\"'"),
        tenant: "mcabc",
        enterprise: None,
        unit: None,
        scope: Some("email_read <u>"),
        now,
        signed_in_at: now,
        idle_until: now,
        ends_at: now,
        token_until: now,
        streams: 2,
        units: &units,
        switch: "/oauth2/business_unit",
        sign_out: "/oauth2/sign_out",
    };
    let framed = Framed {
        go_on: hostile,
        silent: hostile,
        window: hostile,
        direct: hostile,
        handover: hostile,
        provider: "https://mcabc.auth.marketingcloudapis.com",
    };
    let mut pages = vec![
        ("account".to_owned(), voice.account(&account)),
        ("sign_out".to_owned(), voice.sign_out("/oauth2/sign_out")),
        ("signed_out".to_owned(), voice.signed_out(hostile)),
        (
            "keep_fragment".to_owned(),
            voice.keep_fragment("/oauth2/start", hostile),
        ),
        ("framed".to_owned(), voice.framed(&framed)),
        ("framed_done".to_owned(), voice.framed_done()),
        ("handover".to_owned(), voice.handover(hostile, hostile)),
    ];
    for fault in Fault::ALL {
        let refused = Refused {
            fault,
            note: Some("<u>note"),
            login_url: Some(hostile),
            offer: Some(&offer),
            request_id: "<i>",
        };
        pages.push((fault.code().to_owned(), voice.failure(&refused)));
    }
    pages
}

fn offer() -> Offer {
    Offer {
        units: vec![(7, "<b>unit".to_owned())],
        back: "\"><script>".to_owned(),
        ..Offer::default()
    }
}

fn branded() -> Pages {
    let brand = Brand {
        name: Some(BrandName::parse("<Aurora & Sons>").expect("a name")),
        logo: Some(Logo::read(b"<svg xmlns='http://www.w3.org/2000/svg'/>").expect("a logo")),
        accent: Some(Accent::parse("#c2410c").expect("a colour")),
        support: Some(SupportUrl::parse("https://help.example.com/?a=1&b=2").expect("a URL")),
    };
    Pages::new(brand, None)
}

fn text_of(reply: Reply) -> String {
    String::from_utf8(reply::into_bytes(reply).to_vec()).expect("text")
}

fn policy_of(reply: &Reply) -> String {
    let policy = reply.headers().get(header::CONTENT_SECURITY_POLICY);
    policy.expect("set").to_str().expect("text").to_owned()
}

/// The texts of the elements of a kind.
fn inline<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!("<{name}>");
    let parts = page.split(open.as_str()).skip(1);
    parts
        .map(|part| part.split_once(&format!("</{name}>")).expect("it ends").0)
        .collect()
}

#[test]
fn every_pages_styles_and_scripts_are_those_that_its_policy_names() {
    for (pages, language) in [
        (Pages::default(), Language::En),
        (branded(), Language::En),
        (branded(), Language::De),
    ] {
        for (name, reply) in all(&pages, language) {
            let policy = policy_of(&reply);
            let page = text_of(reply);
            let (styles, scripts) = (inline(&page, "style"), inline(&page, "script"));
            assert_eq!(styles.len(), 1, "{name}");
            let directive = |wanted: &str| {
                let mut directives = policy.split("; ").filter_map(|one| one.split_once(' '));
                directives
                    .find(|(name, _)| *name == wanted)
                    .map(|(_, sources)| sources.to_owned())
            };
            let named = |texts: &[&str]| {
                let hashes: Vec<_> = texts
                    .iter()
                    .map(|text| format!("'{}'", hash(text)))
                    .collect();
                (!hashes.is_empty()).then(|| hashes.join(" "))
            };
            assert_eq!(directive("style-src"), named(&styles), "{name}");
            assert_eq!(directive("script-src"), named(&scripts), "{name}");
            assert_eq!(
                directive("default-src").as_deref(),
                Some("'none'"),
                "{name}"
            );
            assert_eq!(
                directive("form-action").as_deref(),
                Some("'self'"),
                "{name}"
            );
            assert!(
                policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"),
                "{name}"
            );
            assert_eq!(
                directive("img-src").is_some(),
                page.contains("<img"),
                "{name}"
            );
            // Nothing else is inline, and nothing is from elsewhere.
            for refused in [
                " style=",
                " onload=",
                " onclick=",
                "javascript:",
                "<link",
                "<script ",
                "<style ",
            ] {
                assert!(!page.contains(refused), "{name}: {refused}");
            }
        }
    }
}

#[test]
fn pages_say_which_language_they_are_in() {
    for language in Language::ALL {
        for (name, reply) in all(&Pages::default(), language) {
            let field = |name: &str| reply.headers().get(name).cloned().expect("set");
            assert_eq!(field("content-language"), language.tag(), "{name}");
            assert_eq!(field("vary"), "accept-language", "{name}");
            let page = text_of(reply);
            assert!(
                page.contains(&format!("<html lang=\"{}\">", language.tag())),
                "{name}"
            );
        }
    }
    let mut headers = HeaderMap::new();
    headers.append(
        header::ACCEPT_LANGUAGE,
        HeaderValue::from_static("fr, de;q=0.7"),
    );
    headers.append(
        header::ACCEPT_LANGUAGE,
        HeaderValue::from_static("en;q=0.2"),
    );
    let pages = Pages::default();
    assert_eq!(pages.to(&headers).language(), Language::De);
    assert_eq!(pages.to(&HeaderMap::new()).language(), Language::En);
}

#[test]
fn what_is_interpolated_is_escaped() {
    for (name, reply) in all(&branded(), Language::De) {
        let page = text_of(reply);
        for markup in [
            "<script>alert",
            "<b>",
            "<u>",
            "<i>note",
            "\"><script>",
            "<Aurora",
        ] {
            assert!(!page.contains(markup), "{name}: {markup}");
        }
        assert!(page.contains("&#60;Aurora &#38; Sons&#62;"), "{name}");
    }
}

#[test]
fn a_fault_says_what_why_and_what_next_with_code_and_request() {
    for fault in Fault::ALL {
        for language in Language::ALL {
            let refused = Refused {
                fault,
                note: None,
                login_url: None,
                offer: None,
                request_id: "id-1",
            };
            let page = text_of(Pages::default().in_language(language).failure(&refused));
            let told = fault.told(language);
            let escaped = |text: &str| {
                text.replace('&', "&#38;")
                    .replace('<', "&#60;")
                    .replace('>', "&#62;")
                    .replace('\'', "&#39;")
            };
            for said in [told.title, told.reason] {
                assert!(page.contains(&escaped(said)), "{fault:?}: {said}");
            }
            let (_, next) = page.split_once("<p class=\"do\">").expect("what to do");
            assert!(!next.starts_with("</p>"), "{fault:?}");
            assert!(
                page.contains(&format!("<code>{}</code>", fault.code())),
                "{fault:?}"
            );
            assert!(page.contains("<code>id-1</code>"), "{fault:?}");
        }
    }
}

#[test]
fn the_owners_brand_is_on_every_page() {
    for (name, reply) in all(&branded(), Language::En) {
        let page = text_of(reply);
        assert!(page.contains("--accent:#c2410c"), "{name}");
        assert!(
            page.contains("<img src=\"data:image/svg+xml;base64,"),
            "{name}"
        );
        assert!(
            page.contains("<footer><a href=\"https://help.example.com/?a=1&#38;b=2\">"),
            "{name}"
        );
        assert!(!page.contains("Sidegate"), "{name}");
    }
}
