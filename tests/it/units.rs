//! Business units: a session moves from one to another as one line of tokens, whatever comes at once.

mod races;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Scrape;
use crate::support::browser::SCRIPT;

const API: &str = "/mc/rest/platform/v1/tokenContext";
const SWITCH: &str = "/oauth2/business_unit";

const EUROPE: u64 = 7_281_698;
const PACIFIC: u64 = 7_281_699;
/// Nobody may work there.
const AMERICAS: u64 = 7_281_700;
/// The parent account, whose name userinfo tells.
const PARENT: u64 = 7_281_600;

async fn switch(browser: &mut Browser, unit: u64) -> Answer {
    post(browser, &format!("{{\"account_id\":{unit}}}")).await
}

async fn post(browser: &mut Browser, body: &str) -> Answer {
    let mut fields = SCRIPT.to_vec();
    fields.push(("content-type", "application/json"));
    let body = Bytes::from(body.to_owned());
    browser.send(Method::POST, SWITCH, &fields, body).await
}

/// A form's POST, as a browser without scripts sends it.
async fn submit(browser: &mut Browser, body: &str) -> Answer {
    let fields = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let body = Bytes::from(body.to_owned());
    browser.send(Method::POST, SWITCH, &fields, body).await
}

/// The unit that the tenant itself sees.
async fn unit(browser: &mut Browser) -> u64 {
    let answer = browser.fetch(API).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    of(&answer)
}

