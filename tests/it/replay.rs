//! A token that the tenant's API refuses before its time: one refresh, one replay.

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;

use crate::support::Gate;
use crate::support::browser::SCRIPT;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_renewed_and_the_request_sent_once_more() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let before = browser.jar["sidegate"].clone();
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, Some(1));
    let answer = browser.fetch("/mc/rest/echo/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.rest_calls), (1, 2));
    assert_ne!(
        browser.jar["sidegate"], before,
        "the browser gets the new pair"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_body_is_sent_again_and_a_large_one_is_not() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, Some(1));
    let answer = browser
        .post("/mc/rest/echo/small", vec![b'x'; 60_000])
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["body_bytes"], 60_000);
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, Some(1));
    let answer = browser
        .post("/mc/rest/echo/large", vec![b'x'; 200_000])
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.json()["errorcode"], 0, "the API's own answer");
    assert_eq!(gate.control().stats().refreshes, 2, "renewed all the same");
    let answer = browser
        .post("/mc/rest/echo/large", vec![b'x'; 200_000])
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_refusal_is_passed_on_and_a_403_is_never_retried() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, None);
    for _ in 0..5 {
        let answer = browser
            .send(Method::GET, "/mc/rest/echo/x", &SCRIPT, Bytes::new())
            .await;
        assert_eq!(
            (answer.status, answer.json()["errorcode"].as_i64()),
            (401, Some(0))
        );
    }
    assert_eq!(
        gate.control().stats().refreshes,
        1,
        "a young token is not renewed again"
    );
    gate.control()
        .set_fault(Place::Rest, Fault::Forbidden, None);
    gate.advance(60);
    assert_eq!(browser.fetch("/mc/rest/echo/x").await.status, 403);
    assert_eq!(gate.control().stats().refreshes, 1);
}
