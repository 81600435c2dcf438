//! `explain`: what it says of requests, and that the gateway does the same.

use std::path::Path;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::support::browser;
use crate::support::process::Running;
use crate::support::process::code;
use crate::support::process::run;
use crate::support::process::sidegate;

/// Arguments, and what comes of them: the decision, a code, the route, where to and which target.
type Row = (
    &'static [&'static str],
    (&'static str, &'static str, &'static str, &'static str),
);

const ROWS: &[Row] = &[
    // Every kind of access, without and with a session.
    (&["GET", "/x", HTML], ("sign_in", "", "/", "")),
    (&["GET", "/x"], ("refuse", "SG-2001", "/", "")),
    (
        &["POST", "/x", DOCUMENT, "Content-Length: 3"],
        ("refuse", "SG-2022", "/", ""),
    ),
    (
        &["GET", "/x", IN],
        ("forward", "", "/", "http://127.0.0.1:1/x"),
    ),
    (
        &["GET", "/assets/a.css"],
        ("forward", "", "/assets/", "http://127.0.0.1:1/assets/a.css"),
    ),
    (
        &["GET", "/assets/a.css", IN],
        ("forward", "", "/assets/", "http://127.0.0.1:1/assets/a.css"),
    ),
    (
        &["GET", "/open/a?b=%2f"],
        ("forward", "", "/open/", "http://127.0.0.1:1/a?b=%2f"),
    ),
    (
        &["GET", "/open/a", IN],
        ("forward", "", "/open/", "http://127.0.0.1:1/a"),
    ),
    (
        &["POST", "/activity/save", "Content-Type: application/jwt"],
        (
            "forward",
            "",
            "/activity/",
            "http://127.0.0.1:1/activity/save",
        ),
    ),
    (
        &["GET", "/activity/save"],
        ("refuse", "SG-1005", "/activity/", ""),
    ),
    (
        &["POST", "/activity/save", "Content-Type: text/html"],
        ("refuse", "SG-2060", "/activity/", ""),
    ),
    // The tenant's API.
    (
        &["GET", "/mc/rest/asset/v1/a%2Fb;c", IN],
        (
            "forward",
            "",
            "/mc/rest/",
            "https://mcabc.rest.marketingcloudapis.com/asset/v1/a%2Fb;c",
        ),
    ),
    (
        &["GET", "/mc/rest/x"],
        ("refuse", "SG-2001", "/mc/rest/", ""),
    ),
    (
        &[
            "POST",
            "/mc/soap/Service.asmx",
            IN,
            OURS,
            "Content-Type: text/xml",
        ],
        (
            "forward",
            "",
            "/mc/soap/",
            "https://mcabc.soap.marketingcloudapis.com/Service.asmx",
        ),
    ),
    (
        &[
            "POST",
            "/mc/soap/Service.asmx",
            IN,
            OURS,
            "Content-Type: text/plain",
        ],
        ("refuse", "SG-1030", "/mc/soap/", ""),
    ),
    (
        &["PUT", "/mc/soap/Service.asmx", IN, OURS],
        ("refuse", "SG-1005", "/mc/soap/", ""),
    ),
    // Targets with two readings.
    (&["GET", "/assets/../x"], ("refuse", "SG-1002", "", "")),
    (&["GET", "//x"], ("refuse", "SG-1002", "", "")),
    (&["GET", "/assets/%2e%2e/x"], ("refuse", "SG-1002", "", "")),
    (&["GET", "/a%2fb"], ("refuse", "SG-1002", "", "")),
    (&["GET", "/a;b"], ("refuse", "SG-1002", "", "")),
    (&["GET", "/%61ssets/x"], ("refuse", "SG-1002", "", "")),
    (&["GET", "/x%00"], ("refuse", "SG-1002", "", "")),
    (
        &["GET", "/o%61uth2/callback"],
        ("refuse", "SG-1002", "", ""),
    ),
    (&["GET", "/a b"], ("refuse", "SG-1001", "", "")),
    // Other sites, other hosts, other methods.
    (
        &["POST", "/x", IN, "Sec-Fetch-Site: cross-site"],
        ("refuse", "SG-1006", "/", ""),
    ),
    (
        &["POST", "/x", IN, OURS],
        ("forward", "", "/", "http://127.0.0.1:1/x"),
    ),
    (
        &["GET", "/own/x", "Sec-Fetch-Site: cross-site"],
        ("refuse", "SG-1016", "/own/", ""),
    ),
    (
        &["GET", "https://other.example/x"],
        ("refuse", "SG-1003", "", ""),
    ),
    (
        &["GET", "http://127.0.0.1:8080/x", "Host: a, b"],
        ("refuse", "SG-1001", "", ""),
    ),
    (&["TRACE", "/x"], ("refuse", "SG-1005", "", "")),
    (
        &["GET", "/x", "Content-Length: 3"],
        ("refuse", "SG-1015", "", ""),
    ),
    (&["OPTIONS", "*"], ("own", "", "", "")),
    (
        &["GET", "/oauth2/userinfo"],
        ("own", "", "/oauth2/", "/oauth2/userinfo"),
    ),
    (
        &["GET", "/oauth2/nonsense"],
        ("refuse", "SG-1004", "/oauth2/", ""),
    ),
];

