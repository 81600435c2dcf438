//! Whatever the log is asked to tell, it tells no secret, in no spelling.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::BufRead as _;
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::sandbox::Tool;
use sidegate::time::SystemClock;
use tokio::sync::mpsc;

use crate::support::Browser;
use crate::support::Tap;
use crate::support::browser::split_url;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_at_trace_level_holds_no_secret() {
    let surroundings = Surroundings::start().await;
    let mut gateway = Process::start(&surroundings).await;
    let secrets = surroundings.use_everything(gateway.address).await;
    let log = gateway.end().await;

    // The log is a real one, and says what it should.
    for event in [
        "sign_in.started",
        "sign_in.finished",
        "sign_in.failed",
        "sign_in.refused",
        "token.refresh",
        "/oauth2/callback",
        "stopped",
    ] {
        assert!(log.contains(event), "{event} is missing:\n{log}");
    }
    let haystack: HashSet<&[u8]> = log.as_bytes().windows(WINDOW).collect();
    for (name, secret) in &secrets {
        for (spelling, text) in spellings(secret) {
            let found = text
                .as_bytes()
                .windows(WINDOW)
                .find(|part| haystack.contains(part));
            let found = found.map(String::from_utf8_lossy);
            assert_eq!(found, None, "{name}, {spelling}");
        }
    }
}

#[test]
fn a_secret_is_found_in_every_spelling() {
    let secret = "k3-Zq_W8vT.mN5xR7yL2pJ9cB4dF6hG1s/+=&";
    for (spelling, text) in spellings(secret) {
        let log = format!("event=\"x\" value={text} rest");
        let haystack: HashSet<&[u8]> = log.as_bytes().windows(WINDOW).collect();
        let mut parts = text.as_bytes().windows(WINDOW);
        assert!(parts.any(|part| haystack.contains(part)), "{spelling}");
    }
}

/// Any part of a secret that is this long counts as the secret.
const WINDOW: usize = 16;

/// The ways in which a text may be written down.
fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    use percent_encoding::NON_ALPHANUMERIC;
    use percent_encoding::utf8_percent_encode;

    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let hex = hexadecimal(secret.as_bytes());
    let mut all = vec![
        ("raw", secret.to_owned()),
        ("percent-encoded", percent.to_lowercase()),
        ("percent-encoded, upper case", percent),
        ("hexadecimal", hex.to_uppercase()),
        ("hexadecimal, lower case", hex),
        ("reversed", secret.chars().rev().collect()),
    ];
    // Base64 of a text inside a longer one starts at any of three bytes.
    for cut in 0..3 {
        let rest = &secret.as_bytes()[cut..];
        let whole = &rest[..rest.len() / 3 * 3];
        all.push(("base64", BASE64_STANDARD.encode(whole)));
        all.push(("base64url", BASE64_URL_SAFE_NO_PAD.encode(whole)));
    }
    // And what is base64url itself may be written down as the bytes that it stands for.
    if let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(secret) {
        all.push(("decoded", hexadecimal(&bytes)));
        all.push(("decoded, as a list", format!("{bytes:?}")));
    }
    all
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes all");
        text
    })
}

/// Tenant, tool and secrets.
struct Surroundings {
    sandbox: Sandbox,
    tap: Tap,
    tool: Tool,
    key: String,
}

impl Surroundings {
    async fn start() -> Self {
        let sandbox = Sandbox::start(
            Settings::default(),
            Arc::new(SystemClock),
            Arc::new(OsEntropy),
        )
        .await
        .expect("the sandbox starts");
        let (tenant, _) = split_url(&sandbox.origin().to_string());
        // One second: the shortest life that a reply can give a token.
        let brief: crate::support::tap::Edit = Arc::new(|reply| reply["expires_in"] = 1.into());
        Self {
            tap: Tap::start(tenant, Some(brief)).await,
            sandbox,
            tool: Tool::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
                .await
                .expect("the tool starts"),
            key: MasterKey::generate(&OsEntropy).to_text().to_string(),
        }
    }

