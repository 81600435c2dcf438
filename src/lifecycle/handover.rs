//! A restart without a gap: the running process starts the program anew and passes its listening sockets
//! over a socket pair; it ends once the new one says over the same pair that it serves. Connections that
//! wait to be accepted are in the sockets, so that none is lost; requests in hand are finished here.

use std::ffi::OsString;
use std::io;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rustix::net::RecvAncillaryBuffer;
use rustix::net::RecvAncillaryMessage;
use rustix::net::RecvFlags;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use rustix::net::recvmsg;
use rustix::net::sendmsg;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::app::sockets::Sockets;
use crate::net::settings::MAX_LISTENERS;
use crate::net::socket::Bound;

/// The variable that tells a program that its standard input is the socket pair.
pub const VARIABLE: &str = "SIDEGATE_TAKE_OVER";

/// How the next process is started: as this one was.
#[derive(Debug)]
pub(super) struct Successor {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Successor {
    /// The path is learnt at once: behind it there may be another program later, which is the point.
    pub(super) fn of_this_process() -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: std::env::args_os().skip(1).collect(),
        })
    }

    /// Starts the program with `sockets`.
    pub(super) fn start(&self, sockets: &Sockets) -> io::Result<Started> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .env(VARIABLE, "true")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        let started = Started { child, pair: ours };
        pass(&started.pair, sockets)?;
        Ok(started)
    }
}

/// A process that is about to serve. Without this end of the pair it cannot take the sockets, and ends.
#[derive(Debug)]
pub(super) struct Started {
    child: Child,
    pair: UnixStream,
}

impl Started {
    /// Waits until it serves.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        let pair = self.pair.try_clone()?;
        pair.set_nonblocking(true)?;
        let mut pair = tokio::net::UnixStream::from_std(pair)?;
        let mut word = [0; READY.len()];
        match timeout(PATIENCE, pair.read_exact(&mut word)).await {
            Ok(Ok(_)) if word == *READY => Ok(()),
            Ok(Ok(_)) => Err(io::ErrorKind::InvalidData.into()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it.
    pub(super) async fn end(mut self) {
        let ended = tokio::task::spawn_blocking(move || {
            // It may have ended by itself.
            let _killed = self.child.kill();
            self.child.wait()
        });
        match ended.await {
            Ok(Ok(status)) => tracing::error!(%status, "The successor has ended."),
            Ok(Err(error)) => tracing::error!(%error, "The successor cannot be waited for."),
            Err(error) => tracing::error!(%error, "Waiting for the successor broke off."),
        }
    }
}

/// The other end: what a new process was given, and whom it tells that it serves.
#[derive(Debug)]
pub struct Predecessor {
    pair: UnixStream,
}

impl Predecessor {
    /// Takes the sockets from standard input.
    pub fn take() -> io::Result<(Sockets, Self)> {
        let pair = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        pair.set_read_timeout(Some(PATIENCE))?;
        let sockets = receive(&pair)?;
        Ok((sockets, Self { pair }))
    }

    /// Says that this process serves, from which on the other accepts nothing more.
    pub fn tell_ready(mut self) {
        if let Err(error) = self.pair.write_all(READY) {
            // Then nobody else serves, which is no reason to end.
            tracing::warn!(event = "handover.unheard", %error, "The process before this one has gone.");
        }
    }
}

fn pass(pair: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    let Some(admin) = &sockets.admin else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let public = sockets.public.iter().map(Bound::as_fd);
    let fds: Vec<BorrowedFd<'_>> = public.chain([admin.as_fd()]).collect();
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(
        pair,
        &[IoSlice::new(SOCKETS)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

fn receive(pair: &UnixStream) -> io::Result<Sockets> {
    let mut word = [0; SOCKETS.len()];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let got = recvmsg(
        pair,
        &mut [IoSliceMut::new(&mut word)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let fds = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<OwnedFd>>(),
        _ => Vec::new(),
    });
    let mut fds: Vec<OwnedFd> = fds.collect();
    let admin = fds.pop();
    match admin {
        Some(admin) if !fds.is_empty() && got.bytes == SOCKETS.len() && word == *SOCKETS => {
            let public = fds.into_iter().map(Bound::try_from);
            Ok(Sockets {
                public: public.collect::<Result<_, _>>()?,
                admin: Some(admin.into()),
                supervised: false,
            })
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Goes with the sockets.
const SOCKETS: &[u8; 17] = b"sidegate sockets\n";

/// The public ones, and behind them the admin listener's.
const MAX_SOCKETS: usize = MAX_LISTENERS + 1;

/// Says that they are served.
const READY: &[u8; 15] = b"sidegate ready\n";

/// How long the new process may take to serve.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_pass_from_one_end_to_the_other() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let bind = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        for count in [1, 3, MAX_LISTENERS] {
            let public: Vec<_> = (0..count).map(|_| Bound::Tcp(bind())).collect();
            let addresses = |sockets: &[Bound]| -> Vec<_> {
                let address = |socket: &Bound| socket.address().expect("bound");
                sockets.iter().map(address).collect()
            };
            let (admin, places) = (bind(), addresses(&public));
            let probes = admin.local_addr().expect("bound");
            let sockets = Sockets {
                public,
                admin: Some(admin),
                supervised: false,
            };
            pass(&ours, &sockets).expect("passed");
            let received = receive(&theirs).expect("received");
            assert_eq!(addresses(&received.public), places);
            let admin = received.admin.expect("the last one");
            assert_eq!(admin.local_addr().expect("bound"), probes);
        }
    }

    #[test]
    fn what_is_no_handover_is_refused() {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        ours.write_all(SOCKETS).expect("written");
        assert!(receive(&theirs).is_err(), "no sockets");
        drop(ours);
        assert!(receive(&theirs).is_err(), "nobody there");
    }
}
