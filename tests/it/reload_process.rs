//! Reloads of a process: by SIGHUP, by a change of the file, by a swapped link; what it says of them, and
//! that nobody who asks meanwhile notices.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;
use sidegate::http::body::read_limited;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::Puppet;
use crate::support::Wire;
use crate::support::process;
use crate::support::serving;
use crate::support::serving::Serving;
use crate::support::tell;

const APPLIED: &str = "\"event\":\"configuration.applied\"";
const REFUSED: &str = "\"event\":\"configuration.refused\"";

/// A file that was found so long ago, and is the same, may be taken over.
const SETTLE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_puts_the_file_into_force() {
    let (old, new) = (saying("old").await, saying("new").await);
    let folder = tempfile::tempdir().expect("a folder");
    // Where nothing is told of changes, as on some network file systems, the signal is the way: the file is
    // the same here, and what it names has changed.
    let mut gateway = serving::start(folder.path(), &text(&old, "")).await;
    let first = status(&gateway).await["configuration"].clone();
    assert_eq!(first["reloads"], 0);
    process::send("HUP", gateway.running.pid());
    applied(&mut gateway).await;
    let again = status(&gateway).await["configuration"].clone();
    assert_eq!(
        (&again["hash"], &again["reloads"]),
        (&first["hash"], &1.into())
    );
    assert_eq!(ask(&gateway).await, (200, "old".to_owned()));
    write(folder.path(), &text(&new, ""));
    process::send("HUP", gateway.running.pid());
    applied(&mut gateway).await;
    assert_eq!(ask(&gateway).await, (200, "new".to_owned()));
    let last = status(&gateway).await["configuration"].clone();
    assert_ne!(last["hash"], first["hash"]);
    let hash = last["hash"].as_str().expect("known");
    let metrics = metrics(&gateway).await;
    assert!(
        metrics.contains(&format!("sidegate_config_info{{hash=\"{hash}\"}} 1")),
        "{metrics}"
    );
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_file_is_enough() {
    let tools = [saying("0").await, saying("1").await, saying("2").await];
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = serving::start(folder.path(), &text(&tools[0], "")).await;
    // In place.
    write(folder.path(), &text(&tools[1], ""));
    applied(&mut gateway).await;
    assert_eq!(ask(&gateway).await, (200, "1".to_owned()));
    // As editors and deployment tools do.
    let beside = folder.path().join(".sidegate.yaml.swp");
    std::fs::write(&beside, text(&tools[2], "")).expect("our own file");
    std::fs::rename(&beside, folder.path().join("sidegate.yaml")).expect("our own file");
    applied(&mut gateway).await;
    assert_eq!(ask(&gateway).await, (200, "2".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_written_in_two_steps_is_taken_over_as_a_whole() {
    let tool = saying("ok").await;
    // Without its last line it opens all paths to everybody.
    let half = text(&tool, "# another\n");
    let rest = format!("  - {{ path: /closed/, to: \"{}\" }}\n", tool.origin());
    let hash: [u8; 32] = Sha256::digest(format!("{half}{rest}")).into();
    let hash = u64::from_be_bytes(*hash.first_chunk().expect("8 of 32"));
    let hash = format!("\"hash\":\"{hash:016x}\"");
    let old = format!("{}{rest}", text(&tool, ""));
    let old = old.replace("access: false", "access: false, level: debug");
    let half = half.as_bytes();
    // A machine that is too slow to write the rest in time shows nothing: once more then.
    loop {
        let folder = tempfile::tempdir().expect("a folder");
        let mut gateway = serving::start(folder.path(), &old).await;
        let begun = Instant::now();
        let mut file = File::create(folder.path().join("sidegate.yaml")).expect("our own file");
        file.write_all(half).expect("written");
        let seen = gateway.running.line("files.unsettled").await;
        file.write_all(rest.as_bytes()).expect("written");
        let in_time = begun.elapsed() < SETTLE;
        drop(file);
        assert!(seen.is_some());
        if !in_time {
            continue;
        }
        let line = gateway.running.line(APPLIED).await.expect("told");
        assert!(line.contains(&hash), "{hash}: {line}");
        let told = status(&gateway).await;
        assert_eq!(told["configuration"]["reloads"], 1, "{told}");
        assert_eq!(get_public(&gateway, "/closed/").await, 401);
        return;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_while_a_change_settles_takes_it_over_once() {
    let tools = [saying("0").await, saying("1").await, saying("2").await];
    let texts = tools
        .each_ref()
        .map(|tool| text(tool, "").replace("access: false", "access: false, level: debug"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = serving::start(folder.path(), &texts[0]).await;
    write(folder.path(), &texts[1]);
    assert!(gateway.running.line("files.unsettled").await.is_some());
    process::send("HUP", gateway.running.pid());
    applied(&mut gateway).await;
    assert_eq!(ask(&gateway).await, (200, "1".to_owned()));
    let once_more = gateway.running.line(APPLIED);
    assert!(tokio::time::timeout(SETTLE * 2, once_more).await.is_err());
    write(folder.path(), &texts[2]);
    applied(&mut gateway).await;
    assert_eq!(ask(&gateway).await, (200, "2".to_owned()));
    assert_eq!(status(&gateway).await["configuration"]["reloads"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_of_kubernetes_is_followed() {
    let (old, new) = (saying("old").await, saying("new").await);
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for (version, tool) in [("1", &old), ("2", &new)] {
        std::fs::create_dir(at(version)).expect("a directory");
        std::fs::write(at(version).join("sidegate.yaml"), text(tool, "")).expect("our own file");
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, at(name)).expect("a link");
    };
    link("1", "..data");
    link("..data/sidegate.yaml", "sidegate.yaml");
    let mut gateway = serving::run(folder.path(), &[]).await;
    assert_eq!(ask(&gateway).await, (200, "old".to_owned()));
    link("2", "..data_tmp");
    std::fs::rename(at("..data_tmp"), at("..data")).expect("our own link");
    std::fs::remove_dir_all(at("1")).expect("our own directory");
    applied(&mut gateway).await;
    assert_eq!(ask(&gateway).await, (200, "new".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_no_good_is_told_and_changes_nothing() {
    let (old, new) = (saying("old").await, saying("new").await);
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = serving::start(folder.path(), &text(&old, "")).await;
    let broken = format!(
        "nonsense: true\n{}",
        text(&new, "").replace("subdomain", "subdomains")
    );
    write(folder.path(), &broken);
    let line = gateway.running.line(REFUSED).await.expect("told");
    for part in [
        "\"code\":\"SG-6211\"",
        "sidegate.yaml:1:1: error[SG-6002]",
        "hint: ",
        "SG-6003",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(ask(&gateway).await, (200, "old".to_owned()));
    let told = status(&gateway).await;
    let problem = &told["configuration"]["refused"]["problems"][0];
    let problem = problem.as_str().expect("told");
    assert!(
        problem.starts_with("sidegate.yaml:1:1: error[SG-6002]"),
        "{problem}"
    );
    let attention = told["attention"].to_string();
    assert!(
        attention.contains("configuration is no good"),
        "{attention}"
    );
    assert_eq!(told["ready"], true);
    assert_eq!(get(&gateway, "/readyz").await.0, 200);
    let scrape = metrics(&gateway).await;
    for series in [
        "sidegate_config_last_reload_successful 0",
        "sidegate_config_reloads_total{result=\"applied\"} 0",
    ] {
        assert!(scrape.contains(series), "{series}\n{scrape}");
    }
    // A signal changes nothing about it.
    process::send("HUP", gateway.running.pid());
    write(folder.path(), &text(&new, ""));
    applied(&mut gateway).await;
    assert_eq!(ask(&gateway).await, (200, "new".to_owned()));
    let told = status(&gateway).await;
    assert_eq!(told["configuration"]["refused"], Value::Null);
    let scrape = metrics(&gateway).await;
    assert!(
        scrape.contains("sidegate_config_last_reload_successful 1"),
        "{scrape}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_bound_waits_for_a_restart_and_the_rest_does_not() {
    let (old, new) = (saying("old").await, saying("new").await);
    let folder = tempfile::tempdir().expect("a folder");
    let first = text(&old, "");
    let mut gateway = serving::start(folder.path(), &first).await;
    let moved = text(&new, "").replace(
        "\nlisten: 127.0.0.1:0",
        "\nlisten: [127.0.0.1:0, 127.0.0.1:1]",
    );
    write(folder.path(), &moved.replace("workers: 1", "workers: 3"));
    let line = gateway
        .running
        .line("configuration.waits")
        .await
        .expect("told");
    assert!(
        line.contains("\"code\":\"SG-6210\"") && line.contains("listen, workers"),
        "{line}"
    );
    assert_eq!(
        ask(&gateway).await,
        (200, "new".to_owned()),
        "at the old place"
    );
    let told = status(&gateway).await;
    assert_eq!(
        told["configuration"]["waiting"],
        serde_json::json!(["listen", "workers"])
    );
    assert!(
        told["attention"]
            .to_string()
            .contains("waits for a restart with listen")
    );
    assert!(
        metrics(&gateway)
            .await
            .contains("sidegate_config_waiting_for_restart 2")
    );
    assert_eq!(get(&gateway, "/readyz").await.0, 200);
    write(folder.path(), &first);
    while metrics(&gateway)
        .await
        .contains("sidegate_config_waiting_for_restart 2")
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&gateway).await, (200, "old".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_a_new_configuration_names_are_watched() {
    let tool = saying("ok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = tempfile::tempdir().expect("another folder");
    let mut gateway = serving::start(folder.path(), &text(&tool, "")).await;
    let file = secrets.path().join("session-key");
    let with_file =
        text(&tool, "").replace("{ env: KEY }", &format!("{{ file: {} }}", file.display()));
    // The configuration may come before the secret.
    write(folder.path(), &with_file);
    let line = gateway.running.line(REFUSED).await.expect("told");
    assert!(line.contains("SG-6006"), "{line}");
    std::fs::write(&file, serving::KEY).expect("our own file");
    process::send("HUP", gateway.running.pid());
    applied(&mut gateway).await;
    let other = serving::KEY.replace('A', "B");
    std::fs::write(&file, other).expect("our own file");
    assert!(gateway.running.line("session_keys.changed").await.is_some());
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_an_upstream_that_stays_are_kept() {
    let tool = saying("ok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = serving::start(folder.path(), &text(&tool, "")).await;
    let mut wire = Wire::connect(gateway.public).await;
    for number in 0..5 {
        wire.send(serving::get("/x")).await;
        assert_eq!(wire.message().await.expect("an answer").status(), 200);
        write(folder.path(), &text(&tool, &format!("# {number}\n")));
        applied(&mut gateway).await;
    }
    assert_eq!(tool.connections(), 1, "the client's and ours live on");
    // Other deadlines make other connections.
    write(
        folder.path(),
        &text(&tool, "timeouts: { upstream_idle: 7s }\n"),
    );
    applied(&mut gateway).await;
    wire.send(serving::get("/x")).await;
    assert_eq!(wire.message().await.expect("an answer").status(), 200);
    assert_eq!(tool.connections(), 2);
}

/// `SIDEGATE_TEST_RELOADS=1000` makes it a thousand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_over_a_hundred_reloads() {
    let reloads = std::env::var_os("SIDEGATE_TEST_RELOADS");
    let reloads = reloads.and_then(|number| number.to_str()?.parse::<u32>().ok());
    let reloads = reloads.unwrap_or(100);
    let tools = [saying("ok").await, saying("ok").await];
    let folder = tempfile::tempdir().expect("a folder");
    let top = |number: u32| match number % 3 {
        0 => format!("# {number}\n"),
        1 => format!("timeouts: {{ upstream_idle: {}s }}\n", 10 + number % 20),
        _ => format!("limits: {{ connections: {} }}\n", 900 + number),
    };
    // Two cores, two workers.
    let version = |number: u32| {
        let tool = &tools[usize::from(number % 2 == 1)];
        text(tool, &format!("h2c: true\n{}", top(number))).replace("workers: 1", "workers: 2")
    };
    let mut gateway = serving::start(folder.path(), &version(0)).await;
    let load = Arc::new(Load::default());
    let (site, mut clients) = (gateway.public, Vec::new());
    for number in 0..CLIENTS {
        clients.push(tokio::spawn(Arc::clone(&load).http1(number, site)));
        clients.push(tokio::spawn(Arc::clone(&load).http2(number, site)));
    }
    let begun = Instant::now();
    let memory = gateway.running.memory();
    for number in 1..=reloads {
        let due = load.answered.load(SeqCst) + 20;
        while load.answered.load(SeqCst) < due && load.lost.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        write(folder.path(), &version(number));
        process::send("HUP", gateway.running.pid());
        applied(&mut gateway).await;
    }
    load.enough.store(true, SeqCst);
    let mut lost = Vec::new();
    for client in clients {
        lost.extend(client.await.expect("no panic"));
    }
    let (sent, answered) = (load.sent.load(SeqCst), load.answered.load(SeqCst));
    let grown = gateway.running.memory().saturating_sub(memory);
    tell(&format!(
        "{reloads} reloads, {sent} requests sent, {answered} answered well in {:?}, {} kB more memory",
        begun.elapsed(),
        grown / 1024
    ));
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), lost.first());
    assert_eq!(sent, answered);
    assert!(answered > u64::from(reloads), "{answered}");
    let scrape = metrics(&gateway).await;
    let counted = value(&scrape, "sidegate_config_reloads_total{result=\"applied\"}");
    assert!(counted >= u64::from(reloads), "{counted}");
    // What all of the configurations have counted, those that are long gone too.
    let requests = || async {
        let scrape = metrics(&gateway).await;
        let of = |method| {
            value(
                &scrape,
                &format!(
                    "sidegate_requests_total{{route=\"/\",method=\"{method}\",status=\"2xx\"}}"
                ),
            )
        };
        of("read") + of("write")
    };
    while requests().await < answered {
        tokio::task::yield_now().await;
    }
    assert_eq!(requests().await, answered);
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

/// What clients do meanwhile.
#[derive(Default)]
struct Load {
    sent: AtomicU64,
    answered: AtomicU64,
    lost: AtomicU64,
    enough: AtomicBool,
}

impl Load {
    /// Posts on one connection, which is never closed.
    async fn http1(self: Arc<Self>, number: usize, site: std::net::SocketAddr) -> Vec<String> {
        let mut wire = Wire::connect(site).await;
        let request = "POST /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 4\r\n\r\nbody";
        while !self.enough.load(SeqCst) {
            self.sent.fetch_add(1, SeqCst);
            wire.send(request).await;
            match wire.message().await {
                Some(answer)
                    if answer.status() == 200
                        && answer.text() == "ok"
                        && answer.all("connection").is_empty() =>
                {
                    self.answered.fetch_add(1, SeqCst);
                }
                other => return self.lose(format!("client {number}: {other:?}")),
            }
        }
        Vec::new()
    }

    /// Gets on one connection of HTTP/2, two at a time.
    async fn http2(self: Arc<Self>, number: usize, site: std::net::SocketAddr) -> Vec<String> {
        let stream = TcpStream::connect(site).await.expect("connects");
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
        let driven = tokio::spawn(connection);
        while !self.enough.load(SeqCst) {
            let one = || async {
                self.sent.fetch_add(1, SeqCst);
                let request =
                    Request::get("http://127.0.0.1:8080/x").body(Full::<Bytes>::default());
                let mut sender = sender.clone();
                let answer = sender.send_request(request.expect("a request")).await;
                let answer = answer.map_err(|error| error.to_string())?;
                let status = answer.status();
                let body = read_limited(answer.into_body(), 64).await;
                let body = body.map_err(|error| error.to_string())?;
                if status == 200 && body == "ok" {
                    self.answered.fetch_add(1, SeqCst);
                    return Ok(());
                }
                Err(format!("{status}: {body:?}"))
            };
            let (one, other) = tokio::join!(one(), one());
            if let Err(error) = one.and(other) {
                return self.lose(format!("client {number}, HTTP/2: {error}"));
            }
        }
        drop(sender);
        driven.abort();
        Vec::new()
    }

    fn lose(&self, what: String) -> Vec<String> {
        self.lost.fetch_add(1, SeqCst);
        vec![what]
    }
}

const CLIENTS: usize = 4;

/// A file that never answers, as on a network's disk that is gone: whoever reads it waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_hangs_keeps_nobody_from_stopping() {
    let tool = saying("ok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (key, path) = (
        folder.path().join("key"),
        folder.path().join("sidegate.yaml"),
    );
    let gateway = serving::start(folder.path(), &text(&tool, "")).await;
    let configuration = std::fs::read_to_string(&path).expect("our own file");
    let made = std::process::Command::new("mkfifo").arg(&key).status();
    assert!(made.expect("coreutils").success());
    let hangs = configuration.replace("session:\n", "session:\n  not_before: key\n");
    assert_ne!(hangs, configuration);
    write(folder.path(), &hangs);
    process::send("HUP", gateway.running.pid());
    assert_eq!(ask(&gateway).await, (200, "ok".to_owned()));
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

async fn saying(word: &str) -> Puppet {
    let length = word.len();
    Puppet::saying(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{word}"
    ))
    .await
}

fn text(tool: &Puppet, top: &str) -> String {
    let top = format!("listen: 127.0.0.1:0\nworkers: 1\nlog: {{ access: false }}\n{top}");
    serving::configuration(&tool.origin(), &top)
}

fn write(folder: &Path, text: &str) {
    // As a whole, so that no half is looked at.
    let beside = folder.join(".new");
    std::fs::write(&beside, text).expect("our own file");
    std::fs::rename(beside, folder.join("sidegate.yaml")).expect("our own file");
}

async fn applied(gateway: &mut Serving) {
    assert!(gateway.running.line(APPLIED).await.is_some());
}

async fn ask(gateway: &Serving) -> (u16, String) {
    let mut wire = Wire::connect(gateway.public).await;
    wire.send(serving::get("/x")).await;
    let answer = wire.message().await.expect("an answer");
    (answer.status(), answer.text())
}

async fn get_public(gateway: &Serving, path: &str) -> u16 {
    let mut wire = Wire::connect(gateway.public).await;
    wire.send(serving::get(path)).await;
    wire.message().await.expect("an answer").status()
}

async fn get(gateway: &Serving, path: &str) -> (u16, String) {
    let mut wire = Wire::connect(gateway.admin).await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .await;
    let answer = wire.message().await.expect("an answer");
    (answer.status(), answer.text())
}

async fn status(gateway: &Serving) -> Value {
    let (code, text) = get(gateway, "/status.json").await;
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

async fn metrics(gateway: &Serving) -> String {
    get(gateway, "/metrics").await.1
}

fn value(scrape: &str, series: &str) -> u64 {
    let mut lines = scrape.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {series} in\n{scrape}"))
}
