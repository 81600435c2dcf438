//! Cookies are the state: a restart ends nothing, unless the key is another one.

use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;

use crate::support::Gate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_the_same_key_keeps_sessions() {
    let mut gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let mut other = gate.browser();
    let callback = other.authorize("/page", "jonas").await;
    let key = gate.key.clone();
    gate.restart(&key).await;
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    assert_eq!(
        other.navigate(&callback).await.header("location"),
        "/page",
        "and sign-ins under way"
    );
    gate.advance(1_200);
    assert_eq!(
        browser.fetch("/echo/x").await.status,
        200,
        "and they refresh"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_another_key_ends_sessions_cleanly() {
    let mut gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.restart(&MasterKey::generate(&OsEntropy).to_text())
        .await;
    let mut script = browser.clone();
    assert_eq!(script.fetch("/echo/x").await.code(), "SG-2001");
    assert!(script.jar.is_empty());
    let start = browser.navigate("/page").await;
    assert_eq!(start.status, 302);
    let callback = browser.consent(start.header("location"), "ada").await;
    assert_eq!(
        browser.navigate(&callback).await.header("location"),
        "/page"
    );
}
