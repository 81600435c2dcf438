//! Sessions kept in a store: what is in it, who may read it, and what happens while it is away.

use std::time::Duration;

use sidegate::doctor::Status;
use sidegate::sandbox::Settings;
use tokio::net::TcpListener;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Patient;
use crate::support::Plan;
use crate::support::Redis;
use crate::support::redis::store_is;

const API: &str = "/mc/rest/platform/v1/tokenContext";

fn plan(lines: &str) -> Plan {
    Plan {
        session: format!("  store: {{ redis: {{ {lines} }} }}\n"),
        ..Plan::default()
    }
}

async fn gate(redis: &Redis) -> Gate {
    let gate = Gate::with(plan(&format!("url: {}", redis.url()))).await;
    store_is(gate.app(), true).await;
    gate
}

async fn readiness(gate: &Gate) -> (u16, String) {
    let mut admin = Browser::new(gate.app().admin_address());
    let answer = admin.fetch("/readyz").await;
    (answer.status, answer.text())
}

/// What the metric says.
async fn up(gate: &Gate) -> String {
    let mut admin = Browser::new(gate.app().admin_address());
    let scrape = admin.fetch("/metrics").await.text();
    let mut lines = scrape.lines();
    let value = lines.find_map(|line| line.strip_prefix("sidegate_session_store_up "));
    value.expect("it is told").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_the_store_nor_the_cookie_tells_anything_alone() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = gate(&redis).await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_000);
    assert_eq!(browser.fetch(API).await.status, 202);
    let cookie = browser.jar["sidegate"].clone();
    assert!(cookie.len() < 200, "a ticket: {cookie}");
    let echo = browser.fetch("/bearer/echo/x").await.text();
    let at = echo.find("Bearer ").expect("a token") + "Bearer ".len();
    let token: String = echo[at..].chars().take_while(|c| *c != '"').collect();
    assert!(token.len() > 100, "{token}");
    let records: Vec<_> = redis.dump().await;
    assert!(
        records.iter().any(|(key, _)| key.contains(":session:")),
        "{records:?}"
    );
    for (key, value) in &records {
        assert!(key.starts_with("sidegate:"), "{key}");
        for secret in [
            token.as_str(),
            &cookie,
            "ada.martin",
            "Ada Martin",
            "10654321",
            "marketingcloud",
            &gate.key,
        ] {
            assert!(!value.contains(secret), "{key} tells {secret}");
        }
    }

    // Another session's record under this session's name opens as little as a changed one.
    let mut client = redis.client().await;
    gate.signed_in("mei").await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*:session:*")
        .query_async(&mut client)
        .await
        .expect("keys");
    let [one, other] = keys.as_slice() else {
        panic!("{keys:?}")
    };
    let value = |key: &String| redis::cmd("GET").arg(key).to_owned();
    let first: String = value(one).query_async(&mut client).await.expect("a record");
    let second: String = value(other)
        .query_async(&mut client)
        .await
        .expect("a record");
    for (key, record) in [(one, &second), (other, &first)] {
        let set = redis::cmd("SET").arg(key).arg(record).to_owned();
        let _: () = set.query_async(&mut client).await.expect("written");
    }
    assert_eq!(browser.fetch("/echo").await.code(), "SG-2001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_of_the_other_kind_is_no_session() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let stored = gate(&redis).await;
    let ticket = stored.signed_in("ada").await.jar["sidegate"].clone();
    let plain = Gate::with(Plan {
        key: Some(stored.key.clone()),
        public_url: Some(stored.origin()),
        ..Plan::default()
    })
    .await;
    let sealed = {
        // The same host, key and tenant: only the kind differs.
        let mut browser = Browser::new(stored.address()).through(plain.address());
        let answer = browser.sign_in("/", "ada").await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser.jar["sidegate"].clone()
    };
    for (door, cookie) in [(plain.address(), &ticket), (stored.address(), &sealed)] {
        let mut browser = Browser::new(stored.address()).through(door);
        browser.jar.insert("sidegate".to_owned(), cookie.clone());
        assert_eq!(browser.fetch("/echo").await.code(), "SG-2001");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_sessions_wait_and_then_they_are_all_back() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let gate = gate(&redis).await;
    let mut browsers = Vec::new();
    for person in ["ada", "jonas", "mei"] {
        browsers.push(gate.signed_in(person).await);
    }
    assert_eq!(readiness(&gate).await.0, 200);
    let mut unfinished = gate.browser();
    let callback = unfinished.authorize("/page", "ada").await;
    assert_eq!(up(&gate).await, "1");
    redis.stop().await;
    store_is(gate.app(), false).await;
    assert_eq!(up(&gate).await, "0");
    let (status, reasons) = readiness(&gate).await;
    assert_eq!(status, 503);
    assert!(reasons.contains("session_store"), "{reasons}");
    for browser in &mut browsers {
        let before = browser.jar.clone();
        for answer in [
            browser.fetch(API).await,
            browser.navigate("/page").await,
            browser.fetch("/oauth2/userinfo").await,
        ] {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (503, "SG-3002"),
                "{answer:?}"
            );
            assert_eq!(answer.header("retry-after"), "2");
        }
        assert_eq!(browser.jar, before, "nobody is signed out");
    }
    assert_eq!(
        browsers[0].fetch("/open/echo").await.status,
        404,
        "who needs no session is served"
    );
    assert_eq!(gate.browser().fetch("/echo").await.code(), "SG-2001");
    let calls = gate.control().stats().token_calls;
    assert_eq!(unfinished.navigate(&callback).await.code(), "SG-3002");
    assert_eq!(
        gate.control().stats().token_calls,
        calls,
        "the code is not spent"
    );

    assert!(redis.resume().await);
    store_is(gate.app(), true).await;
    for browser in &mut browsers {
        assert_eq!(browser.fetch(API).await.status, 202);
    }
    assert_eq!(readiness(&gate).await.0, 200);
    assert_eq!(
        unfinished.navigate(&callback).await.header("location"),
        "/page"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_stands_still_costs_no_more_than_its_deadline() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = gate(&redis).await;
    let mut browser = gate.signed_in("ada").await;
    redis.signal("STOP");
    let answer = tokio::time::timeout(Duration::from_secs(6), browser.fetch(API)).await;
    redis.signal("CONT");
    let answer = answer.expect("an answer in time");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "SG-3002"),
        "{answer:?}"
    );
    let back = async { while browser.fetch(API).await.status != 202 {} };
    tokio::time::timeout(Duration::from_secs(10), back)
        .await
        .expect("back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_starts_before_its_store() {
    // A port where nothing listens yet.
    let held = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = held.local_addr().expect("bound");
    let gate = Gate::with(plan(&format!("url: redis://{address}"))).await;
    assert_eq!(readiness(&gate).await.0, 503);
    assert_eq!(
        gate.browser().navigate("/").await.status,
        302,
        "a sign-in may begin"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_breaks_off_during_a_refresh_costs_no_session() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(Plan {
        tapped: true,
        ..plan(&format!("url: {}", redis.url()))
    })
    .await;
    store_is(gate.app(), true).await;
    let browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.tap().hold();
    let waiting = tokio::spawn({
        let mut browser = browser.clone();
        async move { browser.fetch(API).await }
    });
    gate.tap().arrived(2).await;
    redis.stop().await;
    store_is(gate.app(), false).await;
    gate.tap().release();
    // The provider has spoken: the new tokens are known here, and only here.
    let answer = waiting.await.expect("ends");
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(redis.resume().await);
    store_is(gate.app(), true).await;
    gate.advance(1);
    let served = async { while browser.clone().fetch(API).await.status != 202 {} };
    tokio::time::timeout(Duration::from_secs(10), served)
        .await
        .expect("served");
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.reuses), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_coordination_only_sessions_go_on_without_the_store() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(Plan {
        session: format!(
            "  refresh_coordination: {{ redis: {{ url: {} }} }}\n",
            redis.url()
        ),
        ..Plan::default()
    })
    .await;
    store_is(gate.app(), true).await;
    let mut browser = gate.signed_in("ada").await;
    // It has read who signed out elsewhere.
    let ready = async { while readiness(&gate).await.0 != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), ready)
        .await
        .expect("ready");
    redis.stop().await;
    store_is(gate.app(), false).await;
    assert_eq!(readiness(&gate).await.0, 200);
    assert_eq!(browser.fetch(API).await.status, 202);
    gate.advance(1_200);
    assert_eq!(browser.fetch(API).await.status, 202, "and are renewed");
    assert_eq!(gate.control().stats().refreshes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_session_lives_by_its_own_limits() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = gate(&redis).await;
    let mut busy = gate.signed_in("ada").await;
    let mut idle = gate.signed_in("mei").await;
    for _ in 0..20 {
        gate.advance(10 * 60);
        assert_eq!(busy.fetch("/echo").await.status, 200);
    }
    assert_eq!(idle.fetch("/echo").await.code(), "SG-2001");
    gate.advance(9 * 3600);
    assert_eq!(
        busy.fetch("/echo").await.code(),
        "SG-2001",
        "the absolute end"
    );
    // What nobody can use the store forgets: each record has an end.
    let mut client = redis.client().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut client)
        .await
        .expect("keys");
    assert!(!keys.is_empty());
    for key in keys {
        let life: i64 = redis::cmd("PTTL")
            .arg(&key)
            .query_async(&mut client)
            .await
            .expect("a life");
        assert!(life > 0, "{key}: {life}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_no_browser_would_keep_fit_the_store() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let sandbox = || Settings {
        token_length: 3_500,
        ..Settings::default()
    };
    let gate = Gate::with(Plan {
        sandbox: sandbox(),
        ..plan(&format!("url: {}", redis.url()))
    })
    .await;
    store_is(gate.app(), true).await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    assert_eq!(browser.fetch(API).await.status, 202);
    let in_cookies = Gate::with(Plan {
        sandbox: sandbox(),
        ..Plan::default()
    })
    .await;
    let refused = in_cookies.browser().sign_in("/", "ada").await;
    assert_eq!(refused.code(), "SG-2016", "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_touch_never_brings_old_tokens_back() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(Plan {
        tapped: true,
        ..plan(&format!("url: {}", redis.url()))
    })
    .await;
    store_is(gate.app(), true).await;
    let browser = gate.signed_in("ada").await;
    // Due for renewal and for a touch at once: the touch comes while the refresh is under way.
    gate.advance(1_000);
    gate.tap().hold();
    for _ in 0..3 {
        assert_eq!(browser.clone().fetch("/echo").await.status, 200);
    }
    gate.tap().release();
    gate.advance(200);
    for _ in 0..3 {
        assert_eq!(browser.clone().fetch(API).await.status, 202);
    }
    gate.advance(1_000);
    assert_eq!(browser.clone().fetch(API).await.status, 202);
    let stats = gate.control().stats();
    assert_eq!(stats.reuses, 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_record_is_gone_is_over() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = gate(&redis).await;
    let mut browser = gate.signed_in("ada").await;
    let mut client = redis.client().await;
    let _: () = redis::cmd("FLUSHALL")
        .query_async(&mut client)
        .await
        .expect("empty");
    let answer = browser.fetch("/echo").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "SG-2001"));
    assert!(browser.jar.is_empty(), "its cookie is cleared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_moves_on_to_the_new_key() {
    use sidegate::crypto::MasterKey;
    use sidegate::crypto::OsEntropy;

    let Some(redis) = Redis::start().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let (new, old) = (directory.path().join("new"), directory.path().join("old"));
    let key = || MasterKey::generate(&OsEntropy).to_text();
    let first = key();
    std::fs::write(&new, first.as_bytes()).expect("our own file");
    std::fs::write(&old, key().as_bytes()).expect("our own file");
    let gate = Gate::with(Plan {
        keys: format!(
            "[{{ file: {} }}, {{ file: {} }}]",
            new.display(),
            old.display()
        ),
        ..plan(&format!("url: {}", redis.url()))
    })
    .await;
    store_is(gate.app(), true).await;
    let mut browser = gate.signed_in("ada").await;
    let before = browser.jar.clone();
    std::fs::write(&old, first.as_bytes()).expect("our own file");
    std::fs::write(&new, key().as_bytes()).expect("our own file");
    gate.app().reread();
    assert_eq!(browser.fetch("/echo").await.status, 200);
    assert_ne!(browser.jar, before, "sealed anew");
    let answer = browser.fetch("/echo").await;
    assert_eq!(
        (answer.status, answer.set_cookies().len()),
        (200, 0),
        "once"
    );
    std::fs::write(&old, key().as_bytes()).expect("our own file");
    gate.app().reread();
    assert_eq!(browser.fetch("/echo").await.status, 200);
    browser.jar = before;
    assert_eq!(
        browser.fetch("/echo").await.code(),
        "SG-2001",
        "the old key is gone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tries_all_that_is_asked_of_the_store() {
    let user =
        "user few on >pw ~sidegate:* -@all +ping +get +set +del +eval +getrange +pexpire +xadd";
    let arguments = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let redis = Redis::prepared(&arguments, |directory| {
        let file = directory.path().join("redis.conf");
        std::fs::write(file, format!("{user}\n")).expect("our own file");
    })
    .await;
    let Some(mut redis) = redis else { return };
    let gate = gate(&redis).await;
    let url = redis.url();
    let few = url.replace("redis://", "redis://few:pw@");
    let wrong = url.replace("redis://", "redis://few:no@");
    let mut client = redis.client().await;
    let mut config = async |name: &str, value: &str| {
        let set = redis::cmd("CONFIG")
            .arg("SET")
            .arg(name)
            .arg(value)
            .to_owned();
        let _: () = set.query_async(&mut client).await.expect("set");
    };
    assert_store(&gate, &url, Status::Warning, "drops sessions").await;
    config("maxmemory-policy", "noeviction").await;
    assert_store(&gate, &url, Status::Ok, "does all").await;
    config("appendonly", "no").await;
    assert_store(&gate, &url, Status::Warning, "a crash").await;
    assert_store(&gate, &few, Status::Failed, "XRANGE: ").await;
    assert_store(&gate, &wrong, Status::Failed, "connect: ").await;
    redis.stop().await;
    assert_store(&gate, &url, Status::Failed, "connect: ").await;
}

async fn assert_store(gate: &Gate, url: &str, status: Status, says: &str) {
    let patient = Patient::of(gate);
    let lines: Vec<_> = patient.text.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.trim_start().starts_with("store:"))
        .expect("a store");
    let mut lines: Vec<_> = lines.into_iter().map(str::to_owned).collect();
    lines[at] = format!("  store: {{ redis: {{ url: \"{url}\" }} }}");
    let patient = Patient {
        text: lines.join("\n"),
        ..patient
    };
    let found = patient.examine().await;
    let store = found
        .iter()
        .find(|finding| finding.name == "session store")
        .expect("looked at");
    assert_eq!(store.status, status, "{store:?}");
    assert!(store.detail.contains(says), "{store:?}");
    assert!(!format!("{store:?}").contains("pw@"), "{store:?}");
}
