//! A provider that does not renew: whatever it does, nobody is signed out by accident.

use std::time::Duration;

use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use tokio::task::JoinSet;

use crate::support::Answer;
use crate::support::Browser;
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
            assert_eq!(in_time(&mut browser).await.status, 202, "{fault:?}");
            gate.advance(2);
        }
        gate.control().clear_faults();
        assert_eq!(in_time(&mut browser).await.status, 202, "{fault:?}");
        gate.advance(1_000);
        assert_eq!(in_time(&mut browser).await.status, 202, "{fault:?}");
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
        let refused = in_time(&mut browser).await;
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
            in_time(&mut browser).await.status,
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
    assert_eq!(in_time(&mut browser).await.code(), "SG-3001");
    gate.control().clear_faults();
    gate.advance(2);
    assert_eq!(in_time(&mut browser).await.status, 202);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_answer_is_waited_for_six_seconds_at_most() {
    for fault in [Fault::Hang, Fault::Slow { ms: 60_000 }] {
        let gate = Gate::start().await;
        let mut browser = gate.signed_in("ada").await;
        let before = browser.jar.clone();
        gate.advance(1_000);
        gate.control().set_fault(Place::Token, fault.clone(), None);
        // The token lives: the renewal by the way holds nobody up for long.
        for _ in 0..3 {
            assert_eq!(in_time(&mut browser).await.status, 202, "{fault:?}");
        }
        gate.advance(200);
        let refused = in_time(&mut browser).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (503, "SG-3001"),
            "{fault:?}"
        );
        assert!(!refused.header("retry-after").is_empty(), "{fault:?}");
        gate.advance(2);
        assert_eq!(in_time(&mut browser).await.status, 503, "{fault:?}");
        assert_eq!(
            browser.jar.keys().collect::<Vec<_>>(),
            before.keys().collect::<Vec<_>>(),
            "{fault:?}: nobody is signed out"
        );
        gate.control().clear_faults();
        gate.advance(4);
        assert_eq!(in_time(&mut browser).await.status, 202, "{fault:?}");
        assert_eq!(gate.control().stats().reuses, 0, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_slow_is_waited_for() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.control()
        .set_fault(Place::Token, Fault::Slow { ms: 2_000 }, Some(1));
    assert_eq!(in_time(&mut browser).await.status, 202);
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.reuses), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_without_the_provider_costs_few_calls_and_nobody_their_session() {
    const SESSIONS: usize = 100;
    for fault in [
        Fault::InternalError,
        Fault::TooManyRequests {
            retry_after: Some(30),
        },
    ] {
        let gate = Gate::start().await;
        let mut browsers = Vec::new();
        for _ in 0..SESSIONS {
            browsers.push(gate.signed_in("ada").await);
        }
        gate.advance(1_200);
        gate.control().set_fault(Place::Token, fault.clone(), None);
        let before = gate.control().stats().token_calls;
        // A quarter of them asks, twice a second.
        for half in 0..120 {
            let mut crowd = JoinSet::new();
            for (number, browser) in browsers.iter().enumerate().skip(half % 4).step_by(4) {
                let mut browser = browser.clone();
                crowd.spawn(async move {
                    let answer = in_time(&mut browser).await;
                    (number, browser, answer)
                });
            }
            for (number, browser, answer) in crowd.join_all().await {
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (503, "SG-3001"),
                    "{fault:?}: {answer:?}"
                );
                assert_eq!(browser.jar, browsers[number].jar, "nobody is signed out");
            }
            gate.clock.advance(Duration::from_millis(500));
        }
        let calls = gate.control().stats().token_calls - before;
        assert!(
            (10..=120).contains(&calls),
            "{fault:?}: {calls} calls in a minute"
        );
        gate.control().clear_faults();
        let mut waiting: Vec<usize> = (0..SESSIONS).collect();
        for _ in 0..5 {
            gate.advance(1);
            let mut crowd = JoinSet::new();
            for number in waiting.drain(..) {
                let mut browser = browsers[number].clone();
                crowd.spawn(async move { (number, in_time(&mut browser).await.status) });
            }
            for (number, status) in crowd.join_all().await {
                match status {
                    202 => {}
                    503 => waiting.push(number),
                    other => panic!("{fault:?}: {other}"),
                }
            }
        }
        assert_eq!(
            waiting.len(),
            0,
            "{fault:?}: all are back five seconds after"
        );
        let stats = gate.control().stats();
        assert_eq!((stats.refreshes, stats.reuses), (100, 0), "{fault:?}");
    }
}

/// A request that has to be answered within six seconds.
async fn in_time(browser: &mut Browser) -> Answer {
    tokio::time::timeout(Duration::from_secs(6), browser.fetch(API))
        .await
        .expect("an answer within six seconds")
}

/// What may go wrong without anybody's fault, and is told at once.
fn outages() -> [Fault; 11] {
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
        Fault::Html,
        Fault::Huge,
        Fault::WrongTypes,
        Fault::Redirect,
    ]
}

/// Says whose token it got, with status 202.
const API: &str = "/mc/rest/platform/v1/tokenContext";
