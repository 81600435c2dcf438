//! `error=…` instead of a code: each cause has its page, and no page is a mirror.

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_has_a_page_that_names_its_cause() {
    let gate = Gate::start().await;
    for (error, status, code) in [
        ("access_denied", 403, "SG-2004"),
        ("user_not_licensed", 403, "SG-2005"),
        ("unauthorized_client", 403, "SG-2006"),
        ("invalid_scope", 403, "SG-2007"),
        ("invalid_request", 403, "SG-2008"),
        ("unsupported_response_type", 403, "SG-2008"),
        ("server_error", 502, "SG-2009"),
        ("temporarily_unavailable", 503, "SG-2014"),
        ("never_heard_of", 502, "SG-2009"),
        ("%3Cscript%3Ealert(7)%3C/script%3E", 502, "SG-2009"),
    ] {
        let mut browser = gate.browser();
        let page = come_back(&gate, &mut browser, error).await;
        assert_eq!(
            (page.status, page.code().as_str()),
            (status, code),
            "{error}"
        );
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{error}"
        );
        assert!(page.header("location").is_empty(), "no loop: {error}");
        let text = page.text();
        for reflected in [REFLECTED, "evil.example", "alert(7)", "never_heard_of"] {
            assert!(!text.contains(reflected), "{error}: {reflected}");
        }
        assert!(text.contains("/oauth2/start?rd=/"), "{error}: a way out");
        assert!(browser.jar.is_empty(), "{error}: the attempt is over");
    }
    assert_eq!(gate.control().stats().token_calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_licensed_is_told_so() {
    let gate = Gate::start().await;
    let page = gate.browser().sign_in("/", "nora").await;
    assert_eq!((page.status, page.code().as_str()), (403, "SG-2005"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_the_package_lacks_is_named_as_the_cause() {
    let gate = Gate::with(Plan {
        marketing_cloud: "  scope: [offline, not_in_the_package]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let page = gate.browser().sign_in("/", "ada").await;
    assert_eq!((page.status, page.code().as_str()), (403, "SG-2007"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_nobody_asked_for_says_nothing_of_its_kind() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let start = browser.navigate("/").await;
    let state = state_of(&start);
    browser.jar.clear();
    for path in [
        "/oauth2/callback?error=access_denied".to_owned(),
        format!("/oauth2/callback?error=access_denied&state={state}"),
    ] {
        let page = browser.navigate(&path).await;
        assert_eq!(
            (page.status, page.code().as_str()),
            (400, "SG-2002"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_attempt_leaves_a_session_alone() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let session = browser.jar.clone();
    let page = browser.sign_in("/oauth2/start", "nora").await;
    assert_eq!(page.code(), "SG-2005");
    assert_eq!(browser.jar, session);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
}

/// Starts a sign-in that the provider answers with `error`.
async fn come_back(gate: &Gate, browser: &mut Browser, error: &str) -> Answer {
    let start = browser.navigate("/").await;
    assert_eq!(start.status, 302);
    let state = state_of(&start);
    let path = format!(
        "/oauth2/callback?error={error}&error_description={REFLECTED}%3Cb%3E&error_uri=http://evil.example/&state={state}"
    );
    assert_eq!(gate.browser().navigate(&path).await.code(), "SG-2002");
    browser.navigate(&path).await
}

fn state_of(start: &Answer) -> String {
    let url = url::Url::parse(start.header("location")).expect("a URL");
    let state = url.query_pairs().find(|(name, _)| name == "state");
    state.expect("a state").1.into_owned()
}

const REFLECTED: &str = "The+words+of+a+stranger";
