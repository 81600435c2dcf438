//! What replicas make of a store that fails, lies, or is slow.

use std::sync::Arc;
use std::time::Duration;

use sidegate::time::Clock as _;
use sidegate::time::ManualClock;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Redis;
use crate::support::redis::store_is;

const API: &str = "/mc/rest/platform/v1/tokenContext";

/// Cookies are the state; refreshes are coordinated at `redis`.
fn coordinated(redis: &Redis) -> Plan {
    Plan {
        session: format!(
            "  refresh_coordination: {{ redis: {{ url: {} }} }}\n",
            redis.url()
        ),
        ..Plan::default()
    }
}

/// The bearer token that a tool gets.
async fn token(browser: &mut Browser) -> String {
    let echo = browser.fetch("/bearer/echo/x").await.text();
    let at = echo.find("Bearer ").expect("a token") + "Bearer ".len();
    echo[at..].chars().take_while(|c| *c != '"').collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_cookie_is_not_written_anew_after_a_refresh_elsewhere() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(coordinated(&redis)).await;
    store_is(gate.app(), true).await;
    let slow = Arc::new(ManualClock::at(gate.clock.now()));
    let twin = gate.twin(&slow);
    let mut browser = gate.signed_in("ada").await;
    let mut late = browser.through(twin.address);
    assert_eq!(late.fetch("/echo").await.status, 200);
    gate.advance(1_200);
    assert_eq!(browser.fetch(API).await.status, 202);
    let new = token(&mut browser).await;
    // For the twin the old token is fresh, but its cookie is due to be written anew.
    slow.advance(Duration::from_mins(10));
    let followed = async {
        loop {
            let mut late = late.clone();
            assert_eq!(late.fetch("/echo").await.status, 200);
            if token(&mut late).await == new {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), followed)
        .await
        .expect("the touch brings the new session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_replica_renews_an_outage_of_the_store_spends_no_token_twice() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(Plan {
        tapped: true,
        ..coordinated(&redis)
    })
    .await;
    store_is(gate.app(), true).await;
    let other = gate.replica();
    store_is(&other, true).await;
    let browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.tap().hold();
    let ask = |mut browser: Browser| tokio::spawn(async move { browser.fetch(API).await });
    let first = ask(browser.clone());
    gate.tap().arrived(2).await;
    let second = ask(browser.through(other.public_address()));
    // The second has seen the lease once it looks for the result a second time.
    looked_for_results(&redis, 4).await;
    redis.stop().await;
    for app in [gate.app(), &other] {
        let mut state = app.store_state().expect("a store");
        let lost = tokio::time::timeout(Duration::from_secs(10), state.wait_for(|up| !*up));
        lost.await.expect("in time").expect("runs");
    }
    gate.tap().release();
    assert_eq!(first.await.expect("ends").status, 202);
    let second = second.await.expect("ends");
    assert_eq!(second.code(), "SG-3001", "{second:?}");
    assert_eq!(gate.control().stats().reuses, 0);
    assert_eq!(gate.control().stats().refreshes, 1);
    tokio::task::spawn_blocking(move || drop(other))
        .await
        .expect("ends");
}

/// Waits until the store was asked so often for the results of refreshes.
async fn looked_for_results(redis: &Redis, times: u64) {
    let mut client = redis.client().await;
    let asked = async {
        loop {
            let stats: String = redis::cmd("INFO")
                .arg("commandstats")
                .query_async(&mut client)
                .await
                .expect("tells");
            let line = stats
                .lines()
                .find_map(|line| line.strip_prefix("cmdstat_getrange:calls="));
            let calls = line.and_then(|line| line.split(',').next()?.parse::<u64>().ok());
            if calls.is_some_and(|calls| calls >= times) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asked)
        .await
        .expect("asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_can_write_to_the_store_ends_no_session() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(coordinated(&redis)).await;
    store_is(gate.app(), true).await;
    let mut victim = gate.signed_in("ada").await;
    let mut other = gate.signed_in("mei").await;
    let copy = other.clone();
    assert_eq!(other.post("/oauth2/sign_out", "").await.status, 204);
    let log = log_of(&redis).await;
    let now = gate.clock.now().as_millis();
    let mut client = redis.client().await;
    for (kind, name) in [("everybody", ""), ("user", "10654321")] {
        let mut add = redis::cmd("XADD");
        add.arg(&log).arg("*").arg("kind").arg(kind);
        add.arg("name").arg(name).arg("at").arg(now + 1);
        let _: String = add.query_async(&mut client).await.expect("added");
    }
    // A replica that has read what stands in the log after the forged entries has read them, too.
    gate.advance(60);
    let mut last = gate.signed_in("mei").await;
    assert_eq!(last.post("/oauth2/sign_out", "").await.status, 204);
    let replica = gate.replica();
    store_is(&replica, true).await;
    let read = async {
        while copy
            .through(replica.public_address())
            .fetch("/echo")
            .await
            .status
            == 200
        {}
    };
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("reads");
    assert_eq!(victim.fetch("/echo").await.status, 200);
    let mut victim = victim.through(replica.public_address());
    assert_eq!(victim.fetch("/echo").await.status, 200);
    tokio::task::spawn_blocking(move || drop(replica))
        .await
        .expect("ends");
}

/// The name of the log of endings, once there is one.
async fn log_of(redis: &Redis) -> String {
    let written = async {
        loop {
            let all = redis.dump().await.into_iter();
            if let Some((key, _)) = all.into_iter().find(|(key, _)| key.ends_with(":ended")) {
                break key;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written)
        .await
        .expect("told")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_until_the_last_sign_out_is_told() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(coordinated(&redis)).await;
    store_is(gate.app(), true).await;
    let mut browser = gate.signed_in("ada").await;
    redis.signal("STOP");
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    let stop = tokio::spawn(gate.stop());
    redis.signal("CONT");
    stop.await.expect("stops");
    let all = redis.dump().await;
    assert!(
        all.iter().any(|(key, _)| key.ends_with(":ended")),
        "{all:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_its_store_is_ready_after_a_moment_and_not_before() {
    let held = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = held.local_addr().expect("bound");
    let gate = Gate::with(Plan {
        session: format!("  refresh_coordination: {{ redis: {{ url: \"redis://{address}\" }} }}\n"),
        ..Plan::default()
    })
    .await;
    let mut admin = Browser::new(gate.app().admin_address());
    let unready = admin.fetch("/readyz").await;
    assert_eq!(unready.status, 503);
    assert_eq!(unready.json()["reasons"][0], "session_store");
    assert_eq!(admin.fetch("/startupz").await.status, 200);
    assert_eq!(admin.fetch("/status.json").await.json()["store"], "down");
    let ready = async { while admin.fetch("/readyz").await.status != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), ready)
        .await
        .expect("ready");
}
