//! What is counted: exactly what happened, under names that hold nobody's secrets.

mod upstreams;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;
use std::process::Stdio;

use http::Method;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;

use crate::rotation::with_secrets;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Scrape;
use crate::support::Wire;
use crate::support::raw;
use crate::support::scrape::ask;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_moves_exactly_its_own_metrics() {
    let gate = Gate::start().await;
    let before = Scrape::of(&gate).await;
    gate.signed_in("ada").await;
    let after = Scrape::after(&gate, &before, 2).await;
    let sealed = sealed(&gate);
    assert_eq!(
        after.since(&before),
        moved(&[
            // Off to the provider, and back.
            (&requests("/", "read", "3xx"), 1),
            (&requests("/oauth2/", "read", "3xx"), 1),
            (r#"sidegate_request_duration_seconds_count{route="/"}"#, 1),
            (
                r#"sidegate_request_duration_seconds_count{route="/oauth2/"}"#,
                1
            ),
            (r#"sidegate_refusals_total{code="SG-2001"}"#, 1),
            ("sidegate_sign_ins_started_total", 1),
            ("sidegate_sign_ins_finished_total", 1),
            (&calls("exchange", "ok"), 1),
            (&calls("userinfo", "ok"), 1),
            (
                r#"sidegate_provider_call_duration_seconds_count{call="exchange"}"#,
                1
            ),
            (
                r#"sidegate_provider_call_duration_seconds_count{call="userinfo"}"#,
                1
            ),
            (r#"sidegate_client_secret_in_use{secret="first"}"#, 1),
            (
                "sidegate_client_secret_in_use_since_timestamp_seconds",
                1_700_000_000
            ),
            (&sealed, 1),
            ("sidegate_session_cookie_bytes_count", 1),
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_sign_in_names_its_reason() {
    let gate = Gate::start().await;
    gate.control()
        .set_fault(Place::Token, Fault::InvalidClient, None);
    let before = Scrape::of(&gate).await;
    let answer = gate.browser().sign_in("/", "ada").await;
    assert_eq!(answer.code(), "SG-2011");
    let after = Scrape::after(&gate, &before, 2).await;
    let moves = after.since(&before);
    assert_eq!(
        moves[r#"sidegate_sign_ins_failed_total{code="SG-2011"}"#],
        1
    );
    assert_eq!(moves[r#"sidegate_refusals_total{code="SG-2011"}"#], 1);
    assert_eq!(moves[calls("exchange", "invalid_client").as_str()], 1);
    assert!(
        !moves.contains_key("sidegate_sign_ins_finished_total"),
        "{moves:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_and_a_late_comer_are_told_apart() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let start = Scrape::when(&gate, "sidegate_sign_ins_finished_total", 1).await;
    let start = Scrape::after(&gate, &start, 2 - start.requests()).await;
    gate.advance(1_200);
    assert_eq!(browser.clone().fetch(API).await.status, 202);
    let refreshed = Scrape::after(&gate, &start, 1).await;
    let sealed = sealed(&gate);
    let served = [
        (requests("/mc/rest/", "read", "2xx"), 1),
        (duration("request", "/mc/rest/"), 1),
        (duration("gateway", "/mc/rest/"), 1),
        (duration("upstream", "/mc/rest/"), 1),
    ];
    let served = served.each_ref().map(|(series, by)| (series.as_str(), *by));
    let renewed = [
        (r#"sidegate_token_refreshes_total{result="renewed"}"#, 1),
        (&calls("refresh", "ok"), 1),
        (
            r#"sidegate_provider_call_duration_seconds_count{call="refresh"}"#,
            1,
        ),
        (&sealed, 1),
        ("sidegate_session_cookie_bytes_count", 1),
    ];
    assert_eq!(
        refreshed.since(&start),
        moved(&[&served[..], &renewed].concat())
    );

    // Another tab, still with the cookie of before.
    assert_eq!(browser.clone().fetch(API).await.status, 202);
    let late = Scrape::after(&gate, &refreshed, 1).await;
    let came_late = [("sidegate_token_refresh_late_comers_total", 1)];
    assert_eq!(
        late.since(&refreshed),
        moved(&[&served[..], &came_late].concat())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_shows() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let start = Scrape::of(&gate).await;
    let start = Scrape::after(&gate, &start, 2 - start.requests()).await;
    assert_eq!(start.value("sidegate_provider_resting"), 0);
    gate.advance(1_200);
    gate.control()
        .set_fault(Place::Token, Fault::InternalError, None);
    assert_eq!(browser.fetch(API).await.status, 503);
    let down = Scrape::after(&gate, &start, 1).await;
    assert_eq!(
        down.since(&start),
        moved(&[
            (&requests("/mc/rest/", "read", "5xx"), 1),
            (&duration("request", "/mc/rest/"), 1),
            (r#"sidegate_refusals_total{code="SG-3001"}"#, 1),
            (r#"sidegate_token_refreshes_total{result="unavailable"}"#, 1),
            (&calls("refresh", "unavailable"), 1),
            (
                r#"sidegate_provider_call_duration_seconds_count{call="refresh"}"#,
                1
            ),
            ("sidegate_provider_resting", 1),
        ])
    );
    gate.control().clear_faults();
    gate.advance(4);
    assert_eq!(browser.fetch(API).await.status, 202);
    let back = Scrape::after(&gate, &down, 1).await;
    assert_eq!(back.value("sidegate_provider_resting"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_provider_ends_is_counted_as_ended() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    gate.control().revoke_all();
    assert_eq!(browser.fetch(API).await.status, 401);
    let ended = r#"sidegate_token_refreshes_total{result="ended"}"#;
    let scrape = Scrape::when(&gate, ended, 1).await;
    assert_eq!(scrape.value(&calls("refresh", "invalid_grant")), 1);
    assert_eq!(scrape.value("sidegate_provider_resting"), 0, "no outage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_rotation_shows_which_secret_works_and_since_when() {
    let directory = tempfile::tempdir().expect("a directory");
    let gate = with_secrets(directory.path(), "retired", Some("staged"), "staged").await;
    let (first, next) = (
        r#"sidegate_client_secret_in_use{secret="first"}"#,
        r#"sidegate_client_secret_in_use{secret="next"}"#,
    );
    let since = "sidegate_client_secret_in_use_since_timestamp_seconds";
    let unknown = Scrape::of(&gate).await;
    assert_eq!((unknown.value(first), unknown.value(next)), (0, 0));
    assert!(!unknown.text.contains(since), "not known yet");
    gate.advance(60);
    gate.signed_in("ada").await;
    let staged = Scrape::of(&gate).await;
    assert_eq!((staged.value(first), staged.value(next)), (0, 1));
    assert_eq!(staged.value(since), 1_700_000_060);
    assert_eq!(
        staged.value(&calls("exchange", "ok")),
        1,
        "two secrets, one call"
    );

    std::fs::write(directory.path().join("first"), "staged").expect("our own file");
    gate.app().reread();
    gate.advance(60);
    gate.signed_in("ada").await;
    let moved_over = Scrape::of(&gate).await;
    assert_eq!((moved_over.value(first), moved_over.value(next)), (1, 0));
    assert_eq!(moved_over.value(since), 1_700_000_120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_request_moves_its_refusal_and_nothing_else() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let start = Scrape::of(&gate).await;
    let start = Scrape::after(&gate, &start, 2 - start.requests()).await;
    let forged = [("sec-fetch-site", "cross-site")];
    let answer = browser
        .send(Method::POST, "/save", &forged, "x".into())
        .await;
    assert_eq!(answer.code(), "SG-1006");
    let after = Scrape::after(&gate, &start, 1).await;
    assert_eq!(
        after.since(&start),
        moved(&[
            (&requests("/", "write", "4xx"), 1),
            (&duration("request", "/"), 1),
            (r#"sidegate_refusals_total{code="SG-1006"}"#, 1),
            (r#"sidegate_cross_site_refusals_total{reason="site"}"#, 1),
        ])
    );
}

/// Each reason by a request that has no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gave_a_forged_request_away_is_counted() {
    let gate = Gate::with(Plan {
        routes: "\n  - { path: /alone/, to: TOOL, isolated: true }\n  - { path: /, to: TOOL }\n"
            .to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (reason, method, path, fields) in [
        (
            "site",
            Method::POST,
            "/x",
            &[("sec-fetch-site", "cross-site")][..],
        ),
        (
            "origin",
            Method::POST,
            "/x",
            &[("origin", "https://evil.example")],
        ),
        ("silent", Method::DELETE, "/x", &[]),
        (
            "repeated",
            Method::PUT,
            "/x",
            &[
                ("origin", "https://a.example"),
                ("origin", "https://b.example"),
            ],
        ),
        ("websocket", Method::GET, "/x", &upgrade),
        (
            "isolated",
            Method::GET,
            "/alone/x",
            &[("sec-fetch-site", "cross-site")],
        ),
        // Other endpoints of ours count the same.
        ("silent", Method::POST, "/oauth2/sign_out", &[]),
        ("silent", Method::POST, "/oauth2/business_unit", &[]),
    ] {
        let before = Scrape::of(&gate).await;
        let answer = browser.send(method, path, fields, "".into()).await;
        assert_eq!(answer.status, 403, "{reason}: {answer:?}");
        let series = format!(r#"sidegate_cross_site_refusals_total{{reason="{reason}"}}"#);
        let after = Scrape::of(&gate).await;
        let moves = after.since(&before);
        let forged: Vec<_> = moves
            .iter()
            .filter(|(series, _)| series.starts_with("sidegate_cross_site"))
            .collect();
        assert_eq!(forged, [(&series.as_str(), &1)], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_counts_whom_it_held_back_where() {
    let outside =
        |call: &str| format!(r#"sidegate_fence_refusals_total{{at="{call}",reason="outside"}}"#);
    let gate = Gate::with(Plan {
        instance_hosts: Some("\"*.rest.marketingcloudapis.com\"".to_owned()),
        ..Plan::default()
    })
    .await;
    let before = Scrape::of(&gate).await;
    let answer = gate.browser().sign_in("/", "ada").await;
    assert_eq!(answer.code(), "SG-2013", "{answer:?}");
    let after = Scrape::after(&gate, &before, 2).await;
    let moves = after.since(&before);
    let fence: Vec<_> = moves
        .iter()
        .filter(|(series, _)| series.starts_with("sidegate_fence"))
        .collect();
    assert_eq!(fence, [(&outside("exchange").as_str(), &1)]);
    assert_eq!(moves[calls("exchange", "unusable").as_str()], 1);
}

/// What a gateway exposes is explained, whatever else is added to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_family_is_in_the_reference() {
    let page = include_str!("../../deploy/docs/metrics.md");
    let gate = Gate::start().await;
    traffic(&gate).await;
    let text = Scrape::of(&gate).await.text;
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let missing: Vec<_> = families
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !page.contains(&format!("\n| `{name}` |")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_without_a_session_is_counted_under_the_code_that_its_page_shows() {
    let gate = Gate::start().await;
    let before = Scrape::of(&gate).await;
    let form = [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let mut browser = gate.browser();
    let page = browser.send(Method::POST, "/save", &form, "x".into()).await;
    assert_eq!(page.code(), "SG-2022");
    let after = Scrape::after(&gate, &before, 1).await;
    assert_eq!(
        after.since(&before),
        moved(&[
            (&requests("/", "write", "4xx"), 1),
            (&duration("request", "/"), 1),
            (r#"sidegate_refusals_total{code="SG-2022"}"#, 1),
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_counted_as_refused() {
    let gate = Gate::start().await;
    let before = Scrape::of(&gate).await;
    for (bytes, code) in [
        ("\u{1}\u{2}\r\n\r\n".to_owned(), "SG-1001"),
        (
            format!("GET /{} HTTP/1.1\r\n", "x".repeat(80_000)),
            "SG-1008",
        ),
    ] {
        let answer = raw::talk(gate.address(), bytes).await;
        assert!(answer.contains(code), "{answer}");
        let series = format!(r#"sidegate_refusals_total{{code="{code}"}}"#);
        let after = Scrape::when(&gate, &series, 1).await;
        assert_eq!(after.requests(), before.requests());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_is_a_revocation() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    let scrape = Scrape::of(&gate).await;
    assert_eq!(
        scrape.value("sidegate_sign_outs_total"),
        1,
        "the second had no session"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_is_counted_while_it_is_open() {
    let gate = Gate::start().await;
    let streams = r#"sidegate_streams_open{kind="websocket"}"#;
    let mut idle = Wire::connect(gate.address()).await;
    Scrape::when(&gate, "sidegate_connections_open", 1).await;
    let ada = gate.signed_in("ada").await;
    let mut wire = crate::websocket::open(&gate, &ada).await;
    Scrape::when(&gate, streams, 1).await;
    // "Close, 1000", masked with zeroes.
    wire.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await;
    wire.rest().await;
    drop(wire);
    Scrape::when(&gate, streams, 0).await;
    idle.send("GET / HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n")
        .await;
    idle.rest().await;
    Scrape::when(&gate, "sidegate_connections_open", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_answer_is_open_until_it_ends() {
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    let puppet = Puppet::saying(endless).await;
    let gate = Gate::with(Plan {
        routes: puppet.route(""),
        ..Plan::default()
    })
    .await;
    let ada = gate.signed_in("ada").await;
    let session = &ada.jar["sidegate"];
    let site = gate.address();
    let mut wire = Wire::connect(site).await;
    wire.send(format!(
        "GET /x HTTP/1.1\r\nHost: {site}\r\nCookie: sidegate={session}\r\n\r\n"
    ))
    .await;
    wire.head().await.expect("an answer");
    let streams = r#"sidegate_streams_open{kind="answer"}"#;
    let before = Scrape::when(&gate, streams, 1).await;
    let served = requests("/", "read", "2xx");
    assert_eq!(before.value(&served), 0, "it has not ended");
    drop(wire);
    let after = Scrape::when(&gate, streams, 0).await;
    let after = Scrape::after(&gate, &after, 3 - after.requests()).await;
    assert_eq!(after.value(&served), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_holds_no_secret_no_person_and_no_path() {
    let gate = Gate::with(Plan {
        tapped: true,
        ..Plan::default()
    })
    .await;
    let mut browser = traffic(&gate).await;
    let mut secrets: Vec<String> = vec![
        gate.key.clone(),
        "sandbox-web-secret".to_owned(),
        "sandbox-web-client".to_owned(),
        "secret-page".to_owned(),
        "hidden=1".to_owned(),
        "tokenContext".to_owned(),
    ];
    let who = browser.fetch("/oauth2/userinfo").await.json();
    for field in ["sub", "name", "email", "preferred_username"] {
        secrets.push(who["user"][field].as_str().expect("text").to_owned());
    }
    secrets.extend(browser.jar.into_values());
    for call in gate.tap().token_calls() {
        for field in ["access_token", "refresh_token"] {
            secrets.push(call.replied()[field].as_str().expect("text").to_owned());
        }
        let asked = call.asked();
        secrets.extend(asked["code"].as_str().map(str::to_owned));
    }
    assert!(secrets.len() > 12, "{secrets:?}");
    for accept in ["text/plain", "application/openmetrics-text"] {
        let text = ask(&gate, &[("accept", accept)]).await.text();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret}\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_format_is_the_one_that_is_asked_for() {
    let gate = Gate::start().await;
    let plain = ask(&gate, &[]).await;
    assert_eq!(
        plain.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(
        plain
            .text()
            .contains("# TYPE sidegate_requests_total counter\n")
    );
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1";
    let open = ask(&gate, &[("accept", accept)]).await;
    assert_eq!(
        open.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(open.text().contains("# TYPE sidegate_requests counter\n"));
    assert!(open.text().ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing_to_complain_about() {
    let gate = Gate::start().await;
    traffic(&gate).await;
    let text = Scrape::of(&gate).await.text;
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match promtool {
        Ok(promtool) => promtool,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let told = writeln!(
                std::io::stderr(),
                "LEFT OUT: promtool is not on PATH, so the metrics were not linted"
            );
            told.expect("stderr");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = promtool.wait_with_output().expect("it ends");
    let complaints = [output.stdout, output.stderr].concat();
    let complaints = String::from_utf8_lossy(&complaints);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}\n{text}"
    );
}

/// Something of everything.
async fn traffic(gate: &Gate) -> crate::support::Browser {
    let mut browser = gate.signed_in("ada").await;
    browser.navigate("/secret-page?hidden=1").await;
    browser.post("/secret-page", "x").await;
    browser.fetch(API).await;
    gate.advance(1_200);
    browser.fetch(API).await;
    gate.browser()
        .navigate("/oauth2/callback?code=x&state=y")
        .await;
    gate.browser().fetch("/%2e%2e/secret-page").await;
    gate.signed_in("mei")
        .await
        .post("/oauth2/sign_out", "")
        .await;
    browser
}

fn moved<'a>(series: &[(&'a str, i64)]) -> BTreeMap<&'a str, i64> {
    series.iter().copied().collect()
}

fn requests(route: &str, method: &str, status: &str) -> String {
    format!(r#"sidegate_requests_total{{route="{route}",method="{method}",status="{status}"}}"#)
}

fn duration(of: &str, route: &str) -> String {
    format!(r#"sidegate_{of}_duration_seconds_count{{route="{route}"}}"#)
}

fn calls(call: &str, result: &str) -> String {
    format!(r#"sidegate_provider_calls_total{{call="{call}",result="{result}"}}"#)
}

fn sealed(gate: &Gate) -> String {
    let key = sidegate::crypto::MasterKey::parse(&gate.key).expect("a key");
    format!(r#"sidegate_sessions_sealed_total{{key="{}"}}"#, key.id())
}

/// Says whose token it got, with status 202.
const API: &str = "/mc/rest/platform/v1/tokenContext";