const IN: &str = "--signed-in";
const HTML: &str = "Accept: text/html";
const DOCUMENT: &str = "Sec-Fetch-Mode: navigate";
const OURS: &str = "Origin: http://127.0.0.1:8080";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_decided_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path());
    for (asked, (decision, code, route, to)) in ROWS {
        let told = explain(folder.path(), asked).await;
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let went = (text("decision"), text("code"), text("route"));
        let expected = (*decision, *code, *route);
        assert_eq!(
            (&*went.0, &*went.1, &*went.2),
            expected,
            "{asked:?}: {told}"
        );
        assert_eq!(text("to") + &text("target"), *to, "{asked:?}");
    }
}

/// The same requests, sent. Where one would go, nobody listens; where a signed-in person would be
/// needed there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_does_what_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path());
    let mut running = Running::by_log(sidegate(folder.path(), SERVE, ENVIRONMENT));
    let line = running.line("\"event\":\"started\"").await;
    let started: Value = serde_json::from_str(&line.expect("it starts")).expect("JSON");
    let address = started["listen"].as_str().expect("an address");
    let address = address.parse().expect("an address");
    let mut sent = 0;
    for (asked, (decision, code, ..)) in ROWS {
        let [method, url, rest @ ..] = asked else {
            panic!("{asked:?}");
        };
        let fields: Vec<_> = rest
            .iter()
            .filter_map(|field| field.split_once(": "))
            .collect();
        // What needs a session, a body that is not sent, or a target that no client of ours would send.
        let framed = fields.iter().any(|(name, _)| *name == "Content-Length");
        if rest.contains(&IN) || framed || !url.starts_with('/') || url.contains(' ') {
            continue;
        }
        let mut fields: Vec<(&str, &str)> = fields;
        fields.push(("host", "127.0.0.1:8080"));
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = browser::request(address, method, url, &fields, Bytes::new());
        let answer = browser::exchange(address, request).await;
        sent += 1;
        let text = answer.text();
        match *decision {
            "refuse" => assert!(text.contains(code), "{asked:?}: {answer:?}"),
            "sign_in" => assert_eq!(answer.status, 302, "{asked:?}: {answer:?}"),
            // Nobody listens there; and nobody signed the body.
            "forward" if url.starts_with("/activity/") => {
                assert!(text.contains("SG-2060"), "{asked:?}: {answer:?}");
            }
            "forward" => assert_eq!(answer.status, 502, "{asked:?}: {answer:?}"),
            _ => assert!(answer.status < 500, "{asked:?}: {answer:?}"),
        }
    }
    assert!(sent > 15, "{sent}");
    assert_eq!(running.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_are_told_and_no_secret_is() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path());
    let asked = [
        "GET",
        "/bearer/x",
        IN,
        "X-Forwarded-User: eve",
        "X_Forwarded_User: eve",
        "Authorization: Bearer hunter2",
        "Cookie: a=hunter2; __Host-sidegate=x",
        "Accept: text/css",
        "Connection: X-Mine",
        "X-Mine: 1",
        "X-Forwarded-For: 192.0.2.1",
    ];
    let told = explain(folder.path(), &asked).await;
    assert_eq!(told["decision"], "forward", "{told}");
    assert!(!told.to_string().contains("hunter2"), "{told}");
    let list = |key: &str| -> Vec<&str> {
        let list = told["headers"][key].as_array().expect("a list");
        list.iter().filter_map(Value::as_str).collect()
    };
    for name in [
        "x-forwarded-user",
        "x_forwarded_user",
        "authorization",
        "connection",
        "x-mine",
    ] {
        assert!(list("removed").contains(&name), "{name}: {told}");
    }
    assert!(list("kept").contains(&"accept"), "{told}");
    let added = told["headers"]["added"].as_array().expect("a list");
    let value = |name: &str| {
        let found = added.iter().find(|field| field["name"] == name);
        found.map(|field| field["value"].as_str().unwrap_or_default())
    };
    for (name, shown) in [
        ("authorization", "Bearer {access token}"),
        ("x-forwarded-access-token", "{access token}"),
        ("x-forwarded-user", "{sub}"),
        ("x-forwarded-for", "{client}"),
        ("x-request-id", "{request id}"),
        ("host", ""),
    ] {
        let expected = Some(shown).filter(|shown| !shown.is_empty());
        assert_eq!(value(name), expected, "{name}: {told}");
    }
    // The API is told nothing of the person, and a tool without `token` no token.
    for (path, names) in [
        (
            "/mc/rest/x",
            &["x-forwarded-user", "x-forwarded-access-token"][..],
        ),
        ("/x", &["authorization", "x-forwarded-access-token"]),
        ("/assets/x", &["authorization", "x-forwarded-user"]),
    ] {
        let told = explain(folder.path(), &["GET", path, IN]).await;
        let added = told["headers"]["added"].to_string();
        for name in names {
            assert!(!added.contains(name), "{path} {name}: {added}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_prints_text_and_ends_as_the_others_do() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path());
    let explain = |arguments: &[&str]| {
        let arguments = [EXPLAIN, arguments].concat();
        run(sidegate(folder.path(), &arguments, ENVIRONMENT))
    };
    let output = explain(&["GET", "/assets/../x"]).await;
    assert_eq!(code(&output), 0, "a refusal is an answer");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.starts_with("decision    refuse with 400 (SG-1002: "),
        "{text}"
    );
    for bad in [
        &["GET"][..],
        &["G T", "/x"],
        &["GET", "x"],
        &["GET", "/x", "-H", "nonsense"],
        &["GET", "/x", "-H", "a b: c"],
    ] {
        assert_eq!(code(&explain(bad).await), 64, "{bad:?}");
    }
    std::fs::write(folder.path().join("sidegate.yaml"), "x: y").expect("written");
    assert_eq!(code(&explain(&["GET", "/x"]).await), 78);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_that_fails_stops_check_and_serve_but_not_explain() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |code: &str| {
        let test =
            format!("tests: [{{ request: GET /assets/../x, expect: {{ code: {code} }} }}]\n");
        std::fs::write(folder.path().join("sidegate.yaml"), format!("{FILE}{test}"))
    };
    let check = &["check", "--config", "sidegate.yaml"][..];
    let explain = [EXPLAIN, &["GET", "/assets/../x"]].concat();
    write("SG-1002").expect("written");
    let output = run(sidegate(folder.path(), check, ENVIRONMENT)).await;
    assert_eq!(code(&output), 0, "{output:?}");
    write("SG-1001").expect("written");
    for (command, expected) in [(check, 78), (SERVE, 78), (&explain, 0)] {
        let output = run(sidegate(folder.path(), command, ENVIRONMENT)).await;
        assert_eq!(code(&output), expected, "{command:?}: {output:?}");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        let told =
            "sidegate.yaml:20:54: error[SG-6141]: tests[0].expect.code: comes to refuse (SG-1002";
        assert_eq!(text.contains(told), expected == 78, "{command:?}: {text}");
    }
}

/// What `explain` says, as JSON. What is neither method, URL nor option is a field.
async fn explain(folder: &Path, asked: &[&str]) -> Value {
    let mut arguments = [EXPLAIN, &["--json"]].concat();
    for (index, word) in asked.iter().enumerate() {
        if index > 1 && *word != IN {
            arguments.push("-H");
        }
        arguments.push(word);
    }
    let output = run(sidegate(folder, &arguments, ENVIRONMENT)).await;
    assert_eq!(code(&output), 0, "{asked:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn configure(folder: &Path) {
    std::fs::write(folder.join("sidegate.yaml"), FILE).expect("written");
}

const SERVE: &[&str] = &["serve", "--config", "sidegate.yaml"];

const EXPLAIN: &[&str] = &["explain", "--config", "sidegate.yaml"];

const ENVIRONMENT: &[(&str, &str)] = &[
    // 32 bytes that guard nothing.
    ("KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
    ("SECRET", "s3cr3t-of-the-package"),
];

const FILE: &str = "public_url: http://127.0.0.1:8080
listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
marketing_cloud:
  subdomain: mcabc
  client_id: abc
  client_secret: { env: SECRET }
  jwt_signing_secret: { env: SECRET }
session:
  keys: [{ env: KEY }]
routes:
  - { path: /mc/rest/, to: rest }
  - { path: /mc/soap/, to: soap }
  - { path: /assets/, to: 'http://127.0.0.1:1', access: public }
  - { path: /open/, to: 'http://127.0.0.1:1', access: optional, strip_prefix: true }
  - { path: /activity/, to: 'http://127.0.0.1:1', access: journey_builder }
  - { path: /own/, to: 'http://127.0.0.1:1', access: public, isolated: true }
  - { path: /bearer/, to: 'http://127.0.0.1:1', token: bearer }
  - { path: /, to: 'http://127.0.0.1:1' }
";
