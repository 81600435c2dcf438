//! What a supervisor is told, in systemd's protocol (`sd_notify(3)`): one datagram for each change.

use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::time::ClockId;
use rustix::time::clock_gettime;

/// The variable that says, in microseconds, how long a process may be silent.
pub const WATCHDOG: &str = "WATCHDOG_USEC";

/// The variable that names the process that is meant by it.
pub const WATCHED: &str = "WATCHDOG_PID";

/// The variable that names the socket.
pub const VARIABLE: &str = "NOTIFY_SOCKET";

/// The supervisor, if there is one that wants to know.
#[derive(Debug, Default)]
pub struct Supervisor(Option<UnixDatagram>);

impl Supervisor {
    /// The one behind `socket`: a path, or a name in the abstract namespace that begins with `@`.
    pub fn behind(socket: Option<&str>) -> Self {
        let Some(socket) = socket.filter(|socket| !socket.is_empty()) else {
            return Self::default();
        };
        match connect(socket) {
            Ok(socket) => Self(Some(socket)),
            Err(error) => {
                unheard(&error);
                Self::default()
            }
        }
    }

    /// This process serves. After a handover it is another one than before.
    pub fn ready(&self) {
        self.tell(&format!("READY=1\nMAINPID={}", std::process::id()));
    }

    /// The same after a look at the configuration, with what came of it, as `systemctl status` shows it.
    pub fn ready_with(&self, status: &str) {
        let pid = std::process::id();
        self.tell(&format!("READY=1\nMAINPID={pid}\nSTATUS={status}"));
    }

    /// This process lives. To be said at least once in the time that the supervisor has set.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The configuration is read again, or a successor is about to be started. Either that says that it is
    /// ready, or this process does again.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun, and nobody goes on.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.0
            && let Err(error) = socket.send(state.as_bytes())
        {
            unheard(&error);
        }
    }
}

/// How often a supervisor wants to hear from a process: twice in the time that it has set
/// (`sd_watchdog_enabled(3)`). `None` where it does not, or means another process than `ours`.
pub fn period(micros: Option<&str>, watched: Option<&str>, ours: u32) -> Option<Duration> {
    let micros: u64 = micros?.parse().ok().filter(|micros| *micros > 0)?;
    let is_ours = watched.is_none_or(|watched| watched.parse() == Ok(ours));
    is_ours.then(|| Duration::from_micros(micros / 2).max(SHORTEST))
}

/// No supervisor needs to hear more often.
const SHORTEST: Duration = Duration::from_millis(10);

fn connect(socket: &str) -> io::Result<UnixDatagram> {
    let address = match socket.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => SocketAddr::from_abstract_name(name)?,
        #[cfg(not(target_os = "linux"))]
        Some(_) => return Err(io::ErrorKind::Unsupported.into()),
        None => SocketAddr::from_pathname(socket)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A supervisor that does not read must not hold us up.
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

fn unheard(error: &io::Error) {
    tracing::warn!(event = "supervisor.unheard", %error, "The supervisor could not be told how things stand.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_a_datagram_by_path_or_abstract_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let path = path.to_str().expect("text");
        let name = format!("sidegate-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
        for (listener, place) in [
            (UnixDatagram::bind(path), path.to_owned()),
            (UnixDatagram::bind_addr(&abstract_name), format!("@{name}")),
        ] {
            let listener = listener.expect("bound");
            let supervisor = Supervisor::behind(Some(&place));
            supervisor.ready();
            supervisor.reloading();
            supervisor.ready_with("Well.");
            supervisor.alive();
            supervisor.stopping();
            let next = || {
                let mut room = [0; 128];
                let size = listener.recv(&mut room).expect("a datagram");
                String::from_utf8_lossy(&room[..size]).into_owned()
            };
            assert_eq!(next(), format!("READY=1\nMAINPID={}", std::process::id()));
            assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
            let pid = std::process::id();
            assert_eq!(next(), format!("READY=1\nMAINPID={pid}\nSTATUS=Well."));
            assert_eq!(next(), "WATCHDOG=1");
            assert_eq!(next(), "STOPPING=1");
        }
    }

    #[test]
    fn a_watchdog_hears_twice_in_its_time_of_the_process_that_it_means() {
        let millis = Duration::from_millis;
        for (micros, watched, expected) in [
            (Some("30000000"), None, Some(millis(15_000))),
            (Some("30000000"), Some("7"), Some(millis(15_000))),
            (Some("30000000"), Some("8"), None),
            (Some("30000000"), Some(""), None),
            (Some("1"), None, Some(SHORTEST)),
            (Some("0"), None, None),
            (Some("-1"), None, None),
            (Some("soon"), None, None),
            (None, Some("7"), None),
        ] {
            assert_eq!(
                period(micros, watched, 7),
                expected,
                "{micros:?} {watched:?}"
            );
        }
    }

    #[test]
    fn nobody_has_to_be_there() {
        for place in [None, Some(""), Some("/nonexistent/notify"), Some("@")] {
            Supervisor::behind(place).ready();
        }
    }
}
