//! Packages of the `AppExchange`: people of other tenants come back with `tssd`, and all that is theirs
//! happens at their own tenant.

use http::Method;
use sidegate::sandbox::Control;
use sidegate::sandbox::Fault;
use sidegate::sandbox::PartnerTenant;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Redis;
use crate::support::Scrape;
use crate::support::redis::store_is;

/// As Marketing Cloud gives them out.
const ACME: &str = "mcacme0000000000000000000001";
const GLOBEX: &str = "mcglobex00000000000000000002";
/// A tenant that nobody can have.
const ODD: &str = "odd-tenant";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_calls_all_go_to_the_persons_own_tenant() {
    let gate = gate("any", "").await;
    let home = gate.control().stats();
    let mut browser = gate.browser();
    let callback = browser.authorize("/page", "priya").await;
    assert!(callback.contains(&format!("tssd={ACME}")), "{callback}");
    assert_eq!(browser.navigate(&callback).await.status, 303);
    let acme = control(&gate, ACME);
    let stats = acme.stats();
    assert_eq!((stats.token_calls, stats.userinfo_calls), (1, 1));
    // The sandbox takes the code with the package's secret and the verifier of this sign-in only.
    let token = acme.last_request("/v2/token").expect("asked");
    let host = token.header("host").expect("named");
    assert!(host.starts_with(&format!("{ACME}.localhost:")), "{host}");

    let told = browser.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["tenant"], ACME);
    assert_eq!(told["organization"]["enterprise_id"], 1_000);
    let page = browser.navigate("/oauth2/").await.text();
    assert!(page.contains(ACME), "{page}");

    let rest = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(rest.status, 202, "{rest:?}");
    assert_eq!(acme.stats().rest_calls, 1);
    let echo = browser.fetch("/bearer/echo/x").await.text();
    assert!(echo.contains(&format!("http://{ACME}.localhost")), "{echo}");

    // Every later refresh too.
    for round in 1..=2 {
        gate.advance(1_079);
        let rest = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
        assert_eq!(rest.status, 202, "{rest:?}");
        assert_eq!(acme.stats().refreshes, round);
    }
    let after = gate.control().stats();
    assert_eq!(
        (after.token_calls, after.userinfo_calls, after.rest_calls),
        (home.token_calls, home.userinfo_calls, home.rest_calls),
        "the package's own tenant hears nothing of it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_envelopes_go_to_the_persons_own_tenant() {
    let gate = gate("any", "").await;
    let soap = gate.changed(|text| text.replace("to: rest", "to: soap"));
    let mut browser = gate.signed_in("priya").await.through(soap.address);
    let fields = [
        ("content-type", "text/xml"),
        ("sec-fetch-site", "same-origin"),
    ];
    let mut retrieve = async || {
        let envelope = crate::soap::retrieve(crate::soap::SOAP_11, "", "BusinessUnit");
        let path = "/mc/rest/Service.asmx";
        let answer = browser.send(Method::POST, path, &fields, envelope.into());
        answer.await
    };
    let answer = retrieve().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains("<ID>1001</ID>"), "{answer:?}");
    // A token that is refused is renewed there, too.
    gate.advance(60);
    let acme = control(&gate, ACME);
    acme.set_fault(Place::Soap, Fault::TokenExpired, Some(1));
    assert_eq!(retrieve().await.status, 200);
    let stats = acme.stats();
    assert_eq!((stats.soap_calls, stats.refreshes), (3, 1));
    let home = gate.control().stats();
    assert_eq!((home.soap_calls, home.token_calls), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_packages_own_people_sign_in_as_before() {
    let gate = gate("any", "").await;
    let mut browser = gate.signed_in("ada").await;
    let told = browser.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["tenant"], "sandbox");
    let rest = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(rest.status, 202, "{rest:?}");
    assert_eq!(control(&gate, ACME).stats().token_calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_lets_in_those_that_it_names() {
    let gate = gate(&format!("[{ACME}]"), "").await;
    let _signed_in = gate.signed_in("priya").await;
    let refused = gate.browser().sign_in("/", "hank").await;
    assert_refused(&refused, 403, "SG-2040");
    assert!(control(&gate, GLOBEX).requests().is_empty(), "never asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_means_any_that_marketing_cloud_gives_out() {
    let gate = gate("any", "").await;
    let _signed_in = gate.signed_in("hank").await;
    let refused = gate.browser().sign_in("/", "odette").await;
    assert_refused(&refused, 403, "SG-2040");
    assert!(control(&gate, ODD).requests().is_empty(), "never asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_partner_a_tenants_name_is_refused() {
    let gate = Gate::with(Plan {
        sandbox: sandbox(),
        ..Plan::default()
    })
    .await;
    let refused = gate.browser().sign_in("/", "priya").await;
    assert_refused(&refused, 403, "SG-2015");
    assert!(control(&gate, ACME).requests().is_empty(), "never asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_a_name_leads_anywhere_else() {
    let gate = gate("any", "").await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "priya").await;
    let (front, _) = callback.split_once("&tssd=").expect("there");
    for (tssd, expected) in [
        ("evil.example", "SG-2015"),
        ("evil.example%23", "SG-2015"),
        ("127.0.0.1", "SG-2015"),
        ("a%2fb", "SG-2015"),
        ("a%40b", "SG-2015"),
        ("a%3a9100", "SG-2015"),
        ("a%00", "SG-2015"),
        ("a%0d%0ax", "SG-2015"),
        ("mcacme000000000000000000000%C4%B1", "SG-2015"),
        ("localhost", "SG-2040"),
        ("www", "SG-2040"),
        (
            "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
            "SG-2015",
        ),
        (&format!("{ACME}&tssd={ACME}"), "SG-2003"),
        (&format!("{ACME}&%74ssd={GLOBEX}"), "SG-2003"),
    ] {
        let mut other = browser.clone();
        let refused = other.navigate(&format!("{front}&tssd={tssd}")).await;
        assert_eq!(refused.code(), expected, "{tssd}");
        assert!(refused.status >= 400 && session(&other).is_none(), "{tssd}");
    }
    for name in [ACME, GLOBEX, ODD] {
        assert_eq!(control(&gate, name).stats().token_calls, 0, "{name}");
    }
    assert_eq!(gate.control().stats().token_calls, 0);
    // In any case of letters it is the one name.
    let shouted = format!("{front}&tssd={}", ACME.to_ascii_uppercase());
    assert_eq!(browser.navigate(&shouted).await.status, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_changed_on_the_way_makes_no_session() {
    let gate = gate("any", "").await;
    for (person, tssd) in [
        ("priya", Some(GLOBEX)),
        ("priya", None),
        ("ada", Some(ACME)),
    ] {
        let mut browser = gate.browser();
        let callback = browser.authorize("/", person).await;
        let front = callback.split("&tssd=").next().expect("a callback");
        let tssd = tssd.map(|tssd| format!("&tssd={tssd}"));
        let changed = format!("{front}{}", tssd.unwrap_or_default());
        let refused = browser.navigate(&changed).await;
        assert_refused(&refused, 400, "SG-2010");
        assert_eq!(session(&browser), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_hosts_in_a_reply_are_refused() {
    for (name, other) in [
        ("globex", format!("http://{GLOBEX}.localhost:9100/")),
        ("home", "http://127.0.0.1:9100/".to_owned()),
    ] {
        let sandbox = Settings {
            rest_instance_url: Some(other),
            ..sandbox()
        };
        let hosts = "\"http://127.0.0.1:9100\", \"*.localhost:9100\"";
        let gate = gate_of(sandbox, "any", "", "", hosts).await;
        let mut browser = gate.browser();
        let refused = browser.sign_in("/", "priya").await;
        assert_refused(&refused, 502, "SG-2041");
        assert_eq!(session(&browser), None, "{name}");
        assert_eq!(control(&gate, ACME).stats().userinfo_calls, 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_outage_is_nobody_elses() {
    let gate = gate("any", "").await;
    control(&gate, GLOBEX).set_fault(Place::Token, Fault::Unavailable, None);
    let refused = gate.browser().sign_in("/", "hank").await;
    assert_refused(&refused, 503, "SG-2014");
    let scrape = Scrape::of(&gate).await;
    assert_eq!(scrape.value("sidegate_partner_tenants_resting"), 1);
    assert_eq!(scrape.value("sidegate_provider_resting"), 0);
    let _partner = gate.signed_in("priya").await;
    let _own = gate.signed_in("ada").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_in_a_store_know_their_tenant_and_every_replica_refreshes_there() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    for session in [
        format!("  store: {{ redis: {{ url: {} }} }}\n", redis.url()),
        format!(
            "  refresh_coordination: {{ redis: {{ url: {} }} }}\n",
            redis.url()
        ),
    ] {
        let gate = gate_of(sandbox(), "any", "", &session, HOSTS).await;
        store_is(gate.app(), true).await;
        let mut browser = gate.signed_in("priya").await;
        let other = gate.replica();
        store_is(&other, true).await;
        let door = other.public_address();
        gate.advance(1_079);
        let path = "/mc/rest/platform/v1/tokenContext";
        let rest = browser.fetch(path).await;
        assert_eq!(rest.status, 202, "{rest:?}");
        gate.advance(1_079);
        let mut elsewhere = browser.through(door);
        let rest = elsewhere.fetch(path).await;
        assert_eq!(rest.status, 202, "{rest:?}");
        let stats = control(&gate, ACME).stats();
        assert_eq!((stats.refreshes, stats.reuses), (2, 0), "{session}");
        assert_eq!(gate.control().stats().token_calls, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_taken_off_the_list_is_signed_out() {
    let both = gate(&format!("[{ACME}, {GLOBEX}]"), "").await;
    let browser = both.signed_in("priya").await;
    let narrower = both.changed(|text| text.replace(&format!("[{ACME}, "), "["));
    let answer = browser
        .through(narrower.address)
        .peek("/oauth2/userinfo")
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(browser.peek("/oauth2/userinfo").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_packages_business_unit_is_none_of_another_tenants() {
    let gate = gate("any", "  business_unit: 7281698\n").await;
    let mut browser = gate.signed_in("priya").await;
    let told = browser.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["business_unit"], 1_001, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_browsers_callback_is_refused_at_every_tenant() {
    let gate = gate("any", "").await;
    let callback = gate.browser().authorize("/", "priya").await;
    let refused = gate.browser().navigate(&callback).await;
    assert_refused(&refused, 400, "SG-2002");
    assert_eq!(control(&gate, ACME).stats().token_calls, 0);
    let mut head = gate.browser();
    let answer = head.send(Method::POST, &callback, &[], "".into()).await;
    assert_eq!(answer.status, 405);
}

async fn gate(tenants: &str, lines: &str) -> Gate {
    gate_of(sandbox(), tenants, lines, "", HOSTS).await
}

async fn gate_of(
    sandbox: Settings,
    tenants: &str,
    lines: &str,
    session: &str,
    hosts: &str,
) -> Gate {
    Gate::with(Plan {
        sandbox,
        marketing_cloud: format!(
            "  partner: {{ tenants: {tenants}, auth_base_url: \"http://{{tssd}}.localhost:TENANT_PORT\" }}\n{lines}"
        ),
        instance_hosts: Some(hosts.to_owned()),
        session: session.to_owned(),
        ..Plan::default()
    })
    .await
}

const HOSTS: &str = "\"http://127.0.0.1:TENANT_PORT\", \"*.localhost:TENANT_PORT\"";

fn sandbox() -> Settings {
    Settings {
        partners: vec![
            PartnerTenant::with_person(ACME, "priya", 1_000),
            PartnerTenant::with_person(GLOBEX, "hank", 2_000),
            PartnerTenant::with_person(ODD, "odette", 3_000),
        ],
        ..Settings::default()
    }
}

fn control(gate: &Gate, tenant: &str) -> Control {
    gate.sandbox.control_of(tenant).expect("a partner")
}

fn session(browser: &Browser) -> Option<&String> {
    browser.jar.get("sidegate")
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code));
}
