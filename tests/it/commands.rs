//! The program: what it prints, what it refuses, and how it ends.

use std::path::Path;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::support::browser;
use crate::support::process::Running;
use crate::support::process::code;
use crate::support::process::run;
use crate::support::process::sidegate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keygen_makes_a_key_that_serve_accepts() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = run(sidegate(folder.path(), &["keygen"], &[])).await;
    assert_eq!(code(&first), 0);
    let second = run(sidegate(folder.path(), &["keygen"], &[])).await;
    assert_ne!(first.stdout, second.stdout, "never the same");
    std::fs::write(folder.path().join("key"), &first.stdout).expect("written");
    configure(folder.path(), &GOOD.replace("env: KEY", "file: key"));
    let command = sidegate(folder.path(), SERVE, &[("SECRET", "s")]);
    let mut running = Running::by_log(command);
    let line = running.line("\"event\":\"started\"").await;
    let started: Value = serde_json::from_str(&line.expect("it starts")).expect("JSON");
    assert_eq!(started["public_url"], "http://127.0.0.1:8080");
    let address = started["listen"].as_str().expect("an address");
    let address = address.parse().expect("an address");
    let fields = [("host", "127.0.0.1:8080")];
    let request = browser::request(address, Method::GET, "/x", &fields, Bytes::new());
    assert_eq!(browser::exchange(address, request).await.status, 401);
    let admin = started["admin"].as_str().expect("an address");
    let admin = admin.parse().expect("an address");
    let request = browser::request(admin, Method::GET, "/readyz", &[], Bytes::new());
    assert_eq!(browser::exchange(admin, request).await.status, 200);
    let place = admin.to_string();
    let ask = || run(sidegate(folder.path(), &["ready", &place], &[]));
    assert_eq!(code(&ask().await), 0);
    assert_eq!(running.stop("TERM").await, 0);
    assert_eq!(code(&ask().await), 69, "it is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_tells_what_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(sidegate(folder.path(), &["--version"], &[])).await;
    let said = String::from_utf8(output.stdout).expect("text");
    let begins = format!("sidegate {} (commit ", env!("CARGO_PKG_VERSION"));
    let rest = said.strip_prefix(&begins).expect(&said);
    let (commit, rest) = rest.split_once(", ").expect(&said);
    assert!(
        commit == "unknown" || commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{said}"
    );
    let features = if cfg!(feature = "mimalloc") {
        "features: mimalloc)\n"
    } else {
        "no features)\n"
    };
    assert_eq!(rest, features, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_tells_good_from_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = [("KEY", KEY), ("SECRET", "s")];
    configure(folder.path(), GOOD);
    let good = run(sidegate(folder.path(), CHECK, &environment)).await;
    assert_eq!(code(&good), 0, "{good:?}");
    let text = String::from_utf8(good.stdout).expect("text");
    assert!(
        text.contains("The configuration can be used: 0 problems"),
        "{text}"
    );
    assert!(
        text.contains("sidegate.yaml:1:13: warning[SG-6104]"),
        "{text}"
    );

    assert!(text.contains("(OWASP ASVS 3.3.1, 12.2.1)"), "{text}");

    let strict = [CHECK, &["--strict"]].concat();
    let strict = run(sidegate(folder.path(), &strict, &environment)).await;
    assert_eq!(code(&strict), 78, "plain http is a risk: {strict:?}");

    let bad = GOOD
        .replace("\nlisten: 127.0.0.1:0", "\nlistenn: x")
        .replace("/, to: http", "x, to: gopher");
    configure(folder.path(), &bad);
    let bad = run(sidegate(folder.path(), CHECK, &environment)).await;
    assert_eq!(code(&bad), 78);
    let text = String::from_utf8(bad.stdout).expect("text");
    for part in [
        "sidegate.yaml:2:1: error[SG-6002]: listenn: unknown key",
        "hint: did you mean listen?",
        "sidegate.yaml:11:13: error[SG-6004]: routes[0].path",
        "sidegate.yaml:11:20: error[SG-6004]: routes[0].to",
        "The configuration cannot be used: 3 problems",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let json = [CHECK, &["--json"]].concat();
    let json = run(sidegate(folder.path(), &json, &environment)).await;
    assert_eq!(code(&json), 78);
    let report: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(report["ok"], false);
    let first = &report["problems"][0];
    assert_eq!(
        (&first["line"], &first["column"]),
        (&2.into(), &1.into()),
        "{report}"
    );
    assert_eq!(first["code"], "SG-6002");
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_prints_what_is_committed() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(sidegate(folder.path(), &["schema"], &[])).await;
    assert_eq!(code(&output), 0);
    let committed = include_bytes!("../../config/sidegate.schema.json");
    assert!(output.stdout == committed, "another schema is committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_there_is_a_configuration_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in [SERVE, CHECK, &["serve"]] {
        let output = run(sidegate(folder.path(), command, &[])).await;
        assert_eq!(code(&output), 78, "{command:?}: {output:?}");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("text");
        assert!(text.contains("SG-6008"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_refuses_without_key_or_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), GOOD);
    let short = KEY.get(..20).expect("long");
    for (environment, key) in [
        (&[("SECRET", "s")][..], "session.keys"),
        (&[("KEY", short), ("SECRET", "s")], "session.keys"),
        (
            &[("KEY", "correct horse battery staple"), ("SECRET", "s")],
            "session.keys",
        ),
        (&[("KEY", KEY)], "client_secret"),
        (&[("KEY", KEY), ("SECRET", "")], "client_secret"),
    ] {
        let output = run(sidegate(folder.path(), SERVE, environment)).await;
        assert_eq!(code(&output), 78, "{key}: {output:?}");
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(
            text.contains(key) && text.contains("sidegate.yaml:"),
            "{text}"
        );
        assert!(!text.contains(short) && !text.contains("horse"), "{text}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_that_cannot_listen_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    configure(
        folder.path(),
        &GOOD.replace("\nlisten: 127.0.0.1:0", &format!("\nlisten: {address}")),
    );
    let environment = [("KEY", KEY), ("SECRET", "s")];
    let output = run(sidegate(folder.path(), SERVE, &environment)).await;
    assert_eq!(code(&output), 69, "{output:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(
        text.contains(&format!("cannot listen on {address}")),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_usage_is_64_and_help_is_0() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, expected) in [
        (&["--nonsense"][..], 64),
        (&["nonsense"], 64),
        (&["serve", "extra"], 64),
        (&["serve", "--config"], 64),
        (&["demo", "--port", "70000"], 64),
        (&["sandbox", "--listen", "nowhere"], 64),
        (&[], 64),
        (&["--help"], 0),
        (&["serve", "--help"], 0),
        (&["--version"], 0),
    ] {
        let output = run(sidegate(folder.path(), arguments, &[])).await;
        assert_eq!(code(&output), expected, "{arguments:?}: {output:?}");
        let said = if expected == 0 {
            output.stdout
        } else {
            output.stderr
        };
        assert!(!said.is_empty(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_prints_a_url_at_which_one_can_sign_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Running::by_output(sidegate(folder.path(), &["demo", "--port", "0"], &[]));
    let line = running.line("http://").await.expect("a URL");
    assert_eq!(line.matches("http://").count(), 1, "one URL: {line}");
    let url = line.split(' ').find(|word| word.starts_with("http://"));
    let (address, target) = browser::split_url(url.expect("a URL"));
    assert_eq!(target, "/");
    let mut browser = browser::Browser::new(address);
    let end = browser.sign_in("/", "ada").await;
    assert_eq!((end.status, end.header("location")), (303, "/"));
    let page = browser.navigate("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Campaign Desk"), "{page:?}");
    let context = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(context.status, 202, "{context:?}");
    // The page's own envelope, as its script sends it.
    let script = browser.fetch("/desk.js").await.text();
    let envelope = script
        .split_once("const RETRIEVE = `")
        .and_then(|(_, rest)| rest.split_once("`;"))
        .map(|(envelope, _)| envelope)
        .expect("an envelope")
        .replace("${PARTNER}", "http://exacttarget.com/wsdl/partnerAPI")
        .replace("${PAGE_SIZE}", "10");
    let mut fields = browser::SCRIPT.to_vec();
    fields.push(("content-type", "text/xml; charset=utf-8"));
    let path = "/mc/soap/Service.asmx";
    let answer = browser
        .send(Method::POST, path, &fields, envelope.into())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text().matches("<Results").count(), 10, "{answer:?}");
    assert_eq!(running.stop("INT").await, 0);
}

/// Without a word about ports, as newcomers type it: both gateways are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_needs_no_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Running::by_output(sidegate(folder.path(), &["demo"], &[]));
    let line = running.line("Open http://").await.expect("a URL");
    let (alone, _) = browser::split_url(line.trim_start_matches("Open ").trim());
    let line = running.line("Inside Marketing Cloud: ").await;
    let (_, app) = line
        .as_deref()
        .and_then(|line| line.split_once("?app="))
        .expect("a frame");
    let (framed, _) = browser::split_url(app.trim());
    assert_ne!(alone, framed);
    for gateway in [alone, framed] {
        let answer = browser::Browser::new(gateway).fetch("/").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "SG-2001"));
    }
    assert_eq!(running.stop("INT").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_prints_its_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["sandbox", "--listen", "127.0.0.1:0"];
    for signal in ["TERM", "INT"] {
        let mut running = Running::by_output(sidegate(folder.path(), &arguments, &[]));
        let line = running.line("http://").await.expect("an address");
        let url = line.split(' ').find(|word| word.starts_with("http://"));
        let (address, _) = browser::split_url(url.expect("a URL"));
        let request = browser::request(address, Method::GET, "/", &[], Bytes::new());
        assert_eq!(browser::exchange(address, request).await.status, 200);
        assert_eq!(running.stop(signal).await, 0);
    }
}

fn configure(folder: &Path, text: &str) {
    std::fs::write(folder.join("sidegate.yaml"), text).expect("written");
}

const SERVE: &[&str] = &["serve", "--config", "sidegate.yaml"];

const CHECK: &[&str] = &["check", "--config", "sidegate.yaml"];

/// 32 bytes that guard nothing.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

const GOOD: &str = "public_url: http://127.0.0.1:8080
listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
marketing_cloud:
  subdomain: mc563885gzs27c5t9-63k636ttgm
  client_id: vqwyswrlzzfk024ivr682esb
  client_secret: { env: SECRET }
session:
  keys: [{ env: KEY }]
routes:
  - { path: /, to: http://127.0.0.1:3000 }
";
