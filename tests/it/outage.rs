//! A provider that does not renew: whatever it does, nobody is signed out by accident.

use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;

use crate::support::Gate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_provider_ended_is_over() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.control().revoke_all();

    let mut script = browser.clone();
    let refused = script.fetch(API).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "SG-2001"));
    assert!(script.jar.is_empty(), "cleared");

    let mut person = browser.clone();
    let start = person.navigate("/page").await;
    assert_eq!(start.status, 302);
    assert!(!person.jar.contains_key("sidegate"), "cleared");
    let callback = person.consent(start.header("location"), "ada").await;
    assert_eq!(person.navigate(&callback).await.header("location"), "/page");
    assert_eq!(person.fetch(API).await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_keeps_sessions_whose_token_lives() {
    for fault in outages() {
        let gate = Gate::start().await;
        let mut browser = gate.signed_in("ada").await;
        gate.advance(1_000);
        gate.control().set_fault(Place::Token, fault.clone(), None);
        for _ in 0..3 {
            assert_eq!(browser.fetch(API).await.status, 202, "{fault:?}");
            gate.advance(2);
        }
        gate.control().clear_faults();
        assert_eq!(browser.fetch(API).await.status, 202, "{fault:?}");
        gate.advance(1_000);
        assert_eq!(browser.fetch(API).await.status, 202, "{fault:?}");
        assert_eq!(gate.control().stats().reuses, 0, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_with_a_dead_token_is_a_503_until_it_is_over() {
    for fault in outages() {
        let gate = Gate::start().await;
        let mut browser = gate.signed_in("ada").await;
        let session = browser.jar.clone();
        gate.advance(1_200);
        gate.control().set_fault(Place::Token, fault.clone(), None);
        let refused = browser.fetch(API).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (503, "SG-3001"),
            "{fault:?}"
        );
        let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
        let at_least = match fault {
            Fault::TooManyRequests {
                retry_after: Some(asked),
            } => u64::from(asked),
            Fault::Unavailable => 5,
            _ => 1,
        };
        assert!((at_least..60).contains(&seconds), "{fault:?}: {seconds}");
        let page = browser.navigate("/page").await;
        assert_eq!(
            (page.status, page.code().as_str()),
            (503, "SG-3001"),
            "{fault:?}"
        );
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{fault:?}"
        );
        assert_eq!(browser.jar, session, "{fault:?}: nobody is signed out");

        gate.control().clear_faults();
        gate.advance(seconds.max(4));
        assert_eq!(
            browser.fetch(API).await.status,
            202,
            "{fault:?}: and it works again"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_client_secret_signs_nobody_out() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.control()
        .set_fault(Place::Token, Fault::InvalidClient, None);
    assert_eq!(browser.fetch(API).await.code(), "SG-3001");
    gate.control().clear_faults();
    gate.advance(2);
    assert_eq!(browser.fetch(API).await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_is_not_asked_by_every_request() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.control()
        .set_fault(Place::Token, Fault::InternalError, None);
    for _ in 0..10 {
        assert_eq!(browser.clone().fetch(API).await.status, 503);
    }
    assert_eq!(
        gate.control().stats().token_calls,
        2,
        "one sign-in, one refresh"
    );
}

/// What may go wrong without anybody's fault.
fn outages() -> [Fault; 8] {
    [
        Fault::InternalError,
        Fault::Unavailable,
        Fault::ServiceNotFound,
        Fault::TooManyRequests {
            retry_after: Some(7),
        },
        Fault::TooManyRequests { retry_after: None },
        Fault::Reset,
        Fault::Garbage,
        Fault::Redirect,
    ]
}

/// Says whose token it got, with status 202.
const API: &str = "/mc/rest/platform/v1/tokenContext";
