//! The status page and its JSON: what happened can be read there, and who it happened to cannot.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::SystemTime;

use http::Method;
use serde_json::Value;
use serde_json::json;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use tokio::net::TcpListener;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::House;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::browser::exchange;
use crate::support::browser::request;
use crate::support::gate::WEB;
use crate::support::puppet::Line;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_refreshes_and_sign_ins_are_seen() {
    let gate = Gate::start().await;
    let admin = gate.app().admin_address();
    let mut browser = gate.signed_in("ada").await;
    let signing_in = counted(admin, 2).await;
    assert_eq!(signing_in["tenants"][0]["sign_ins"]["finished"], 1);
    for _ in 0..5 {
        assert_eq!(
            browser
                .fetch("/mc/rest/asset/v1/content/assets")
                .await
                .status,
            200
        );
    }
    assert_eq!(gate.browser().fetch("/private").await.status, 401);
    assert_eq!(browser.fetch("/open/none").await.status, 404);
    counted(admin, 9).await;
    gate.advance(10);
    let report = status(admin).await;
    let tenant = &report["tenants"][0];
    assert_eq!(
        (&report["ready"], &report["workers"]),
        (&json!(true), &json!(2))
    );
    assert_eq!(report["attention"], json!([]));
    assert_eq!(report["uptime_seconds"], 10);
    let history = tenant["history"].as_array().expect("steps");
    assert_eq!(history.len(), 1, "{history:?}");
    let step = &history[0];
    for (name, value) in [
        ("at", json!(1_700_000_010)),
        ("seconds", json!(10.0)),
        ("requests", json!(9)),
        ("refused", json!(2)),
        ("failed", json!(0)),
        ("signed_in", json!(1)),
        ("refreshed", json!(0)),
    ] {
        assert_eq!(step[name], value, "{name}: {step}");
    }
    let millis = |name: &str| step[name].as_f64().expect("timed");
    assert!(
        millis("p50") > 0.0 && millis("p50") <= millis("p99"),
        "{step}"
    );
    assert!(millis("upstream_p50") <= millis("upstream_p99"), "{step}");
    let id = MasterKey::parse(&gate.key)
        .expect("our own")
        .id()
        .to_string();
    assert_eq!(
        report["keys"],
        json!([{ "id": id, "role": "seals", "sealed": 1 }])
    );
    // The token is nearly over: the next request renews it.
    gate.advance(1_000);
    assert_eq!(
        browser
            .fetch("/mc/rest/asset/v1/content/assets")
            .await
            .status,
        200
    );
    counted(admin, 10).await;
    gate.advance(10);
    let tenant = status(admin).await["tenants"][0].clone();
    let history = tenant["history"].as_array().expect("steps");
    let renewed = history
        .iter()
        .map(|step| step["refreshed"].as_u64().expect("a count"));
    assert_eq!(renewed.sum::<u64>(), 1, "{history:?}");
    assert_eq!(
        tenant["refreshes"][0],
        json!({ "result": "renewed", "count": 1 })
    );
    assert_eq!(tenant["provider"]["client_secret"], "first");
    // The page says the same in its tables.
    let page = get(admin, "/").await.text();
    for part in [
        "Serving",
        "<td>10, of which 0 answered with 5xx and 2 with 4xx</td>",
        "renewed 1, ended 0",
        "closed: calls are made",
        &format!("<code>{id}</code></th><td>seals</td><td>2</td>"),
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_provider_is_told_with_its_code_and_advice() {
    let gate = Gate::start().await;
    let admin = gate.app().admin_address();
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.control()
        .set_fault(Place::Token, Fault::InternalError, None);
    assert_eq!(browser.fetch("/oauth2/auth").await.status, 503);
    let report = counted(admin, 3).await;
    let tenant = &report["tenants"][0];
    assert_eq!(tenant["provider"]["breaker"], "open");
    assert_eq!(
        (&tenant["failed"], &tenant["refreshes"][2]["count"]),
        (&json!(1), &json!(1))
    );
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["count"]),
        (&json!("SG-3001"), &json!(1))
    );
    assert_eq!(problem["last"], "2023-11-14T22:33:20.000Z");
    assert!(
        problem["advice"]
            .as_str()
            .expect("advice")
            .contains("try again"),
        "{problem}"
    );
    let attention = report["attention"].to_string();
    assert!(attention.contains("held back"), "{attention}");
    gate.control().clear_faults();
    gate.advance(10);
    let attention = status(admin).await["attention"].to_string();
    assert!(
        attention.contains("1 of the last 3 requests failed"),
        "{attention}"
    );
    assert_eq!(browser.fetch("/oauth2/auth").await.status, 202);
    let report = counted(admin, 4).await;
    assert_eq!(report["tenants"][0]["provider"]["breaker"], "closed");
    // What is over leaves the list of what needs attention, and stays among the problems.
    for _ in 0..31 {
        gate.advance(10);
        status(admin).await;
    }
    let report = status(admin).await;
    assert_eq!(report["attention"], json!([]));
    assert_eq!(report["problems"][0]["last"], "2023-11-14T22:33:20.000Z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_and_no_secret_is_named() {
    let gate = Gate::start().await;
    let admin = gate.app().admin_address();
    let mut browser = gate.signed_in("ada").await;
    let person = browser.fetch("/oauth2/userinfo").await.json();
    browser
        .fetch("/mc/rest/asset/v1/content/assets?$search=very-private")
        .await;
    gate.advance(1_200);
    browser.fetch("/very-private/path").await;
    browser.fetch("/open/../very-private").await;
    gate.advance(10);
    let mut secrets: BTreeSet<String> = browser.jar.values().cloned().collect();
    secrets.extend([
        gate.key.clone(),
        "sandbox-web-secret".to_owned(),
        "very-private".to_owned(),
    ]);
    for request in gate.control().requests() {
        let token = request.header("authorization").unwrap_or_default();
        secrets.extend(token.strip_prefix("Bearer ").map(str::to_owned));
    }
    leaves(&person, &mut secrets);
    let words = ["ada", "nwosu", "Nwosu", "aurora"].map(str::to_owned);
    secrets.extend(words);
    assert!(
        secrets.iter().any(|secret| secret.contains('@')),
        "{secrets:?}"
    );
    assert!(secrets.len() > 10, "{secrets:?}");
    let texts = [
        get(admin, "/").await.text(),
        get(admin, "/status.json").await.text(),
    ];
    for secret in &secrets {
        for text in &texts {
            assert!(!names(text, secret), "{secret}\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_well_formed_and_runs_our_script_only() {
    let gate = Gate::start().await;
    let admin = gate.app().admin_address();
    gate.signed_in("ada").await.fetch("/open/x").await;
    for round in 0..2 {
        let answer = get(admin, "/").await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'sha256-"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains("http"),
            "{policy}"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        let page = Page::read(&answer.text());
        assert!(page.tables >= 6, "round {round}: {}", page.tables);
        assert_eq!(page.captions, page.tables);
        gate.advance(10);
    }
    assert_eq!(ask(admin, Method::POST, "/").await.status, 405);
    assert_eq!(ask(admin, Method::HEAD, "/").await.text(), "");
    assert_eq!(
        get(admin, "/status.json").await.header("content-type"),
        "application/json"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_told_apart() {
    let house = House::start().await;
    let admin = house.app.admin_address();
    house.signed_in(1, "ada").await.fetch("/open/none").await;
    let report = until(admin, |report| report["tenants"][1]["requests"] == 3).await;
    let names: Vec<_> = (0..3)
        .map(|at| report["tenants"][at]["name"].clone())
        .collect();
    assert_eq!(names, ["acme", "globex", "initech"]);
    for at in [0, 2] {
        assert_eq!(report["tenants"][at]["requests"], 0);
        assert_eq!(report["tenants"][at]["sign_ins"]["finished"], 0);
    }
    assert_eq!(report["tenants"][1]["sign_ins"]["finished"], 1);
    // A host that is nobody's belongs to no tenant.
    let mut wire = Wire::connect(house.door()).await;
    wire.send("GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
        .await;
    assert_eq!(wire.message().await.expect("an answer").status(), 421);
    let report = until(admin, |report| report["problems"][0]["code"] == "SG-1003").await;
    assert_eq!(report["problems"][0]["tenant"], Value::Null);
    let page = get(admin, "/").await.text();
    Page::read(&page);
    assert!(page.contains("Tenant globex"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_left_out_is_shown_until_it_is_back() {
    let held = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = held.local_addr().expect("bound");
    drop(held);
    let gate = Gate::with(Plan {
        routes: format!("\n  - {{ path: /, to: \"http://{address}\", access: public }}\n"),
        ..Plan::default()
    })
    .await;
    let admin = gate.app().admin_address();
    let upstream = |state: &str, workers: u32| json!([{ "address": format!("http://{address}"), "state": state, "ejected_by": workers }]);
    assert_eq!(status(admin).await["upstreams"], upstream("up", 0));
    // One connection is one worker.
    let mut wire = Wire::connect(gate.address()).await;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address());
    for _ in 0..3 {
        wire.send(get.clone()).await;
        assert_eq!(wire.message().await.expect("an answer").status(), 502);
    }
    let report = status(admin).await;
    assert_eq!(report["upstreams"], upstream("partly_ejected", 1));
    let attention = report["attention"].to_string();
    assert!(attention.contains("could not be reached"), "{attention}");
    let listener = TcpListener::bind(address).await.expect("still free");
    let _puppet = Puppet::on(listener, polite);
    let back = async {
        loop {
            wire.send(get.clone()).await;
            if wire.message().await.expect("an answer").status() == 200 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, back)
        .await
        .expect("it is back");
    assert_eq!(status(admin).await["upstreams"], upstream("up", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ages_and_changes_of_files_are_shown_and_what_is_in_them_is_not() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("our own file");
    let day = Duration::from_hours(24);
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let age = |name: &str, days: u32| {
        let file = std::fs::File::options().write(true).open(path(name));
        let file = file.expect("our own file");
        file.set_modified(start - day * days).expect("allowed");
    };
    let key = || MasterKey::generate(&OsEntropy).to_text().to_string();
    write("key", &key());
    write("secret", "sandbox-web-secret-do-not-use");
    age("key", 3);
    age("secret", 160);
    let gate = Gate::with(Plan {
        keys: format!("[{{ file: {} }}]", path("key").display()),
        client: WEB.replace(
            "{ env: SECRET }",
            &format!("{{ file: {} }}", path("secret").display()),
        ),
        ..Plan::default()
    })
    .await;
    let admin = gate.app().admin_address();
    let report = status(admin).await;
    let group = |report: &Value, what: &str| {
        let groups = report["files"].as_array().expect("groups").clone();
        let found = groups.into_iter().find(|group| group["what"] == what);
        found.unwrap_or_else(|| panic!("no {what}: {report}"))
    };
    assert_eq!(
        group(&report, "client secret")["files"],
        json!([{ "name": "secret", "days_old": 160, "days_left": 20 }])
    );
    assert_eq!(
        group(&report, "session keys")["files"],
        json!([{ "name": "key", "days_old": 3, "days_left": null }])
    );
    let attention = report["attention"].to_string();
    assert!(
        attention.contains("it ends in 20 days") && attention.contains("to rotate"),
        "{attention}"
    );
    gate.advance(60);
    write("key", "no key at all");
    gate.app().reread();
    let refused = group(&status(admin).await, "session keys");
    assert_eq!(
        (&refused["taken_over"], &refused["refused"]),
        (&Value::Null, &json!("2023-11-14T22:14:20.000Z"))
    );
    let page = get(admin, "/").await.text();
    assert!(
        page.contains("A changed file is no good: session keys"),
        "{page}"
    );
    assert!(!page.contains("no key at all"), "{page}");
    gate.advance(60);
    write("key", &key());
    gate.app().reread();
    let report = status(admin).await;
    let taken = group(&report, "session keys");
    assert_eq!(
        (&taken["taken_over"], &taken["refused"]),
        (&json!("2023-11-14T22:15:20.000Z"), &Value::Null)
    );
    assert_eq!(report["keys"].as_array().map(Vec::len), Some(1), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificates_end_is_shown() {
    let gate = Gate::with(Plan {
        https: true,
        top: "tls: self_signed".to_owned(),
        ..Plan::default()
    })
    .await;
    let report = status(gate.app().admin_address()).await;
    let certificate = &report["certificate"];
    // What is made on the spot says the year 4096, as far as anybody cares.
    assert_eq!(certificate["valid_until"], "4096-01-01T00:00:00.000Z");
    assert!(
        certificate["days_left"].as_u64().expect("days") > 700_000,
        "{certificate}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_starts_while_the_provider_is_down() {
    let gate = Gate::start().await;
    let tenant = gate.sandbox.origin().to_string();
    let twin = gate.changed(|text| text.replace(&tenant, "http://127.0.0.1:1"));
    for path in ["/startupz", "/readyz", "/livez"] {
        let answer = get(twin.admin(), path).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "status": "ok" })),
            "{path}"
        );
    }
    assert_eq!(
        Browser::new(twin.address).fetch("/open/none").await.status,
        421,
        "it serves"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_turns_readiness_red_and_neither_life_nor_start() {
    let gate = Gate::start().await;
    let admin = gate.app().admin_address();
    assert_eq!(
        get(admin, "/startupz").await.json(),
        json!({ "status": "ok" })
    );
    gate.app().turn_unready();
    let ready = get(admin, "/readyz").await;
    assert_eq!(
        (ready.status, ready.json()),
        (
            503,
            json!({ "status": "unavailable", "reasons": ["draining"] })
        )
    );
    for path in ["/startupz", "/livez"] {
        assert_eq!(get(admin, path).await.status, 200, "{path}");
    }
    let page = get(admin, "/").await.text();
    assert!(page.contains("Not serving: draining"), "{page}");
    // All is served as before.
    assert_eq!(gate.browser().fetch("/open/none").await.status, 404);
}

/// Checks that every tag is closed where it was opened, that names are unique and that what refers to
/// them finds them.
struct Page {
    tables: usize,
    captions: usize,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut rest = text.strip_prefix("<!doctype html>").expect("a doctype");
        let mut open: Vec<String> = Vec::new();
        let (mut ids, mut references) = (BTreeSet::new(), BTreeSet::new());
        let mut seen: Vec<String> = Vec::new();
        while let Some((before, after)) = rest.split_once('<') {
            assert!(!before.contains('>'), "a bare > in {before:?}");
            let (tag, after) = after.split_once('>').expect("a tag ends");
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "in {open:?}");
                continue;
            }
            let mut words = tag.split_whitespace();
            let name = words.next().expect("a name").to_owned();
            for word in words {
                assert!(
                    !word.starts_with("on") && !word.starts_with("style"),
                    "{tag}"
                );
                let value =
                    |name: &str| Some(word.strip_prefix(name)?.trim_matches('"').to_owned());
                if let Some(id) = value("id=") {
                    assert!(ids.insert(id), "{tag}: twice");
                }
                references.extend(value("aria-labelledby="));
                references.extend(value("href=\"#"));
            }
            if name == "script" || name == "style" {
                let end = format!("</{name}>");
                rest = rest.split_once(&end).expect("it ends").1;
            } else if name != "meta" {
                open.push(name.clone());
            }
            seen.push(name);
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(references.is_subset(&ids), "{references:?} {ids:?}");
        for landmark in ["header", "main", "footer", "h1"] {
            assert_eq!(
                seen.iter().filter(|name| *name == landmark).count(),
                1,
                "{landmark}"
            );
        }
        let count = |wanted: &str| seen.iter().filter(|name| *name == wanted).count();
        Self {
            tables: count("table"),
            captions: count("caption"),
        }
    }
}

/// Whether `text` has `word` as a word of its own.
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        let part = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
        !part(before) && !part(after)
    })
}

/// All texts and longer numbers in a document.
fn leaves(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.len() > 3 => {
            all.insert(text.clone());
        }
        Value::Number(number) if number.as_u64().is_some_and(|it| it > 99_999) => {
            all.insert(number.to_string());
        }
        Value::Array(list) => list.iter().for_each(|value| leaves(value, all)),
        Value::Object(map) => map.values().for_each(|value| leaves(value, all)),
        _ => {}
    }
}

async fn polite(_: usize, mut line: Line) {
    while line.request().await.is_some() {
        line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
    }
}

async fn get(admin: SocketAddr, path: &str) -> Answer {
    ask(admin, Method::GET, path).await
}

async fn ask(admin: SocketAddr, method: Method, path: &str) -> Answer {
    exchange(admin, request(admin, method, path, &[], "".into())).await
}

async fn status(admin: SocketAddr) -> Value {
    let answer = get(admin, "/status.json").await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// The status once so many requests have been counted: a client may have its answer before.
async fn counted(admin: SocketAddr, requests: u64) -> Value {
    until(admin, |report| report["tenants"][0]["requests"] == requests).await
}

async fn until(admin: SocketAddr, so: impl Fn(&Value) -> bool) -> Value {
    let reached = async {
        loop {
            let report = status(admin).await;
            if so(&report) {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    reached.expect("it becomes so in time")
}

const PATIENCE: Duration = Duration::from_secs(20);
