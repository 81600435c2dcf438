//! Listening sockets that a supervisor keeps, as systemd passes them (`LISTEN_FDS`, `LISTEN_PID`,
//! `LISTEN_FDNAMES`; `sd_listen_fds(3)`): connections wait in them while the program is restarted.

use std::io;

use listenfd::ListenFd;

use crate::app::sockets::Sockets;
use crate::net::socket::Bound;

/// The sockets that were passed. By name: `public`, of which there may be several, and
/// `admin`; otherwise one of each in that order. To be called
/// once, before there are threads.
pub fn inherited(names: Option<&str>) -> io::Result<Sockets> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Sockets {
        supervised: true,
        ..Sockets::default()
    };
    let names: Vec<&str> = names.map_or_else(Vec::new, |names| names.split(':').collect());
    for index in 0..passed.len() {
        match (names.get(index).copied(), index) {
            (Some("public"), _) => sockets.public.push(public(&mut passed, index)?),
            (Some("admin"), _) | (_, 1) => sockets.admin = passed.take_tcp_listener(index)?,
            // systemd calls a socket by its unit where nothing else is said.
            (_, 0) => sockets.public.push(public(&mut passed, index)?),
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "more sockets were passed than public and admin",
                ));
            }
        }
    }
    Ok(sockets)
}

fn public(passed: &mut ListenFd, index: usize) -> io::Result<Bound> {
    let Ok(tcp) = passed.take_tcp_listener(index) else {
        return unix(passed, index);
    };
    tcp.map(Bound::Tcp).ok_or_else(gone)
}

fn unix(passed: &mut ListenFd, index: usize) -> io::Result<Bound> {
    let unix = passed.take_unix_listener(index)?;
    unix.map(Bound::Unix).ok_or_else(gone)
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "a passed socket is not there")
}
