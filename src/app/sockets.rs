//! The listening sockets that a process has or was given.

use std::io;
use std::net::SocketAddr;

use super::StartError;
use crate::config::Config;
use crate::net::listener;
use crate::net::settings::Listen;
use crate::net::socket::Bound;

/// Listening sockets; what is missing is bound.
#[derive(Debug, Default)]
pub struct Sockets {
    /// The public one.
    pub public: Option<Bound>,
    /// The one with the probes.
    pub admin: Option<std::net::TcpListener>,
}

impl Sockets {
    /// The same sockets once more.
    pub(super) fn of(public: &Bound, admin: &std::net::TcpListener) -> io::Result<Self> {
        Ok(Self {
            public: Some(public.try_clone()?),
            admin: Some(admin.try_clone()?),
        })
    }

    /// Those that are where the configuration says; an old one elsewhere is let go.
    #[must_use]
    pub fn matching(self, config: &Config) -> Self {
        let admin = Listen::Tcp(config.admin_listen);
        Self {
            public: self.public.filter(|socket| socket.is_at(&config.listen)),
            admin: self.admin.and_then(|socket| {
                let socket = Bound::Tcp(socket);
                let matches = socket.is_at(&admin);
                match socket {
                    Bound::Tcp(socket) if matches => Some(socket),
                    _ => None,
                }
            }),
        }
    }

    /// Both, bound where they are not there.
    pub(super) fn complete(
        self,
        public: &Listen,
        admin: SocketAddr,
    ) -> Result<(Bound, std::net::TcpListener), StartError> {
        let failed = |listen: Listen| |error| StartError::Bind { listen, error };
        let public = match self.public {
            Some(given) => given,
            None => listener::bind(public).map_err(failed(public.clone()))?,
        };
        let admin = match self.admin {
            Some(given) => given,
            None => listener::bind_tcp(admin).map_err(failed(Listen::Tcp(admin)))?,
        };
        Ok((public, admin))
    }
}
