//! Many requests, few sessions, refresh tokens that work once: nobody may notice.

use std::collections::HashSet;
use std::sync::Arc;

use sidegate::sandbox::Person;
use sidegate::sandbox::Settings;
use tokio::task::JoinSet;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;

const API: &str = "/mc/rest/platform/v1/tokenContext";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_race_on_a_hundred_sessions() {
    const SESSIONS: usize = 100;
    const ROUNDS: u64 = 4;
    const REQUESTS: usize = 25;
    let gate = Gate::start().await;
    let mut browsers = Vec::new();
    for _ in 0..SESSIONS {
        browsers.push(gate.signed_in("ada").await);
    }
    let before = gate.control().stats();
    for round in 1..=ROUNDS {
        // The token is dead: all have to wait for the one refresh of their session.
        gate.advance(1_100);
        let mut racing = JoinSet::new();
        for (session, browser) in browsers.iter().enumerate() {
            for _ in 0..REQUESTS {
                let mut browser = browser.clone();
                racing.spawn(async move { (session, browser.fetch(API).await, browser) });
            }
        }
        let mut renewed: Vec<HashSet<String>> = vec![HashSet::new(); SESSIONS];
        while let Some(finished) = racing.join_next().await {
            let (session, answer, browser): (usize, _, Browser) = finished.expect("no panic");
            assert_eq!(answer.status, 202, "{answer:?}");
            renewed[session].insert(browser.jar["sidegate"].clone());
            browsers[session] = browser;
        }
        assert!(
            renewed.iter().all(|cookies| cookies.len() == 1),
            "one result for all of a session's requests"
        );
        let stats = gate.control().stats();
        assert_eq!(
            stats.refreshes - before.refreshes,
            round * 100,
            "one refresh a race"
        );
        assert_eq!(
            (stats.token_calls - before.token_calls, stats.reuses),
            (round * 100, 0)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_people_in_parallel_never_meet() {
    const PEOPLE: u64 = 1_000;
    const AT_A_TIME: u64 = 50;
    let people: Vec<Person> = (0..PEOPLE)
        .map(|number| Person {
            id: format!("p{number}"),
            sub: 900_000 + number,
            name: format!("Person {number}"),
            ..Settings::default().people[0].clone()
        })
        .collect();
    let gate = Arc::new(
        Gate::with(Plan {
            sandbox: Settings {
                people,
                ..Settings::default()
            },
            ..Plan::default()
        })
        .await,
    );
    let mut arriving = JoinSet::new();
    for first in 0..AT_A_TIME {
        let gate = Arc::clone(&gate);
        arriving.spawn(async move {
            let mut browsers = Vec::new();
            for number in (first..PEOPLE).step_by(50) {
                let browser = gate.signed_in(&format!("p{number}")).await;
                browsers.push((browser, 900_000 + number));
            }
            browsers
        });
    }
    let mut browsers: Vec<_> = arriving.join_all().await.into_iter().flatten().collect();
    assert_eq!(browsers.len(), 1_000);
    let mut tokens = HashSet::new();
    // Renewed by the way, and while everybody waits.
    for age in [1_000, 1_200] {
        gate.advance(age);
        let mut crowd = JoinSet::new();
        for (browser, sub) in browsers.drain(..) {
            crowd.spawn(sees_itself(browser, sub));
        }
        for (browser, sub, token) in crowd.join_all().await {
            assert!(tokens.insert(token), "a token that somebody else had");
            browsers.push((browser, sub));
        }
    }
    let stats = gate.control().stats();
    assert_eq!(tokens.len(), 2_000);
    assert_eq!(
        (stats.code_grants, stats.refreshes, stats.reuses),
        (PEOPLE, 2 * PEOPLE, 0)
    );
}

/// Asks the tenant, the gateway and a tool who this is; answers with the token that the tool got.
async fn sees_itself(mut browser: Browser, sub: u64) -> (Browser, u64, String) {
    let mut context = browser.fetch(API).await;
    // A thousand renewals at once take their time on a small machine; waiting is no failure.
    for _ in 0..10 {
        if context.status != 503 {
            break;
        }
        assert_eq!(context.code(), "SG-3001");
        context = browser.fetch(API).await;
    }
    assert_eq!(context.status, 202, "{context:?}");
    assert_eq!(context.json()["user"]["id"], sub, "another person's token");
    let told = browser.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["user"]["sub"], sub.to_string());
    let seen = browser.fetch("/bearer/echo/x").await.json();
    let fields = seen["headers"].as_array().expect("a list").clone();
    let field = |name: &str| {
        let found = fields.iter().find(|pair| pair[0] == name);
        found.map(|pair| pair[1].as_str().expect("text").to_owned())
    };
    assert_eq!(field("x-forwarded-user"), Some(sub.to_string()));
    let token = field("authorization").expect("a token");
    (browser, sub, token)
}
