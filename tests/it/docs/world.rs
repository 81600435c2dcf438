//! Where the commands of a page run: a folder with a copy of what the repository gives its users, a simulated
//! tenant and a tool. Ports of the examples become ports of the kernel's choice.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::sandbox::Tool;
use sidegate::time::SystemClock;
use tempfile::TempDir;

use super::blocks::Block;
use super::blocks::root;
use crate::support::gate::free_port;
use crate::support::process::Running;
use crate::support::process::run;

/// A folder in which commands run, and what runs beside it.
pub struct World {
    folder: TempDir,
    sandbox: Sandbox,
    tool: Tool,
    ports: [(&'static str, u16); 4],
    running: Vec<(Running, &'static str)>,
}

impl World {
    /// An empty place, but for `config` and `deploy`: what a page needs beside, it makes.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(SystemClock);
        let sandbox = Sandbox::start(Settings::default(), clock, Arc::new(OsEntropy)).await;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let tool = Tool::start(any).await.expect("the tool starts");
        let sandbox = sandbox.expect("the sandbox starts");
        for name in ["config", "deploy"] {
            copy(&root().join(name), &folder.path().join(name));
        }
        let ports = [
            ("8080", free_port()),
            ("9901", free_port()),
            ("9100", free_port()),
            ("3000", tool.origin().port()),
        ];
        let world = Self {
            folder,
            sandbox,
            tool,
            ports,
            running: Vec::new(),
        };
        world.program();
        world
    }

    /// Puts a configuration where commands look for it.
    pub fn write(&self, name: &str, block: &Block) {
        let path = self.folder.path().join(name);
        std::fs::write(path, self.placed(&block.text)).expect("written");
    }

    /// The text with our ports in place of those of the examples.
    fn placed(&self, text: &str) -> String {
        self.ports
            .iter()
            .fold(text.to_owned(), |text, (said, port)| {
                ["127.0.0.1", "localhost"].iter().fold(text, |text, host| {
                    text.replace(&format!("{host}:{said}"), &format!("{host}:{port}"))
                })
            })
    }

    /// Runs a script to its end, which has to be good. What it reads is a client secret.
    pub async fn run(&self, script: &str) -> Output {
        let secret = self.folder.path().join("typed");
        std::fs::write(&secret, SECRET).expect("written");
        let mut shell = self.command("bash");
        shell
            .args(["-euo", "pipefail", "-c", &self.placed(script)])
            .stdin(std::fs::File::open(secret).expect("there"));
        run(shell).await
    }

    /// Starts a command that runs until it is told to stop, and waits until it serves.
    pub async fn start(&mut self, line: &str) {
        let line = self.placed(line);
        let mut words = line.split_whitespace().filter(|word| *word != "&");
        let mut command = self.command(words.next().expect("a program"));
        command.args(words);
        let (mut running, sign) = if line.contains(" serve") {
            (Running::by_log(command), "\"event\":\"started\"")
        } else {
            (Running::by_output(command), "http://")
        };
        let said = running.line(sign).await;
        assert!(said.is_some(), "{line}: it ends by itself");
        self.running.push((running, "TERM"));
        if line.contains(" serve") {
            self.is_ready().await;
        }
    }

    /// It says that it serves a moment before every worker accepts.
    async fn is_ready(&self) {
        let ready = async {
            let asked = || {
                let mut ask = self.command("sidegate");
                ask.arg("ready");
                ask
            };
            while !run(asked()).await.status.success() {}
        };
        let ready = tokio::time::timeout(Duration::from_secs(30), ready).await;
        assert!(ready.is_ok(), "it never is ready");
    }

    /// Tells what was started to stop; it has to end well.
    pub async fn end(mut self) {
        for (running, signal) in self.running.drain(..) {
            assert_eq!(running.stop(signal).await, 0);
        }
        drop(self.tool);
        self.sandbox.shutdown().await;
    }

    fn command(&self, program: &str) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new(program);
        let path = format!("{}/bin:/usr/local/bin:/usr/bin:/bin", folder.display());
        command
            .current_dir(folder)
            .env_clear()
            .env("PATH", &path)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if program == "sidegate" {
            // Looked for in our own PATH otherwise.
            let mut ours = Command::new(folder.join("bin/sidegate"));
            ours.current_dir(folder)
                .env_clear()
                .env("PATH", &path)
                .env("HOME", folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            return ours;
        }
        command
    }

    /// `sidegate` as the examples call it. What asks the provider asks ours; what listens at a usual port
    /// listens at one of ours.
    fn program(&self) {
        let bin = self.folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        let [gateway, admin, tenant, _] = self.ports.map(|(_, port)| port);
        let sandbox = self.sandbox.origin();
        let host = sandbox.to_string();
        let host = host.trim_start_matches("http://");
        let other = std::env::var_os("SIDEGATE_TEST_PROGRAM");
        let program = other.unwrap_or_else(|| env!("CARGO_BIN_EXE_sidegate").into());
        let program = program.to_string_lossy();
        let text = format!(
            "#!/usr/bin/env bash
case \" $* \" in
*' serve '*|*' doctor '*)
    export SIDEGATE__LISTEN=127.0.0.1:{gateway} SIDEGATE__ADMIN_LISTEN=127.0.0.1:{admin}
    config=${{SIDEGATE_CONFIG:-sidegate.yaml}} before=
    for word in \"$@\"; do
        if [ \"$before\" = --config ]; then config=$word; fi
        before=$word
    done
    if ! grep -Eqs '^tenants:|auth_base_url' \"$config\"; then
        export SIDEGATE__PUBLIC_URL=http://127.0.0.1:{gateway}
        export SIDEGATE__MARKETING_CLOUD__AUTH_BASE_URL={sandbox}
        export SIDEGATE__MARKETING_CLOUD__INSTANCE_HOSTS={host}
        export SIDEGATE__MARKETING_CLOUD__CLIENT_ID=sandbox-web-client
        export SIDEGATE__MARKETING_CLOUD__CLIENT_SECRET__ENV=SANDBOX_SECRET SANDBOX_SECRET={SECRET}
    fi ;;
*' demo '*) set -- \"$@\" --port 0 ;;
*' sandbox '*) set -- \"$@\" --listen 127.0.0.1:{tenant} ;;
*' ready ') set -- \"$@\" 127.0.0.1:{admin} ;;
esac
exec {program} \"$@\"
"
        );
        let path = bin.join("sidegate");
        std::fs::write(&path, text).expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("ours");
    }
}

const SECRET: &str = "sandbox-web-secret-do-not-use";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).expect("copied");
        }
    }
}
