//! Clocks that jump, sleep, or disagree: nobody is signed out, and no dead token goes to the API.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sidegate::time::Clock;
use sidegate::time::Machine;
use sidegate::time::ManualClock;
use sidegate::time::SteadyClock;
use sidegate::time::UnixTime;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_is_set_by_five_minutes_changes_nothing() {
    for step in [300, -300] {
        let (gate, wall) = steady().await;
        let mut browser = gate.signed_in("ada").await;
        let mut calls = 1;
        for minute in 0..60 {
            if minute % 7 == 3 {
                wall.fetch_add(step, Ordering::Relaxed);
            }
            gate.advance(60);
            stays(&mut browser, &format!("{step}: minute {minute}")).await;
            // Not more often than tokens live, whatever the wall clock says.
            let stats = gate.control().stats();
            assert!(stats.token_calls <= calls + 1, "{step}: {stats:?}");
            calls = stats.token_calls;
        }
        let stats = gate.control().stats();
        assert_eq!(
            (stats.dead_tokens, stats.reuses, stats.code_grants),
            (0, 0, 1),
            "{step}: {stats:?}"
        );
        assert!((3..=6).contains(&stats.refreshes), "{step}: {stats:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_sleep_is_time_that_has_passed() {
    for step in [0, 300, -300] {
        let (gate, wall) = steady().await;
        let mut browser = gate.signed_in("ada").await;
        gate.advance(60);
        stays(&mut browser, "before").await;
        // The time since boot counts through the suspend, the runtime's timers do not; NTP corrects
        // the wall clock afterwards.
        gate.advance(3_600);
        wall.fetch_add(step, Ordering::Relaxed);
        stays(&mut browser, &format!("{step}: after")).await;
        let stats = gate.control().stats();
        assert_eq!(
            (stats.dead_tokens, stats.refreshes, stats.code_grants),
            (0, 1, 1),
            "{step}: {stats:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_whose_clocks_differ_by_five_minutes_share_sessions() {
    for (case, ahead) in [("the second is ahead", true), ("it is behind", false)] {
        let gate = Gate::start().await;
        let five = Duration::from_mins(5);
        let now = gate.clock.now();
        let other = if ahead {
            now.plus(five)
        } else {
            now.minus(five)
        };
        let clock = Arc::new(ManualClock::at(other));
        let twin = gate.twin(&clock);
        for signs_in_at in [gate.address(), twin.address] {
            let before = gate.control().stats();
            let mut browser = gate.browser();
            // A sign-in may begin at one and end at the other.
            browser.through = signs_in_at;
            let callback = browser.authorize("/page", "ada").await;
            browser.through = if signs_in_at == twin.address {
                gate.address()
            } else {
                twin.address
            };
            assert_eq!(browser.navigate(&callback).await.status, 303, "{case}");
            for minute in 0..60 {
                browser.through = if minute % 2 == 0 {
                    gate.address()
                } else {
                    twin.address
                };
                stays(&mut browser, &format!("{case}: minute {minute}")).await;
                gate.advance(60);
                clock.advance(Duration::from_mins(1));
            }
            let stats = gate.control().stats();
            assert_eq!(stats.code_grants - before.code_grants, 1, "{case}");
            assert_eq!(stats.reuses, 0, "{case}");
            let refreshes = stats.refreshes - before.refreshes;
            assert!((3..=8).contains(&refreshes), "{case}: {stats:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_a_slow_clock_takes_for_good_is_renewed_when_the_api_refuses_it() {
    let gate = Gate::start().await;
    let behind = gate.clock.now().minus(Duration::from_mins(5));
    let clock = Arc::new(ManualClock::at(behind));
    let twin = gate.twin(&clock);
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_100);
    clock.advance(Duration::from_secs(1_100));
    // Here it is 800 seconds old and fresh; the tenant knows better.
    browser.through = twin.address;
    assert_eq!(browser.fetch(API).await.status, 202);
    let stats = gate.control().stats();
    assert_eq!((stats.dead_tokens, stats.refreshes), (1, 1), "{stats:?}");
    // And the new session reaches the browser.
    browser.through = gate.address();
    assert_eq!(browser.fetch(API).await.status, 202);
    let stats = gate.control().stats();
    assert_eq!((stats.dead_tokens, stats.refreshes), (1, 1), "{stats:?}");
}

/// A page, a script and the API work, and nothing leads to a sign-in.
async fn stays(browser: &mut Browser, case: &str) {
    let page = browser.navigate("/echo/page").await;
    assert_eq!(page.status, 200, "{case}: {page:?}");
    let answer = browser.fetch(API).await;
    assert_eq!(answer.status, 202, "{case}: {answer:?}");
    assert!(browser.jar.contains_key("sidegate"), "{case}");
}

/// A gateway on a machine whose wall clock can be set wrong by so many seconds.
async fn steady() -> (Gate, Arc<AtomicI64>) {
    let wrong = Arc::new(AtomicI64::new(0));
    let handle = Arc::clone(&wrong);
    let gate = Gate::with(Plan {
        session: "  lifetime: 12h\n  idle_timeout: 12h\n".to_owned(),
        clock: Some(Box::new(|truth| {
            let machine = Settable {
                booted: truth.now(),
                truth: Arc::clone(truth),
                wrong: handle,
            };
            Arc::new(SteadyClock::start_on(machine))
        })),
        ..Plan::default()
    })
    .await;
    (gate, wrong)
}

struct Settable {
    truth: Arc<ManualClock>,
    booted: UnixTime,
    wrong: Arc<AtomicI64>,
}

impl Machine for Settable {
    fn wall(&self) -> UnixTime {
        let wrong = self.wrong.load(Ordering::Relaxed);
        let span = Duration::from_secs(wrong.unsigned_abs());
        if wrong < 0 {
            self.truth.now().minus(span)
        } else {
            self.truth.now().plus(span)
        }
    }

    fn since_boot(&self) -> Duration {
        self.truth.now().since(self.booted)
    }
}

/// Says whose token it got, with status 202.
const API: &str = "/mc/rest/platform/v1/tokenContext";
