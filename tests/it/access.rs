//! Rules of routes: who of those that are signed in may use one, and what the others are told.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Person;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Scrape;
use crate::support::Wire;
use crate::support::browser::SCRIPT;

const PACIFIC: u64 = 7_281_699;

const ROUTES: &str = "
  - { path: /mc/rest/, to: rest, require: { permission: [Email.Read] } }
  - { path: /pacific/, to: TOOL, business_unit: 7281699, strip_prefix: true }
  - { path: /live/, to: TOOL, business_unit: 7281699, strip_prefix: true }
  - { path: /units/, to: TOOL, require: { business_unit: [7281699, 7281600] }, strip_prefix: true }
  - { path: /eid/, to: TOOL, require: { enterprise: [1, 7281600] }, strip_prefix: true }
  - { path: /other-eid/, to: TOOL, require: { enterprise: [1] }, strip_prefix: true }
  - { path: /example/, to: TOOL, require: { email_domain: [example.org, Example.com] }, strip_prefix: true }
  - { path: /readers/, to: TOOL, require: { permission: [Email.Nothing, Email.Read] }, strip_prefix: true }
  - { path: /admins/, to: TOOL, require: { permission: [User.Administer], email_domain: [example.com] }, strip_prefix: true }
  - { path: /open/, to: TOOL, access: public }
  - { path: /, to: TOOL }
";

async fn gate(marketing_cloud: &str) -> Gate {
    gate_with("", marketing_cloud).await
}

async fn gate_with(top: &str, marketing_cloud: &str) -> Gate {
    let mut people = Settings::default().people;
    people.push(Person {
        id: "eve".to_owned(),
        sub: 10_654_399,
        email: "eve@example.com.evil.example".to_owned(),
        ..people[0].clone()
    });
    Gate::with(Plan {
        sandbox: Settings {
            people,
            ..Settings::default()
        },
        top: top.to_owned(),
        marketing_cloud: marketing_cloud.to_owned(),
        routes: ROUTES.to_owned(),
        ..Plan::default()
    })
    .await
}

/// A form's POST, as a browser without scripts sends it.
async fn submit(browser: &mut Browser, path: &str, body: String) -> Answer {
    let fields = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    browser.send(Method::POST, path, &fields, body.into()).await
}

