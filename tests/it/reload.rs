//! Another configuration while the gateway runs: what it changes, and what goes on over it.

use std::sync::Arc;

use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use tokio::sync::Semaphore;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::House;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Redis;
use crate::support::Scrape;
use crate::support::Wire;
use crate::support::redis::store_is;
use crate::websocket;

const API: &str = "/mc/rest/platform/v1/tokenContext";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_come_and_go_and_nobody_is_signed_out() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    assert_eq!(ada.fetch("/echo").await.status, 200);
    let stranger = gate.browser();
    assert_eq!(stranger.peek("/new/echo").await.status, 401);
    let route = "\n  - { path: /new/, to: TOOL, access: public, strip_prefix: true }";
    let route = route.replace("TOOL", &gate.tool.origin().to_string());
    let with_route = |text: &str| format!("{}{route}", text.trim_end());
    assert_eq!(gate.take_over(with_route).expect("good"), [""; 0]);
    for _ in 0..4 {
        assert_eq!(stranger.peek("/new/echo").await.status, 200);
        assert_eq!(ada.fetch("/echo").await.status, 200, "still signed in");
    }
    let counted = "sidegate_requests_total{route=\"/new/\",method=\"read\",status=\"2xx\"}";
    let whole = "sidegate_requests_total{route=\"/\",method=\"read\",status=\"2xx\"}";
    Scrape::when(&gate, counted, 4).await;
    Scrape::when(&gate, whole, 5).await;
    gate.take_over(str::to_owned).expect("good");
    assert_eq!(stranger.peek("/new/echo").await.status, 401);
    assert_eq!(ada.fetch("/echo").await.status, 200);
    // Counters never go back, also those of a route that is gone.
    let scrape = Scrape::when(&gate, whole, 6).await;
    assert_eq!(scrape.value(counted), 4);
    assert_eq!(scrape.value("sidegate_sign_ins_finished_total"), 1);
    assert_eq!(
        scrape.value("sidegate_config_reloads_total{result=\"applied\"}"),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_is_under_way_is_not_made_once_more() {
    let gate = tapped().await;
    let old = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.tap().hold();
    let asking = |mut browser: Browser| {
        tokio::spawn(async move {
            let answer = browser.fetch(API).await;
            (answer.status, browser)
        })
    };
    let before = asking(old.clone());
    gate.tap().arrived(2).await;
    // Other facts, another policy: a new store, a new refresher, a new session cache.
    gate.take_over(|text| text.replace("session:\n", "session:\n  lifetime: 6h\n"))
        .expect("good");
    let after: Vec<_> = (0..8).map(|_| asking(old.clone())).collect();
    gate.take_over(|text| text.replace("session:\n", "session:\n  lifetime: 5h\n"))
        .expect("good");
    let later = asking(old.clone());
    gate.tap().release();
    let mut jars = Vec::new();
    for asked in after.into_iter().chain([before, later]) {
        let (status, browser) = asked.await.expect("no panic");
        assert_eq!(status, 202);
        jars.push(browser.jar["sidegate"].clone());
    }
    jars.dedup();
    assert_eq!(jars.len(), 1, "one result for all");
    // One that comes late, under the third configuration.
    gate.advance(60);
    let mut late = old.clone();
    assert_eq!(late.fetch(API).await.status, 202);
    let stats = gate.control().stats();
    assert_eq!(
        (stats.refreshes, stats.reuses, stats.token_calls),
        (1, 0, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signed_out_stays_signed_out() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let copy = ada.clone();
    assert_eq!(ada.post("/oauth2/sign_out", "").await.status, 204);
    assert_eq!(copy.peek("/echo").await.status, 401);
    // There and back: the sessions of the first site are known again when it is.
    for change in ["sandbox-web-client", "another-client"] {
        gate.take_over(|text| text.replace("sandbox-web-client", change))
            .expect("good");
        assert_eq!(copy.peek("/echo").await.status, 401, "{change}");
    }
    gate.take_over(str::to_owned).expect("good");
    assert_eq!(copy.peek("/echo").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_may_begin_before_and_end_after() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/echo", "ada").await;
    gate.take_over(|text| text.replace("session:\n", "session:\n  lifetime: 6h\n"))
        .expect("good");
    let answer = browser.navigate(&callback).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(browser.fetch("/echo").await.status, 200);
    gate.take_over(str::to_owned).expect("good");
    // The same callback once more makes no second session.
    let calls = gate.control().stats().token_calls;
    browser.navigate(&callback).await;
    assert_eq!(gate.control().stats().token_calls, calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_lives_on_and_ends_with_its_session() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let mut wire = websocket::open(&gate, &ada).await;
    for hours in ["6h", "5h", "4h"] {
        gate.take_over(|text| {
            text.replace("session:\n", &format!("session:\n  lifetime: {hours}\n"))
        })
        .expect("good");
        wire.send(websocket::HELLO).await;
        assert_eq!(wire.exactly(7).await.expect("an echo"), b"\x81\x05Hello");
    }
    Scrape::when(&gate, "sidegate_streams_open{kind=\"websocket\"}", 1).await;
    // It was let in three configurations ago.
    assert_eq!(ada.post("/oauth2/sign_out", "").await.status, 204);
    assert_eq!(wire.rest().await, b"\x88\x0d\x03\xf0session end");
    Scrape::when(&gate, "sidegate_streams_open{kind=\"websocket\"}", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_by_the_lifetime_in_force() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await;
    let mut wire = websocket::open(&gate, &ada).await;
    let short = "session:\n  lifetime: 60s\n";
    gate.take_over(|text| text.replace("session:\n", short))
        .expect("good");
    gate.advance(59);
    wire.send(websocket::HELLO).await;
    assert_eq!(wire.exactly(7).await.expect("an echo"), b"\x81\x05Hello");
    gate.advance(1);
    assert_eq!(wire.rest().await, b"\x88\x0d\x03\xf0session end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_goes_on_though_its_route_is_gone() {
    let more = Arc::new(Semaphore::new(0));
    let given = Arc::clone(&more);
    let puppet = Puppet::playing(move |_, mut line| {
        let more = Arc::clone(&more);
        async move {
            line.request().await;
            line.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            for _ in 0..3 {
                more.acquire().await.expect("open").forget();
                line.say("8\r\ndata: x\n\r\n").await;
            }
            line.say("0\r\n\r\n").await;
        }
    })
    .await;
    let gate = Gate::with(Plan {
        routes: format!(
            "\n  - {{ path: /events/, to: {}, access: public }}\n  - {{ path: /, to: TOOL }}\n",
            puppet.origin()
        ),
        ..Plan::default()
    })
    .await;
    let mut wire = Wire::connect(gate.address()).await;
    let request = format!("GET /events/ HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address());
    wire.send(&request).await;
    given.add_permits(1);
    let head = wire.head().await.expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut body = Vec::new();
    assert_eq!(wire.chunk(&mut body).await, Some(true));
    let line = format!(
        "  - {{ path: /events/, to: {}, access: public }}\n",
        puppet.origin()
    );
    assert!(gate.text().contains(&line));
    gate.take_over(|text| text.replace(&line, ""))
        .expect("good");
    given.add_permits(2);
    while wire.chunk(&mut body).await == Some(true) {}
    assert_eq!(body, b"data: x\ndata: x\ndata: x\n");
    // The connection's next request goes by the new configuration.
    wire.send(&request).await;
    assert_eq!(wire.message().await.expect("an answer").status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_by_another_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| {
        let path = folder.path().join(name);
        let key = sidegate::crypto::MasterKey::generate(&sidegate::crypto::OsEntropy);
        std::fs::write(&path, key.to_text().as_str()).expect("our own file");
        format!("{{ file: {} }}", path.display())
    };
    let (old, new) = (file("old"), file("new"));
    let gate = Gate::with(Plan {
        keys: format!("[{old}]"),
        ..Plan::default()
    })
    .await;
    let mut ada = gate.signed_in("ada").await;
    let untouched = ada.clone();
    let keys = |list: &str| {
        let list = format!("[{list}]");
        gate.take_over(|text| text.replace(&format!("[{old}]"), &list))
            .expect("good")
    };
    keys(&format!("{new}, {old}"));
    assert_eq!(
        ada.fetch("/echo").await.set_cookies().len(),
        1,
        "sealed anew"
    );
    assert_eq!(ada.fetch("/echo").await.set_cookies().len(), 0);
    keys(&new);
    assert_eq!(ada.fetch("/echo").await.status, 200);
    assert_eq!(untouched.peek("/echo").await.status, 401, "of the old key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_limits_and_deadlines_are_those_of_the_new_one() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    assert_eq!(ada.fetch("/bearer/echo").await.status, 200);
    gate.take_over(|text| {
        text.replace(
            "strip_prefix: true",
            "strip_prefix: true, require: { business_unit: [1] }",
        )
    })
    .expect("good");
    let refused = ada.fetch("/bearer/echo").await;
    assert_eq!(refused.status, 403, "{refused:?}");
    gate.take_over(|text| format!("limits: {{ target_length: 256 }}\n{text}"))
        .expect("good");
    assert_eq!(ada.fetch("/bearer/echo").await.status, 200);
    let long = format!("/bearer/{}", "x".repeat(256));
    assert_eq!(ada.fetch(&long).await.status, 414);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shorter_session_times_are_those_of_sessions_that_began_before() {
    for stored in [false, true] {
        let redis = if stored { Redis::start().await } else { None };
        if stored && redis.is_none() {
            return;
        }
        let store = redis.as_ref().map_or_else(String::new, |redis| {
            format!("  store: {{ redis: {{ url: {} }} }}\n", redis.url())
        });
        let gate = Gate::with(Plan {
            session: store,
            ..Plan::default()
        })
        .await;
        if stored {
            store_is(gate.app(), true).await;
        }
        let within = |times: &str| {
            let times = format!("session:\n{times}");
            gate.take_over(|text| text.replace("session:\n", &times))
                .expect("good");
        };
        let short = "  lifetime: 60s\n  idle_timeout: 10s\n";
        let idle = gate.signed_in("ada").await;
        let (mut busy, mut untold) = (gate.signed_in("ada").await, gate.signed_in("ada").await);
        assert_eq!(idle.peek("/echo").await.status, 200);
        within(short);
        gate.advance(9);
        assert_eq!(busy.fetch("/echo").await.status, 200, "{stored}");
        let told = busy.fetch("/oauth2/userinfo").await;
        let told: serde_json::Value = serde_json::from_slice(&told.body).expect("JSON");
        assert_eq!(told["expires_in"], 10, "{told}");
        let at = |name: &str| told["session"][name].as_u64().expect("seconds");
        assert_eq!(at("expires_at") - at("signed_in_at"), 60);
        assert_eq!(at("idle_expires_at") - at("signed_in_at"), 19);
        gate.advance(6);
        assert_eq!(idle.peek("/echo").await.status, 401, "{stored}");
        for _ in 0..5 {
            assert_eq!(busy.fetch("/echo").await.status, 200, "{stored}");
            gate.advance(9);
        }
        assert_eq!(busy.fetch("/echo").await.status, 401, "after a minute");
        assert_eq!(untold.fetch("/echo").await.status, 401, "{stored}");
        // Longer ones prolong nothing that was promised.
        let mut mei = gate.signed_in("ada").await;
        within("  lifetime: 20h\n  idle_timeout: 20h\n");
        gate.advance(9);
        let copy = mei.clone();
        assert_eq!(mei.fetch("/echo").await.status, 200);
        gate.advance(6);
        if !stored {
            assert_eq!(copy.peek("/echo").await.status, 401, "the cookie of before");
        }
        gate.advance(40);
        assert_eq!(mei.fetch("/echo").await.status, 200);
        gate.advance(5);
        assert_eq!(mei.fetch("/echo").await.status, 401, "{stored}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_and_a_scope_are_those_of_the_new_one() {
    let gate = Gate::start().await;
    let in_use = || gate.app().client_secret_in_use();
    gate.signed_in("ada").await;
    let known = in_use().expect("known");
    gate.take_over(|text| text.replace("session:\n", "session:\n  lifetime: 6h\n"))
        .expect("good");
    assert_eq!(in_use(), Some(known), "what is known of the provider stays");
    gate.take_over(|text| {
        text.replace(
            "  client_secret:",
            "  scope: [email_read]\n  client_secret:",
        )
    })
    .expect("good");
    let mut browser = gate.browser();
    let location = browser.navigate("/echo").await;
    assert!(location.header("location").contains("scope=email_read"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_built_changes_nothing() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let before = Scrape::of(&gate).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tls.crt");
    std::fs::write(&file, "no certificate").expect("our own file");
    let at = file.display();
    let broken = format!("tls: {{ certificate_file: {at}, key_file: {at} }}\n");
    let outcome = gate.take_over(|text| {
        let text = text.replace("path: /open/", "path: /closed/");
        format!("{broken}{text}")
    });
    assert!(
        outcome
            .expect_err("no certificate")
            .to_string()
            .contains("tls.crt")
    );
    assert_eq!(ada.fetch("/echo").await.status, 200);
    assert_eq!(
        gate.browser().peek("/open/echo/x").await.status,
        404,
        "of the tool"
    );
    let series = "sidegate_config_applied_timestamp_seconds";
    let line = |scrape: &Scrape| {
        let line = scrape.text.lines().find(|line| line.starts_with(series));
        line.expect("told").to_owned()
    };
    assert_eq!(line(&Scrape::of(&gate).await), line(&before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_half_built_leaves_nothing_behind() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    assert_eq!(ada.fetch("/echo").await.status, 200);
    assert_eq!(gate.browser().peek("/open/echo/x").await.status, 404);
    assert_eq!(gate.browser().peek("/closed/echo/x").await.status, 401);
    let series = async |requests: i64| {
        for (route, status) in [("/open/", "4xx"), ("/", "4xx"), ("/", "2xx")] {
            let counted = format!("route=\"{route}\",method=\"read\",status=\"{status}\"");
            let counted = format!("sidegate_requests_total{{{counted}}}");
            Scrape::when(&gate, &counted, requests).await;
        }
        let scrape = Scrape::of(&gate).await;
        let lines = scrape.text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        series.collect::<Vec<_>>()
    };
    let before = series(1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, "no certificate").expect("our own file");
    // The first is good, and made before it is seen that the second is not; and another key beside.
    let other = sidegate::crypto::MasterKey::generate(&sidegate::crypto::OsEntropy);
    let key = folder.path().join("key");
    std::fs::write(&key, other.to_text().as_str()).expect("our own file");
    let routes = format!(
        "\n  - {{ path: /more/, to: \"http://127.0.0.1:1\" }}\n  - {{ path: /bad/, to: \"https://127.0.0.1:2\", upstream_tls: {{ ca_file: {} }} }}\n",
        file.display()
    );
    let outcome = gate.take_over(|text| {
        let text = text.replace("path: /open/", "path: /closed/");
        let text = text.replace(
            "keys: [{ env: KEY }]",
            &format!("keys: [{{ file: {} }}]", key.display()),
        );
        assert!(
            text.contains("/closed/") && text.contains("keys: [{ file:"),
            "{text}"
        );
        format!("{}{routes}", text.trim_end())
    });
    let error = outcome.expect_err("no certificate").to_string();
    assert!(error.contains("ca.crt"), "{error}");
    assert_eq!(ada.fetch("/echo").await.status, 200, "by the key of before");
    assert_eq!(gate.browser().peek("/open/echo/x").await.status, 404);
    assert_eq!(gate.browser().peek("/closed/echo/x").await.status, 401);
    let after = series(2).await;
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert_eq!(new, ["x"; 0], "{after:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_on_sign_ins_are_not_given_back() {
    let rates = "rate_limits: { sign_in: 2/1m }";
    let gate = Gate::with(Plan {
        top: rates.to_owned(),
        ..Plan::default()
    })
    .await;
    let start = || async { gate.browser().navigate("/oauth2/start?rd=/").await.status };
    assert_eq!(
        (start().await, start().await, start().await),
        (302, 302, 429)
    );
    gate.take_over(|text| text.replace("session:\n", "session:\n  lifetime: 6h\n"))
        .expect("good");
    assert_eq!(start().await, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_hear_of_each_other_over_a_reload() {
    for key in ["store", "refresh_coordination"] {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let gate = Gate::with(Plan {
            session: format!("  {key}: {{ redis: {{ url: {} }} }}\n", redis.url()),
            ..Plan::default()
        })
        .await;
        store_is(gate.app(), true).await;
        let other = gate.replica();
        store_is(&other, true).await;
        let old = gate.signed_in("ada").await;
        let waiting = gate
            .take_over(|text| text.replace("session:\n", "session:\n  lifetime: 6h\n"))
            .expect("good");
        assert_eq!(waiting, [""; 0], "{key}");
        store_is(gate.app(), true).await;
        gate.advance(1_200);
        let (mut here, mut there) = (old.clone(), old.through(other.public_address()));
        let (one, two) = tokio::join!(here.fetch(API), there.fetch(API));
        assert_eq!((one.status, two.status), (202, 202), "{key}");
        let stats = gate.control().stats();
        assert_eq!((stats.refreshes, stats.reuses), (1, 0), "{key}");
        // A sign-out there is heard here, by the connection that was there before.
        let copy = here.clone();
        assert_eq!(there.post("/oauth2/sign_out", "").await.status, 204);
        while copy.peek("/echo").await.status != 401 {
            tokio::task::yield_now().await;
        }
        // Another store waits for a restart; the sessions stay where they are.
        let mut ada = gate.signed_in("ada").await;
        let line = format!("  {key}: {{ redis: {{ url: {} }} }}\n", redis.url());
        let waiting = gate
            .take_over(|text| text.replace(&line, ""))
            .expect("good");
        assert_eq!(waiting, [format!("session.{key}")]);
        assert_eq!(ada.fetch("/echo").await.status, 200, "{key}");
        drop(tokio::task::spawn_blocking(move || drop(other)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_come_and_go_and_the_others_stay_signed_in() {
    let house = House::start().await;
    let mut ada = house.signed_in(0, "ada").await;
    let gone = house.signed_in(2, "ada").await;
    let without = house
        .text
        .split("  - name: initech")
        .next()
        .expect("text")
        .to_owned();
    house.take_over(&without);
    assert_eq!(ada.fetch("/").await.status, 200);
    let nobody = gone.peek("/").await;
    assert_eq!((nobody.status, nobody.code()), (421, "SG-1003".to_owned()));
    let finished = |name: &str| format!("sidegate_sign_ins_finished_total{{tenant=\"{name}\"}}");
    assert_eq!(house.metric(&finished("acme")).await, 1);
    house.take_over(&house.text);
    assert_eq!(ada.fetch("/").await.status, 200);
    assert_eq!(gone.peek("/").await.status, 200, "known again");
    assert_eq!(
        house.metric(&finished("initech")).await,
        1,
        "and so is what was counted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_given_a_rest_keeps_it() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    gate.control()
        .set_fault(Place::Token, Fault::InternalError, None);
    gate.advance(1_200);
    assert_eq!(ada.fetch(API).await.status, 503);
    Scrape::when(&gate, "sidegate_provider_resting", 1).await;
    let calls = gate.control().stats().token_calls;
    gate.take_over(|text| text.replace("session:\n", "session:\n  lifetime: 6h\n"))
        .expect("good");
    assert_eq!(
        Scrape::of(&gate).await.value("sidegate_provider_resting"),
        1
    );
    let mut mei = ada.clone();
    assert_eq!(mei.fetch(API).await.status, 503);
    assert_eq!(gate.control().stats().token_calls, calls, "it is not asked");
}

async fn tapped() -> Gate {
    Gate::with(Plan {
        tapped: true,
        ..Plan::default()
    })
    .await
}

/// An account's package may be made anew because of what happened; then nobody's streams of before may stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_endings_reaches_streams_of_a_package_that_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("endings.yaml");
    std::fs::write(&list, "").expect("our own file");
    let gate = Gate::with(Plan {
        session: format!("  not_before: {}\n", list.display()),
        ..Plan::default()
    })
    .await;
    let ada = gate.signed_in("ada").await;
    let mut wire = websocket::open(&gate, &ada).await;
    let package = "client_id: sandbox-web";
    assert!(gate.text().contains(package), "{}", gate.text());
    let other = |text: &str| text.replace(package, "client_id: another-package");
    gate.take_over(other).expect("good");
    wire.send(websocket::HELLO).await;
    assert_eq!(wire.exactly(7).await.expect("an echo"), b"\x81\x05Hello");
    gate.advance(60);
    std::fs::write(&list, "everybody: 2030-01-01T00:00:00Z\n").expect("our own file");
    tokio::task::block_in_place(|| gate.app().reread());
    assert_eq!(wire.rest().await, b"\x88\x0d\x03\xf0session end");
}
