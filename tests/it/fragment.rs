//! The part of an address that no request holds survives a sign-in, where that is switched on.

use crate::support::Gate;
use crate::support::Plan;

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
