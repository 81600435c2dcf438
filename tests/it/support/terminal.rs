//! The program on a terminal of its own, as a person sees it.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::Duration;

use rustix::pty::OpenptFlags;
use rustix::termios::LocalModes;

use super::process::sidegate;

/// A person at a terminal.
pub struct Terminal {
    child: Child,
    master: File,
    output: mpsc::Receiver<Vec<u8>>,
    /// All that was shown.
    pub shown: String,
    /// How much of it was looked at.
    seen: usize,
}

impl Terminal {
    /// Starts the program with `arguments` in `folder`, in a session whose terminal this is.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let master =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        rustix::pty::grantpt(&master).expect("granted");
        rustix::pty::unlockpt(&master).expect("unlocked");
        let name = rustix::pty::ptsname(&master, Vec::new()).expect("a name");
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().expect("text"))
            .expect("its other side");
        let program = sidegate(folder, arguments, &[]);
        // Makes the terminal the session's own, so that Ctrl-C is a signal.
        let mut command = Command::new("setsid");
        command
            .arg("--ctty")
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(folder)
            .env_clear()
            .stdin(slave.try_clone().expect("one more"))
            .stdout(slave.try_clone().expect("one more"))
            .stderr(slave);
        let child = command.spawn().expect("setsid runs");
        // The other side has to be the child's alone, or its end would not be seen.
        drop(command);
        let master = File::from(master);
        let mut reader = master.try_clone().expect("one more");
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            master,
            output,
            shown: String::new(),
            seen: 0,
        }
    }

    /// Waits until `text` is shown behind what was looked at before.
    pub fn expect(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let more = self.output.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Types.
    pub fn write(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("typed");
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.master).expect("a terminal");
        modes.local_modes.contains(LocalModes::ECHO)
    }

    /// The end, and all that was shown until then.
    pub fn end(&mut self) -> (ExitStatus, String) {
        while let Ok(more) = self.output.recv_timeout(PATIENCE) {
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
        let status = self.child.wait().expect("it ran");
        (status, std::mem::take(&mut self.shown))
    }
}

/// Whether Ctrl-C ended it.
pub fn was_interrupted(status: ExitStatus) -> bool {
    status.signal() == Some(rustix::process::Signal::INT.as_raw())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