fn of(context: &Answer) -> u64 {
    let json = context.json();
    json["organization"]["id"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_in_another_unit() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    assert_eq!(unit(&mut ada).await, EUROPE);
    let before = gate.control().stats();
    let answer = switch(&mut ada, PACIFIC).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["business_unit"], PACIFIC);
    assert_eq!(unit(&mut ada).await, PACIFIC);
    let told = ada.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["business_unit"], PACIFIC);
    assert_eq!(told["organization"]["member_id"], PACIFIC);
    ada.fetch("/echo/x").await;
    let request = gate.tool.requests().pop().expect("it arrived");
    let field = request.header("x-marketing-cloud-business-unit");
    assert_eq!(field, Some("7281699"));
    // A text is a number, too; where the session is there already, nobody is asked.
    for body in [r#"{"account_id":"7281699"}"#, r#"{"account_id":7281699}"#] {
        assert_eq!(post(&mut ada, body).await.status, 200);
    }
    let stats = gate.control().stats();
    let calls = (
        stats.refreshes - before.refreshes,
        stats.userinfo_calls - before.userinfo_calls,
    );
    assert_eq!((calls, stats.reuses), ((1, 1), 0));

    let switching = gate.control().last_request("/v2/token").expect("recorded");
    // Refreshes keep the unit, and say so.
    for _ in 0..3 {
        gate.advance(1_100);
        assert_eq!(unit(&mut ada).await, PACIFIC);
    }
    let asked = gate.control().last_request("/v2/token").expect("recorded");
    assert_eq!(
        asked.body_bytes, switching.body_bytes,
        "as long as with the unit"
    );
    // So does a touch of the cookie, long after.
    gate.advance(900);
    assert_eq!(unit(&mut ada).await, PACIFIC);

    assert_eq!(switch(&mut ada, PARENT).await.status, 200);
    let told = ada.fetch("/oauth2/userinfo").await.json();
    let recent = &told["recent_units"];
    let ids: Vec<_> = (0..3).map(|at| recent[at]["id"].as_u64()).collect();
    assert_eq!(ids, [Some(PARENT), Some(PACIFIC), Some(EUROPE)]);
    assert_eq!(recent[0]["name"], "Aurora Goods");
    assert!(!told.to_string().contains("token\":\""), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_switch_without_a_script() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let tool = ada.navigate("/").await.text();
    assert!(
        tool.contains("<b data-who=\"unit\">7281698</b> <a href=\"/oauth2/\">"),
        "{tool}"
    );
    let page = ada.navigate("/oauth2/").await.text();
    assert!(page.contains("action=\"/oauth2/business_unit\""), "{page}");
    // Its one script shows times as the browser's clock does.
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    let (_, script) = page.split_once("<script>").expect("a script");
    assert!(
        !["fetch", "submit", "account_id"]
            .iter()
            .any(|word| script.contains(word)),
        "{script}"
    );
    let answer = submit(&mut ada, "account_id=7281699").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/oauth2/")
    );
    let page = ada.navigate("/oauth2/").await.text();
    assert!(
        page.contains("value=\"7281698\"") && page.contains("7281699"),
        "{page}"
    );
    let answer = submit(&mut ada, "account_id=7281600&rd=%2Fa%3Fb").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/a?b"));
    let page = ada.navigate("/oauth2/").await.text();
    assert!(page.contains("Aurora Goods (7281600)"), "{page}");
    for evil in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let answer = submit(&mut ada, &format!("account_id=7281600&rd={evil}")).await;
        assert_eq!(answer.header("location"), "/oauth2/", "{evil}");
    }
    let refused = submit(&mut ada, "account_id=7281700&rd=/x").await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "SG-2030".to_owned())
    );
    assert!(refused.text().contains("href=\"/oauth2/\""), "{refused:?}");
    assert_eq!(unit(&mut ada).await, PARENT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_switch_changes_nothing() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let before = gate.control().stats().token_calls;
    let get = ada.fetch(SWITCH).await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
    for body in [
        "",
        "{}",
        "[7281699]",
        r#"{"account_id":0}"#,
        "account_id=7281699",
    ] {
        let answer = post(&mut ada, body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "SG-2033".to_owned()),
            "{body}"
        );
    }
    let long = format!("{{\"account_id\":7281699,\"x\":\"{}\"}}", "x".repeat(5_000));
    assert_eq!(post(&mut ada, &long).await.code(), "SG-1007");
    let body = || Bytes::from_static(b"account_id=7281699");
    for fields in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[],
    ] {
        let mut fields = fields.to_vec();
        fields.push(("content-type", "application/x-www-form-urlencoded"));
        let answer = ada.send(Method::POST, SWITCH, &fields, body()).await;
        assert_eq!(answer.code(), "SG-1006", "{fields:?}");
    }
    let nobody = switch(&mut gate.browser(), PACIFIC).await;
    assert_eq!((nobody.status, nobody.code()), (401, "SG-2001".to_owned()));
    assert_eq!(gate.control().stats().token_calls, before);
    assert_eq!(unit(&mut ada).await, EUROPE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_unit_leaves_the_session_where_it_was() {
    let gate = Gate::start().await;
    let control = gate.control();
    let mut ada = gate.signed_in("ada").await;
    let cookie = ada.jar["sidegate"].clone();
    let answer = switch(&mut ada, AMERICAS).await;
    assert_eq!((answer.status, answer.code()), (403, "SG-2030".to_owned()));
    let json = answer.json();
    assert_eq!(json["business_unit"], AMERICAS);
    assert_eq!(json["current_business_unit"], EUROPE);
    // A unit that does not exist, and a refusal in another dialect.
    assert_eq!(switch(&mut ada, 4).await.code(), "SG-2030");
    control.set_fault(Place::Token, Fault::Forbidden, Some(1));
    assert_eq!(switch(&mut ada, PACIFIC).await.code(), "SG-2030");
    assert_eq!(ada.jar["sidegate"], cookie, "the old pair stays");
    assert_eq!(unit(&mut ada).await, EUROPE);
    gate.advance(1_100);
    assert_eq!(unit(&mut ada).await, EUROPE, "and can be renewed");
    // A dead token is refused as well: it is tried whether it is that.
    control.set_fault(Place::Token, Fault::InvalidGrant, Some(1));
    assert_eq!(switch(&mut ada, PACIFIC).await.code(), "SG-2030");
    assert_eq!(unit(&mut ada).await, EUROPE);
    assert_eq!(control.stats().reuses, 0);

    // What is not about the unit is not said of it.
    for fault in [Fault::InvalidClient, Fault::InternalError, Fault::Garbage] {
        control.set_fault(Place::Token, fault.clone(), Some(1));
        let answer = switch(&mut ada, PACIFIC).await;
        assert_eq!(
            (answer.status, answer.code()),
            (503, "SG-3001".to_owned()),
            "{fault:?}"
        );
        assert!(!answer.header("retry-after").is_empty());
        gate.advance(10);
        assert_eq!(unit(&mut ada).await, EUROPE, "{fault:?}");
    }
    assert_eq!(switch(&mut ada, PACIFIC).await.status, 200);

    control.revoke_all();
    let answer = switch(&mut ada, EUROPE).await;
    assert_eq!((answer.status, answer.code()), (401, "SG-2001".to_owned()));
    assert!(ada.jar.is_empty(), "{:?}", ada.jar);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_switch_stays_signed_in() {
    let gate = Gate::with(Plan {
        // A package without the scope `offline`.
        edit: Some(Arc::new(|reply| {
            let members = reply.as_object_mut().expect("an object");
            members.remove("refresh_token").expect("it was there");
        })),
        ..Plan::default()
    })
    .await;
    let mut ada = gate.signed_in("ada").await;
    let cookie = ada.jar["sidegate"].clone();
    let answer = switch(&mut ada, PACIFIC).await;
    assert_eq!((answer.status, answer.code()), (409, "SG-2037".to_owned()));
    assert_eq!(answer.json()["current_business_unit"], EUROPE);
    assert_eq!(ada.jar.get("sidegate"), Some(&cookie));
    assert_eq!(unit(&mut ada).await, EUROPE);
    assert_eq!(switch(&mut ada, EUROPE).await.status, 200, "it is there");
}

/// What a page of one unit has written is not written into another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_not_sent_again_in_another_unit() {
    let switched = Arc::new(Semaphore::new(0));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (waits, tell) = (Arc::clone(&switched), arrived.clone());
    let puppet = Puppet::playing(move |_, mut line| {
        let (waits, tell) = (Arc::clone(&waits), tell.clone());
        async move {
            while line.request().await.is_some() {
                tell.send(()).expect("somebody waits");
                waits.acquire().await.expect("open").forget();
                line.say(
                    "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer error=\"invalid_token\"\r\ncontent-length: 0\r\n\r\n",
                )
                .await;
            }
        }
    })
    .await;
    let gate = Gate::with(Plan {
        sandbox: Settings {
            rest_instance_url: Some(puppet.origin()),
            ..Settings::default()
        },
        instance_hosts: Some(format!("\"SANDBOX\", \"{}\"", puppet.origin())),
        ..Plan::default()
    })
    .await;
    let mut ada = gate.signed_in("ada").await;
    gate.advance(60);
    let mut writer = ada.clone();
    let under_way = tokio::spawn(async move {
        let answer = writer.post("/mc/rest/x", "{}").await;
        (answer, writer)
    });
    arrivals.recv().await.expect("a request");
    assert_eq!(switch(&mut ada, PACIFIC).await.status, 200);
    switched.add_permits(9);
    let (answer, writer) = under_way.await.expect("no panic");
    assert_eq!((answer.status, puppet.seen().len()), (401, 1));
    assert_eq!(writer.jar, ada.jar, "the browser is where the session is");
    // In the same unit it is sent again.
    gate.advance(60);
    let seen = puppet.seen().len();
    assert_eq!(ada.post("/mc/rest/x", "{}").await.status, 401);
    assert_eq!(puppet.seen().len(), seen + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_for_a_unit_that_nobody_asked_for_are_moved_back() {
    let gate = Gate::start().await;
    let control = gate.control();
    let mut ada = gate.signed_in("ada").await;
    // The provider does not heed the unit: new tokens for the old one.
    let old = ada.clone();
    control.set_fault(Place::Token, Fault::OtherUnit, Some(1));
    assert_eq!(switch(&mut ada, PACIFIC).await.code(), "SG-2030");
    assert_ne!(
        ada.jar, old.jar,
        "the old pair is used up, the new one came along"
    );
    assert_eq!(unit(&mut ada).await, EUROPE);

    // It grants a third one: one more refresh leads back.
    let before = control.stats().refreshes;
    control.set_fault(Place::Userinfo, Fault::OtherUnit, Some(1));
    assert_eq!(switch(&mut ada, PACIFIC).await.code(), "SG-2030");
    assert_eq!(control.stats().refreshes - before, 2);
    assert_eq!(unit(&mut ada).await, EUROPE);
    let told = ada.fetch("/oauth2/userinfo").await.json();
    assert_eq!(
        told["recent_units"].as_array().map(Vec::len),
        Some(1),
        "{told}"
    );

    // Nobody says which: the tokens are kept and not used; the next request leads back.
    control.set_fault(Place::Userinfo, Fault::InternalError, Some(1));
    let answer = switch(&mut ada, PACIFIC).await;
    assert_eq!((answer.status, answer.code()), (503, "SG-3001".to_owned()));
    gate.advance(30);
    let before = control.stats().refreshes;
    assert_eq!(unit(&mut ada).await, EUROPE);
    assert_eq!(unit(&mut ada).await, EUROPE);
    assert_eq!(control.stats().refreshes - before, 1);

    // With the cookie of before, a request is where the session is.
    control.set_fault(Place::Userinfo, Fault::OtherUnit, Some(1));
    let mut late = ada.clone();
    assert_eq!(switch(&mut ada, PACIFIC).await.code(), "SG-2030");
    assert_eq!(unit(&mut late).await, EUROPE, "moved back");
    assert_eq!(control.stats().reuses, 0);
    assert_eq!(switch(&mut ada, PACIFIC).await.status, 200);
    assert_eq!(unit(&mut ada).await, PACIFIC);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rather_no_list_of_units_than_no_session() {
    let mut lengths = Vec::new();
    for token_length in (2_530..3_000).step_by(2) {
        let gate = Gate::with(Plan {
            sandbox: Settings {
                token_length,
                ..Settings::default()
            },
            ..Plan::default()
        })
        .await;
        let mut ada = gate.browser();
        if ada.sign_in("/", "ada").await.status != 303 {
            break;
        }
        for to in [PACIFIC, PARENT] {
            let answer = switch(&mut ada, to).await;
            if answer.status != 200 {
                // No room even for the one unit with its name.
                assert_eq!(answer.code(), "SG-2016", "{token_length}");
                break;
            }
            assert_eq!(unit(&mut ada).await, to);
        }
        let told = ada.fetch("/oauth2/userinfo").await.json();
        lengths.push(told["recent_units"].as_array().map_or(0, Vec::len));
    }
    // The longer the tokens, the shorter the list, and sessions go on without it.
    let shortened = lengths.iter().position(|&units| units == 1);
    let shortened = shortened.unwrap_or_else(|| panic!("never: {lengths:?}"));
    assert!(
        shortened > 0 && lengths.iter().take(shortened).all(|&units| units == 3),
        "{lengths:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switches_and_refusals_are_counted() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    switch(&mut ada, PACIFIC).await;
    switch(&mut ada, AMERICAS).await;
    let scrape = Scrape::of(&gate).await;
    for (result, count) in [("done", 1), ("denied", 1), ("overtaken", 0), ("ended", 0)] {
        let series = format!("sidegate_business_unit_switches_total{{result=\"{result}\"}}");
        assert_eq!(scrape.value(&series), count, "{result}");
    }
}
