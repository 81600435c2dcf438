//! A real store: `redis-server` on a port of its own.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use sidegate::app::App;
use tempfile::TempDir;

use super::gate::free_port;
use super::process::Running;

/// A store that a test started. It ends with the test.
pub struct Redis {
    process: Option<Running>,
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
}

impl Redis {
    /// The usual store; `None`, said aloud, where there is no `redis-server`.
    pub async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    /// A store with further arguments, in which `DIR` stands for its directory.
    pub async fn with(arguments: &[&str]) -> Option<Self> {
        Self::prepared(arguments, |_| ()).await
    }

    /// The same, after files were put into its directory.
    pub async fn prepared(arguments: &[&str], prepare: impl FnOnce(&TempDir)) -> Option<Self> {
        if !is_installed() {
            left_out();
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        prepare(&directory);
        let dir = directory.path().to_str().expect("text").to_owned();
        let mut redis = Self {
            process: None,
            port: 0,
            arguments: arguments
                .iter()
                .map(|argument| argument.replace("DIR", &dir))
                .collect(),
            directory,
        };
        // The port may be taken between the look and the bind.
        for _ in 0..10 {
            redis.port = free_port();
            if redis.resume().await {
                return Some(redis);
            }
        }
        panic!("redis-server does not start");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its URL, for `session.store.redis.url`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// A file in its directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts it again with what it kept, at the same port. `false` if it does not come up.
    pub async fn resume(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        let file = self.file("redis.conf");
        if file.exists() {
            command.arg(file);
        }
        command
            .args(["--bind", "127.0.0.1", "--port", &port])
            .args([
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ])
            .arg("--dir")
            .arg(self.directory.path())
            .args(
                self.arguments
                    .iter()
                    .map(|argument| argument.replace("PORT", &port)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Running::by_output(command);
        let up = process.line("eady to accept connections").await.is_some();
        self.process = Some(process);
        up
    }

    /// Ends it, as an operator would.
    pub async fn stop(&mut self) {
        self.process.take().expect("running").stop("TERM").await;
    }

    /// Lets it stand still, or go on.
    pub fn signal(&self, signal: &str) {
        super::process::send(signal, self.process.as_ref().expect("running").pid());
    }

    /// A connection of the test's own.
    pub async fn client(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a URL");
        client
            .get_multiplexed_async_connection()
            .await
            .expect("connects")
    }

    /// Everything in it, keys and values, as text.
    pub async fn dump(&self) -> Vec<(String, String)> {
        let mut client = self.client().await;
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut client)
            .await
            .expect("keys");
        let mut all = Vec::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE")
                .arg(&key)
                .query_async(&mut client)
                .await
                .expect("a type");
            let command = if kind == "stream" {
                redis::cmd("XRANGE").arg(&key).arg("-").arg("+").to_owned()
            } else {
                redis::cmd("GET").arg(&key).to_owned()
            };
            let value: redis::Value = command.query_async(&mut client).await.expect("a value");
            let text = match value {
                redis::Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                other => format!("{other:?}"),
            };
            all.push((key, text));
        }
        all
    }
}

/// Waits until the app has found its store, or lost it.
pub async fn store_is(app: &App, up: bool) {
    let mut state = app.store_state().expect("the plan has a store");
    let change = state.wait_for(|now| *now == up);
    tokio::time::timeout(Duration::from_secs(20), change)
        .await
        .expect("in time")
        .expect("the app runs");
}

fn is_installed() -> bool {
    let mut command = Command::new("redis-server");
    let asked = command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Past the test harness, which swallows what passing tests print.
fn left_out() {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let mut stderr = std::io::stderr();
    let _said = writeln!(
        stderr,
        "LEFT OUT: {name}: there is no redis-server; tests/run installs it"
    );
}
