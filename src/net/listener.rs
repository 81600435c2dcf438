//! Listening sockets and the accept loop of one worker.

use std::fs::Permissions;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use futures_util::future::select_all;
use socket2::Domain;
use socket2::Protocol;
use socket2::SockAddr;
use socket2::Socket as RawSocket;
use socket2::Type;
use tokio::time::Instant;

use super::settings::Listen;
use super::socket::Bound;
use super::socket::Listener;
use super::socket::Socket;

/// Binds and listens. Workers share the one socket through [`Bound::try_clone`], so that no connection
/// waits in the queue of a worker that is gone.
pub fn bind(listen: &Listen) -> io::Result<Bound> {
    match listen {
        Listen::Tcp(address) => Ok(Bound::Tcp(bind_tcp(*address)?)),
        Listen::Unix { path, mode } => Ok(Bound::Unix(bind_unix(path, *mode)?)),
    }
}

/// Binds and listens on an address and a port.
pub fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds and listens in the file system. A socket that nobody listens on any more is replaced; another
/// kind of file, or a socket in use, is left alone.
fn bind_unix(path: &Path, mode: u32) -> io::Result<std::os::unix::net::UnixListener> {
    if let Ok(found) = std::fs::symlink_metadata(path) {
        let stale = found.file_type().is_socket()
            && std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if !stale {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody can connect before `listen`, so that the mode is in force in time.
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts connections, and waits out what cannot be helped at the moment, such as too many open files.
#[derive(Debug)]
pub struct Acceptor {
    listener: Listener,
    failures: Failures,
}

/// What went wrong lately.
#[derive(Debug, Default)]
struct Failures {
    /// Until when the listener is left alone.
    pause: Option<Instant>,
    said: Option<Instant>,
    unsaid: u32,
}

impl Acceptor {
    /// Accepts from `listener`.
    pub fn new(listener: Listener) -> Self {
        Self {
            listener,
            failures: Failures::default(),
        }
    }

    /// The next connection. Dropped before it is ready, nothing is lost.
    pub async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            if let Some(pause) = self.failures.pause {
                tokio::time::sleep_until(pause).await;
                self.failures.pause = None;
            }
            match poll_fn(|cx| self.listener.poll_accept(cx)).await {
                Ok((stream, peer)) => {
                    if let Some(stream) = usable(stream) {
                        return (stream, peer);
                    }
                }
                Err(error) => self.failures.note(&error),
            }
        }
    }

    /// Lets go of the listener, and takes what waits there. The system is asked itself: the runtime may
    /// not have heard of a connection yet.
    pub fn close(self) -> Vec<(Socket, SocketAddr)> {
        let mut waiting = Vec::new();
        let listener = match self.listener.into_bound() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%error, "Connections that waited to be accepted are lost.");
                return waiting;
            }
        };
        while waiting.len() < MAX_WAITING {
            match listener.accept() {
                Ok((stream, peer)) => waiting.extend(usable(stream).map(|stream| (stream, peer))),
                Err(error) if is_the_peers(&error) => {}
                Err(_) => break,
            }
        }
        waiting
    }
}

/// Accepts from several listeners.
#[derive(Debug)]
pub struct Acceptors(Vec<Acceptor>);

impl Acceptors {
    /// Accepts from each of `bound`.
    pub fn new(bound: impl IntoIterator<Item = Bound>) -> io::Result<Self> {
        let acceptor = |bound| Listener::new(bound).map(Acceptor::new);
        let all = bound.into_iter().map(acceptor);
        all.collect::<Result<_, _>>().map(Self)
    }

    /// The next connection of any. Dropped before it is ready, nothing is lost.
    pub async fn accept(&mut self) -> (Socket, SocketAddr) {
        match self.0.as_mut_slice() {
            [one] => one.accept().await,
            many => {
                // The first to be asked is another one each time, so that none starves.
                many.rotate_left(usize::from(!many.is_empty()));
                let all = many.iter_mut().map(|one| Box::pin(one.accept()));
                select_all(all).await.0
            }
        }
    }

    /// Lets go of the listeners, and takes what waits there.
    pub fn close(self) -> Vec<(Socket, SocketAddr)> {
        self.0.into_iter().flat_map(Acceptor::close).collect()
    }
}

impl Failures {
    /// Says so once a second at most, and begins a pause that lets descriptors become free.
    fn note(&mut self, error: &io::Error) {
        if is_the_peers(error) {
            return;
        }
        let now = Instant::now();
        self.pause = Some(now + BACK_OFF);
        self.unsaid = self.unsaid.saturating_add(1);
        if self.said.is_some_and(|said| now < said + SAY_AGAIN) {
            return;
        }
        tracing::warn!(
            event = "accept.failed",
            %error,
            times = self.unsaid,
            "Cannot accept connections; trying again."
        );
        self.said = Some(now);
        self.unsaid = 0;
    }
}

fn usable(stream: Socket) -> Option<Socket> {
    if let Err(error) = stream.set_nodelay() {
        tracing::debug!(%error, "A connection ended before it was served.");
        return None;
    }
    Some(stream)
}

/// The peer went away before it was accepted: nothing is wrong with the listener.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Connections that are taken at the end: more than can have waited.
const MAX_WAITING: usize = 16 * 1024;

/// A pause instead of a loop at full speed.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How often failures are worth a line in the log.
const SAY_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_make_a_pause_and_one_line_a_second() {
        let mut failures = Failures::default();
        let error = io::Error::from_raw_os_error(24);
        for _ in 0..9 {
            failures.note(&error);
            let pause = failures.pause.take().expect("a pause");
            tokio::time::sleep_until(pause).await;
        }
        assert_eq!(failures.unsaid, 8, "said once in 900 ms");
        tokio::time::advance(Duration::from_millis(200)).await;
        failures.note(&error);
        assert_eq!(failures.unsaid, 0, "and again after a second");
    }

    #[test]
    fn a_peer_that_went_away_makes_no_pause() {
        let mut failures = Failures::default();
        failures.note(&io::ErrorKind::ConnectionAborted.into());
        assert!(failures.pause.is_none());
    }

    #[test]
    fn only_a_dead_socket_file_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.sock");
        let first = bind_unix(&path, 0o600).expect("bound");
        let mode = std::fs::metadata(&path).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let taken = bind_unix(&path, 0o600).expect_err("somebody listens");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        drop(bind_unix(&path, 0o660).expect("nobody listens"));
        std::fs::remove_file(&path).expect("there");
        std::fs::write(&path, "precious").expect("written");
        assert!(bind_unix(&path, 0o600).is_err());
        assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    }
}
