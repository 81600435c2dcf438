//! Switches, refreshes and late requests at once, in one process and in two.

use std::time::Duration;

use sidegate::app::App;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use tokio::task::JoinSet;

use super::AMERICAS;
use super::API;
use super::EUROPE;
use super::PACIFIC;
use super::PARENT;
use super::of;
use super::switch;
use super::unit;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Redis;
use crate::support::redis::store_is;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_keeps_its_unit_and_brings_the_new_cookie() {
    let gate = Gate::start().await;
    let control = gate.control();
    let mut ada = gate.signed_in("ada").await;
    control.set_fault(Place::Rest, Fault::Slow { ms: 700 }, Some(1));
    let mut slow = ada.clone();
    let seen = control.stats().rest_calls;
    let under_way = tokio::spawn(async move { (slow.fetch(API).await, slow) });
    while control.stats().rest_calls == seen {
        tokio::task::yield_now().await;
    }
    assert_eq!(switch(&mut ada, PACIFIC).await.status, 200);
    let (answer, mut slow) = under_way.await.expect("no panic");
    assert_eq!((answer.status, of(&answer)), (202, EUROPE));
    assert_eq!(
        slow.jar, ada.jar,
        "nothing that comes late moves the browser back"
    );
    assert_eq!(unit(&mut slow).await, PACIFIC);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_requests_with_the_old_cookie_are_in_the_new_unit() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let late = ada.clone();
    assert_eq!(switch(&mut ada, PACIFIC).await.status, 200);
    let calls = gate.control().stats().token_calls;
    let mut crowd = JoinSet::new();
    for _ in 0..50 {
        let mut late = late.clone();
        crowd.spawn(async move { (unit(&mut late).await, late) });
    }
    for (unit, late) in crowd.join_all().await {
        assert_eq!(unit, PACIFIC);
        assert_eq!(late.jar, ada.jar);
    }
    assert_eq!(
        gate.control().stats().token_calls,
        calls,
        "nobody asked again"
    );
    // However old the cookie is, as long as it lives.
    for _ in 0..2 {
        gate.advance(1_100);
        assert_eq!(unit(&mut ada).await, PACIFIC);
    }
    assert_eq!(unit(&mut late.clone()).await, PACIFIC);
    assert_eq!(
        switch(&mut late.clone(), EUROPE).await.status,
        200,
        "a switch follows on, too"
    );
    assert_eq!(unit(&mut ada).await, EUROPE);
    assert_eq!(gate.control().stats().reuses, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_switches_at_once_happen_one_after_the_other() {
    let gate = Gate::start().await;
    let control = gate.control();
    for round in 1..=8 {
        let ada = gate.signed_in("ada").await;
        let before = control.stats().refreshes;
        let (mut one, mut two) = (ada.clone(), ada.clone());
        let (to_pacific, to_parent) =
            tokio::join!(switch(&mut one, PACIFIC), switch(&mut two, PARENT));
        let end = unit(&mut ada.clone()).await;
        assert_eq!(unit(&mut one).await, end, "{round}");
        assert_eq!(unit(&mut two).await, end, "{round}");
        assert_eq!(control.stats().refreshes - before, 2, "{round}");
        for (answer, asked) in [(to_pacific, PACIFIC), (to_parent, PARENT)] {
            let json = answer.json();
            match answer.status {
                200 => assert_eq!(json["business_unit"], asked, "{round}"),
                // Told that the other one came after it.
                409 => {
                    assert_ne!(asked, end, "{round}: {json}");
                    assert_eq!(json["code"], "SG-2032");
                    assert_eq!(json["current_business_unit"], end, "{round}");
                }
                _ => panic!("{round}: {answer:?}"),
            }
            assert!(answer.status == 200 || asked != end);
        }
    }
    assert_eq!(control.stats().reuses, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_waits_for_the_refresh_under_way() {
    let gate = Gate::start().await;
    let control = gate.control();
    let mut ada = gate.signed_in("ada").await;
    gate.advance(1_200);
    control.set_fault(Place::Token, Fault::Slow { ms: 500 }, Some(1));
    let mut other = ada.clone();
    let before = control.stats();
    let refreshing = tokio::spawn(async move { unit(&mut other).await });
    while control.stats().token_calls == before.token_calls {
        tokio::task::yield_now().await;
    }
    assert_eq!(switch(&mut ada, PACIFIC).await.status, 200);
    assert_eq!(refreshing.await.expect("no panic"), EUROPE);
    assert_eq!(unit(&mut ada).await, PACIFIC);
    let stats = control.stats();
    assert_eq!((stats.refreshes - before.refreshes, stats.reuses), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_needs_a_token_waits_for_the_switch_under_way() {
    let gate = Gate::start().await;
    let control = gate.control();
    let ada = gate.signed_in("ada").await;
    for (asked, status, end) in [(AMERICAS, 403, EUROPE), (PACIFIC, 200, PACIFIC)] {
        gate.advance(1_200);
        control.set_fault(Place::Token, Fault::Slow { ms: 500 }, Some(1));
        let mut other = ada.clone();
        let before = control.stats();
        let switching = tokio::spawn(async move { switch(&mut other, asked).await.status });
        while control.stats().token_calls == before.token_calls {
            tokio::task::yield_now().await;
        }
        let mut crowd = JoinSet::new();
        for _ in 0..20 {
            let mut late = ada.clone();
            crowd.spawn(async move { unit(&mut late).await });
        }
        for seen in crowd.join_all().await {
            assert_eq!(seen, end);
        }
        assert_eq!(switching.await.expect("no panic"), status);
        assert_eq!(
            control.stats().refreshes - before.refreshes,
            1,
            "for all of them"
        );
    }
    assert_eq!(control.stats().reuses, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_in_a_crowd_costs_one_refresh() {
    let gate = Gate::start().await;
    let control = gate.control();
    let mut ada = gate.signed_in("ada").await;
    let before = control.stats();
    let mut crowd = JoinSet::new();
    for _ in 0..200 {
        let mut late = ada.clone();
        crowd.spawn(async move {
            let seen = unit(&mut late).await;
            (seen, unit(&mut late).await)
        });
    }
    assert_eq!(switch(&mut ada, PACIFIC).await.status, 200);
    for (first, then) in crowd.join_all().await {
        assert!(first == EUROPE || first == PACIFIC);
        assert!(first == EUROPE || then == PACIFIC, "nobody moves back");
    }
    let stats = control.stats();
    assert_eq!((stats.refreshes - before.refreshes, stats.reuses), (1, 0));
}

/// How several processes share sessions.
const BOTH: [&str; 2] = ["store", "refresh_coordination"];

async fn two_replicas(redis: &Redis, keeping: &str) -> (Gate, App) {
    let gate = Gate::with(Plan {
        session: format!("  {keeping}: {{ redis: {{ url: {} }} }}\n", redis.url()),
        ..Plan::default()
    })
    .await;
    store_is(gate.app(), true).await;
    let other = gate.replica();
    store_is(&other, true).await;
    (gate, other)
}

async fn stopped(app: App) {
    tokio::task::spawn_blocking(move || app.stop(Duration::from_secs(5)))
        .await
        .expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_at_one_replica_counts_at_the_other() {
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let (gate, other) = two_replicas(&redis, keeping).await;
        let door = other.public_address();
        let mut ada = gate.signed_in("ada").await;
        let late = ada.clone();
        assert_eq!(switch(&mut ada, PACIFIC).await.status, 200, "{keeping}");
        assert_eq!(unit(&mut ada.through(door)).await, PACIFIC, "{keeping}");
        if keeping == "store" {
            // One session of record: there is nothing old about a cookie.
            assert_eq!(unit(&mut late.through(door)).await, PACIFIC);
        }
        // Without a store of sessions, an old cookie leads on when its token is due, and no later.
        gate.advance(1_100);
        assert_eq!(unit(&mut late.through(door)).await, PACIFIC, "{keeping}");
        // A switch with it follows on, too.
        let answer = switch(&mut late.through(door), PARENT).await;
        assert_eq!(answer.status, 200, "{keeping}: {answer:?}");
        gate.advance(1_100);
        assert_eq!(unit(&mut late.clone()).await, PARENT, "{keeping}");
        assert_eq!(switch(&mut ada.through(door), AMERICAS).await.status, 403);
        assert_eq!(unit(&mut ada.through(door)).await, PARENT, "{keeping}");
        assert_eq!(gate.control().stats().reuses, 0, "{keeping}");
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switches_at_two_replicas_at_once_are_one_line() {
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let (gate, other) = two_replicas(&redis, keeping).await;
        let door = other.public_address();
        for round in 1..=4 {
            let ada = gate.signed_in("ada").await;
            let before = gate.control().stats().refreshes;
            let (mut one, mut two) = (ada.clone(), ada.through(door));
            let (first, second) = tokio::join!(switch(&mut one, PACIFIC), switch(&mut two, PARENT));
            for answer in [&first, &second] {
                assert!(
                    matches!(answer.status, 200 | 409),
                    "{keeping} {round}: {answer:?}"
                );
            }
            assert_eq!(
                gate.control().stats().refreshes - before,
                2,
                "{keeping} {round}"
            );
            gate.advance(1_100);
            let end = unit(&mut ada.clone()).await;
            for mut browser in [one, two, ada.through(door)] {
                assert_eq!(unit(&mut browser).await, end, "{keeping} {round}");
            }
        }
        assert_eq!(gate.control().stats().reuses, 0, "{keeping}");
        stopped(other).await;
    }
}
