//! Sites that another configuration adds, where sessions are kept in a store: none of them takes those that
//! are served out of rotation.

use crate::support::House;
use crate::support::Redis;
use crate::support::redis::store_is;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_site_is_taken_over_once_its_store_answers() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let house = with_store(&redis, "store").await;
    let mut ada = house.signed_in(0, "ada").await;
    let mut operator = redis.client().await;
    // As a server that is short of connections: those that are open stay.
    let mut allow = async |clients: u32| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxclients").arg(clients);
        let set: String = set.query_async(&mut operator).await.expect("set");
        assert_eq!(set, "OK");
    };
    allow(1).await;
    let error = house.turn_to(&with_another(&house)).expect_err("no store");
    let error = error.to_string();
    assert!(
        error.contains("session store") && error.contains(".9:"),
        "{error}"
    );
    assert_eq!(house.readiness().await.0, 200);
    assert_eq!(ada.fetch("/").await.status, 200);
    assert_eq!(new_site(&house).await, 421, "nothing has changed");
    allow(1_000).await;
    house.take_over(&with_another(&house));
    assert_eq!(house.readiness().await.0, 200, "at once");
    assert_eq!(new_site(&house).await, 401);
    assert_eq!(ada.fetch("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_sessions_do_without_the_store_no_new_site_waits_for_it_for_ever() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let house = with_store(&redis, "refresh_coordination").await;
    redis.stop().await;
    store_is(&house.app, false).await;
    house.take_over(&with_another(&house));
    assert_eq!(house.readiness().await.0, 200);
    assert_eq!(new_site(&house).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_store_for_anybody_nothing_waits() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let house = with_store(&redis, "store").await;
    redis.stop().await;
    store_is(&house.app, false).await;
    assert_eq!(house.readiness().await.0, 503);
    house.take_over(&with_another(&house));
    assert_eq!(new_site(&house).await, 401, "known");
}

async fn with_store(redis: &Redis, key: &str) -> House {
    let session = format!("  {key}: {{ redis: {{ url: {} }} }}\n", redis.url());
    let house = House::with(&session, |_| String::new()).await;
    store_is(&house.app, true).await;
    let ready = async { while house.readiness().await.0 != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), ready)
        .await
        .expect("ready");
    house
}

/// The house's configuration with another tenant, at hosts of its own.
fn with_another(house: &House) -> String {
    let (_, last) = house.text.split_once("  - name: initech").expect("there");
    let other = last
        .replace("127.0.0.3:", "127.0.0.9:")
        .replace("127.0.1.3:", "127.0.1.9:");
    format!("{}  - name: hooli{other}", house.text)
}

async fn new_site(house: &House) -> u16 {
    let mut host = house.host(0);
    host.set_ip(std::net::Ipv4Addr::new(127, 0, 0, 9).into());
    house.browser(host).peek("/").await.status
}
