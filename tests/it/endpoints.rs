//! The endpoints of our own, on both listeners.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::SCRIPT;
use crate::support::browser::exchange;
use crate::support::browser::request;
use crate::support::browser::split_url;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn userinfo_tells_who_where_and_until_when_but_no_token() {
    let gate = Gate::with(Plan {
        tapped: true,
        marketing_cloud: "  scope: [offline, email_read]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(79);
    let answer = browser.fetch("/oauth2/userinfo").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/json")
    );
    let expected = json!({
        "user": {
            "sub": "10654321",
            "name": "Ada Martin",
            "email": "ada.martin@example.com",
            "preferred_username": "ada@aurora-goods",
        },
        "tenant": "sandbox",
        "organization": { "enterprise_id": 7_281_600, "member_id": 7_281_698 },
        "business_unit": 7_281_698,
        "recent_units": [{ "id": 7_281_698, "name": null }],
        "permissions": [],
        "scope": "offline email_read",
        "expires_in": 3_521,
        "session": {
            "signed_in_at": 1_700_000_000,
            "expires_at": 1_700_043_200,
            "idle_expires_at": 1_700_003_600,
        },
        "token": { "expires_at": 1_700_001_079, "expires_in": 1_000 },
    });
    assert_eq!(answer.json(), expected);
    // No secret stands in any answer that the browser's scripts can read.
    let reply = gate.tap().token_calls()[0].replied();
    for path in ["/oauth2/userinfo", "/oauth2/auth", "/oauth2/"] {
        let shown = format!("{:?}", browser.fetch(path).await);
        for token in ["access_token", "refresh_token"] {
            let token = reply[token].as_str().expect("text");
            assert!(!shown.contains(&token[token.len() - 40..]), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_answers_for_a_proxy_in_front() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
        let answer = browser
            .send(method.clone(), "/oauth2/auth", &[], Bytes::new())
            .await;
        assert_eq!(answer.status, 202, "{method}");
        assert!(answer.body.is_empty());
        let tenant = gate.sandbox.origin().to_string();
        for (name, value) in [
            ("x-forwarded-user", "10654321"),
            ("x-forwarded-email", "ada.martin@example.com"),
            ("x-forwarded-preferred-username", "ada@aurora-goods"),
            ("x-marketing-cloud-business-unit", "7281698"),
            ("x-marketing-cloud-enterprise", "7281600"),
            ("x-marketing-cloud-rest-url", &tenant),
            ("x-marketing-cloud-soap-url", &tenant),
        ] {
            assert_eq!(answer.header(name), value, "{method} {name}");
        }
        assert!(answer.header("authorization").is_empty());
        assert!(answer.header("x-forwarded-access-token").is_empty());
    }
    // For a proxy that takes no other success for one; no more than that can be asked for.
    for (query, status) in [
        ("status=200", 200),
        ("status=204", 202),
        ("status=2000", 202),
    ] {
        let path = format!("/oauth2/auth?{query}");
        assert_eq!(browser.fetch(&path).await.status, status, "{query}");
        let nobody = gate.browser().fetch(&path).await;
        assert_eq!(nobody.status, 401, "{query}");
    }
    for (case, fields) in [("script", &SCRIPT[..]), ("person", &PERSON[..])] {
        let answer = gate
            .browser()
            .send(Method::GET, "/oauth2/auth", fields, Bytes::new())
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "SG-2001"),
            "{case}"
        );
        assert!(answer.header("x-forwarded-user").is_empty(), "{case}");
        assert!(!answer.header("www-authenticate").is_empty(), "{case}");
        assert!(answer.header("location").is_empty(), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_and_userinfo_renew_the_session_too() {
    for path in ["/oauth2/auth", "/oauth2/userinfo", "/oauth2/"] {
        let gate = Gate::start().await;
        let mut browser = gate.signed_in("ada").await;
        let before = browser.jar.clone();
        gate.advance(1_200);
        assert!(browser.fetch(path).await.status < 300, "{path}");
        assert_ne!(browser.jar, before, "{path}");
        assert_eq!(gate.control().stats().refreshes, 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_takes_a_post_from_a_page_of_ours() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let session = browser.jar.clone();

    let page = browser.navigate("/oauth2/sign_out").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text()
            .contains("<form method=\"post\" action=\"/oauth2/sign_out\">")
    );
    assert_eq!(browser.jar, session, "looking at the page changes nothing");

    let origin = gate.origin();
    for fields in [
        &[][..],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", origin.as_str()),
        ],
        &[("sec-fetch-site", "same-site")],
        &[("referer", origin.as_str())],
    ] {
        let refused = browser
            .send(Method::POST, "/oauth2/sign_out", fields, Bytes::new())
            .await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "SG-1006"),
            "{fields:?}"
        );
        assert_eq!(browser.jar, session, "{fields:?}");
    }
    assert_eq!(browser.fetch("/echo/x").await.status, 200);

    for (fields, status) in [
        (&SCRIPT[..], 204),
        (&[("origin", origin.as_str())], 204),
        (
            &[
                ("accept", "text/html"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-site", "same-origin"),
            ],
            200,
        ),
    ] {
        let mut browser = browser.clone();
        let done = browser
            .send(Method::POST, "/oauth2/sign_out", fields, Bytes::new())
            .await;
        assert_eq!(done.status, status, "{fields:?}");
        assert!(browser.jar.is_empty(), "{fields:?}");
        assert_eq!(browser.fetch("/echo/x").await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_page_shows_the_person_and_asks_strangers_to_sign_in() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let arrived = browser.sign_in("/oauth2/", "ada").await;
    assert_eq!(arrived.header("location"), "/oauth2/");
    let page = browser.navigate("/oauth2/").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    for shown in [
        "Ada Martin",
        "ada.martin@example.com",
        "7281698",
        "2023-11-15 10:13 UTC",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert_eq!(gate.browser().fetch("/oauth2/").await.code(), "SG-2001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_endpoints_are_404_and_never_reach_the_tool() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for path in [
        "/oauth2/x",
        "/oauth2/userinfo/",
        "/oauth2/start/x",
        "/oauth2/Userinfo",
        "/oauth2/metrics",
    ] {
        let answer = browser.fetch(path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "SG-1004"),
            "{path}"
        );
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_answered_with_those_that_work() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let calls = gate.control().stats().token_calls;
    for (path, allow) in [
        ("/oauth2/start", "GET, HEAD"),
        ("/oauth2/callback?code=x&state=y", "GET, HEAD"),
        ("/oauth2/userinfo", "GET, HEAD"),
        ("/oauth2/", "GET, HEAD"),
        ("/oauth2/sign_out", "GET, HEAD, POST"),
    ] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            if allow.contains(method.as_str()) {
                continue;
            }
            let answer = browser
                .send(method.clone(), path, &SCRIPT, Bytes::new())
                .await;
            let case = format!("{method} {path}");
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (405, "SG-1005"),
                "{case}"
            );
            assert_eq!(answer.header("allow"), allow, "{case}");
        }
    }
    assert_eq!(gate.control().stats().token_calls, calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_ours_is_private_and_cannot_be_framed() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let mut answers = Vec::new();
    for path in [
        "/oauth2/",
        "/oauth2/userinfo",
        "/oauth2/auth",
        "/oauth2/sign_out",
        "/oauth2/start",
    ] {
        answers.push((path, browser.navigate(path).await));
        answers.push((path, gate.browser().navigate(path).await));
        answers.push((path, gate.browser().fetch(path).await));
    }
    for path in [
        "/oauth2/callback",
        "/oauth2/callback?error=x",
        "/oauth2/none",
        "/page",
        "/a//b",
    ] {
        answers.push((path, gate.browser().navigate(path).await));
        answers.push((path, gate.browser().fetch(path).await));
    }
    answers.push(("sign-out", browser.post("/oauth2/sign_out", "").await));
    for (path, answer) in answers {
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
        assert!(answer.header("server").is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_listener_tells_of_life_and_version() {
    let gate = Gate::start().await;
    for (method, path, status, body) in [
        (Method::GET, "/livez", 200, Some(json!({ "status": "ok" }))),
        (Method::GET, "/readyz", 200, Some(json!({ "status": "ok" }))),
        (
            Method::GET,
            "/version",
            200,
            Some(json!({ "name": "sidegate", "version": env!("CARGO_PKG_VERSION") })),
        ),
        (Method::HEAD, "/livez", 200, None),
        (Method::POST, "/livez", 405, None),
        (Method::GET, "/none", 404, None),
        (Method::GET, "/oauth2/userinfo", 404, None),
    ] {
        let answer = admin(&gate, method.clone(), path).await;
        assert_eq!(answer.status, status, "{method} {path}");
        if let Some(body) = body {
            assert_eq!(answer.json(), body, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_listener_has_no_probes() {
    let gate = Gate::start().await;
    for path in ["/livez", "/readyz", "/version"] {
        assert_eq!(
            gate.browser().fetch(path).await.status,
            401,
            "{path} is the tool's"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_endpoints_can_live_under_another_prefix() {
    let gate = Gate::with(Plan {
        top: "endpoint_prefix: /sg/".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.browser();
    let start = browser.navigate("/page").await;
    let callback = browser.consent(start.header("location"), "ada").await;
    assert!(callback.starts_with("/sg/callback?"), "{callback}");
    assert_eq!(browser.navigate(&callback).await.status, 303);
    assert_eq!(browser.fetch("/sg/userinfo").await.status, 200);
    assert_eq!(
        browser.fetch("/oauth2/userinfo").await.status,
        404,
        "now the tool's"
    );
    let login_url = gate.browser().fetch("/page").await.json()["login_url"].to_string();
    let (_, path) = split_url(login_url.trim_matches('"'));
    assert_eq!(path, "/sg/start?rd=/");
}

async fn admin(gate: &Gate, method: Method, path: &str) -> Answer {
    let address = gate.app().admin_address();
    exchange(address, request(address, method, path, &[], Bytes::new())).await
}

const PERSON: [(&str, &str); 1] = [("accept", "text/html")];
