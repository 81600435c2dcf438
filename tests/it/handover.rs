//! Restarts without a gap: no request is lost while one process makes room for the next, and none while a
//! supervisor keeps the sockets.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use tokio::time::Instant;

use crate::support::Puppet;
use crate::support::Wire;
use crate::support::process;
use crate::support::process::Running;
use crate::support::process::sidegate;
use crate::support::serving;
use crate::support::serving::Serving;
use crate::support::tell;

/// `SIDEGATE_TEST_RESTARTS=50` makes it 50 restarts and 100,000 requests; 5 and 10,000 without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_over_restarts() {
    let restarts = std::env::var_os("SIDEGATE_TEST_RESTARTS");
    let restarts = restarts.and_then(|number| number.to_str()?.parse::<u32>().ok());
    let restarts = restarts.unwrap_or(5);
    let wanted = u64::from(restarts) * 2_000;
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: 127.0.0.1:0\nworkers: 2\nlog: { access: false }";
    let text = serving::configuration(&tool.origin(), top);
    let mut gateway = serving::start(folder.path(), &text).await;
    let load = Arc::new(Load::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(Arc::clone(&load).client(number, gateway.public, wanted)))
        .collect();
    let begun = Instant::now();
    let mut lineage = Lineage(gateway.running.pid());
    for restart in 1..=restarts {
        // Spread over the load.
        let due = wanted * u64::from(restart) / u64::from(restarts + 1);
        while load.answered.load(SeqCst) < due {
            tokio::task::yield_now().await;
        }
        process::send("USR2", lineage.0);
        let next = serving::started(&mut gateway.running).await;
        assert_ne!(next.pid, lineage.0);
        assert_eq!(next.public, gateway.public);
        assert_eq!(next.admin, gateway.admin);
        let old = std::mem::replace(&mut lineage.0, next.pid);
        let stopped = gateway.running.line("\"event\":\"stopped\"").await;
        assert!(stopped.is_some_and(|line| line.contains(&old.to_string())));
        assert_eq!(ready(&gateway).await, 200, "the probe is the new one's");
    }
    load.enough.store(true, SeqCst);
    let mut lost = Vec::new();
    for client in clients {
        lost.extend(client.await.expect("no panic"));
    }
    let answered = load.answered.load(SeqCst);
    tell(&format!(
        "{restarts} restarts, {answered} requests on {} connections in {:?}, {} lost",
        load.connections.load(SeqCst),
        begun.elapsed(),
        lost.len()
    ));
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), lost.first());
    assert!(answered >= wanted, "{answered}");
    process::send("TERM", lineage.0);
    assert_eq!(gateway.running.ended().await, 0, "the first one's exit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_does_not_serve_changes_nothing() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let text = serving::configuration(&tool.origin(), "listen: 127.0.0.1:0");
    let mut gateway = serving::start(folder.path(), &text).await;
    let file = folder.path().join("sidegate.yaml");
    std::fs::write(&file, "nonsense: true\n").expect("written");
    process::send("USR2", gateway.running.pid());
    let failed = gateway.running.line("\"event\":\"handover.failed\"").await;
    assert!(failed.is_some());
    let mut wire = Wire::connect(gateway.public).await;
    wire.send(serving::get("/x")).await;
    let answer = wire.message().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.all("connection").is_empty(), "nothing ends");
    assert_eq!(ready(&gateway).await, 200);
    std::fs::write(&file, &text).expect("written");
    process::send("USR2", gateway.running.pid());
    let next = serving::started(&mut gateway.running).await;
    let lineage = Lineage(next.pid);
    let mut other = Wire::connect(gateway.public).await;
    other.send(serving::get("/x")).await;
    assert_eq!(other.message().await.expect("an answer").status(), 200);
    process::send("TERM", lineage.0);
    assert_eq!(gateway.running.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_may_keep_the_socket() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    // Where the configuration says does not matter then.
    let text = serving::configuration(&tool.origin(), "listen: 192.0.2.1:9");
    std::fs::write(folder.path().join("sidegate.yaml"), text).expect("written");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let mut running = activated(folder.path(), &socket);
    assert_eq!(serving::started(&mut running).await.public, address);
    let mut wire = Wire::connect(address).await;
    wire.send(serving::get("/x")).await;
    assert_eq!(wire.message().await.expect("an answer").status(), 200);
    assert_eq!(running.stop("TERM").await, 0);
    // Nobody runs, and still the connection is made.
    let mut waiting = Wire::connect(address).await;
    waiting.send(serving::get("/x")).await;
    let mut running = activated(folder.path(), &socket);
    assert_eq!(serving::started(&mut running).await.public, address);
    assert_eq!(waiting.message().await.expect("an answer").status(), 200);
    assert_eq!(running.stop("TERM").await, 0);
}

/// Starts the program as systemd does, with the socket as descriptor 3.
fn activated(folder: &Path, socket: &TcpListener) -> Running {
    let program = sidegate(folder, &[], &[]);
    let mut shell = Command::new("/bin/sh");
    let given = OwnedFd::from(socket.try_clone().expect("cloned"));
    shell
        .arg("-c")
        .arg(
            "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=sidegate.socket
             exec \"$0\" serve --config sidegate.yaml",
        )
        .arg(program.get_program())
        .current_dir(folder)
        .env_clear()
        .envs([("KEY", serving::KEY), ("SECRET", "s")])
        .stdin(Stdio::from(given))
        .stderr(Stdio::piped());
    Running::by_log(shell)
}

/// What clients do meanwhile.
#[derive(Default)]
struct Load {
    answered: AtomicU64,
    connections: AtomicU64,
    enough: AtomicBool,
}

impl Load {
    /// Asks again and again on one connection, and on the next when it is told that this was the last
    /// answer. Answers what was lost.
    async fn client(
        self: Arc<Self>,
        number: usize,
        site: std::net::SocketAddr,
        wanted: u64,
    ) -> Vec<String> {
        let mut lost = Vec::new();
        let is_over = || self.enough.load(SeqCst) && self.answered.load(SeqCst) >= wanted;
        while !is_over() && lost.is_empty() {
            let Ok(stream) = tokio::net::TcpStream::connect(site).await else {
                lost.push(format!("client {number}: no connection"));
                break;
            };
            let mut wire = Wire::over(stream);
            self.connections.fetch_add(1, SeqCst);
            // One that is not idempotent, which nobody may send a second time.
            let request =
                "POST /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 4\r\n\r\nbody";
            while !is_over() {
                wire.send(request).await;
                match wire.message().await {
                    Some(answer) if answer.status() == 200 && answer.text() == "ok" => {
                        self.answered.fetch_add(1, SeqCst);
                        if answer.all("connection") == ["close"] {
                            break;
                        }
                    }
                    other => {
                        lost.push(format!("client {number}: {other:?}"));
                        break;
                    }
                }
            }
        }
        lost
    }
}

/// The last process of a line of successors; it does not outlive the test.
struct Lineage(u32);

impl Drop for Lineage {
    fn drop(&mut self) {
        // Mostly it has ended.
        let _killed = Command::new("kill")
            .args(["-s", "KILL", &self.0.to_string()])
            .stderr(Stdio::null())
            .status();
    }
}

async fn ready(gateway: &Serving) -> u16 {
    let mut wire = Wire::connect(gateway.admin).await;
    wire.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.message().await.expect("an answer").status()
}

const CLIENTS: usize = 16;
