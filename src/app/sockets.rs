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
    /// The public ones.
    pub public: Vec<Bound>,
    /// The one with the probes.
    pub admin: Option<std::net::TcpListener>,
    /// Whether the public ones stand in place of those of the configuration, as a supervisor's do.
    pub supervised: bool,
}

impl Sockets {
    /// The same sockets once more.
    pub(super) fn of(public: &[Bound], admin: &std::net::TcpListener) -> io::Result<Self> {
        Ok(Self {
            public: public
                .iter()
                .map(Bound::try_clone)
                .collect::<Result<_, _>>()?,
            admin: Some(admin.try_clone()?),
            supervised: false,
        })
    }

    /// Without an admin socket that is not where the configuration says.
    #[must_use]
    pub fn matching(self, config: &Config) -> Self {
        let admin = Listen::Tcp(config.admin_listen);
        Self {
            admin: self.admin.and_then(|socket| {
                let socket = Bound::Tcp(socket);
                let matches = socket.is_at(&admin);
                match socket {
                    Bound::Tcp(socket) if matches => Some(socket),
                    _ => None,
                }
            }),
            ..self
        }
    }

    /// All of them, bound where they are not there; an old one elsewhere is let go.
    pub(super) fn complete(
        self,
        public: &[Listen],
        admin: SocketAddr,
    ) -> Result<(Vec<Bound>, std::net::TcpListener), StartError> {
        let failed = |listen: Listen| |error| StartError::Bind { listen, error };
        let mut given = self.public;
        let public = if self.supervised && !given.is_empty() {
            given
        } else {
            let mut take = |listen: &Listen| {
                let found = given.iter().position(|socket| socket.is_at(listen));
                match found {
                    Some(index) => Ok(given.swap_remove(index)),
                    None => listener::bind(listen).map_err(failed(listen.clone())),
                }
            };
            public.iter().map(&mut take).collect::<Result<_, _>>()?
        };
        let admin = match self.admin {
            Some(given) => given,
            None => listener::bind_tcp(admin).map_err(failed(Listen::Tcp(admin)))?,
        };
        Ok((public, admin))
    }
}
