//! What people see: in their language, with the owner's brand; and the script that minds the session.

use bytes::Bytes;
use http::Method;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;

const NAVIGATION: [(&str, &str); 2] = [
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

async fn page(gate: &Gate, path: &str, language: &str) -> Answer {
    let fields = [&NAVIGATION[..], &[("accept-language", language)]].concat();
    let mut browser = gate.browser();
    browser.send(Method::GET, path, &fields, Bytes::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_read_their_language_and_programs_english() {
    let gate = Gate::start().await;
    for (language, tag, title) in [
        (
            "de-AT,de;q=0.9,en;q=0.8",
            "de",
            "Unter dieser Adresse gibt es nichts",
        ),
        (
            "en-US,en;q=0.9,de;q=0.8",
            "en",
            "Nothing is served at this address",
        ),
        ("fr", "en", "Nothing is served at this address"),
        ("de;q=0, *", "en", "Nothing is served at this address"),
    ] {
        let answer = page(&gate, "/oauth2/none", language).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("content-language"), tag, "{language}");
        assert_eq!(answer.header("vary"), "accept-language");
        let text = answer.text();
        assert!(
            text.contains(&format!("<html lang=\"{tag}\">")) && text.contains(title),
            "{text}"
        );
        assert!(text.contains(answer.header("x-request-id")), "{text}");
    }
    let fields = [("accept", "application/json"), ("accept-language", "de")];
    let answer = gate
        .browser()
        .send(Method::GET, "/oauth2/none", &fields, Bytes::new())
        .await;
    assert_eq!(answer.json()["title"], "Nothing is served at this address");
    assert_eq!(answer.header("content-language"), "");
    // What was found in one case is told in the same language.
    let fields = [
        &NAVIGATION[..],
        &[("accept-language", "de"), ("host", "other.example")],
    ]
    .concat();
    let answer = gate
        .browser()
        .send(Method::GET, "/", &fields, Bytes::new())
        .await;
    assert!(
        answer.text().contains("Die Anfrage war für other.example"),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owners_brand_and_template_are_shown_under_a_strict_policy() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("written");
    };
    write("logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    write(
        "signed_out.html",
        "<style>p{color:red}</style><p>{{ shell.name }}: {{ shell.t.signed_out }}</p>",
    );
    let path = directory.path().display();
    let gate = Gate::with(Plan {
        top: format!(
            "pages: {{ name: 'Aurora & Sons', accent: '#c2410c', logo: '{path}/logo.svg', \
             support_url: 'https://help.example.com/', directory: '{path}' }}"
        ),
        ..Plan::default()
    })
    .await;
    let answer = page(&gate, "/oauth2/none", "en").await;
    let text = answer.text();
    for shown in [
        "Aurora &#38; Sons",
        "--accent:#c2410c",
        "data:image/svg+xml;base64,",
        "https://help.example.com/",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(
        answer
            .header("content-security-policy")
            .contains("img-src data:")
    );
    let mut browser = gate.signed_in("ada").await;
    let origin = gate.origin();
    let fields = [
        &NAVIGATION[..],
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", &origin),
            ("accept-language", "de"),
        ],
    ]
    .concat();
    let answer = browser
        .send(Method::POST, "/oauth2/sign_out", &fields, Bytes::new())
        .await;
    assert!(
        answer
            .text()
            .ends_with("<p>Aurora &amp; Sons: Sie sind abgemeldet</p>"),
        "{}",
        answer.text()
    );
    let policy = answer.header("content-security-policy");
    assert!(
        policy.contains("style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_page_tells_what_the_tool_may_do_and_what_runs() {
    let gate = Gate::with(Plan {
        marketing_cloud: "  scope: [offline, email_read, email_send]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut ada = gate.signed_in("ada").await;
    let fields = [&NAVIGATION[..], &[("accept-language", "de")]].concat();
    let answer = ada
        .send(Method::GET, "/oauth2/", &fields, Bytes::new())
        .await;
    let text = answer.text();
    for shown in [
        "E-Mails: lesen, senden",
        "Ohne neue Rückfrage angemeldet bleiben",
        "<time datetime=\"2023-11-15T10:13:20.000Z\">2023-11-15 10:13 UTC</time>",
        "Endet bei Untätigkeit",
        "keine dauerhaften",
        "7281600",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_is_cached_and_checked_by_its_tag() {
    let gate = Gate::start().await;
    let first = gate.browser().fetch("/oauth2/session.js").await;
    assert_eq!(first.status, 200);
    assert_eq!(
        first.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(first.header("cache-control"), "public, max-age=3600");
    assert_eq!(first.header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(first.header("x-content-type-options"), "nosniff");
    assert!(first.header("set-cookie").is_empty());
    let tag = first.header("etag").to_owned();
    for (known, status) in [(tag.as_str(), 304), ("\"other\"", 200)] {
        let fields = [("if-none-match", known)];
        let answer = gate
            .browser()
            .send(Method::GET, "/oauth2/session.js", &fields, Bytes::new())
            .await;
        assert_eq!(
            (answer.status, answer.header("etag")),
            (status, tag.as_str())
        );
        assert_eq!(answer.body.is_empty(), status == 304);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_tells_and_moves_nothing() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let before = ada.jar.clone();
    // The idle limit could move, and the token is due.
    gate.advance(1_200);
    let told = ada.fetch("/oauth2/userinfo?look=1").await;
    assert_eq!(
        (told.status, told.json()["expires_in"].as_u64()),
        (200, Some(2_400))
    );
    assert_eq!(ada.jar, before);
    assert_eq!(gate.control().stats().refreshes, 0);
    // A use moves both.
    assert_eq!(ada.fetch("/oauth2/userinfo").await.status, 200);
    let told = ada.fetch("/oauth2/userinfo?look=1").await;
    assert_eq!(told.json()["expires_in"].as_u64(), Some(3_600));
    assert_eq!(gate.control().stats().refreshes, 1);
    gate.advance(3_600);
    let over = ada.fetch("/oauth2/userinfo?look=1").await;
    assert_eq!((over.status, over.code().as_str()), (401, "SG-2001"));
}
