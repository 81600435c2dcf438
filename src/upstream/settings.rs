//! What the operator says about upstreams.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::http::Origin;
use crate::http::Scheme;

/// What stands behind a route: addresses that serve the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where a worker finds its connections; see [`number`].
    pub slot: usize,
    /// At least one, all with the same scheme.
    pub addresses: Vec<Address>,
    /// How the addresses are spoken to.
    pub protocol: Protocol,
    /// Whom to trust and who we are, where the addresses speak TLS.
    pub tls: TlsFiles,
    /// How the addresses are asked whether they work.
    pub health: Option<HealthCheck>,
}

impl Upstream {
    /// One address, spoken to in HTTP/1.1.
    pub fn at(address: Address) -> Self {
        Self {
            slot: 0,
            addresses: vec![address],
            protocol: Protocol::default(),
            tls: TlsFiles::default(),
            health: None,
        }
    }

    /// Whether connections to `other` would serve as well.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.addresses == other.addresses
            && self.protocol == other.protocol
            && self.tls == other.tls
            && self.health == other.health
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.addresses.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

/// Gives every upstream its slot, the same one to those that can share connections, and lists them
/// by slot.
pub fn number(upstreams: Vec<&mut Upstream>) -> Vec<Upstream> {
    let mut list: Vec<Upstream> = Vec::new();
    for upstream in upstreams {
        let known = list.iter().position(|other| other.is_like(upstream));
        upstream.slot = known.unwrap_or(list.len());
        if known.is_none() {
            list.push(upstream.clone());
        }
    }
    list
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// Scheme, host and port.
    Tcp(Origin),
    /// A socket in the file system, spoken to without TLS.
    Unix(Arc<PathBuf>),
}

impl Address {
    /// The scheme that is spoken.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Tcp(origin) => origin.scheme(),
            Self::Unix(_) => Scheme::Http,
        }
    }

    /// Whether what is sent there stays on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(origin) => origin.is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(origin) => fmt::Display::fmt(origin, f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The version of HTTP that is spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN over TLS, where HTTP/1.1 is the other choice; by prior knowledge in plain text
    /// (RFC 9113 §3.3). Trailers pass, so that gRPC works.
    Http2,
}

/// PEM files for TLS to an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The only authorities that are believed, in place of the system's.
    pub authorities: Option<PathBuf>,
    /// The certificate that we show, leaf first, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How an address is asked whether it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The target of the question: what answers it with 2xx or 3xx works.
    pub path: String,
    /// Between two questions.
    pub interval: Duration,
    /// For connecting and the answer's head, together.
    pub timeout: Duration,
}

/// How many connections a worker may have, and how it comes by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections to one address, of one worker. Those to HTTP/2 carry many requests, and there the
    /// limit is on requests.
    pub max_connections: usize,
    /// How long a request waits for one to be free.
    pub max_wait: Duration,
    /// How long a name's addresses are good.
    pub resolve_every: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_wait: Duration::from_secs(5),
            resolve_every: Duration::from_secs(30),
        }
    }
}

/// The deadlines of one exchange with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, TCP and TLS, together.
    pub connect: Duration,
    /// From the request's end to the answer's head.
    pub response: Duration,
    /// A kept connection without an exchange.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        // Marketing Cloud's own gateway gives up after about 120 s.
        Self {
            connect: Duration::from_secs(5),
            response: Duration::from_mins(2),
            idle: Duration::from_secs(50),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_that_are_alike_share_a_slot() {
        let tool = |port: u16| {
            let origin = Origin::parse(&format!("http://127.0.0.1:{port}")).expect("an origin");
            Upstream::at(Address::Tcp(origin))
        };
        let mut other = tool(1);
        other.protocol = Protocol::Http2;
        let mut all = [tool(1), tool(2), other, tool(1)];
        let list = number(all.iter_mut().collect());
        assert_eq!(list.len(), 3);
        assert_eq!(all.each_ref().map(|upstream| upstream.slot), [0, 1, 2, 0]);
    }
}
