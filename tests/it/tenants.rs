//! Several tenants in one gateway: the host decides, and sessions never cross.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use http_body_util::Empty;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::OsEntropy;
use sidegate::doctor;
use sidegate::doctor::Status;
use sidegate::doctor::Subject;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::time::SystemClock;
use sidegate::upstream::SystemResolver;
use tokio::net::TcpStream;

use crate::support::Browser;
use crate::support::House;
use crate::support::Redis;
use crate::support::Wire;
use crate::support::browser::SCRIPT;
use crate::support::house::NAMES;
use crate::support::house::SECRET;
use crate::support::raw;
use crate::support::redis::store_is;

const API: &str = "/mc/rest/platform/v1/tokenContext";

/// Every two different sites, two hosts of one tenant among them.
fn pairs(house: &House) -> Vec<(usize, std::net::SocketAddr)> {
    let mut pairs = Vec::new();
    for from in 0..NAMES.len() {
        let others = (0..NAMES.len()).filter(|&to| to != from);
        pairs.extend(others.map(|to| (from, house.host(to))));
        pairs.push((from, house.other_host(from)));
    }
    assert_eq!(pairs.len(), 9);
    pairs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_decides_about_everything() {
    let house = House::start().await;
    for tenant in 0..NAMES.len() {
        for host in [house.host(tenant), house.other_host(tenant)] {
            let mut browser = house.browser(host);
            let start = browser.navigate("/page").await;
            let provider = house.sandbox(tenant).origin().to_string();
            let location = start.header("location");
            assert!(location.starts_with(&provider), "{location}");
            let redirect_uri = format!("redirect_uri=http%3A%2F%2F{}%3A", host.ip());
            assert!(location.contains(&redirect_uri), "{location}");
            let callback = browser.consent(location, "ada").await;
            let back = browser.navigate(&callback).await;
            assert_eq!((back.status, back.header("location")), (303, "/page"));
            assert_eq!(browser.fetch(API).await.status, 202);
            let page = browser.fetch("/echo/x").await.text();
            assert!(
                page.contains(&format!("{host}")),
                "the tool is told: {page}"
            );
        }
    }
    let calls: u64 = house
        .sandboxes
        .iter()
        .map(|it| it.control().stats().rest_calls)
        .sum();
    assert_eq!(calls, 6);
    assert_eq!(house.sandboxes[2].control().stats().rest_calls, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_nothing_at_any_other_site() {
    let house = House::start().await;
    for (from, host) in pairs(&house) {
        let mut owner = house.signed_in(from, "ada").await;
        // Opened lately, on whichever core.
        for _ in 0..4 {
            assert_eq!(owner.fetch(API).await.status, 202);
            for path in ["/echo/x", API, "/oauth2/auth", "/oauth2/userinfo"] {
                let stranger = house.carrying(host, &owner);
                let answer = stranger.peek(path).await;
                let told = (answer.status, answer.code());
                assert_eq!(told, (401, "SG-2001".to_owned()), "{from} {host} {path}");
            }
        }
        let mut stranger = house.carrying(host, &owner);
        assert_eq!(stranger.navigate("/oauth2/").await.status, 302);
        let mut stranger = house.carrying(host, &owner);
        assert_eq!(stranger.post("/oauth2/sign_out", "").await.status, 204);
        assert_eq!(
            owner.fetch(API).await.status,
            202,
            "not signed out: {from} {host}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_ends_where_it_began_or_not_at_all() {
    let house = House::start().await;
    for (from, host) in pairs(&house) {
        let mut owner = house.browser(house.host(from));
        let callback = owner.authorize("/", "ada").await;
        let calls = |house: &House| -> Vec<u64> {
            let stats = house.sandboxes.iter().map(|it| it.control().stats());
            stats.map(|stats| stats.token_calls).collect()
        };
        let before = calls(&house);
        for mut stranger in [house.browser(host), house.carrying(host, &owner)] {
            let answer = stranger.navigate(&callback).await;
            let told = (answer.status, answer.code());
            assert_eq!(told, (400, "SG-2002".to_owned()), "{from} {host}");
            assert!(!stranger.jar.contains_key("sidegate"), "{from} {host}");
        }
        assert_eq!(calls(&house), before, "the code went nowhere");
        assert_eq!(owner.navigate(&callback).await.status, 303, "still good");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_result_of_a_refresh_is_for_its_own_site() {
    let house = House::start().await;
    for (from, host) in pairs(&house) {
        let mut owner = house.signed_in(from, "ada").await;
        let old = owner.clone();
        house.clock.advance(std::time::Duration::from_secs(1_079));
        assert_eq!(owner.fetch(API).await.status, 202);
        let refreshes = || house.sandbox(from).control().stats().refreshes;
        let before = refreshes();
        for jar in [&old, &owner] {
            let answer = house.carrying(host, jar).peek(API).await;
            assert_eq!(answer.status, 401, "{from} {host}");
        }
        assert_eq!(refreshes(), before, "{from} {host}");
        let late = house.carrying(house.host(from), &old).peek(API).await;
        assert_eq!(late.status, 202, "at home the late one is served");
        assert_eq!(refreshes(), before, "{from} {host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_at_one_tenant_is_no_other_tenants_business() {
    let house = House::start().await;
    let mut browsers = Vec::new();
    for tenant in 0..NAMES.len() {
        browsers.push(house.signed_in(tenant, "ada").await);
    }
    let copy = browsers[0].clone();
    assert_eq!(browsers[0].post("/oauth2/sign_out", "").await.status, 204);
    assert_eq!(copy.peek(API).await.status, 401, "signed out");
    for browser in &mut browsers[1..] {
        assert_eq!(browser.fetch(API).await.status, 202);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_pages_are_other_origins_to_every_other_tenant() {
    let house = House::start().await;
    for (from, host) in pairs(&house) {
        let mut browser = house.browser(host);
        let answer = browser.sign_in("/", "ada").await;
        assert_eq!(answer.status, 303);
        let origin = format!("http://{}", house.host(from));
        let forged = [("accept", "application/json"), ("origin", origin.as_str())];
        for path in ["/echo/x", "/oauth2/sign_out"] {
            let answer = browser
                .send(Method::POST, path, &forged, Bytes::new())
                .await;
            assert_eq!(answer.code(), "SG-1006", "{from} {host} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_in_a_store_are_a_sites_own() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    for kind in ["store", "refresh_coordination"] {
        let session = format!("  {kind}: {{ redis: {{ url: {} }} }}\n", redis.url());
        let house = House::with(&session, |_| String::new()).await;
        store_is(&house.app, true).await;
        let mut spaces = BTreeSet::new();
        for (from, host) in pairs(&house) {
            let mut owner = house.signed_in(from, "ada").await;
            house.clock.advance(std::time::Duration::from_secs(1_079));
            assert_eq!(owner.fetch(API).await.status, 202);
            for path in [API, "/oauth2/auth", "/oauth2/userinfo"] {
                let answer = house.carrying(host, &owner).peek(path).await;
                assert_eq!(answer.status, 401, "{kind} {from} {host} {path}");
            }
            let mut stranger = house.carrying(host, &owner);
            assert_eq!(stranger.post("/oauth2/sign_out", "").await.status, 204);
            assert_eq!(owner.fetch(API).await.status, 202, "{kind} {from} {host}");
        }
        for (key, _) in redis.dump().await {
            let space = key.split(':').take(2).collect::<Vec<_>>().join(":");
            spaces.insert(space);
        }
        assert!(spaces.len() >= NAMES.len(), "{spaces:?}");
        let mut admin = Browser::new(house.app.admin_address());
        let ready = async { while admin.fetch("/readyz").await.status != 200 {} };
        let ready = tokio::time::timeout(std::time::Duration::from_secs(30), ready).await;
        ready.expect("every site has read the list of sessions that ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_nobodys_is_misdirected() {
    let house = House::start().await;
    let port = house.door().port();
    for host in [
        format!("127.0.0.9:{port}"),
        "127.0.0.1".to_owned(),
        "acme".to_owned(),
        "tools.example.com".to_owned(),
    ] {
        let mut browser = house.browser(house.host(0));
        let fields = [("host", host.as_str()), SCRIPT[0]];
        let answer = browser
            .send(Method::GET, "/open/echo/x", &fields, Bytes::new())
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (421, "SG-1003".to_owned()),
            "{host}"
        );
        let text = answer.text();
        assert!(!text.contains("127.0.0.1:"), "tells of no tenant: {text}");
        assert!(!answer.header("x-request-id").is_empty());
    }
    let ours = format!("127.0.0.1:{port}");
    for (head, expected) in [
        (format!("GET /open/echo/x HTTP/1.1\r\nHost: {ours}"), 200),
        (format!("GET /open/echo/x HTTP/1.1\r\nHost: {ours}."), 400),
        (
            format!("GET /open/echo/x HTTP/1.1\r\nHost: 127.0.0.1.:{port}"),
            400,
        ),
        (format!("GET /open/echo/x HTTP/1.1\r\nHost: u@{ours}"), 400),
        (
            format!("GET /open/echo/x HTTP/1.1\r\nHost: {ours}\r\nHost: 127.0.0.2:{port}"),
            400,
        ),
        (
            format!("GET /open/echo/x HTTP/1.1\r\nHost: 127.0.0.9:{port}\r\nHost: {ours}"),
            400,
        ),
        (
            format!("GET http://{ours}/open/echo/x HTTP/1.1\r\nHost: {ours}"),
            200,
        ),
        (
            format!("GET http://{ours}/open/echo/x HTTP/1.1\r\nHost: 127.0.0.2:{port}"),
            400,
        ),
        (
            format!("GET http://127.0.0.9:{port}/open/echo/x HTTP/1.1\r\nHost: {ours}"),
            400,
        ),
        ("GET /open/echo/x HTTP/1.1\r\nAccept: */*".to_owned(), 400),
        ("GET /open/echo/x HTTP/1.1\r\nHost:".to_owned(), 400),
    ] {
        let text = format!("{head}\r\nConnection: close\r\n\r\n");
        let answer = raw::talk(house.door(), text).await;
        assert_eq!(raw::status(&answer), expected, "{head}");
    }
}

/// As with one tenant (RFC 9112 §11.2).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_behind_a_request_that_names_two_hosts() {
    let house = House::start().await;
    let port = house.door().port();
    for first in ["127.0.0.1", "127.0.0.9"] {
        let mut wire = Wire::connect(house.door()).await;
        wire.send(format!(
            "GET /open/echo/x HTTP/1.1\r\nHost: {first}:{port}\r\nHost: 127.0.0.2:{port}\r\n\r\n"
        ))
        .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{first}");
        assert_eq!(answer.all("connection"), ["close"], "{first}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_http2_the_authority_decides_request_by_request() {
    let house = House::with("h2c: true\n", |_| String::new()).await;
    let stream = TcpStream::connect(house.door()).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("handshake");
    tokio::spawn(connection);
    let mut ask = async |host: String| {
        let request = http::Request::get(format!("http://{host}/open/echo/x"))
            .header("accept", "application/json")
            .body(Empty::<Bytes>::new());
        let answer = sender.send_request(request.expect("a request")).await;
        let (head, body) = answer.expect("an answer").into_parts();
        #[expect(clippy::disallowed_methods, reason = "a test's own answers are small")]
        let body = body.collect().await.expect("whole").to_bytes();
        (
            head.status.as_u16(),
            String::from_utf8_lossy(&body).into_owned(),
        )
    };
    for tenant in [0, 2, 1, 0] {
        let host = house.host(tenant).to_string();
        let (status, text) = ask(host.clone()).await;
        assert_eq!(status, 200);
        assert!(text.contains(&host), "{text}");
    }
    let (status, text) = ask("127.0.0.9:1".to_owned()).await;
    assert_eq!(status, 421);
    assert!(text.contains("SG-1003"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_outage_rests_that_tenant_only() {
    let house = House::start().await;
    // The first two ask the same provider, each behind a breaker of its own.
    let control = house.sandbox(0).control();
    control.set_fault(Place::Token, Fault::Unavailable, Some(1));
    let mut browser = house.browser(house.host(0));
    assert_eq!(browser.sign_in("/", "ada").await.code(), "SG-2014");
    for (name, rests) in [("acme", 1), ("globex", 0), ("initech", 0)] {
        let series = format!("sidegate_provider_resting{{tenant=\"{name}\"}}");
        assert_eq!(house.metric(&series).await, rests, "{name}");
    }
    let _other = house.signed_in(1, "ada").await;
    let _third = house.signed_in(2, "ada").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_carry_the_tenants_name() {
    let house = House::start().await;
    let _one = house.signed_in(0, "ada").await;
    let _two = house.signed_in(0, "jonas").await;
    let _three = house.signed_in(2, "ada").await;
    let mut stranger = house.browser("127.0.0.9:9".parse().expect("an address"));
    assert_eq!(stranger.fetch("/").await.status, 421);
    for (name, sign_ins) in [("acme", 2), ("globex", 0), ("initech", 1)] {
        let series = format!("sidegate_sign_ins_finished_total{{tenant=\"{name}\"}}");
        assert_eq!(house.metric(&series).await, sign_ins, "{name}");
    }
    let refused =
        |tenant: &str| format!("sidegate_refusals_total{{tenant=\"{tenant}\",code=\"SG-1003\"}}");
    assert_eq!(house.metric(&refused("acme")).await, 0);
    assert_eq!(house.metric(&refused("-")).await, 1);
    for accept in ["", "application/openmetrics-text"] {
        let text = house.metrics(accept).await.text();
        let heads: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect();
        let unique: BTreeSet<_> = heads.iter().collect();
        assert_eq!(heads.len(), unique.len(), "{text}");
        let tenants: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.split_once("tenant=\"")?.1.split_once('"'))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(tenants, BTreeSet::from(["-", "acme", "globex", "initech"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tenants_secret_and_the_keys_are_read_again() {
    let folder = tempfile::tempdir().expect("a directory");
    let secrets: Vec<_> = NAMES.iter().map(|name| folder.path().join(name)).collect();
    for secret in &secrets {
        std::fs::write(secret, "wrong").expect("written");
    }
    let key = folder.path().join("key");
    let fresh = || {
        let key = sidegate::crypto::MasterKey::generate(&OsEntropy);
        key.to_text().to_string()
    };
    std::fs::write(&key, fresh()).expect("written");
    let house = House::with(
        &format!("  keys: [{{ file: {} }}]\n", key.display()),
        |number| {
            format!(
                "      client_secret: {{ file: {} }}\n",
                secrets[number].display()
            )
        },
    )
    .await;
    for tenant in [2, 0, 1] {
        let mut browser = house.browser(house.host(tenant));
        assert_eq!(browser.sign_in("/", "ada").await.code(), "SG-2011");
        std::fs::write(&secrets[tenant], SECRET).expect("written");
        reread(&house);
        let _signed_in = house.signed_in(tenant, "ada").await;
    }
    let mut browsers = Vec::new();
    for tenant in 0..NAMES.len() {
        browsers.push(house.signed_in(tenant, "ada").await);
    }
    std::fs::write(&key, fresh()).expect("written");
    reread(&house);
    for browser in &mut browsers {
        assert_eq!(
            browser.fetch(API).await.status,
            401,
            "another key at every tenant"
        );
    }
    let _signed_in = house.signed_in(1, "ada").await;
}

fn reread(house: &House) {
    tokio::task::block_in_place(|| house.app.reread());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_sees_every_tenant() {
    let house = House::start().await;
    house.sandboxes[2]
        .control()
        .set_fault(Place::Token, Fault::InvalidClient, None);
    let environment: Environment = [("KEY", house.key.as_str()), ("SECRET", SECRET)]
        .into_iter()
        .collect();
    let loaded = Config::from_text(
        "t.yaml",
        &house.text,
        std::path::Path::new("."),
        &environment,
    );
    let subject = Subject::new(
        loaded.expect("good"),
        Arc::new(SystemClock),
        Arc::new(OsEntropy),
        Arc::new(SystemResolver),
    );
    let found = doctor::examine(&subject.expect("a subject"), |_| {}).await;
    for (name, status) in [
        ("acme: token endpoint, client_secret", Status::Ok),
        ("globex: token endpoint, client_secret", Status::Ok),
        ("initech: token endpoint, client_secret", Status::Failed),
    ] {
        let finding = found.iter().find(|finding| finding.name == name);
        let finding = finding.unwrap_or_else(|| panic!("no {name} in {found:#?}"));
        assert_eq!(finding.status, status, "{finding:?}");
    }
    let urls = found.iter().filter(|it| it.name.ends_with(": public URL"));
    let (reached, others): (Vec<_>, Vec<_>) = urls.partition(|it| it.status == Status::Ok);
    // Of all addresses the gateway listens at the first one's only.
    assert_eq!((reached.len(), others.len()), (1, 5), "{found:#?}");
    let first = reached[0];
    assert_eq!(first.name, "acme: public URL");
    assert!(
        first.detail.ends_with(" leads to this gateway"),
        "{first:?}"
    );
}
