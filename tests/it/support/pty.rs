//! A real terminal, on which a program is watched as a person would see it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rustix::pty::OpenptFlags;
use rustix::pty::grantpt;
use rustix::pty::ioctl_tiocgptpeer;
use rustix::pty::openpt;
use rustix::pty::unlockpt;
use tokio::time::timeout;

/// Which of a program's streams are the terminal; the others are pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As if typed.
    Both,
    /// `… | cat`.
    Errors,
    /// `… 2>file`.
    Output,
}

/// What a program did to a terminal, and to the pipe beside it.
#[derive(Debug)]
pub struct Watched {
    pub exit: i32,
    /// Every byte that the terminal got.
    pub terminal: String,
    /// Every byte that a pipe got in its place.
    pub pipe: String,
}

impl Watched {
    /// What is there to see in the end: the rows without their colours.
    pub fn screen(&self) -> String {
        let mut rows = vec![String::new()];
        let mut rest = self.terminal.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\n' => rows.push(String::new()),
                '\r' if rest.peek() == Some(&'\n') => {}
                // Whoever goes to the beginning of the line has to erase it.
                '\r' => {
                    let erase: String = rest.by_ref().take(3).collect();
                    assert_eq!(erase, "\x1b[K", "{:?}", self.terminal);
                    rows.last_mut().expect("a row").clear();
                }
                '\x1b' => {
                    let colour: String = rest.by_ref().take_while(|&c| c != 'm').collect();
                    assert!(colour.starts_with('['), "{:?}", self.terminal);
                }
                c => rows.last_mut().expect("a row").push(c),
            }
        }
        rows.join("\n")
    }
}

/// Runs `command` on a terminal to its end, which has to come by itself.
pub async fn watch(mut command: Command, shown: Shown) -> Watched {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
    let master = master.expect("a terminal");
    grantpt(&master).expect("ours");
    unlockpt(&master).expect("ours");
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY);
    let slave: OwnedFd = slave.expect("its other end");
    let end = || Stdio::from(slave.as_fd().try_clone_to_owned().expect("a descriptor"));
    if shown != Shown::Errors {
        command.stdout(end());
    }
    if shown != Shown::Output {
        command.stderr(end());
    }
    let mut child = command.spawn().expect("it runs");
    // The last ones that hold the other end are the child's.
    drop((command, slave));
    let pid = child.id();
    let seen = tokio::task::spawn_blocking(move || {
        let pipe = child.stdout.take().map(OwnedFd::from);
        let pipe = pipe.or_else(|| child.stderr.take().map(OwnedFd::from));
        let beside = std::thread::spawn(move || pipe.map(read).unwrap_or_default());
        let terminal = read(master);
        let status = child.wait().expect("it ran");
        Watched {
            exit: status.code().expect("no signal"),
            terminal,
            pipe: beside.join().expect("no panic"),
        }
    });
    let Ok(seen) = timeout(DEADLINE, seen).await else {
        super::process::send("KILL", pid);
        panic!("it does not end by itself");
    };
    seen.expect("no panic")
}

/// Everything until the other end is closed, which a terminal tells with an error (EIO).
fn read(from: OwnedFd) -> String {
    let mut file = File::from(from);
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = file.read(&mut some) {
        all.extend_from_slice(&some[..count]);
    }
    String::from_utf8(all).expect("text")
}

const DEADLINE: Duration = Duration::from_secs(30);