async fn switch(browser: &mut Browser, unit: u64) {
    let body = format!("account_id={unit}");
    let answer = submit(browser, "/oauth2/business_unit", body).await;
    assert_eq!(answer.status, 303, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_rule_lets_some_in_and_tells_the_others() {
    let gate = gate("").await;
    for (person, path, code) in [
        ("ada", "/eid/echo/x", None),
        ("ada", "/other-eid/echo/x", Some(("SG-2034", "enterprise"))),
        ("ada", "/example/echo/x", None),
        ("eve", "/example/echo/x", Some(("SG-2035", "email_domain"))),
        ("ada", "/readers/echo/x", None),
        ("mei", "/readers/echo/x", None),
        ("ada", "/admins/echo/x", None),
        ("mei", "/admins/echo/x", Some(("SG-2036", "permission"))),
        ("eve", "/admins/echo/x", Some(("SG-2035", "email_domain"))),
        ("ada", "/pacific/echo/x", Some(("SG-2031", "business_unit"))),
        ("mei", "/pacific/echo/x", None),
        ("ada", "/units/echo/x", Some(("SG-2031", "business_unit"))),
        ("mei", "/units/echo/x", None),
        ("mei", "/mc/rest/platform/v1/tokenContext", None),
        ("ada", "/echo/x", None),
    ] {
        let mut browser = gate.browser();
        // At sign-in a person sees at once that the page is for others.
        let callback = browser.sign_in(path, person).await;
        assert_eq!((callback.status, callback.header("location")), (303, path));
        let seen = gate.tool.requests().len();
        let page = browser.navigate(path).await;
        let answer = browser.fetch(path).await;
        let Some((code, rule)) = code else {
            assert!(answer.status < 300, "{person} {path}: {answer:?}");
            continue;
        };
        assert_eq!(
            (page.status, page.code().as_str()),
            (403, code),
            "{person} {path}"
        );
        assert!(
            page.text().contains("action=\"/oauth2/sign_out\""),
            "{page:?}"
        );
        assert_eq!((answer.status, answer.code().as_str()), (403, code));
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let json = answer.json();
        assert_eq!(json["rule"], rule);
        assert_eq!(json["switch_url"], "/oauth2/business_unit");
        assert_eq!(
            gate.tool.requests().len(),
            seen,
            "the tool sees nothing of it"
        );
        for secret in ["7281600", "example.org", "User.Administer"] {
            let told = format!("{}{}", page.text(), answer.text());
            assert!(
                !told.contains(secret),
                "what is allowed is not told: {told}"
            );
        }
    }
    let scrape = Scrape::of(&gate).await;
    for (rule, count) in [
        ("enterprise", 2),
        ("email_domain", 4),
        ("permission", 2),
        ("business_unit", 4),
    ] {
        let series = format!("sidegate_access_refusals_total{{rule=\"{rule}\"}}");
        assert_eq!(scrape.value(&series), count, "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_unit_has_one_button_that_leads_there_and_back() {
    let gate = gate("").await;
    let mut ada = gate.signed_in("ada").await;
    let page = ada.navigate("/pacific/echo/a?b=%2F").await;
    assert_eq!((page.status, page.code()), (403, "SG-2031".to_owned()));
    let text = page.text();
    assert_eq!(text.matches("name=\"account_id\"").count(), 1, "{text}");
    assert!(
        text.contains("value=\"7281699\"") && text.contains("value=\"/pacific/echo/a?b=%2F\""),
        "{text}"
    );
    let json = ada.fetch("/pacific/echo/a").await.json();
    assert_eq!(json["business_unit"], PACIFIC);
    assert_eq!(json["current_business_unit"], 7_281_698);
    let body = "account_id=7281699&rd=%2Fpacific%2Fecho%2Fa%3Fb%3D%252F".to_owned();
    let answer = submit(&mut ada, "/oauth2/business_unit", body).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/pacific/echo/a?b=%2F")
    );
    assert_eq!(ada.navigate("/pacific/echo/a?b=%2F").await.status, 200);
    let request = gate.tool.requests().pop().expect("it arrived");
    assert_eq!(request.target, "/echo/a?b=%2F");
    assert_eq!(
        request.header("x-marketing-cloud-business-unit"),
        Some("7281699")
    );
    // Where several units would do, those are offered that the person has been in.
    switch(&mut ada, 7_281_698).await;
    let text = ada.navigate("/units/echo/x").await.text();
    assert!(
        text.contains("value=\"7281699\"") && !text.contains("7281600"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_spelling_of_a_path_gets_around_its_rule() {
    let gate = gate("").await;
    let mut mei = gate.signed_in("mei").await;
    for path in [
        "/Admins/x",
        "/%61dmins/x",
        "/ADMINS/x",
        "/x/../admins/x",
        "//admins/x",
        "/admins%2fx",
        "/admins",
        "/ADMINS",
        "/admins?x",
    ] {
        let answer = mei.fetch(path).await;
        assert!(
            matches!(answer.code().as_str(), "SG-1002" | "SG-2036"),
            "{path}: {answer:?}"
        );
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_in_front_is_told_of_the_rules() {
    const FIELD: &str = "auth_path_header: X-Forwarded-Uri\n";
    for (top, fields, code) in [
        (
            FIELD,
            &[("x-forwarded-uri", "/admins/x?y")][..],
            Some("SG-2036"),
        ),
        (FIELD, &[("x-forwarded-uri", "/readers/echo/x")], None),
        (FIELD, &[("x-forwarded-uri", "/nowhere/x")], None),
        (FIELD, &[("x-forwarded-uri", "/Admins/x")], Some("SG-1002")),
        (FIELD, &[("x-forwarded-uri", "")], Some("SG-1002")),
        // Only the proxy's own field tells.
        (
            FIELD,
            &[("x-original-uri", "/readers/echo/x")],
            Some("SG-2061"),
        ),
        (FIELD, &[], Some("SG-2061")),
        (
            FIELD,
            &[
                ("x-original-uri", "/readers/echo/x"),
                ("x-forwarded-uri", "/admins/echo/x"),
            ],
            Some("SG-2036"),
        ),
        // One of two is the client's.
        (
            FIELD,
            &[
                ("x-forwarded-uri", "/readers/echo/x"),
                ("x-forwarded-uri", "/readers/echo/x"),
            ],
            Some("SG-2061"),
        ),
        // Without a field of the proxy's own, every rule has to hold, whatever a client names.
        ("", &[], Some("SG-2034")),
        (
            "",
            &[("x-forwarded-uri", "/readers/echo/x")],
            Some("SG-2034"),
        ),
        ("", &[("x-original-uri", "/open/x")], Some("SG-2034")),
    ] {
        let gate = gate_with(top, "").await;
        let mut mei = gate.signed_in("mei").await;
        let mut all = SCRIPT.to_vec();
        all.extend(fields);
        let answer = mei
            .send(Method::GET, "/oauth2/auth", &all, Bytes::new())
            .await;
        match code {
            None => assert_eq!(answer.status, 202, "{fields:?}: {answer:?}"),
            Some(code) => assert_eq!(answer.code(), code, "{fields:?}"),
        }
    }
    let plain = Gate::start().await;
    let mut mei = plain.signed_in("mei").await;
    assert_eq!(
        mei.fetch("/oauth2/auth").await.status,
        202,
        "where there are no rules"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_refresh_or_a_switch_finds_counts_at_once() {
    let gate = gate("").await;
    let control = gate.control();
    let mut ada = gate.signed_in("ada").await;
    let late = ada.clone();
    assert_eq!(ada.fetch("/readers/echo/x").await.status, 200);
    // Facts are as old as the tokens.
    gate.advance(1_200);
    control.set_fault(Place::Userinfo, Fault::NoPermissions, Some(1));
    assert_eq!(ada.fetch("/readers/echo/x").await.code(), "SG-2036");
    assert_eq!(
        ada.fetch("/mc/rest/platform/v1/tokenContext").await.code(),
        "SG-2036"
    );
    assert_eq!(
        late.clone().fetch("/readers/echo/x").await.code(),
        "SG-2036"
    );
    gate.advance(1_200);
    assert_eq!(
        ada.fetch("/readers/echo/x").await.status,
        200,
        "and given back"
    );
    // Without an answer what was known stays, and nobody is signed out.
    control.set_fault(Place::Userinfo, Fault::InternalError, None);
    gate.advance(1_200);
    assert_eq!(ada.fetch("/readers/echo/x").await.status, 200);
    control.clear_faults();
    gate.advance(30);
    control.set_fault(Place::Userinfo, Fault::NoPermissions, Some(1));
    let body = format!("account_id={PACIFIC}");
    assert_eq!(
        submit(&mut ada, "/oauth2/business_unit", body).await.status,
        303
    );
    assert_eq!(ada.fetch("/readers/echo/x").await.code(), "SG-2036");
    assert_eq!(control.stats().reuses, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_where_a_switch_makes_their_rule_refuse() {
    let gate = gate("").await;
    let mut mei = gate.signed_in("ada").await;
    switch(&mut mei, PACIFIC).await;
    let mut ruled = websocket(&gate, &mei, "/live/ws").await;
    let mut free = websocket(&gate, &mei, "/ws").await;
    switch(&mut mei, 7_281_698).await;
    // RFC 6455 §7.4.1: 1008, a policy.
    assert_eq!(ruled.rest().await, b"\x88\x0d\x03\xf0session end");
    // RFC 6455 §5.7: a masked "Hello", and the same unmasked.
    free.send([
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ])
    .await;
    assert_eq!(free.exactly(7).await.expect("an echo"), b"\x81\x05Hello");
}

async fn websocket(gate: &Gate, browser: &Browser, path: &str) -> Wire {
    let mut wire = Wire::connect(gate.address()).await;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nCookie: sidegate={}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gate.address(),
        gate.origin(),
        browser.jar["sidegate"]
    );
    wire.send(head).await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 101, "{answer:?}");
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_is_told_all_there_is_to_know() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    ada.fetch("/bearer/echo/x").await;
    let request = gate.tool.requests().pop().expect("it arrived");
    let tenant = gate.sandbox.origin().to_string();
    let host = gate.address().to_string();
    for (name, value) in [
        ("x-forwarded-user", "10654321"),
        ("x-forwarded-email", "ada.martin@example.com"),
        ("x-forwarded-preferred-username", "ada@aurora-goods"),
        ("x-marketing-cloud-business-unit", "7281698"),
        ("x-marketing-cloud-enterprise", "7281600"),
        ("x-marketing-cloud-rest-url", tenant.as_str()),
        ("x-marketing-cloud-soap-url", tenant.as_str()),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", host.as_str()),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.header("x-request-id").map(str::len), Some(32));
    let token = request.header("x-forwarded-access-token").expect("told");
    let bearer = format!("Bearer {token}");
    assert_eq!(request.header("authorization"), Some(bearer.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_told_of_the_permissions_that_are_listed() {
    let gate = gate("  permissions: ['DataExtension.*', Asset.Read]\n").await;
    let mut ada = gate.signed_in("ada").await;
    let mut fields = SCRIPT.to_vec();
    fields.push(("x-marketing-cloud-permissions", "Forged.All"));
    ada.send(Method::GET, "/echo/x", &fields, Bytes::new())
        .await;
    let request = gate.tool.requests().pop().expect("it arrived");
    let told = request
        .header("x-marketing-cloud-permissions")
        .expect("told");
    // Those that rules name are kept, too, and come first.
    assert!(
        told.starts_with("Email.Read,User.Administer,Asset.Read,DataExtension."),
        "{told}"
    );
    assert!(
        !told.contains("Forged") && !told.contains("Campaign") && told.len() < 1_025,
        "{told}"
    );
    let auth = ada.fetch("/oauth2/userinfo").await.json();
    assert_eq!(auth["permissions"][0], "Email.Read");
    // Not at the tenant's API, and by default not at all.
    ada.fetch("/mc/rest/echo/x").await;
    let asked = gate.control().last_request("/echo").expect("it arrived");
    assert!(!format!("{asked:?}").contains("permissions"), "{asked:?}");

    let quiet = Arc::new(self::gate("").await);
    let mut ada = quiet.signed_in("ada").await;
    ada.send(Method::GET, "/echo/x", &fields, Bytes::new())
        .await;
    let request = quiet.tool.requests().pop().expect("it arrived");
    assert_eq!(request.header("x-marketing-cloud-permissions"), None);
}
