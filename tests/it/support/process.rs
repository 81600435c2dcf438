//! The program itself, run as a person or an orchestrator would.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read;
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::traced;
use super::traced::Lines;

/// The program with `arguments`, in `folder`, and nothing of the surroundings but `variables`.
pub fn sidegate(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    // Measurements may want one that was built otherwise.
    let other = std::env::var_os("SIDEGATE_TEST_PROGRAM");
    let program = other.unwrap_or_else(|| env!("CARGO_BIN_EXE_sidegate").into());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if traced::directory().is_some() {
        for (name, value) in variables {
            if name.contains("KEY") || name.contains("SECRET") || name.contains("PASSWORD") {
                traced::secret("variable", value);
            }
        }
        if arguments.first() == Some(&"serve") {
            command.env("SIDEGATE__LOG__LEVEL", "trace");
        }
    }
    command
}

/// Runs `command` to its end, which has to come by itself.
pub async fn run(mut command: Command) -> Output {
    let child = command.spawn().expect("it runs");
    let pid = child.id();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let Ok(output) = timeout(DEADLINE, output).await else {
        send("KILL", pid);
        panic!("it does not end by itself");
    };
    let output = output.expect("no panic").expect("it ran");
    if traced::directory().is_some() {
        let mut lines = Lines::to("command.log");
        for bytes in [&output.stdout, &output.stderr] {
            lines.write_all(bytes).expect("the disk takes it");
        }
    }
    output
}

/// The exit code of a program that ended by itself.
pub fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

/// A program that runs until it is told to stop.
pub struct Running {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// Lines that were not the one sought.
    passed: Vec<String>,
}

impl Running {
    /// Starts `command` and follows its standard output.
    pub fn by_output(mut command: Command) -> Self {
        let log = match traced::directory() {
            Some(_) => Lines::to("process.log").into_stdio(),
            None => Stdio::null(),
        };
        let mut child = command.stderr(log).spawn().expect("it runs");
        let output = child.stdout.take().expect("piped");
        Self::following(child, output, None)
    }

    /// Starts `command` and follows its log.
    pub fn by_log(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().expect("it runs");
        let log = child.stderr.take().expect("piped");
        let kept = traced::directory().map(|_| Lines::to("process.log"));
        Self::following(child, log, kept)
    }

    fn following(
        child: Child,
        source: impl Read + Send + 'static,
        mut kept: Option<Lines>,
    ) -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        // Reads to the end also when nobody listens any more, so that the program never waits.
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                if let Some(kept) = &mut kept {
                    writeln!(kept, "{line}").expect("the disk takes it");
                }
                let _heard = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            passed: Vec::new(),
        }
    }

    /// The first line that holds `text` of those not found yet; `None` if the program ends without one. Two
    /// processes write as they come, so that what was passed over for one line may be the next one sought.
    pub async fn line(&mut self, text: &str) -> Option<String> {
        if let Some(at) = self.passed.iter().position(|line| line.contains(text)) {
            return Some(self.passed.remove(at));
        }
        let search = async {
            loop {
                let line = self.lines.recv().await?;
                if line.contains(text) {
                    return Some(line);
                }
                self.passed.push(line);
            }
        };
        timeout(DEADLINE, search)
            .await
            .expect("it says something in time")
    }

    /// Sends `signal` and waits for the exit code.
    pub async fn stop(self, signal: &str) -> i32 {
        send(signal, self.pid());
        self.ended().await
    }

    /// Waits for the exit code of what was told to end.
    pub async fn ended(mut self) -> i32 {
        // Its output ends with it.
        let end = async { while self.lines.recv().await.is_some() {} };
        timeout(DEADLINE, end).await.expect("it ends in time");
        let status = self.child.wait().expect("it ran");
        status.code().expect("it ends by itself")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it ever had at once, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// The memory that it has now, in bytes.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The processor time that it has used, to 10 ms.
    pub fn processor_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.pid());
        let stat = std::fs::read_to_string(path).expect("running");
        // The name may hold anything; what counts stands behind it.
        let (_, rest) = stat.rsplit_once(") ").expect("a name");
        let ticks = rest.split(' ').skip(11).take(2);
        let ticks: u64 = ticks
            .map(|field| field.parse::<u64>().expect("ticks"))
            .sum();
        Duration::from_millis(ticks * 10)
    }

    fn status(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("running");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes
            .and_then(|digits| digits.trim().parse::<u64>().ok())
            .expect("a number")
            * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Sends a signal to a process that a test started.
pub fn send(signal: &str, pid: u32) {
    let sent = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(sent.expect("kill runs").success(), "signal {signal}");
}

const DEADLINE: Duration = Duration::from_secs(30);
