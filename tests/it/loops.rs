//! Browsers whose sessions never come back are told why.

use bytes::Bytes;
use http::Method;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;

/// Signs in over and over, keeping of the session what `keep` lets through.
async fn go_round(
    gate: &Gate,
    browser: &mut Browser,
    keep: impl Fn(&mut Browser),
) -> (usize, Answer) {
    for round in 0..10 {
        let start = browser.navigate("/page").await;
        if start.status != 302 {
            return (round, start);
        }
        let callback = browser.consent(start.header("location"), "ada").await;
        let arrived = browser.navigate(&callback).await;
        assert_eq!(
            (arrived.status, arrived.header("location")),
            (303, "/page"),
            "round {round}"
        );
        keep(browser);
        gate.advance(1);
    }
    panic!("round and round it goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_cookie_that_never_comes_back_ends_in_a_page_after_three_sign_ins() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let lose = |browser: &mut Browser| {
        browser.jar.remove("sidegate");
    };
    let (rounds, page) = go_round(&gate, &mut browser, lose).await;
    assert_eq!(
        (rounds, page.status, page.code().as_str()),
        (3, 400, "SG-2017"),
        "{page:?}"
    );
    assert!(page.header("content-type").starts_with("text/html"));
    let (rounds, _) = go_round(&gate, &mut browser, lose).await;
    assert!(rounds > 0, "after the page, another try is let through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_names_what_is_wrong_with_the_session() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let spoil = |browser: &mut Browser| {
        browser
            .jar
            .insert("sidegate".to_owned(), "spoilt".to_owned());
    };
    let (_, page) = go_round(&gate, &mut browser, spoil).await;
    assert_eq!(page.code(), "SG-2018", "{page:?}");
    let mut browser = gate.browser();
    let cut = |browser: &mut Browser| {
        let whole = browser.jar.remove("sidegate").expect("a session");
        browser.jar.insert("sidegate.2".to_owned(), whole);
    };
    let (_, page) = go_round(&gate, &mut browser, cut).await;
    assert_eq!(page.code(), "SG-2019", "{page:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_often_is_no_loop() {
    let gate = Gate::start().await;
    for round in 0..6 {
        let mut browser = gate.browser();
        let answer = browser.sign_in("/", "ada").await;
        assert_eq!(answer.status, 303, "{round}");
        assert_eq!(browser.navigate("/").await.status, 200, "{round}");
        let signed_out = browser
            .send(
                Method::POST,
                "/oauth2/sign_out",
                &[("sec-fetch-site", "same-origin")],
                Bytes::new(),
            )
            .await;
        assert_eq!(signed_out.status, 204, "{round}");
        assert!(browser.jar.is_empty(), "{:?}", browser.jar);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_loop_is_none() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    for _ in 0..6 {
        assert_eq!(browser.sign_in("/page", "ada").await.status, 303);
        browser.jar.remove("sidegate");
        gate.advance(61);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_meets_a_dead_session_is_not_lost_without_a_word() {
    let gate = Gate::start().await;
    let fields = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "same-origin"),
    ];
    let page = gate
        .browser()
        .send(Method::POST, "/form", &fields, Bytes::from_static(b"a=1"))
        .await;
    assert_eq!(
        (page.status, page.code().as_str()),
        (401, "SG-2022"),
        "{page:?}"
    );
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.text().contains("/oauth2/start?rd="),
        "a way to sign in"
    );
    assert!(gate.tool.requests().is_empty(), "nothing was forwarded");
}