    /// Signs in, refreshes, fails in many ways, and signs out; answers every secret that was seen.
    async fn use_everything(&self, site: SocketAddr) -> Vec<(String, String)> {
        let mut secrets = Vec::new();
        let mut note =
            |name: &str, secret: &str| secrets.push((name.to_owned(), secret.to_owned()));
        note("client secret", SECRET);
        note("session key", &self.key);

        let mut browser = Browser::new(site);
        let callback = browser.authorize("/page?x=1", "ada").await;
        note_callback(&mut note, &callback);
        note_jar(&mut note, &browser);
        // Not this browser's.
        assert_eq!(
            Browser::new(site).navigate(&callback).await.code(),
            "SG-2002"
        );
        assert_eq!(browser.navigate(&callback).await.status, 303);
        note_jar(&mut note, &browser);
        browser.navigate(&callback).await;
        while self.tap.token_calls().len() < 2 {
            browser.fetch("/bearer/echo/x").await;
            browser.fetch("/mc/rest/platform/v1/tokenContext").await;
        }
        note_jar(&mut note, &browser);

        let control = self.sandbox.control();
        for fault in [
            Fault::InvalidGrant,
            Fault::InvalidClient,
            Fault::Garbage,
            Fault::WrongTypes,
            Fault::Html,
            Fault::Redirect,
            Fault::Unavailable,
        ] {
            let mut unlucky = Browser::new(site);
            let callback = unlucky.authorize("/", "jonas").await;
            note_callback(&mut note, &callback);
            note_jar(&mut note, &unlucky);
            // Whom the provider does not know is asked about twice.
            let times = if fault == Fault::InvalidClient { 2 } else { 1 };
            control.set_fault(Place::Token, fault, Some(times));
            assert!(unlucky.navigate(&callback).await.status >= 400);
        }
        let refused = Browser::new(site).sign_in("/", "nora").await;
        assert_eq!(refused.code(), "SG-2005");
        // A session that nobody can open, and one that comes in a header or a query.
        let session = browser.jar["sidegate"].clone();
        let mut altered = Browser::new(site);
        altered
            .jar
            .insert("sidegate".to_owned(), format!("{session}A"));
        assert_eq!(altered.fetch("/page").await.status, 401);
        let bearer = self.tap.token_calls()[0].replied()["access_token"].clone();
        let bearer = format!("Bearer {}", bearer.as_str().expect("text"));
        let fields = [("authorization", bearer.as_str())];
        browser
            .send(Method::GET, "/mc/rest/none", &fields, Bytes::new())
            .await;
        browser.post("/oauth2/sign_out", "").await;

        for call in self.tap.token_calls() {
            for (document, member) in [
                (call.asked(), "code"),
                (call.asked(), "code_verifier"),
                (call.asked(), "refresh_token"),
            ] {
                note_member(&mut note, &document, member);
            }
            if let Ok(reply) = serde_json::from_slice::<Value>(&call.reply) {
                note_member(&mut note, &reply, "access_token");
                note_member(&mut note, &reply, "refresh_token");
            }
        }
        let kinds: HashSet<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
        for kind in [
            "code",
            "state",
            "code_verifier",
            "access_token",
            "refresh_token",
            "sidegate",
            "client secret",
            "session key",
        ] {
            assert!(kinds.contains(kind), "{kind}: {kinds:?}");
        }
        secrets
    }
}

fn note_member(note: &mut impl FnMut(&str, &str), document: &Value, member: &str) {
    if let Some(text) = document[member].as_str() {
        note(member, text);
    }
}

fn note_jar(note: &mut impl FnMut(&str, &str), browser: &Browser) {
    for (name, value) in &browser.jar {
        note(name, value);
    }
}

/// Code and state.
fn note_callback(note: &mut impl FnMut(&str, &str), callback: &str) {
    let (_, query) = callback.split_once('?').expect("a query");
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').expect("a value");
        note(name, value);
    }
}

/// `sidegate serve`, with its log caught.
struct Process {
    child: Child,
    address: SocketAddr,
    lines: mpsc::UnboundedReceiver<String>,
    log: String,
}

impl Process {
    async fn start(around: &Surroundings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("sidegate.yaml");
        for _ in 0..20 {
            let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let address = socket.local_addr().expect("bound");
            drop(socket);
            let text = format!(
                "public_url: http://{address}\nlisten: {address}\nadmin_listen: 127.0.0.1:0\nworkers: 2\n\
                 log: {{ level: trace, format: text }}\nmarketing_cloud:\n  subdomain: sandbox\n  \
                 client_id: sandbox-web-client\n  client_secret: {{ env: SECRET }}\n  auth_base_url: {}\n  \
                 instance_hosts: [\"127.0.0.1:*\"]\nsession:\n  keys: [{{ env: KEY }}]\nroutes:\n  \
                 - {{ path: /mc/rest/, to: rest }}\n  \
                 - {{ path: /bearer/, to: {tool}, token: bearer, strip_prefix: true }}\n  \
                 - {{ path: /, to: {tool} }}\n",
                around.tap.origin(),
                tool = around.tool.origin(),
            );
            std::fs::write(&file, text).expect("written");
            let mut child = Command::new(env!("CARGO_BIN_EXE_sidegate"))
                .args(["serve", "--config"])
                .arg(&file)
                .env("SECRET", SECRET)
                .env("KEY", &around.key)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the binary starts");
            let stderr = BufReader::new(child.stderr.take().expect("piped"));
            let (sender, mut lines) = mpsc::unbounded_channel();
            tokio::task::spawn_blocking(move || {
                for line in stderr.lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
            let mut log = String::new();
            while let Some(line) = lines.recv().await {
                log.push_str(&line);
                log.push('\n');
                if line.contains("Serving.") {
                    return Self {
                        child,
                        address,
                        lines,
                        log,
                    };
                }
            }
            let status = child.wait().expect("ends");
            // Somebody else took the port.
            assert_eq!(status.code(), Some(69), "{log}");
        }
        panic!("no port is free");
    }

    /// Stops it; answers all that it said.
    async fn end(&mut self) -> String {
        // SIGKILL would lose the last access records.
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("there is a kill").success());
        let mut log = std::mem::take(&mut self.log);
        while let Some(line) = self.lines.recv().await {
            log.push_str(&line);
            log.push('\n');
        }
        let status = self.child.wait().expect("ends");
        assert!(status.success(), "{status}");
        log
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `end`, there is nothing left to kill.
        let _ended = self.child.kill();
    }
}

const SECRET: &str = "sandbox-web-secret-do-not-use";
