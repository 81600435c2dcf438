//! Many requests, few sessions, refresh tokens that work once: nobody may notice.

use std::collections::HashSet;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;

const API: &str = "/mc/rest/platform/v1/tokenContext";

/// A gate that gives one person as much as a whole test asks for.
async fn unlimited() -> Gate {
    Gate::with(Plan {
        top: "limits: { per_user: 100000, per_tenant: 100000 }\n\
              upstream: { max_connections: 10000 }\n"
            .to_owned(),
        ..Plan::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_race_on_a_hundred_sessions() {
    const SESSIONS: usize = 100;
    const ROUNDS: u64 = 4;
    const REQUESTS: usize = 25;
    let gate = unlimited().await;
    let mut browsers = Vec::new();
    for _ in 0..SESSIONS {
        browsers.push(gate.signed_in("ada").await);
    }
    let before = gate.control().stats();
    for round in 1..=ROUNDS {
        // The token is dead: all have to wait for the one refresh of their session.
        gate.advance(1_100);
        let mut racing = tokio::task::JoinSet::new();
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
    const PEOPLE: [(&str, &str); 3] = [
        ("ada", "10654321"),
        ("jonas", "10654322"),
        ("mei", "10654323"),
    ];
    let gate = unlimited().await;
    let mut browsers = Vec::new();
    for (person, _) in PEOPLE {
        let mut browser = gate.signed_in(person).await;
        let sub = browser.fetch("/oauth2/userinfo").await.json()["user"]["sub"]
            .as_str()
            .expect("a sub")
            .to_owned();
        browsers.push((browser, sub));
    }
    let distinct: HashSet<_> = browsers.iter().map(|(_, sub)| sub.clone()).collect();
    assert_eq!(distinct.len(), PEOPLE.len());
    gate.advance(1_100);
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let (mut browser, sub) = browsers[number % browsers.len()].clone();
        racing.spawn(async move {
            let echo = browser
                .fetch("/mc/rest/platform/v1/tokenContext")
                .await
                .json();
            (echo["user"]["id"].to_string(), sub)
        });
    }
    while let Some(finished) = racing.join_next().await {
        let (seen, own) = finished.expect("no panic");
        assert_eq!(seen, own, "another person's token");
    }
}
