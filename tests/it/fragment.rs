//! The part of an address that no request holds survives a sign-in, where that is switched on.

use bytes::Bytes;
use http::Method;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::SCRIPT;
use crate::support::browser::split_url;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fragment_comes_back_after_the_sign_in() {
    let gate = Gate::with(Plan {
        top: "keep_fragment: true".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.browser();
    let page = browser.navigate("/deep?x=1&y=%22").await;
    assert_eq!(page.status, 200);
    assert!(browser.jar.is_empty(), "no attempt has begun");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("script-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        page.text().contains("data-path=\"/deep?x=1&#38;y=%22\""),
        "{}",
        page.text()
    );
    // What the script asks for.
    let start = "/oauth2/start?rd=%2Fdeep%3Fx%3D1%26y%3D%2522%23%2Fitem%2F7%3Ftab%3D2";
    let callback = browser.authorize(start, "ada").await;
    let arrived = browser.navigate(&callback).await;
    assert_eq!(
        (arrived.status, arrived.header("location")),
        (303, "/deep?x=1&y=%22#/item/7?tab=2")
    );
    let script = browser.fetch("/echo").await;
    assert_eq!(script.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fragment_cannot_lead_elsewhere() {
    let gate = Gate::with(Plan {
        top: "keep_fragment: true".to_owned(),
        ..Plan::default()
    })
    .await;
    for rd in [
        "%2Fx%23a%0d%0aSet-Cookie:%20x",
        "%2Fx%23%5c%5cevil.example",
        "%2Fx%23a%23b",
        "%2F%2Fevil.example%23x",
        "%23x",
    ] {
        let mut browser = gate.browser();
        let callback = browser
            .authorize(&format!("/oauth2/start?rd={rd}"), "ada")
            .await;
        assert_eq!(
            browser.navigate(&callback).await.header("location"),
            "/",
            "{rd}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_can_warn_before_its_session_ends() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for (age, session, token) in [(0, 3_600, 1_079), (100, 3_500, 979), (199, 3_401, 880)] {
        let told = browser.fetch("/oauth2/userinfo").await.json();
        assert_eq!(told["expires_in"], session, "after {age} s");
        assert_eq!(told["token"]["expires_in"], token, "after {age} s");
        gate.advance(if age == 0 { 100 } else { 99 });
    }
    // Near its absolute end no activity helps, and the page is told so.
    let gate = Gate::with(Plan {
        session: "  lifetime: 1h\n  idle_timeout: 1h\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    for _ in 0..5 {
        gate.advance(660);
        assert_eq!(browser.fetch("/oauth2/userinfo").await.status, 200);
    }
    let told = browser.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["expires_in"], 300, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_meets_a_dead_session_is_told_so_with_the_way_back() {
    for keep_fragment in [false, true] {
        let gate = Gate::with(Plan {
            top: format!("keep_fragment: {keep_fragment}"),
            ..Plan::default()
        })
        .await;
        let mut dead = gate.browser();
        let arrived = dead.sign_in("/oauth2/start?rd=/", "ada").await;
        assert_eq!(arrived.status, 303, "{arrived:?}");
        gate.advance(3_600);
        let page = format!("{}/form?id=7", gate.origin());
        let form = [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "same-origin"),
            ("referer", page.as_str()),
        ];
        let mut script = SCRIPT.to_vec();
        script.push(("referer", page.as_str()));
        let body = || Bytes::from_static(b"a=1");
        let way_back = format!("{}/oauth2/start?rd=/form%3Fid%3D7", gate.origin());

        let mut browser = dead.clone();
        let told = browser.send(Method::POST, "/save", &form, body()).await;
        assert_eq!((told.status, told.code().as_str()), (401, "SG-2022"));
        assert!(told.header("content-type").starts_with("text/html"));
        assert!(told.text().contains(&way_back), "{told:?}");
        assert!(browser.jar.is_empty(), "{:?}", browser.jar);

        let mut browser = dead.clone();
        let told = browser.send(Method::POST, "/save", &script, body()).await;
        assert_eq!((told.status, told.code().as_str()), (401, "SG-2001"));
        assert_eq!(told.header("content-type"), "application/problem+json");
        assert_eq!(told.json()["login_url"], way_back);
        assert!(told.header("location").is_empty(), "{told:?}");
        assert!(gate.tool.requests().is_empty(), "nothing was forwarded");
        let (_, start) = split_url(&way_back);
        let arrived = browser.sign_in(&start, "ada").await;
        assert_eq!(arrived.header("location"), "/form?id=7");
    }
}
