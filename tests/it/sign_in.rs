//! The authorization-code flow, from the first click to the last cookie.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sha2::Digest as _;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::split_url;
use crate::support::gate::PUBLIC;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_and_arrives_at_the_page_that_was_asked_for() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let answer = browser.sign_in("/deep/link?x=1&y=%2F", "ada").await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), "/deep/link?x=1&y=%2F");
    assert_eq!(
        browser.jar.keys().collect::<Vec<_>>(),
        ["sidegate"],
        "the attempt's cookie is gone"
    );
    let context = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(context.json()["user"]["id"], 10_654_321, "{context:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_app_proves_itself_with_its_secret_in_a_json_body() {
    let asked = token_request(Plan::default()).await;
    assert_eq!(
        keys(&asked),
        [
            "client_id",
            "client_secret",
            "code",
            "code_verifier",
            "grant_type",
            "redirect_uri"
        ]
    );
    assert_eq!(asked["grant_type"], "authorization_code");
    assert_eq!(asked["client_id"], "sandbox-web-client");
    assert_eq!(asked["client_secret"], "sandbox-web-secret-do-not-use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_app_sends_no_secret() {
    let asked = token_request(Plan {
        client: PUBLIC.to_owned(),
        ..Plan::default()
    })
    .await;
    assert_eq!(
        keys(&asked),
        [
            "client_id",
            "code",
            "code_verifier",
            "grant_type",
            "redirect_uri"
        ]
    );
    assert_eq!(asked["client_id"], "sandbox-public-client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scope_and_business_unit_are_sent_where_configured() {
    let asked = token_request(Plan {
        marketing_cloud: "  scope: [offline, email_read]\n  business_unit: 7281699\n".to_owned(),
        ..Plan::default()
    })
    .await;
    assert_eq!(asked["scope"], "offline email_read");
    assert_eq!(asked["account_id"].to_string().trim_matches('"'), "7281699");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configured_business_unit_is_the_sessions() {
    let gate = Gate::with(Plan {
        marketing_cloud: "  business_unit: 7281699\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    let told = browser.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["business_unit"], 7_281_699);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pkce_there_is_neither_challenge_nor_verifier() {
    let plan = || Plan {
        marketing_cloud: "  pkce: off\n".to_owned(),
        ..Plan::default()
    };
    let asked = token_request(plan()).await;
    assert!(!keys(&asked).contains(&"code_verifier"), "{asked}");
    let gate = Gate::with(plan()).await;
    let start = gate.browser().navigate("/").await;
    assert!(!start.header("location").contains("code_challenge"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authorization_request_has_exactly_what_it_needs() {
    let gate = Gate::start().await;
    let start = gate.browser().navigate("/x").await;
    let (provider, target) = split_url(start.header("location"));
    assert_eq!(
        format!("http://{provider}"),
        gate.sandbox.origin().to_string()
    );
    assert!(target.starts_with("/v2/authorize?"), "{target}");
    let query = parameters(&start);
    let names: Vec<_> = query.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "redirect_uri",
            "response_type",
            "state"
        ]
    );
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(
        query["redirect_uri"],
        format!("{}/oauth2/callback", gate.origin())
    );
    assert_eq!(start.header("cache-control"), "no-store");
    assert_eq!(start.header("referrer-policy"), "no-referrer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_scope_is_asked_for_with_spaces_as_percent_20() {
    let gate = Gate::with(Plan {
        marketing_cloud: "  scope: [offline, email_read]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let start = gate.browser().navigate("/").await;
    let location = start.header("location");
    assert!(
        location.contains("&scope=offline%20email_read&"),
        "{location}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_state_or_challenge_ever_repeats() {
    let gate = Gate::start().await;
    let (mut states, mut challenges) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..50 {
        let query = parameters(&gate.browser().navigate("/").await);
        assert_eq!(query["state"].len(), 43);
        assert_eq!(query["code_challenge"].len(), 43);
        states.insert(query["state"].clone());
        challenges.insert(query["code_challenge"].clone());
    }
    assert_eq!((states.len(), challenges.len()), (50, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_document_navigations_are_redirected() {
    let gate = Gate::start().await;
    let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let navigate = ("sec-fetch-mode", "navigate");
    let dest = |dest| ("sec-fetch-dest", dest);
    let get = Method::GET;
    for (method, fields, redirected) in [
        (&get, &[html, navigate, dest("document")][..], true),
        (&get, &[navigate, dest("document")], true),
        (&get, &[navigate], true),
        (&get, &[dest("document")], true),
        (&get, &[html], true),
        (&Method::HEAD, &[html], true),
        (&get, &[html, navigate, dest("iframe")], false),
        (&get, &[html, navigate, dest("embed")], false),
        (&get, &[html, navigate, dest("object")], false),
        (
            &get,
            &[html, ("sec-fetch-mode", "cors"), dest("empty")],
            false,
        ),
        (
            &get,
            &[html, ("sec-fetch-mode", "no-cors"), dest("image")],
            false,
        ),
        (
            &get,
            &[html, ("sec-fetch-mode", "no-cors"), dest("script")],
            false,
        ),
        (
            &get,
            &[html, ("sec-fetch-mode", "websocket"), dest("websocket")],
            false,
        ),
        (&get, &[html, ("x-requested-with", "XMLHttpRequest")], false),
        (&get, &[("accept", "*/*")], false),
        (&get, &[("accept", "application/json")], false),
        (&get, &[], false),
        (&Method::POST, &[html], false),
        (&Method::PUT, &[html], false),
        (&Method::DELETE, &[html], false),
        (&Method::OPTIONS, &[html], false),
    ] {
        let answer = gate
            .browser()
            .send(method.clone(), "/page", fields, Bytes::new())
            .await;
        let case = format!("{method} {fields:?}");
        if redirected {
            assert_eq!(answer.status, 302, "{case}");
            assert_eq!(answer.set_cookies().len(), 1, "{case}");
        } else {
            assert_eq!(answer.status, 401, "{case}");
            assert!(answer.header("location").is_empty(), "{case}");
            assert!(answer.set_cookies().is_empty(), "{case}");
            assert_eq!(
                answer.header("content-type"),
                "application/problem+json",
                "{case}"
            );
            let document = answer.json();
            assert_eq!(document["code"], "SG-2001", "{case}");
            assert_eq!(
                document["login_url"],
                format!("{}/oauth2/start?rd=/", gate.origin()),
                "{case}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_login_url_leads_back_to_the_page_that_asked() {
    let gate = Gate::start().await;
    let page = format!("{}/reports?week=3&x=%C3%A4", gate.origin());
    for (referer, rd) in [
        (page.as_str(), "/reports?week=3&x=%C3%A4"),
        ("http://evil.example/x", "/"),
    ] {
        let mut browser = gate.browser();
        let fields = [("accept", "application/json"), ("referer", referer)];
        let refused = browser
            .send(Method::GET, "/api", &fields, Bytes::new())
            .await;
        let document = refused.json();
        let (site, start) = split_url(document["login_url"].as_str().expect("a URL"));
        assert_eq!(site, gate.address());
        assert_eq!(browser.sign_in(&start, "ada").await.header("location"), rd);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_sign_in_at_once_and_finish_in_either_order() {
    for first_finishes_first in [true, false] {
        let gate = Gate::start().await;
        let mut browser = gate.browser();
        let one = browser.authorize("/one", "ada").await;
        let two = browser.authorize("/two", "ada").await;
        assert_eq!(browser.jar.len(), 2);
        let order = [(&one, "/one"), (&two, "/two")];
        let order = if first_finishes_first {
            order
        } else {
            [order[1], order[0]]
        };
        for (callback, page) in order {
            let answer = browser.navigate(callback).await;
            assert_eq!(answer.status, 303, "{answer:?}");
            assert_eq!(answer.header("location"), page);
        }
        assert_eq!(browser.jar.keys().collect::<Vec<_>>(), ["sidegate"]);
        assert_eq!(gate.control().stats().code_grants, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_abandoned_tabs_leave_five_login_cookies_of_bounded_size() {
    let gate = Gate::start().await;
    let long = format!("/page?{}", "x".repeat(1_500));
    for path in ["/short", &long] {
        let mut browser = gate.browser();
        let mut last = String::new();
        for tab in 0..60 {
            gate.advance(1);
            last = browser.authorize(path, "ada").await;
            let bytes: usize = browser
                .jar
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            assert!(
                browser.jar.len() <= 5 && bytes <= 4_500,
                "tab {tab}: {bytes} bytes in {}",
                browser.jar.len()
            );
        }
        // The newest tab is the one in front of the person: it works.
        let answer = browser.navigate(&last).await;
        assert_eq!((answer.status, answer.header("location")), (303, path));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_attempt_gives_way_to_the_sixth() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let mut callbacks = Vec::new();
    for _ in 0..6 {
        gate.advance(1);
        callbacks.push(browser.authorize("/", "ada").await);
    }
    let newer = browser.jar.clone();
    let refused = browser.navigate(&callbacks[0]).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "SG-2002"));
    assert_eq!(browser.jar, newer);
    assert_eq!(browser.navigate(&callbacks[1]).await.status, 303);
}

/// The body of the token request of a whole sign-in, after checks that hold for every kind.
async fn token_request(plan: Plan) -> Value {
    let gate = Gate::with(Plan {
        tapped: true,
        ..plan
    })
    .await;
    let mut browser = gate.browser();
    let start = browser.navigate("/").await;
    let asked_at = parameters(&start);
    let callback = browser.consent(start.header("location"), "ada").await;
    let answer = browser.navigate(&callback).await;
    assert_eq!(answer.status, 303, "{answer:?}");

    let calls = gate.tap().token_calls();
    let [call] = &calls[..] else {
        panic!("one call: {calls:?}")
    };
    assert_eq!(call.headers["content-type"], "application/json");
    assert!(call.headers.get("authorization").is_none() && call.headers.get("cookie").is_none());
    let asked = call.asked();
    let redirect_uri = asked["redirect_uri"].as_str().expect("text");
    assert_eq!(redirect_uri, format!("{}/oauth2/callback", gate.origin()));
    let code = asked["code"].as_str().expect("text");
    assert!(
        code.len() > 20 && callback.contains(&format!("code={code}&")),
        "{callback}"
    );
    if let Some(verifier) = asked["code_verifier"].as_str() {
        let hash = sha2::Sha256::digest(verifier);
        let challenge = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, hash);
        assert_eq!(asked_at["code_challenge"], challenge);
    }
    asked
}

/// The parameters in a redirect's query.
fn parameters(answer: &Answer) -> BTreeMap<String, String> {
    let url = url::Url::parse(answer.header("location")).expect("a URL");
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "nothing comes twice");
    map
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}
